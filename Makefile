# Everything a fresh Debian or Raspberry Pi OS needs is git, python3 and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
# Wheels only: building a source distribution would fetch and run what no hash covers.
LOCKED := install --require-hashes --only-binary=:all: --requirement

# Stamps, one for what `demo` needs and one for what `test` needs beyond it.
RUN := $(VENV)/.stamp-run
DEV := $(VENV)/.stamp-dev

.PHONY: help setup demo test long check mutate campaign soak detection bench peers install uninstall bundle booted arm64 lock clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    the whole loop with a virtual patient and an emulated stimulator"
	@echo "make test    every check, then every test"
	@echo "make long    what takes longer than a test should: whole golden sessions, drift (four minutes)"
	@echo "make check   style, types and import contracts only"
	@echo "make campaign  every fault 100 times, with the real processes (about two hours; CAMPAIGN_ARGS=...)"
	@echo "make mutate  change guard, core and detector in three thousand ways: each must be found by a test (half an hour)"
	@echo "make soak    two hours of the virtual patient, all telemetry on, both cores half loaded: does it trip without a reason, or grow?"
	@echo "make detection  how soon an onset is detected, beside the methods of the field; a thousand trains (20 minutes)"
	@echo "make bench   cost of a decision step; memory, processor, start; how soon a death is known; timing of pulses"
	@echo "make peers   sample to decision, and the chain, beside other software and the floor (half an hour; fetches it)"
	@echo "make install   two services on this computer, as root; again: upgrade. make uninstall, make bundle (offline)"
	@echo "make booted  the services on a Debian that boots in a container, each fault in mid-train; make arm64: as on a Pi"
	@echo "make setup   the environment in $(VENV) (the others do this by themselves)"
	@echo "make lock    resolve the dependencies anew (UPGRADE=--upgrade for new versions)"
	@echo "make clean   remove $(VENV) and caches"
	@echo "PYTHON=...   another Python than python3: 3.11, 3.12 or 3.13"

$(BIN)/.made: .ci/environment.py
	@$(PYTHON) .ci/environment.py $(VENV)
	@touch $@

$(RUN): $(BIN)/.made requirements.lock pyproject.toml
	@echo "setup: packages of requirements.lock"
	@$(PIP) $(LOCKED) requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUN) requirements-dev.lock
	@echo "setup: packages of requirements-dev.lock"
	@$(PIP) $(LOCKED) requirements-dev.lock
	@touch $@

setup: $(DEV)

demo: $(RUN)
	@$(BIN)/nmesd demo

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Whole systems with their timing: two at a time where there are real-time rights, else one. And those that load the
# machine themselves, beside which nothing runs.
LOOP = tests/loop
ALONE = tests/alone
RIGS = $$($(BIN)/python -c "from nmesd.realtime import real_time_granted; print(1 + real_time_granted())")
# Guard, wire, core and dsp are covered to the last branch, by these tests alone.
COVERING = tests/guard tests/wire tests/core tests/dsp

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile -m covering $(COVERING) $(PYTEST_ARGS) --cov
	$(BIN)/python -m pytest -n 3 --dist loadfile -m "not covering and not long" $(addprefix --ignore=,$(LOOP) $(ALONE)) $(PYTEST_ARGS)
	$(BIN)/python -m pytest -n $(RIGS) --dist loadfile $(LOOP) $(PYTEST_ARGS)
	$(BIN)/python -m pytest $(ALONE) $(PYTEST_ARGS)

long: $(DEV)
	$(BIN)/python -m pytest -n 2 --dist load -m long tests/sim $(PYTEST_ARGS)

campaign: $(DEV)
	$(BIN)/python -m bench.faults --jobs 2 $(CAMPAIGN_ARGS)

mutate: $(DEV)
	rm -rf mutants
	$(BIN)/mutmut run
	$(BIN)/python tests/project/mutants.py

soak: $(DEV)
	$(BIN)/python bench/soak.py $(SOAK_ARGS)

detection: $(DEV)
	$(BIN)/python -m bench.detection $(DETECTION_ARGS)
	$(BIN)/python -m bench.artefact

# Environments of their own: what is measured beside us must not decide what we run with.
# libemg is published as source alone. The setuptools of the lock builds it: nothing is fetched that no hash covers.
PEER_PIP = .venv-peers$*/bin/python -m pip --disable-pip-version-check --no-input --quiet
.venv-peers%/.stamp: requirements-peers%.lock .ci/environment.py
	@echo "setup: packages of $<"
	@$(PYTHON) .ci/environment.py .venv-peers$*
	@awk '/^[^ ]/ { source = /^libemg==/ } !source' $< > .venv-peers$*/wheels.lock
	@awk '/^[^ ]/ { source = /^libemg==/ } source' $< > .venv-peers$*/source.lock
	@$(PEER_PIP) $(LOCKED) .venv-peers$*/wheels.lock --no-deps
	@$(PEER_PIP) install --require-hashes --no-deps --no-build-isolation --no-binary libemg \
		--requirement .venv-peers$*/source.lock
	@touch $@

peers: $(DEV) .venv-peers-new/.stamp .venv-peers-old/.stamp
	$(BIN)/python -m bench.peers $(PEERS_ARGS)

bench: $(DEV)
	$(BIN)/python bench/hop_cost.py
	$(BIN)/python bench/lean.py
	$(BIN)/python bench/death.py
	$(BIN)/python bench/pulse_timing.py

# From PyPI alone, whatever index or folder this machine's settings add.
COMPILE = env -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS -u UV_CONSTRAINT -u UV_OVERRIDE \
	$(BIN)/uv pip compile pyproject.toml --quiet --no-config --system-certs --no-annotate \
	--default-index https://pypi.org/simple --extra monitor --universal --python-version 3.11 \
	--generate-hashes --custom-compile-command "make lock" $(UPGRADE)

# As root. Again: upgrade. Configuration and sessions stay. BUNDLE=FOLDER: offline, from `make bundle`.
install:
	@$(PYTHON) systemd/install.py install $(if $(BUNDLE),--wheels $(BUNDLE))

uninstall:
	@$(PYTHON) systemd/install.py uninstall

# Everything `make install` would download, for a unit without a network with the same Python.
# MACHINE=aarch64: for a Raspberry Pi, made on a computer of another kind.
BUNDLE_NAME = nmesd-bundle$(if $(MACHINE),-$(MACHINE))
FOREIGN = $(if $(MACHINE),$(foreach one,2014 _2_17 _2_26 _2_27 _2_28,--platform manylinux$(one)_$(MACHINE)))
bundle: $(RUN)
	@rm -rf dist/nmesd dist/wheels && mkdir -p dist/wheels
	@$(PIP) download --quiet --require-hashes --only-binary=:all: $(FOREIGN) --dest dist/wheels \
		--requirement requirements.lock
	@$(BIN)/python .ci/environment.py --fetch dist/wheels $(MACHINE)
	@git archive --format=tar --prefix=nmesd/ HEAD | tar -x -C dist
	@mv dist/wheels dist/nmesd/wheels
	@tar -czf dist/$(BUNDLE_NAME).tar.gz -C dist nmesd
	@echo "dist/$(BUNDLE_NAME).tar.gz: unpack it there, then: cd nmesd && sudo make install BUNDLE=wheels"

# As root, minutes; roots of Debian are made once, in NMESD_ROOTS or ~/.cache/nmesd. Not part of `make test`.
booted arm64: $(DEV)
	$(BIN)/python -m pytest tests/systemd/$@ $(PYTEST_ARGS)

lock: $(DEV)
	$(COMPILE) --group build --output-file requirements.lock
	$(COMPILE) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) --extra peers --constraint requirements.lock --output-file requirements-peers-new.lock
	$(subst pyproject.toml,bench/peers/old.in,$(subst --extra monitor,,$(COMPILE))) --output-file requirements-peers-old.lock

clean:
	rm -rf $(VENV) .venv-peers-* build dist htmlcov mutants .coverage* .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
