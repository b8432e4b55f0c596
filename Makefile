# make run     the whole system on this machine         make test    every behaviour once, in a few minutes
# make check   format, lint, types, rules, templates     make help    the rest

PORT ?= 4566
EMPTY ?=
ARCH ?= arm64
export PORT EMPTY ARCH

BIN := .venv/bin
STAMP := .venv/.installed
CHECKOV := .venv-checkov/bin/checkov

.DEFAULT_GOAL := help
# `make lint` is the part of `make check` that runs no test.
.PHONY: help run test prove check lint format bench bench-large soak build deploy deploy-is-named lock clean setup
.SILENT: help run setup build deploy deploy-is-named

help:
	echo "make run [PORT=4566] [EMPTY=1]      the whole system on this machine, until Ctrl-C"
	echo "make test                           every behaviour once; no AWS account, browser or network"
	echo "make prove                          what is exhaustive: every fault, order, seeded bug; half an hour"
	echo "make check                          format, lint, types, import rules, template checks, make test"
	echo "make format                         format the code and fix what lint can fix"
	echo "make bench                          measure against the budgets; half an hour"
	echo "make bench-large                    imports and exports of 100,000 balances; about 40 minutes"
	echo "make soak                           the laws on many more histories, new ones each time"
	echo "make build [ARCH=arm64]             layer and functions for AWS, into build/"
	echo "make deploy STACK=… BUCKET=… [REGION=…] [PARAMETERS='Name=value …']"
	echo "make lock                           compile the requirement files again"
	echo "make clean                          remove what was built; the local stack's state goes too"

run: $(STAMP)
	$(BIN)/python -m client_credits.local

# Three workers for two cores, who share the tests of a file: much of the time goes by waiting for the emulator, its schedule and its
# streams. The files that wait longest come first, so that no worker is left alone with one at the end.
PYTEST := $(BIN)/pytest --numprocesses 3 --dist loadgroup --no-loadscope-reorder --durations 10

# Both record the rights that functions use. The record of `make test` is kept for `make prove`, which ends by holding
# the roles against what both used. A run of some TESTS alone leaves the records as they are.
RIGHTS := .local/rights

# Every behaviour once: at most 5 minutes on two cores.
test: $(STAMP)
	$(if $(TESTS),,rm -f $(RIGHTS)/test.jsonl)
	$(if $(TESTS),,RIGHTS_LOG=$(RIGHTS)/test.jsonl) $(PYTEST) -m "not prove" $(TESTS)

# What is exhaustive, and the properties again with ten times as many examples: at most 30 minutes.
prove: $(STAMP)
	$(if $(TESTS),,rm -f $(RIGHTS)/prove.jsonl)
	HYPOTHESIS_PROFILE=prove $(if $(TESTS),,RIGHTS_LOG=$(RIGHTS)/prove.jsonl) $(PYTEST) -m "prove or hypothesis" $(TESTS)
	$(if $(TESTS),,$(BIN)/python -m tests.infra.rights_used)

check: lint test

lint: $(STAMP) $(CHECKOV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint template.yaml infra/*.yaml
	$(BIN)/python -m tests.infra.checkov $(CHECKOV)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m bench $(BENCH)

bench-large: $(STAMP)
	$(BIN)/python -m bench --only import-and-export --clients 1000 --clients 100000 $(BENCH)

soak: $(STAMP)
	HYPOTHESIS_PROFILE=search $(PYTEST) tests/property $(SOAK)

# ---------------------------------------------------------------- set-up
# Done once, and again when the pinned requirements change.
setup: $(STAMP)

$(STAMP): requirements-dev.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Client Credits needs python3 3.11 or newer; found $$(python3 --version 2>&1)." >&2; exit 1; }
	@python3 -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "python3 has no venv module: install it first (Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up .venv (a minute or two)…"
	@python3 -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# checkov pins an old boto3, so it lives apart from everything else.
$(CHECKOV):
	@echo "Setting up checkov…"
	@python3 -m venv .venv-checkov
	@.venv-checkov/bin/python -m pip install --quiet --disable-pip-version-check checkov==$(CHECKOV_VERSION)
	@touch $@

CHECKOV_VERSION := 3.3.30

# ---------------------------------------------------------------- AWS
# What the functions run with on AWS. `sam build` makes the same layer with the same Makefile.
build: $(STAMP)
	rm -rf build
	$(MAKE) --no-print-directory -C shared build-SharedLayer ARTIFACTS_DIR=$(CURDIR)/build/SharedLayer PYTHON=$(CURDIR)/$(BIN)/python
	$(BIN)/python infra/deploy.py package

deploy: deploy-is-named build
	$(BIN)/python infra/deploy.py deploy --stack "$(STACK)" --bucket "$(BUCKET)" $(if $(REGION),--region "$(REGION)") -- $(PARAMETERS)

deploy-is-named:
	test -n "$(STACK)" -a -n "$(BUCKET)" || \
	  { echo "make deploy needs STACK=<stack name> and BUCKET=<S3 bucket for the packages>." >&2; exit 1; }

# ---------------------------------------------------------------- upkeep
PIP_COMPILE := $(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links \
  --strip-extras --no-header --allow-unsafe

lock: $(STAMP)
	$(PIP_COMPILE) --all-extras --output-file requirements-dev.txt pyproject.toml
	$(PIP_COMPILE) --constraint requirements-dev.txt --output-file shared/requirements.txt pyproject.toml

clean:
	rm -rf build .local .venv .venv-checkov .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf shared/*.egg-info
