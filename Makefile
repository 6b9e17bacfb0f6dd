# What developers type. `make run` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install -qq --constraint constraints.txt
# PyTorch's own package index has a smaller build for CPUs only: make setup TORCH_INDEX=its-address
TORCH_INDEX ?=
WORKERS ?= 2

.PHONY: setup run test lint types contracts unit bench report clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt scripts/install_mosquitto.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "FogFleet needs Python 3.11 or later; name one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing PyTorch and the other libraries into $(VENV) (once, a few minutes)"
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@$(PIP) --editable '.[dev,embedded,digits,distributed,onnx,serve]'
	@bash scripts/install_mosquitto.sh $(VENV)
	@touch $@

run: setup
	$(BIN)/fogfleet run scenarios/six_cameras.yaml --report

test: setup lint types contracts unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/python -m pytest -n $(WORKERS)

bench: setup
	$(BIN)/python -m benchmarks

report: setup
	$(BIN)/fogfleet report

clean:
	rm -rf $(READY) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
