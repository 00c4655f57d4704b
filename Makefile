# make run    sets up everything and runs the pipeline on JapaneseVowels
# make test   sets up everything and runs lint, types and tests

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= pipelines/configs/japanese_vowels.yaml
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet

.PHONY: run test lint types benchmark goldens drill-training image-test lock clean

run: $(VENV)/.runtime
	@$(BIN)/rnnflow run $(CONFIG)

test: $(VENV)/.dev lint types
	@$(BIN)/python -m pytest

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev
	@$(BIN)/mypy

benchmark: $(VENV)/.runtime
	@$(BIN)/python -m benchmarks

# What is compared with TensorFlow 2.15, made anew by it in an environment of its own (Python 3.11).
goldens: $(VENV)/.dev $(VENV)-tensorflow-2.15/.installed
	@rm -rf build/parity
	@$(VENV)-tensorflow-2.15/bin/python -m tests.parity.make_goldens
	@$(BIN)/python -m tests.parity.hand_over build/parity
	@$(VENV)-tensorflow-2.15/bin/python -m tests.parity.take_over build/parity
	@$(VENV)-tensorflow-2.15/bin/python -m tests.rnn_core.goldens.make
	@$(VENV)-tensorflow-2.15/bin/python tests/rnn_core/export/goldens/make_signatures.py

# A training of two workers that is killed a hundred times, at random; about half an hour.
drill-training: $(VENV)/.dev
	@$(BIN)/python -m tests.rnn_core.distribution.drill --kills 100

image-test:
	@infra/image_test.sh

# The versions that pyproject.toml admits, each pinned with its hashes; no index address is written.
lock:
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet uv
	@$(VENV)-lock/bin/uv pip compile pyproject.toml --extra server --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock
	@$(VENV)-lock/bin/uv pip compile pyproject.toml --extra server --extra dev --constraint requirements.lock \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	  --output-file requirements-dev.lock
	@rm -rf $(VENV)-lock

clean:
	@rm -rf .rnnflow .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

$(VENV)-tensorflow-2.15/.installed:
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check install --quiet "tensorflow==2.15.1" "numpy<2"
	@touch $@

# The locks are complete, so pip has nothing to resolve: --no-deps.
$(VENV)/.runtime: requirements.lock pyproject.toml
	@echo "Installing the environment into $(VENV) (about 3 GB, a few minutes, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --no-deps --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the development tools ..."
	@$(PIP) --no-deps --require-hashes --requirement requirements-dev.lock
	@touch $@
