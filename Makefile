# Words a person types; CI types the same ones. Bare `make` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
BIN := .venv/bin
RUN_READY := .venv/.run-installed
DEV_READY := .venv/.dev-installed
YASA := .venv/oracles/yasa
YASA_READY := $(YASA)/.installed
# Its automatic staging and signal complexity need these, its statistics do not: a quarter of the weight.
YASA_UNUSED := antropy lightgbm llvmlite numba
FHIR_SERVER := .venv/oracles/fhir-server
FHIR_SERVER_READY := $(FHIR_SERVER)/.installed
DLT := .venv/benchmarks/dlt
DLT_READY := $(DLT)/.installed
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode

.PHONY: help demo dev test soak bench lint types oracles docs locks

help: ## list these words
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUN_READY) ## from nothing to a night's sleep, against the sandbox, in its own home
	@$(BIN)/nightshift demo

dev: $(RUN_READY) ## the Dagster UI on this home (NIGHTSHIFT_HOME, default ./data)
	@$(BIN)/nightshift dev

test: $(DEV_READY) $(YASA_READY) $(FHIR_SERVER_READY) lint types ## lint, types and the suite
	@$(BIN)/python -m pytest

soak: $(DEV_READY) $(FHIR_SERVER_READY) ## what is too long for every change: more of the same kinds of tests, and other examples
	@$(BIN)/python -m pytest -m soak --hypothesis-profile=soak
	@$(BIN)/python -m pytest --hypothesis-profile=soak tests/schemas tests/connectors tests/assets

bench: $(DEV_READY) $(DLT_READY) ## how fast we are, against bare sockets, dlt, fhir.resources, COPY; thirteen minutes, the machine to itself
	@$(BIN)/python -m benchmarks.engine $(BENCH)
	@$(BIN)/python -m benchmarks.fhir $(BENCH_FHIR)
	@$(BIN)/python -m benchmarks.warehouse $(BENCH_WAREHOUSE)
	@$(BIN)/python -m benchmarks.webhooks $(BENCH_WEBHOOKS)

lint: $(DEV_READY) ## ruff: rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(DEV_READY) ## mypy, strict
	@$(BIN)/mypy

oracles: $(YASA_READY) $(FHIR_SERVER_READY) ## set up what the tests compare with and send to, in environments of their own

docs: $(DEV_READY) ## write docs/tables.md and docs/openapi.json again
	@$(BIN)/python -m schemas.tables_page > docs/tables.md
	@$(BIN)/python -m connectors.asleep.webhooks.openapi > docs/openapi.json

locks: $(DEV_READY) ## make the hash-pinned locks again from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --upgrade pyproject.toml locks/install.in -o locks/run.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --upgrade pyproject.toml --group dev locks/install.in -c locks/run.lock -o locks/dev.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --upgrade locks/installer.in -o locks/installer.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --upgrade $(YASA_UNUSED:%=--no-emit-package %) locks/yasa.in -o locks/yasa.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --upgrade locks/dlt.in -o locks/dlt.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --upgrade locks/fhir-server.in -o locks/fhir-server.lock

$(BIN)/uv: locks/installer.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Nightshift needs Python 3.11 or newer; say which with: make PYTHON=python3.12")'
	@echo "Setting up .venv (once, about half a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/installer.lock
	@touch $(BIN)/uv

$(RUN_READY): $(BIN)/uv locks/run.lock pyproject.toml
	@$(UV_INSTALL) --require-hashes -r locks/run.lock
	@$(UV_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_READY): $(RUN_READY) locks/dev.lock
	@$(UV_INSTALL) --require-hashes -r locks/dev.lock
	@touch $@

# Without dependencies, because the lock leaves out those that are never imported.
$(YASA_READY): $(BIN)/uv locks/yasa.lock
	@echo "Setting up yasa for the tests (once, about ten seconds) ..."
	@$(PYTHON) -m venv --clear --without-pip $(YASA)
	@$(BIN)/uv pip install --quiet --python $(YASA)/bin/python --compile-bytecode --no-deps --require-hashes -r locks/yasa.lock
	@touch $@

$(FHIR_SERVER_READY): $(BIN)/uv locks/fhir-server.lock
	@echo "Setting up a FHIR server for the tests (once, about ten seconds) ..."
	@$(PYTHON) -m venv --clear --without-pip $(FHIR_SERVER)
	@$(BIN)/uv pip install --quiet --python $(FHIR_SERVER)/bin/python --compile-bytecode --require-hashes -r locks/fhir-server.lock
	@touch $@

$(DLT_READY): $(BIN)/uv locks/dlt.lock
	@echo "Setting up dlt for the benchmark (once, about ten seconds) ..."
	@$(PYTHON) -m venv --clear --without-pip $(DLT)
	@$(BIN)/uv pip install --quiet --python $(DLT)/bin/python --compile-bytecode --require-hashes -r locks/dlt.lock
	@touch $@
