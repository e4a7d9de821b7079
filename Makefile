# Everything is installed into .venv in this clone. ARGS goes to the command behind the target:
#   make demo ARGS="--headless"     make test ARGS="-k phases -x"

VENV := .venv
PYTHON := $(VENV)/bin/python
NPM := $(PYTHON) tools/frontend.py npm
ARGS ?=

# What an installation depends on; Python sources are not among it, for it is editable.
FRONTEND := $(wildcard labextension/*.json) $(shell find labextension/src labextension/style -type f)
INPUTS := setup.cfg pyproject.toml jupyter_uws/_version.py $(wildcard tools/*.py jupyter_uws/etc/*) $(FRONTEND)

extras-demo := gamma,dashboard
extras-test := gamma,test
extras-docs := docs
extras-dev := gamma,test,docs,dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format dev bench notebooks docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.installed-demo ## open JupyterLab on the quickstart notebook
	@$(VENV)/bin/jupyter uws demo $(ARGS)

# tests start hundreds of processes: each would compile the package anew where the environment forbids to keep that
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.installed-test ## run all tests
	@$(PYTHON) tools/frontend.py node
	@$(NPM) test
	@$(PYTHON) -m pytest -n 3 $(ARGS)

lint: $(VENV)/.installed-dev ## check style and types, Python and TypeScript
	@$(PYTHON) tools/frontend.py node
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	@$(NPM) run --silent typecheck
	@$(NPM) run --silent lint

format: $(VENV)/.installed-dev ## format Python and mend what ruff and eslint can mend
	@$(PYTHON) tools/frontend.py node
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format
	@$(NPM) run --silent lint -- --fix

dev: $(VENV)/.installed-dev ## editable installation; rebuild the front end on every change
	@$(PYTHON) tools/frontend.py node
	@$(PYTHON) tools/frontend.py watch

bench: $(VENV)/.installed-test ## run the benchmarks: ARGS names one of benchmarks/*.py and its options
	@$(PYTHON) tools/bench.py $(ARGS)

notebooks: $(VENV)/.installed-test ## run the notebooks and keep their outputs; ARGS names some of them
	@$(PYTHON) tools/notebooks.py $(ARGS)

docs: $(VENV)/.installed-docs ## build the documentation into docs/_build/html
	@$(VENV)/bin/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean: ## remove everything that was built or installed here
	rm -rf $(VENV) build dist *.egg-info docs/_build labextension/node_modules labextension/lib \
	    jupyter_uws/labextension .mypy_cache .ruff_cache .pytest_cache

$(PYTHON):
	@tools/make_venv.sh $(VENV)

$(VENV)/.installed-%: $(INPUTS) | $(PYTHON)
	@echo "installing jupyter_uws[$(extras-$*)] into $(VENV) (two minutes the first time)"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[$(extras-$*)]'
	@touch $@
