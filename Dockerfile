# One image for all roles: code server, web page, daemon, MLflow, migration and the forecast API. What a
# container is stands in docker-compose.yml.
ARG PYTHON=3.12.12-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /opt/bike_demand
RUN python -m venv /opt/builder && python -m venv --without-pip /opt/venv
COPY requirements-setup.lock requirements-run.lock ./
RUN /opt/builder/bin/pip install --no-cache-dir --require-hashes -r requirements-setup.lock \
    && VIRTUAL_ENV=/opt/venv /opt/builder/bin/uv pip sync --no-cache --require-hashes requirements-run.lock
COPY pyproject.toml README.md LICENSE ./
COPY bike_demand ./bike_demand
RUN /opt/builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
    && VIRTUAL_ENV=/opt/venv /opt/builder/bin/uv pip install --no-cache --no-deps /opt/wheel/*.whl

FROM python:${PYTHON}
# LightGBM needs OpenMP.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home bike_demand \
    && install --directory --owner=bike_demand /var/lib/bike_demand /var/lib/mlflow
COPY --from=build /opt/venv /opt/venv
WORKDIR /opt/bike_demand
COPY dagster.yaml ./
COPY deploy/workspace.yaml ./workspace.yaml
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DAGSTER_HOME=/opt/bike_demand \
    BIKE_DEMAND_HOME=/var/lib/bike_demand
USER bike_demand
