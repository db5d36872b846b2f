# Everything a newcomer types. Needs Python 3.11-3.13 and make, nothing else.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)

# Named after what was installed, so that a clone's file times say nothing.
INSTALLED = $(VENV)/.installed-$(shell cat requirements-setup.lock requirements-dev.lock pyproject.toml | cksum | cut -d' ' -f1)

.PHONY: setup demo dev mlflow test coverage check bench lock down clean

demo: setup
	$(VENV)/bin/bike-demand demo

dev: setup
	$(VENV)/bin/bike-demand dev

mlflow: setup
	$(VENV)/bin/bike-demand mlflow

test: check
	$(VENV)/bin/python -m pytest -n auto

coverage: setup
	$(VENV)/bin/python -m pytest -n auto --cov --cov-report=term:skip-covered

check: setup
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

bench: setup
	$(VENV)/bin/python -m benchmarks.io_manager

setup: $(INSTALLED)

# uv does in seconds what takes pip minutes. It does not read pip.conf, so where only pip knows
# the way to a package index, pip does it. The lock is complete: nothing is left to resolve.
$(INSTALLED):
	@test -n "$(PYTHON)" || { echo "bike_demand needs Python 3.11, 3.12 or 3.13: install one, or say 'make PYTHON=/path/to/python3.12 ...'." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-setup.lock
	VIRTUAL_ENV=$(abspath $(VENV)) $(VENV)/bin/uv --quiet --system-certs pip sync --require-hashes requirements-dev.lock \
		|| $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements-dev.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.installed-*
	@touch $@

lock:
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header --output-file requirements-run.lock pyproject.toml
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header --output-file requirements-dev.lock --extra dev pyproject.toml
	printf 'uv\nhatchling\neditables\n' | $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --constraint requirements-dev.lock --output-file requirements-setup.lock -

down:
	$(VENV)/bin/bike-demand down

clean: down
	rm -rf $(VENV) .bike_demand
