# Each target installs what it needs into .venv: the program for `demo`, development tools for the others.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
PACKAGE := $(VENV)/.package
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/pytest
DOCS := $(VENV)/.docs
FUZZ_SECONDS ?= 60

.PHONY: help demo test check bench bench-store faults siege fuzz compare docs docs-events package constraints clean

help: ## print this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

demo: $(READY) ## send three messages through a relay on this machine, and show what arrives
	$(BIN)/mailseal demo

test: $(DEV) ## all tests, on SQLite and PostgreSQL
	$(PYTEST) -n auto

check: $(DEV) ## style, types, import rules and plain English
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.project.plain_english

bench: $(DEV) ## speed and memory beside a naive server: two minutes
	$(BIN)/python -m tests.bench

bench-store: $(DEV) ## the store at a million messages: five to ten minutes and 7 GB of disk
	$(BIN)/python -m tests.bench.store

faults: $(DEV) ## 1 000 faults of process, disk and database, with a ledger in build/faults.json: an hour
	$(PYTEST) -n 0 tests/faults
	$(BIN)/python -m tests.faults $(FAULTS)

siege: $(DEV) ## 39 attacks on a relay that a witness uses: twelve minutes
	$(BIN)/python -m tests.siege

fuzz: $(DEV) ## random API requests, random examples of all properties, atheris on each parser: 15 minutes
	$(PYTEST) --hypothesis-profile=anew -p schemathesis.pytest.plugin tests/fuzz/test_api.py
	$(PYTEST) --hypothesis-profile=anew -m hypothesis -n auto
	-$(PIP) --only-binary atheris --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz.long_run --seconds $(FUZZ_SECONDS)

compare: $(DEV) ## our reader of mail next to npm's mailparser and postal-mime and Python's email: needs node, a minute
	mkdir -p build/compare && cp tests/compare/package.json tests/compare/package-lock.json build/compare
	npm ci --prefix build/compare --no-audit --no-fund --silent
	$(BIN)/python -m tests.compare --packages build/compare

docs: $(DOCS) ## the documents as a site in build/site, with every link checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-events: $(DEV) ## the examples of docs/events.md, made by the code
	$(BIN)/python -m tests.project.generate_events

package: $(PACKAGE) ## a source archive and a wheel in build/dist, checked
	rm -rf build/dist
	$(BIN)/python -m build --outdir build/dist
	$(BIN)/twine check --strict build/dist/*

constraints: $(DEV) ## write the versions of the tested libraries to packaging/constraints.txt
	rm -rf build/constraints && mkdir -p build
	$(BIN)/pip freeze --exclude-editable >build/tested.txt
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/pip install --quiet --disable-pip-version-check --constraint build/tested.txt .
	echo '# Versions that the tests ran with. Install: pip install --constraint constraints.txt mailseal' >packaging/constraints.txt
	build/constraints/bin/pip freeze --exclude mailseal >>packaging/constraints.txt

clean: ## remove what the other targets made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Installing Mailseal and its libraries into $(VENV) (about 55 packages, 150 MB) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --no-compile --editable .
	@touch $@

$(DEV): $(READY)
	@echo "Installing the development tools into $(VENV) (about 80 packages, 600 MB) ..."
	@$(PIP) --editable '.[dev]'
	@touch $@

$(PACKAGE): $(READY)
	@echo "Installing build and twine into $(VENV) ..."
	@$(PIP) --editable '.[package]'
	@touch $@

$(DOCS): $(DEV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@
