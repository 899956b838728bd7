# Everything that can be done with this checkout. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
PACKAGES := crmd $(wildcard plugins/*/crmd_*)
SOURCES := conftest.py crmd tests plugins
MIGRATIONS := $(wildcard crmd/store/migrations/*.sql plugins/*/crmd_*/migrations/*.sql)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# `make test PYTEST="-k cron"` narrows a run.
PYTEST ?=
# One more than there are cores on a small machine: many tests wait for daemons.
WORKERS ?= 2
# For the oldest supported server: what it may take another way than the newest. Every statement is prepared there, every
# migration applied, and each function in PL/pgSQL called, whose statements PostgreSQL looks at no earlier; with claims and
# settles against their reference, locks, row security, plans. What Python does with the answers is tested on the newest only.
STORE_TESTS := $(addprefix tests/test_,queries.py migrate.py sql_functions.py engine_jobs.py settler.py reaper.py differential.py \
	lanes.py limits.py gates.py circles.py enqueue.py client.py expiry.py redriving.py row_security.py rights.py scheduler.py \
	schedules.py upkeep.py waiting.py events.py retuning.py webhooks.py api_operators_views.py) tests/cli/test_cli_workspace.py \
	plugins/crm/tests/test_schema.py plugins/contacts/tests/test_stats.py

# uv must not fetch a Python of its own.
export UV_PYTHON_DOWNLOADS := never
# Tests and checks start hundreds of Pythons: each would compile what it imports, and pytest rewrite every assertion.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo run test test-postgres15 simulate quick lint format types layers dependencies licences migrations plugin-check check lock lock-check \
	install-check bench bench-features seal dist clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make .venv with crmd, its plugins and what they need, by hash

demo: install ## See it work: a made-up mailbox syncs on this machine, no account needed
	@$(BIN)/crmd demo

run: install ## Run the daemon with the settings in ./crmd.toml, if there is one
	@$(BIN)/crmd run

test: $(VENV)/.developing ## Run every test
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST)

test-postgres15: $(VENV)/.developing ## Run the tests of every statement on the oldest supported server, too
	@PYTHONPATH=tests/engine $(BIN)/python -m pytest -p oldest_server -q -n $(WORKERS) --dist loadfile -m "not slow" $(STORE_TESTS) $(PYTEST)

simulate: $(VENV)/.developing ## Play more seeds of simulated daemons and faults: make simulate SEEDS=1000000 FIRST=10000
	@case "$(SEEDS)$(FIRST)" in *[!0-9]*) echo "SEEDS= and FIRST= are whole numbers." >&2; exit 2;; esac
	@CRMD_SIMULATION_SEEDS=$(or $(SEEDS),100000) CRMD_SIMULATION_FIRST=$(or $(FIRST),0) \
		$(BIN)/python -m pytest -q tests/test_simulation.py -k every_seed

quick: $(VENV)/.developing ## Run the tests that take no more than a few seconds each
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow" $(PYTEST)

lint: $(VENV)/.developing ## Check style: every rule of ruff, and its formatting
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)

format: $(VENV)/.developing ## Put the code into its one format
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

types: $(VENV)/.developing ## Check types: mypy --strict on crmd and on each plugin
	@.ci/types $(BIN)/mypy $(PLUGINS)

layers: $(VENV)/.developing ## Check that imports go down only
	@$(BIN)/lint-imports --no-cache

dependencies: $(VENV)/.developing ## Check that each distribution names what it imports, and no more
	@$(BIN)/deptry crmd --config pyproject.toml
	@for plugin in $(PLUGINS); do (cd $$plugin && ../../$(BIN)/deptry crmd_* --known-first-party "$$(echo crmd_*)" --config pyproject.toml \
		--per-rule-ignores "DEP002=crmd-crm"); done # its tables are used in SQL, which deptry does not read

licences: $(VENV)/.developing ## Check the licence of everything that is installed with crmd
	@.ci/licences $(BIN)/pip-licenses requirements.lock

plugin-check: $(VENV)/.developing ## Grade the built-in plugins by running them; each must have the top grade
	@$(BIN)/crmd plugin check $(notdir $(PLUGINS)) --min-grade platinum --kills 8

.PHONY: grades
grades: $(VENV)/.developing ## Grade the built-in plugins and keep what is found with the release, for the dashboard
	@$(BIN)/crmd plugin check $(notdir $(PLUGINS)) --min-grade platinum --kills 8 --json | .ci/grades > crmd/released_grades.new
	@mv crmd/released_grades.new crmd/released_grades.json

migrations: $(VENV)/.developing ## Check migrations for what would lock or break a running system
	@$(BIN)/squawk --config .squawk.toml $(MIGRATIONS)

check: lint types layers dependencies licences migrations lock-check install-check test plugin-check test-postgres15 ## Everything that has to hold before a release

lock: $(VENV)/.developing ## Pin the newest versions that fit, with their hashes
	@.ci/lock $(BIN)/uv --upgrade

lock-check: $(VENV)/.developing ## Check that the lock files answer what the projects ask for
	@.ci/lock $(BIN)/uv --check

install-check: | $(BIN)/python ## Install with pip as the README tells, into an environment of its own
	@rm -rf $(VENV)/.plain && $(PYTHON) -m venv $(VENV)/.plain
	@$(VENV)/.plain/bin/python -m pip --disable-pip-version-check --quiet install '.[embedded-db,uvloop]' ./plugins/*
	@cd $(VENV)/.plain && bin/crmd check && bin/crmd plugins && bin/crmd demo

# `make bench ONLY=drain,latency ROUNDS=1`; `STEADY=1` and `SOAK=3600` are tables of their own. What was measured is kept.
KIND = $(if $(SOAK),soak,$(if $(STEADY),steady,bench))
JSON ?= bench-results/$(KIND).json
SVG ?= bench-results/$(KIND).svg
bench: $(VENV)/.developing ## Measure on this machine, beside pgbench: ONLY=, ROUNDS=, STEADY=1, SECONDS=, SOAK=seconds
	@PYTHONPATH=tests/bench $(BIN)/python -m speed --json $(JSON) --svg $(SVG) $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(STEADY),--steady) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SOAK),--soak $(SOAK))

bench-features: $(VENV)/.developing ## Measure single features: each script in tests/bench prints its figures
	@for script in $(filter-out %/bench_listing.py %/bench_live.py,$(wildcard tests/bench/bench_*.py)); do echo "== $$script"; $(BIN)/python $$script; done

.PHONY: listing
listing: $(VENV)/.developing ## Measure lists and views over a large archive: ROWS=10000000
	@PYTHONPATH=tests/bench $(BIN)/python tests/bench/bench_listing.py $(or $(ROWS),10000000)

.PHONY: bench-live
bench-live: $(VENV)/.developing ## Measure live streams: how soon they tell, and what 2,000 of them cost
	@PYTHONPATH=tests/bench $(BIN)/python tests/bench/bench_live.py

.PHONY: screenshots
screenshots: $(VENV)/.developing ## Take a picture of every page of the dashboard, into FOLDER=screenshots
	@CRMD_SCREENSHOTS=$(or $(FOLDER),screenshots) $(BIN)/python -m pytest -q tests/web/screenshots.py

.PHONY: chaos
chaos: $(VENV)/.developing ## Let everything fail around real daemons, and check what is left: SECONDS=, DAEMONS=, SEED=
	@$(BIN)/crmd chaos --seconds $(or $(SECONDS),60) --daemons $(or $(DAEMONS),3) $(if $(SEED),--seed $(SEED))

.PHONY: fuzz
fuzz: $(VENV)/.developing ## Send more than 10,000 made-up requests to a served API: EXAMPLES= for each operation
	@CRMD_FUZZ_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest -q -s tests/test_api_fuzz.py

.PHONY: failover
failover: $(VENV)/.developing ## Fail a Patroni cluster over under load, and check what was told as lost: FAILOVERS=, MODE=sync|async, SEED=
	@PYTHONPATH=tests/engine:tests/failover $(BIN)/python tests/failover/failing_over.py $(or $(FAILOVERS),3) $(or $(MODE),sync) $(SEED)

seal: ## Enter new migrations as released: from then on they never change
	@.ci/seal

dist: $(VENV)/.developing ## Build wheels of crmd and its plugins into dist/
	@.ci/seal --check
	@rm -rf dist
	@for project in . $(PLUGINS); do $(BIN)/python -m build --no-isolation --outdir dist $$project >/dev/null; done
	@ls -l dist

clean: ## Remove what these targets made, .venv included
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A virtual environment with pip; Debian keeps that part of Python in a package of its own.
$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "crmd needs Python 3.11 or later, and there is no python3 here. Install python3." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "crmd needs Python 3.11 or later, but $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml $(PLUGINS:=/pyproject.toml) | $(BIN)/python
	@echo "Installing crmd and what it needs into $(VENV)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e . $(addprefix -e ./,$(PLUGINS))
	@touch $@

$(VENV)/.developing: requirements-dev.lock $(VENV)/.installed
	@echo "Installing the tools for tests and checks into $(VENV)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@
