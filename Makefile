# `make demo` and `make test` are all a newcomer needs; both work on a machine with only Python >= 3.11, pip and make.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
INPUTS := settings.ini setup.py constraints.txt

.PHONY: demo app setup test test-slow types lab docs diagrams readme screenshots bench clean models help
.DEFAULT_GOAL := demo

demo: .venv/.core models ## a cited answer from real documents
	$(BIN)/liquid-ai quickstart

app: .venv/.app models ## the demo in a browser
	$(BIN)/liquid-ai demo

setup: .venv/.dev ## the environment alone

# the same texts are embedded once for all notebooks and tests
test: export LIQUID_AI_VECTOR_CACHE = $(CURDIR)/.venv/vectors.db
# two workers with a thread for every core each would wait for one another, and waiting keeps a core busy
test: export OMP_NUM_THREADS = 1
test: export OMP_WAIT_POLICY = passive
test: .venv/.dev models ## everything that CI checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbdev_test --n_workers 2 --timing
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

types: .venv/.dev ## mypy over liquid_ai
	$(BIN)/mypy

test-slow: .venv/.dev models ## the tests that take minutes, which `test` leaves out
	$(BIN)/python -m pytest -m slow
	$(BIN)/nbdev_test --flags slow --n_workers 1

lab: .venv/.dev models ## the notebooks, in JupyterLab
	$(BIN)/python -m ipykernel install --prefix .venv --name python3 --display-name "liquid_ai (.venv)"
	$(BIN)/jupyter lab --notebook-dir nbs

docs: .venv/.dev ## the site, in _docs
	$(BIN)/python tools/build_docs.py
	$(BIN)/python tools/check_links.py _docs

readme: .venv/.dev ## README.md and llms.txt, from the notebooks
	$(BIN)/python tools/build_readme.py
	$(BIN)/python tools/pages.py

diagrams: .venv/.dev ## nbs/images/*.svg, from the *.mmd beside them
	$(BIN)/python tools/diagrams.py

screenshots: .venv/.dev models ## the pictures of the README: the demo, in a browser
	$(BIN)/python tools/screenshots.py

bench: .venv/.dev models ## every published number, into benchmarks/results
	$(BIN)/python -m benchmarks

clean: ## what these targets made, the environment too
	rm -rf .venv _docs build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand --tabs 14

models: | .venv/.core
	@$(BIN)/liquid-ai models pull packaged

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "liquid_ai needs Python 3.11 or newer; say which one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@# Debian's Python has no ensurepip: borrow the pip that is there
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { $(PYTHON) -m venv --clear --without-pip .venv && \
	  $(PYTHON) -m pip --python .venv install --quiet pip; }

.venv/.core: $(INPUTS) | .venv/bin/python
	@echo "Installing liquid_ai and what it stands on into .venv (once; a minute or two) ..."
	$(PIP) --editable .
	@touch $@

.venv/.app: $(INPUTS) | .venv/bin/python
	@echo "Installing liquid_ai with its demo into .venv (once; a minute or two) ..."
	$(PIP) --editable '.[demo]'
	@touch $@ .venv/.core

.venv/.dev: $(INPUTS) | .venv/bin/python
	@echo "Installing liquid_ai and its development tools into .venv (once; some minutes) ..."
	$(PIP) --editable '.[dev]'
	@touch $@ .venv/.core .venv/.app
