# The whole contributor interface. Everything happens inside .venv; nothing outside this folder is touched.
#
#   make demo       install and run the story of configs/scenarios/seoul.yaml (ARGS="--for 60s" adds options)
#   make test       unit, property, conformance and integration tests (ARGS="-k quality" adds options)
#   make test-all   the same, then the system and browser tests (ONLY_SYSTEM=1: only those)
#   make check      ruff, formatting, mypy --strict, import contracts, house rules
#   make bench      one minute of the story as fast figures: the run report as JSON
#   make clean      remove what was installed and every cache; recorded runs stay (testbed reset removes those)
#
# PYTHON=/path/to/python chooses the interpreter that makes .venv, JOBS=4 the number of test workers.

VENV ?= .venv
JOBS ?= 2
ARGS ?=
PYTHON ?=

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
PINS := pyproject.toml constraints.txt

.PHONY: help demo test test-all check bench clean install install-test
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.installed
	$(BIN)/testbed up configs/scenarios/seoul.yaml $(ARGS)

bench: $(VENV)/.installed
	$(BIN)/testbed up configs/scenarios/seoul.yaml --for 60s --json --no-portal $(ARGS)

test: $(VENV)/.installed-test
	$(PY) -m pytest -m "not system" -n $(JOBS) --dist loadscope $(ARGS)

# System tests start whole process trees, so they run one after the other.
test-all: $(if $(ONLY_SYSTEM),,test) $(VENV)/.installed-test
	$(PY) -m pytest -m system -n 0 $(ARGS)

check: $(VENV)/.installed-test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(BIN)/lint-imports
	$(PY) -m pytest -q -n 0 tests/conformance/test_house.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

install: $(VENV)/.installed
install-test: $(VENV)/.installed-test

# Stamps: a file is touched when its step succeeded, so an interrupted step is repeated from its start and a
# finished one only when the pins change. The second stamp waits for the first: two pips never share a folder.
$(VENV)/.made:
	@set -e; \
	for name in $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11 python); do \
	  if "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "making $(VENV) with $$("$$name" --version)"; \
	    "$$name" -m venv --clear "$(VENV)"; \
	    touch $@; exit 0; \
	  fi; \
	done; \
	echo "no Python 3.11 or newer with venv found: install one (Debian, Ubuntu: python3-venv as well)," \
	  "or say which: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/.installed: $(VENV)/.made $(PINS)
	@echo "installing into $(VENV)"
	@$(PIP) -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "installing the test tools into $(VENV)"
	@$(PIP) -c constraints.txt -e ".[test]"
	@touch $@
