# SPDX-License-Identifier: BSD-2-Clause
# Needs Python >= 3.11, make, perl and a C++ compiler; everything else is installed into .venv.
#
#   make demo   the example model, from .tflite to RTL simulation
#   make test   lint, types and tests
#
# PYTHON=... chooses the interpreter, VENV=... another virtual environment, PYTEST_ARGS=... what
# pytest runs (all tests, on all processors).

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?= -n auto --dist worksteal
BIN := $(VENV)/bin
DEMO := build/digits

.PHONY: demo test clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/celosia inspect examples/digits/digits.tflite
	$(BIN)/celosia generate examples/digits/digits.tflite --board icebreaker -o $(DEMO)
	$(BIN)/celosia simulate $(DEMO) --input examples/digits/images.npy --samples 5

test: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest $(PYTEST_ARGS)

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[all]'
	touch $@

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
