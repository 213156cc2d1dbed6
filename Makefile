# make demo    install Personalign into .venv and align twelve simulated people (the first thing to run)
# make test    every test, the slow ones and the documentation's examples included
# make check   formatting, lint, types, known weaknesses of code and packages
# make bench   every claim about speed, measured here
# make pocket  train the embedded pocket model again, from simulated people
# make clean   remove what the commands wrote; .venv stays

# The first of these that is Python 3.11 or newer; set PYTHON=... to choose another.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
# Test processes. Each runs torch on one thread: many small calls on shared cores are far slower.
WORKERS ?= 2

# Waiting threads sleep instead of spinning on cores that other work needs.
export OMP_WAIT_POLICY := passive

.PHONY: demo test check bench pocket clean
.DELETE_ON_ERROR:

demo: .venv/.core
	$(BIN)/personalign demo

test: .venv/.dev
	.ci/system-packages
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy src
	$(BIN)/bandit -q -c pyproject.toml -r src
	$(BIN)/python .ci/audit.py

bench: .venv/.dev
	set -e; for script in $(filter-out benchmarks/gpu.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; PYTHONPATH=. $(BIN)/python "$$script"; done

pocket: .venv/.core
	$(BIN)/python -m recipes.pocket.train

clean:
	rm -rf build dist personalign-demo personalign-results benchmarks/results .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks recipes examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Stamps: a second make installs nothing until pyproject.toml changes.
.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Personalign needs Python 3.11 or newer, and found none. Install one, or run: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# torch goes in first and by itself; pyproject.toml pins the same version, so nothing replaces it.
.venv/.core: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install torch==2.13.0
	$(BIN)/python -m pip install -e .
	@touch $@

.venv/.dev: pyproject.toml .venv/.core
	$(BIN)/python -m pip install -e ".[dev,fast,quantise,train,api,eval,distributed,export,serve]"
	@touch $@
