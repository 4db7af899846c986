# Two commands do everything: `make serve` and `make test`. Both build .venv where it is missing or out of date.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
ARGS ?=
PYTEST_ARGS ?=

# Threads that wait by spinning starve each other where cores are few or shared.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: serve test lint format clean

serve: $(VENV)/.installed
	$(BIN)/kiel serve $(ARGS)

test: $(VENV)/.installed-test
	bash tests/install_chromium.sh
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch by its exact version first: a range would take the newest build, with gigabytes of CUDA.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Kiel needs Python 3.11 or later; name one with make PYTHON=python3.11"; exit 1; }
	@echo "Building $(VENV), once: about 2 GB of packages, a few minutes"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install $$(grep '^torch==' constraints.txt)
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Adding the test tools to $(VENV)"
	$(PIP) install -c constraints.txt -e '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build dist
