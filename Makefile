# `make` lists the targets. Each sets up what it needs: a virtual environment in .venv, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test bench check types format clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml
	@echo "setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[compile,dev]'
	@touch $@

demo: $(READY)  ## train, compile and serve a LeNet on handwritten digits
	@$(BIN)/python examples/digits/demo.py

test: $(READY)  ## run the whole test suite; ends with the slowest tests
	@$(BIN)/python -m pytest -n auto --dist worksteal --durations 10 --durations-min 5 $(ARGS)

bench: $(READY)  ## time wherry beside its peers (ONLY=lenet, PEERS=all|none|jax,..., THREADS=1,2)
	@$(BIN)/python benchmarks/bench.py --only '$(ONLY)' --peers '$(PEERS)' $(if $(THREADS),--threads $(THREADS)) $(if $(RECORD),--record)

check: types  ## ruff (lint and format) and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)  ## mypy --strict, over a link farm that shows the folders as the package `wherry`
	@$(BIN)/python tools/link_farm.py
	@$(BIN)/mypy -p wherry

format: $(READY)  ## let ruff rewrite the sources in the project's style
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean:  ## remove what the other targets made, the environment too
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
