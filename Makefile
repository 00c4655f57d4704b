# make run    sets up everything and runs the pipeline on JapaneseVowels
# make test   sets up everything and runs lint, types and tests
# make check  what takes minutes of that: lint, types and the unit tests

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= pipelines/configs/japanese_vowels.yaml
# Two processes, each with whole files: what the tests of a file share is made once. The files keep
# the order that tests/conftest.py gives them; xdist's own goes by the number of tests in a file.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet

.PHONY: run test check lint types docs benchmark bench bench-peers bench-preprocess bench-workers bench-data bench-quality sanitize goldens drill-training image-test wheel lock clean

run: $(VENV)/.kernel
	@$(BIN)/rnnflow run $(CONFIG)

# What trains, and what workers add up, is tested with and without the native operations, without
# them in the cases that differ (tests/parity/cases.py, tests/rnn_core/distribution/test_equality.py);
# the rest with them, if they are built. The branches of the packages that the first run covers have a floor,
# which pyproject.toml names.
test: $(VENV)/.dev $(VENV)/.kernel lint types
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(BIN)/python -m coverage run -m pytest $(PARALLEL)
	@RNN_CORE_KERNELS=off $(BIN)/python -m pytest tests/parity tests/rnn_core/loops/test_training.py \
	  tests/rnn_core/distribution/test_equality.py $(PARALLEL)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

check: $(VENV)/.dev $(VENV)/.kernel lint types
	@$(BIN)/python -m pytest $(PARALLEL) -m unit

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m deptry pipelines components rnn_core

types: $(VENV)/.dev
	@$(BIN)/mypy

# The documentation site, into build/site; a dead link or a missing reference fails. Its search needs
# a server: `python -m http.server --directory build/site`. NO_MKDOCS_2_WARNING silences a notice of
# the theme about other products.
docs: $(VENV)/.dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "Built build/site/index.html"

benchmark: $(VENV)/.kernel
	@$(BIN)/python -m benchmarks

# Training, prediction, evaluation, input, memory and start-up, beside others; what is not installed
# is marked. About 20 minutes.
bench: $(VENV)/.kernel
	@$(BIN)/python -m benchmarks training inference records memory training_startup

# TensorFlow 2.15 and torch, each in an environment of its own (Python 3.11), for `make bench`.
bench-peers: $(VENV)-tensorflow-2.15/.installed $(VENV)-torch-2.13/.installed

# Preprocessing beside a plain program and a plain Beam pipeline, and its memory with ten times the
# rows, for which 6 GB of disk are needed. About 12 minutes.
bench-preprocess: $(VENV)/.runtime
	@$(BIN)/python -m benchmarks.preprocessing.run 200000 10

# Many workers: what they bring here, and on paper.
bench-workers: $(VENV)/.kernel
	@$(BIN)/python -m benchmarks workers checkpoints scaling_check scaling_table scaling_pipeline

# The data sets of docs/quality.md as JSONL rows, in .bench-data/ (160 MB; 110 MB are downloaded, once).
bench-data: $(VENV)/.runtime
	@$(BIN)/python -m benchmarks.quality.prepare

# What `rnnflow init` and `run` make of them, five seeds each, beside cheap baselines; hours.
bench-quality: $(VENV)/.dev $(VENV)/.kernel bench-data
	@$(BIN)/python -m benchmarks quality --json .bench-data/results.json

# The native operations by themselves, watched for bad memory accesses and for data races.
sanitize:
	@mkdir -p build
	@for program in recurrence_test exchange_test; do for sanitizer in address,undefined thread; do \
	  echo "$$program -fsanitize=$$sanitizer" && $(CXX) -std=c++17 -O1 -g -Wall -Wextra -Werror -Wno-psabi \
	    -pthread -I. -fsanitize=$$sanitizer -fno-sanitize-recover=all tests/rnn_core/kernels/$$program.cc \
	    -o build/$$program && build/$$program || exit 1; \
	done; done

# Regenerates the golden files with TensorFlow 2.15, in an environment of its own (Python 3.11).
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

# rnn-core by itself, and rnnflow that depends on it, in dist/.
wheel: $(VENV)/.runtime
	@$(BIN)/python wheels/build.py --output dist

# The versions that pyproject.toml admits, each pinned with its hashes; no index address is written.
lock:
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet uv
	@$(VENV)-lock/bin/uv pip compile pyproject.toml --extra server --extra s3 --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock
	@$(VENV)-lock/bin/uv pip compile pyproject.toml --extra server --extra s3 --extra dev --extra docs --constraint requirements.lock \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	  --output-file requirements-dev.lock
	@rm -rf $(VENV)-lock

clean:
	@rm -rf .rnnflow .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info

$(VENV)-tensorflow-2.15/.installed:
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check install --quiet "tensorflow==2.15.1" "numpy<2"
	@touch $@

$(VENV)-torch-2.13/.installed:
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check install --quiet "torch==2.13.0" numpy
	@touch $@

# The locks are complete, so pip has nothing to resolve: --no-deps.
$(VENV)/.runtime: requirements.lock pyproject.toml
	@echo "Installing the environment into $(VENV) (about 3 GB, a few minutes, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --no-deps --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# Without a C++ compiler nothing is built, and TensorFlow and Python do it all.
$(VENV)/.kernel: $(VENV)/.runtime $(wildcard rnn_core/kernels/*.cc rnn_core/kernels/*.h) rnn_core/kernels/build.py
	@echo "Building the native operations (about 20 seconds, once) ..."
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -c "from components.runtime.libraries import load_tensorflow; \
	  load_tensorflow(); from rnn_core.kernels.__main__ import main; main()"
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the development tools ..."
	@$(PIP) --no-deps --require-hashes --requirement requirements-dev.lock
	@touch $@
