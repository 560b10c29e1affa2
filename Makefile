# Works with GNU make 3.81 and any POSIX sh. `make` alone says what there is.
.POSIX:
.SUFFIXES:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo test check lint docs bench fuzz mutants torture lock clean

PYTHON ?= python3
UV     ?= uv
VENV   := .venv
PY     := $(VENV)/bin/python
RUN    := $(VENV)/.run
DEV    := $(VENV)/.dev
BENCH  := $(VENV)/.bench
FUZZ   := $(VENV)/.fuzz
MUTANT := $(VENV)/.mutants

# What `make bench` takes: one incident, a tenth of these, and all of them.
INCIDENTS ?= 10000
ROUNDS ?= 5
# For all targets of `make fuzz` together.
SECONDS ?= 60
# Of bench/mutation/config.yaml; none: all of them, which takes hours.
MODULE ?=

PIP        := $(PY) -m pip --disable-pip-version-check install -qq --require-hashes
# In this order: a page may show what an earlier one wrote.
DOCS       := docs/rule_examples.py docs/completion.py docs/generate.py docs/tour.py
# --no-config: nobody's own index belongs in a lock.
LOCK       := pip compile --no-config --quiet --universal --generate-hashes \
              --no-emit-index-url --python-version 3.10 --custom-compile-command "make lock" pyproject.toml

help:           ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' Makefile

demo: $(RUN)    ## judge a bundled real incident
	@$(PY) scripts/demo.py

test: $(DEV)    ## the tests
	@$(PY) -m pytest -n auto

check: lint test ## everything that CI asks: lint, types, import contracts, docs, tests

lint: $(DEV)    ## check without the tests
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check . || { echo 'Run: $(PY) -m ruff format .' >&2; exit 1; }
	@$(PY) -m mypy --no-error-summary
	@PYTHONPATH=src $(VENV)/bin/lint-imports --no-logo > $(VENV)/lint-imports.txt \
	  || { cat $(VENV)/lint-imports.txt; exit 1; }
	@for page in $(DOCS); do $(PY) $$page --check || exit 1; done
	@echo 'lint, types, import contracts and generated docs: good'

docs: $(DEV)    ## write the generated pages, pictures and lists anew
	@for page in $(DOCS); do $(PY) $$page || exit 1; done

bench: $(BENCH) ## measure against the other tools
	@$(PY) bench/run.py --incidents $(INCIDENTS) --rounds $(ROUNDS) --check
	@$(PY) bench/phases.py

fuzz: $(FUZZ)   ## fuzz the door and the escapers: make fuzz SECONDS=3600
	@$(PY) bench/fuzz/run.py --seconds $(SECONDS)

mutants: $(MUTANT) ## change the code, see which test notices: make mutants MODULE=chain
	@$(PY) bench/mutation/run.py --write $(MODULE)

torture: $(FUZZ) ## hostile suites, properties, faults and fuzzing, held to their aims
	@$(PY) bench/torture.py --seconds $(SECONDS)

lock:           ## bring requirements/*.txt up to date (needs uv)
	@command -v $(UV) > /dev/null || { echo 'make lock needs uv: $(PYTHON) -m pip install uv' >&2; exit 1; }
	@$(UV) $(LOCK) --upgrade --output-file requirements/run.txt > /dev/null
	@$(UV) $(LOCK) --upgrade --group dev -c requirements/run.txt --output-file requirements/dev.txt > /dev/null
	@$(UV) $(LOCK) --upgrade --group bench -c requirements/dev.txt --output-file requirements/bench.txt > /dev/null
	@$(UV) $(LOCK) --upgrade --group fuzz -c requirements/dev.txt --output-file requirements/fuzz.txt > /dev/null
	@$(UV) $(LOCK) --upgrade --group mutants -c requirements/dev.txt --output-file requirements/mutants.txt > /dev/null
	@$(UV) $(LOCK) --upgrade --group audit -c requirements/dev.txt --output-file requirements/audit.txt > /dev/null

clean:          ## remove what make and the tools made
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --clear: an environment whose Python is gone is made anew.
$(PY):
	@command -v $(PYTHON) > /dev/null \
	  || { echo 'Incident Gates needs Python 3.10 or newer, and there is no "$(PYTHON)". Try: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "Incident Gates needs Python 3.10 or newer; $(PYTHON) is $$($(PYTHON) -c 'import platform; print(platform.python_version())'). Try: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
	  || { rm -rf $(VENV); echo 'Python could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }

# A stamp file says what is installed, so a second run installs nothing.
$(RUN): requirements/run.txt | $(PY)
	@echo 'Setting up $(VENV) …'
	@$(PIP) -r requirements/run.txt
	@touch $@

$(DEV): requirements/dev.txt | $(PY)
	@echo 'Setting up $(VENV) for development …'
	@$(PIP) -r requirements/dev.txt
	@touch $@ $(RUN)

$(BENCH): requirements/bench.txt | $(PY)
	@echo 'Setting up $(VENV) for measuring …'
	@$(PIP) -r requirements/bench.txt
	@touch $@ $(RUN)

$(FUZZ): requirements/fuzz.txt $(DEV) | $(PY)
	@echo 'Setting up $(VENV) for fuzzing …'
	@$(PIP) -r requirements/fuzz.txt
	@touch $@

$(MUTANT): requirements/mutants.txt $(DEV) | $(PY)
	@echo 'Setting up $(VENV) for mutation testing …'
	@$(PIP) -r requirements/mutants.txt
	@touch $@
