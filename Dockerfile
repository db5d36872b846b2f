# One image for all roles: code server, web page, daemon, MLflow and migration. What a container is
# stands in docker-compose.yml.
ARG PYTHON=3.12.12-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /opt/bike_demand
RUN python -m venv /opt/venv
COPY requirements-setup.lock requirements-run.lock ./
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements-setup.lock \
    && VIRTUAL_ENV=/opt/venv /opt/venv/bin/uv pip sync --no-cache --require-hashes requirements-run.lock
COPY pyproject.toml README.md LICENSE dagster.yaml ./
COPY deploy/workspace.yaml ./workspace.yaml
COPY bike_demand ./bike_demand
RUN VIRTUAL_ENV=/opt/venv python -m venv /opt/builder \
    && /opt/builder/bin/pip install --no-cache-dir hatchling==1.27.0 editables==0.5 \
    && /opt/builder/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-deps \
       --no-build-isolation --editable .

FROM python:${PYTHON}
# LightGBM needs OpenMP.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home bike_demand \
    && install --directory --owner=bike_demand /var/lib/bike_demand /var/lib/mlflow
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/bike_demand /opt/bike_demand
WORKDIR /opt/bike_demand
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DAGSTER_HOME=/opt/bike_demand \
    BIKE_DEMAND_HOME=/var/lib/bike_demand
USER bike_demand
