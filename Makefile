# `make demo` and `make test` are each the only command a fresh machine needs: the environment makes itself.
# To choose the Python: make test PYTHON=/path/to/python3.13

VENV := .venv
# Without its dependencies, whose pins fit no new Python; setup.py lists what it needs.
TF_AGENTS := tf-agents==0.19.0
# Without CUDA where there is such a build: 0.6 GB less. For a GPU: make demo TENSORFLOW='tensorflow[and-cuda]'
# A $(VENV) that has the other one keeps it: their files have the same names.
PACKAGES := $(VENV)/lib/python*/site-packages
KEPT := $(if $(wildcard $(PACKAGES)/tensorflow_cpu-*),,$(wildcard $(PACKAGES)/tensorflow-*))
ON_CPUS := $(if $(filter Linux-x86_64,$(shell uname -sm | tr ' ' -)),./packaging/tensorflow_cpu,tensorflow)
TENSORFLOW := $(if $(KEPT),tensorflow,$(ON_CPUS))
INSTALLED := $(VENV)/.installed
TOOLS := $(VENV)/.tools
PIP = if uv --version >/dev/null 2>&1; then set -- uv pip install -q --compile-bytecode --python $(VENV)/bin/python; \
  else set -- $(VENV)/bin/python -m pip install -qq --disable-pip-version-check; fi; "$$@"
RUFF := $(VENV)/bin/python -m ruff
CAMPAIGN_FLAGS ?= --minutes=60 --folder=runs/campaign --report=docs/reliability.md
PYTEST_FLAGS ?= -q -n auto --maxprocesses 4 --dist loadgroup

.PHONY: help demo test test-long campaign lint format clean

help:
	@echo "make demo       train GAIL from shipped demonstrations, evaluate it, draw its curve (2 minutes)"
	@echo "make test       lint, then the tests"
	@echo "make test-long  the tests that take long and seldom find what the others do not; PART=0/3: a third of them"
	@echo "make campaign   kills, full disks, damage, malformed input, soaks: an hour, or CAMPAIGN_FLAGS='--minutes=N'"
	@echo "make lint       ruff: rules and format"
	@echo "make format     let ruff mend what it can"
	@echo "make clean      remove $(VENV), builds and caches; run directories stay"

demo: $(INSTALLED)
	@$(VENV)/bin/python -m gail_tf.bin.demo

test: lint
	@$(VENV)/bin/python -m pytest $(PYTEST_FLAGS) -m "not long"

test-long: $(TOOLS)
	@$(VENV)/bin/python -m pytest $(PYTEST_FLAGS) $(if $(PART),--part=$(PART)) -m long

campaign: $(TOOLS)
	@$(VENV)/bin/python -m tests.campaign $(CAMPAIGN_FLAGS)

lint: $(TOOLS)
	@$(RUFF) check --quiet .
	@$(RUFF) format --quiet --check . || { echo "Some files are not formatted: make format"; exit 1; }

format: $(TOOLS)
	@$(RUFF) check --quiet --fix .; $(RUFF) format --quiet .

clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv when it is there, pip otherwise. A candidate counts only if it runs (a version manager's shim may
# exist for a Python that is not installed) and, for pip, if it can make an environment (Debian splits
# that off as python3.11-venv). When no Python fits, uv may still know of one, or fetch it.
$(INSTALLED): setup.py
	@set -e; \
	uv=; if uv --version >/dev/null 2>&1; then uv=1; fi; \
	fits='import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 13)'; \
	if [ -z "$$uv" ]; then fits="$$fits; import ensurepip, venv"; fi; \
	python=; \
	for candidate in $(if $(PYTHON),'$(PYTHON)',python3.11 python3.12 python3.13 python3.10 python3 python); do \
	  if "$$candidate" -c "$$fits" >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ] && [ -n "$$uv" ] && [ -z '$(PYTHON)' ]; then python=$$(uv python find -q '>=3.10,<3.14' 2>/dev/null || echo python3.11); fi; \
	no_python() { echo "gail_tf runs on Python 3.10 to 3.13, and $(if $(PYTHON),$(PYTHON) is neither,none that works is here): install one" \
	  "(Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.13; anywhere: uv python install 3.13)," \
	  "then run make again, or make PYTHON=/path/to/it." >&2; exit 1; }; \
	if [ -z "$$python" ]; then no_python; fi; \
	reusable() { [ -z '$(PYTHON)' ] && $(VENV)/bin/python -c "$$fits" >/dev/null 2>&1; }; \
	if [ -n "$$uv" ]; then \
	  echo "Installing into $(VENV) with $$python and uv: TensorFlow is large, the first time takes minutes."; \
	  reusable || uv venv -q --clear --python "$$python" $(VENV) 2>/dev/null || no_python; \
	else \
	  echo "Installing into $(VENV) with $$python and pip: TensorFlow is large, the first time takes minutes."; \
	  { reusable && $(VENV)/bin/python -m pip --version >/dev/null 2>&1; } || "$$python" -m venv --clear $(VENV); \
	fi
	@$(PIP) '$(TENSORFLOW)' -e .
	@$(PIP) --no-deps $(TF_AGENTS)
	@# Headers to compile operations of one's own with, which nothing here does: 0.3 GB.
	@rm -rf $(PACKAGES)/tensorflow/include
	@touch $@

# What tests, ruff and the formats of others need beside it.
$(TOOLS): $(INSTALLED)
	@echo "Installing what the tests need."
	@$(PIP) -e '.[dev]'
	@touch $@
