# Every target sets itself up: the virtual environment is made when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
SERVERS := .venv-servers
# Other people's clients and servers, each with an environment of its own: tests/peers/NAME.
PEER_NAMES := $(patsubst tests/peers/%/requirements.txt,%,$(wildcard tests/peers/*/requirements.txt))

.PHONY: bench bench-peers bench-servers check clean demo docs fuzz peers test

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

# Whole servers, in an environment of their own: their websockets are newer than the peers'.
bench-servers: $(SERVERS)/.servers
	$(SERVERS)/bin/python -m benchmarks.servers $(ARGS)

$(SERVERS)/.servers: pyproject.toml
	$(PYTHON) -m venv $(SERVERS)
	$(SERVERS)/bin/python -m pip install --quiet --editable '.[servers]'
	@touch $@

$(PEERS)/.peers: pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --editable '.[peers]'
	@touch $@

peers: $(PEER_NAMES:%=peer-%)

# One of them: `make peer-openai_python ARGS=-x`. What they talk to runs in the project's environment.
peer-%: .venv-peer-%/.ready $(VENV)/.dev
	PATH="$(CURDIR)/.venv-peer-$*/bin:$$PATH" TALKWIRE_PYTHON="$(CURDIR)/$(BIN)/python" \
		.venv-peer-$*/bin/python -m pytest -c tests/peers/pytest.ini tests/peers/$* $(ARGS)

.PRECIOUS: .venv-peer-%/.ready
.venv-peer-%/.ready: tests/peers/%/requirements.txt pyproject.toml $(wildcard tests/peers/*/package.json)
	$(PYTHON) -m venv .venv-peer-$*
	.venv-peer-$*/bin/python -m pip install --quiet --editable . --requirement $<
	[ ! -f tests/peers/$*/package.json ] || PATH="$(CURDIR)/.venv-peer-$*/bin:$$PATH" \
		npm install --prefix tests/peers/$* --no-package-lock --ignore-scripts --no-audit --no-fund --silent
	@touch $@

fuzz: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python tests/fuzz/run.py $(ARGS)

docs: $(VENV)/.dev
	$(BIN)/python tests/support/drawing.py

clean:
	rm -rf $(VENV) $(PEERS) $(SERVERS) .venv-peer-* tests/peers/*/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist artifacts
