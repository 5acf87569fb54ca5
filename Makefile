# The commands of this project. Needs python3 (3.11 or newer), git and make; everything else goes into .venv.
#
#   make up      bring up the example stack, proven ready     make down    stop it
#   make test    all tests, the real engine included          make fast    those that need nothing (seconds)
#   make check   format, lint, types, room boundaries         make bench   measure against the peers
#   make slow    released projects, installed from the package index (minutes)
#
# ARGS goes to devenv or pytest: make up ARGS=--dry-run, make fast ARGS='-k graph'

SHELL := /bin/bash
PYTHON ?= python3
ARGS ?=
BIN := $(CURDIR)/.venv/bin

.NOTPARALLEL:
.PHONY: help up down test fast slow check bench clean
.DEFAULT_GOAL := help

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

up: .venv/.installed-demo
	@PATH="$(BIN):$$PATH" devenv up $(ARGS)

down: .venv/.installed-demo
	@PATH="$(BIN):$$PATH" devenv down $(ARGS)

test: .venv/.installed-dev
	@PATH="$(BIN):$$PATH" tests/run $(ARGS)

fast: .venv/.installed-dev
	@"$(BIN)/pytest" -q -m "not engine" $(wildcard tests/unit tests/contract) $(ARGS)

slow: .venv/.installed-dev
	@PATH="$(BIN):$$PATH" TIERS=slow tests/run $(ARGS)

bench: .venv/.installed-bench
	@PATH="$(BIN):$$PATH" tests/run --bench $(ARGS)

check: .venv/.installed-dev
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/ruff" check .
	@"$(BIN)/mypy"
	@"$(BIN)/lint-imports" --no-logo

clean:
	@rm -rf .venv

# One environment; each set of extras goes into it once per change of pyproject.toml, and a larger set counts for the
# smaller ones that it includes.
.venv/.installed-demo: EXTRAS := demo,embedded
.venv/.installed-dev: EXTRAS := demo,embedded,dev
.venv/.installed-dev: INCLUDED := .venv/.installed-demo
.venv/.installed-bench: EXTRAS := demo,embedded,dev,bench
.venv/.installed-bench: INCLUDED := .venv/.installed-demo .venv/.installed-dev
.venv/.installed-%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): devenv needs Python 3.11 or newer, as in: make PYTHON=python3.12" >&2; exit 1; }
	@test -x "$(BIN)/pip" || $(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make a virtual environment: on Debian run: apt-get install python3-venv" >&2; exit 1; }
	@test -x "$(BIN)/pip" || { echo "making .venv with $$($(PYTHON) --version)"; rm -rf .venv; $(PYTHON) -m venv .venv; }
	@echo "installing devenv[$(EXTRAS)] into .venv"
	@"$(BIN)/python" -m pip install -qq --disable-pip-version-check --no-input --editable '.[$(EXTRAS)]'
	@touch $(INCLUDED) "$@"
