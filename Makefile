# Every target sets itself up: the virtual environment is made when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers

.PHONY: bench bench-peers check clean demo docs fuzz test

demo: $(VENV)/.demo
	$(BIN)/talkwire demo $(ARGS)

# What only computes runs on every core; what waits for sound and sockets has them to itself.
test: check
	$(BIN)/python -m pytest tests/core --numprocesses auto --dist worksteal $(ARGS)
	$(BIN)/python -m pytest tests --ignore tests/core $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "talkwire needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

# Beside the other libraries too, in an environment of their own.
bench-peers: $(PEERS)/.peers
	$(PEERS)/bin/python -m benchmarks $(ARGS)

$(PEERS)/.peers: pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --editable '.[peers]'
	@touch $@

fuzz: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python tests/fuzz/run.py $(ARGS)

docs: $(VENV)/.dev
	$(BIN)/python tests/support/drawing.py

clean:
	rm -rf $(VENV) $(PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist artifacts
