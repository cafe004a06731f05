# The commands of this repository. `make` alone lists them.

PYTHON ?= python3
PORT ?= 5000
HOST ?= 127.0.0.1
UV ?= uv
export PORT HOST
# Thousands of programs that the tests start would otherwise compile the code again.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-input --root-user-action=ignore
OURSELVES := $(PIP) -e . --no-deps --no-build-isolation
NOT_INSTALLED := echo "The dependencies could not be installed; the reason is above." >&2; exit 1
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

# Processes that run tests: three for two processors, because tests also wait for servers and browsers.
WORKERS ?= $(shell expr 3 '*' $$(getconf _NPROCESSORS_ONLN) / 2)

# What the files that install the command are made of.
COMMAND := $(shell find reflow_accounts/cli -name '*.py') reflow_accounts/__init__.py reflow_accounts/contract.py \
	hatch_build.py docs/command-line.md

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run dev test test-slow test-cluster test-faults check bench format lock

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: .venv/.run build/cli/reflow.pyz ## Serve on HOST and PORT (127.0.0.1, 5000); the first time it installs, migrates and adds demo data
	@exec $(BIN)/python -m flask --app wsgi serve

dev: .venv/.run build/cli/reflow.pyz ## Serve with reload, for working on the code
	@$(BIN)/python -m flask --app wsgi db upgrade
	@$(BIN)/python -m flask --app wsgi demo
	@exec $(BIN)/python -m flask --app wsgi run --reload --host "$(HOST)" --port "$(PORT)" \
		--extra-files "$$(find templates static -type f | tr '\n' ':')"

test: .venv/.dev build/cli/reflow.pyz ## Run the tests; installs a browser and a PostgreSQL server when there are none
	@$(BIN)/python -m tests.helpers.provision
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" $(TESTS)

# pytest ends with 5 when it finds no test. Files are in the order of their folders: by number of tests, the default,
# those with a few tests that mostly wait would run last, together.
test-slow: .venv/.dev build/cli/reflow.pyz ## Run the tests that `make test` leaves out; BUT="long alone" leaves out those with these marks
	@$(BIN)/python -m tests.helpers.provision
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "slow and not alone$(BUT:%= and not %)" $(TESTS) || [ $$? = 5 ]
	@$(BIN)/python -m pytest -m "slow and alone$(BUT:%= and not %)" $(TESTS) || [ $$? = 5 ]

test-cluster: .venv/.dev ## Run three nodes with nginx and a PostgreSQL pair: restarts, kills, upgrade, failover
	@$(BIN)/python -m tests.helpers.provision
	@$(BIN)/python -m tests.reliability.cluster $(CHECK)

test-faults: .venv/.dev ## Run the tests of faults: database, disk, mail, AWS, clients, clock, signals
	@$(BIN)/python -m tests.helpers.provision
	@$(BIN)/python -m tests.reliability.faults $(CHECK)

check: .venv/.dev ## Check format, lint, types, imports, sizes, words, templates and secrets
	@$(BIN)/ruff format --check --quiet . || { echo "Run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.house.measure
	@$(BIN)/djlint templates --lint --quiet
	@git ls-files -z --cached --others --exclude-standard > .venv/.files
	@xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline < .venv/.files

bench: .venv/.dev ## Measure the check of an API key beside a bare Flask view (BENCH='--hot --keys 1000000' grows it)
	@$(BIN)/python -m bench $(BENCH)

format: .venv/.dev ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## Choose newer dependencies (needs uv)
	@printf 'hatchling\neditables\n' > .venv/.build.in
	@$(LOCK) --extra server --extra valkey pyproject.toml .venv/.build.in -o requirements.txt --upgrade
	@$(LOCK) --extra server --extra valkey --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt --upgrade

# Each stamp says "done" for the files that it depends on; an interrupted step is taken again.
.venv/.made:
	@test -w . || { echo "The folder $(CURDIR) cannot be written: change its owner or use another copy." >&2; exit 1; }
	@command -v "$(PYTHON)" > /dev/null || { echo "There is no $(PYTHON): install Python 3.11 or newer, or name one: make run PYTHON=/path/to/python3." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old ($$("$(PYTHON)" -V 2>&1)): Python 3.11 or newer is needed, for example make run PYTHON=python3.12." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2> /dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv module (on Debian the package python3-venv)." >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear .venv
	@touch $@

.venv/.run: requirements.txt pyproject.toml | .venv/.made
	@echo "Installing what the site needs (once) …"
	@{ $(PIP) --require-hashes -r requirements.txt && $(OURSELVES); } || { $(NOT_INSTALLED); }
	@touch $@

# What development needs holds what the site needs.
.venv/.dev: requirements-dev.txt pyproject.toml | .venv/.made
	@echo "Installing what development needs (once) …"
	@{ $(PIP) --require-hashes -r requirements-dev.txt && $(OURSELVES); } || { $(NOT_INSTALLED); }
	@touch .venv/.run $@

# The command, which the site hands out.
build/cli/reflow.pyz: $(COMMAND) .venv/.run
	@$(BIN)/python hatch_build.py build/cli
