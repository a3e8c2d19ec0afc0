# Every target makes the virtual environment it needs; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/pytest
DOCS := $(VENV)/.docs

.PHONY: help demo test check bench bench-store faults fuzz docs docs-events clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

demo: $(READY) ## the whole way of three mails, on this machine alone
	$(BIN)/mailseal demo

test: $(READY) ## the whole suite, on SQLite and on a real PostgreSQL
	$(PYTEST) -n auto

check: $(READY) ## style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## speed and memory beside a naive server: two minutes
	$(BIN)/python -m tests.bench

bench-store: $(READY) ## the store at a million messages: five to ten minutes and 7 GB of disk
	$(BIN)/python -m tests.bench.store.__main__

faults: $(READY) ## kill -9 under load, disk full: some minutes
	$(PYTEST) tests/faults

fuzz: $(READY) ## other examples each time: of requests to the API, and of every property of the suite: two minutes
	$(PYTEST) --hypothesis-profile=anew -p schemathesis.pytest.plugin tests/fuzz
	$(PYTEST) --hypothesis-profile=anew -m hypothesis -n auto

docs: $(DOCS) ## the documents as a site in build/site, with every link checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-events: $(READY) ## the examples of docs/events.md, made by the code
	$(BIN)/python -m tests.project.generate_events

clean: ## remove what the targets made
	rm -rf $(VENV) build/site .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(DOCS): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@
