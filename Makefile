# Every target is complete in itself: it makes a virtual environment, installs what it
# needs with the versions of constraints.txt, and runs. What is up to date is kept.
#
#   make benchmark ARGS="--quick"      further arguments of `advser benchmark`
#   make test ARGS="-k scaling"        further arguments of pytest
#   make test ARGS="-n 0"              in one process
#   make test PYTHON=python3.13 VENV=.venv313

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# What `make test-lowest` runs: files that use the dependencies directly, and need no
# other extra than corpora and plots.
LOWEST ?= adaptation corpora datasets extraction features metrics nn \
  persistence plots statistics validation
bin := $(VENV)/bin

help:
	@echo "make benchmark   compare the methods on the bundled corpus (some minutes)"
	@echo "make test        run the tests on all cores"
	@echo "make test-lowest run some of them with the lowest versions of all dependencies"
	@echo "make docs        build the documentation in docs/_build/html"
	@echo "make lint        check style, spelling, types and the generated tables"
	@echo "make tables      copy the committed results into README.md and docs/"
	@echo "make clean       remove the virtual environment and what was built"

benchmark: $(VENV)/.installed-plots
	$(bin)/advser benchmark $(ARGS)

test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(bin)/python -m pytest -n logical --maxprocesses 8 --dist worksteal $(ARGS)

# In an environment of its own, beside that of the other targets.
test-lowest:
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install -c constraints-lowest.txt \
	  -e '.[corpora,plots]' hypothesis polars pytest pytest-xdist
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python -m pytest -n logical --maxprocesses 8 \
	  --dist worksteal $(LOWEST:%=tests/test_%.py) $(ARGS)

docs: $(VENV)/.installed-docs
	$(bin)/python -m sphinx -W --keep-going -n -b html docs docs/_build/html

lint: $(VENV)/.installed-dev
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/codespell
	$(bin)/mypy
	$(bin)/python benchmarks/update_tables.py --check

tables: $(VENV)/.installed-dev
	$(bin)/python benchmarks/update_tables.py

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist docs/_build docs/api/generated docs/auto_examples

$(VENV)/.installed-%: pyproject.toml constraints.txt | $(bin)/python
	$(bin)/python -m pip install -c constraints.txt -e '.[$*]'
	@touch $@

$(bin)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  f"advser needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.\n" \
	  "Name another one: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv $(VENV)

.PHONY: help benchmark test test-lowest docs lint tables clean
.PRECIOUS: $(VENV)/.installed-%
