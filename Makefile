# Two commands do everything on a fresh machine with Python 3.11+, git and make: `make demo`, `make test`.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test bench soak check screenshots wheel man lock clean

demo: .venv/ready ## the main job on real input
	$(BIN)/rushes demo

# Most of it waits most of its time, for FFmpeg or for a daemon's end: so there are six at a time, each with whole files,
# the longest first (tests/conftest.py). It keeps the bytecode wherever it runs: without, each of some thousand starts of a
# program compiles it again. A suite that hangs is ended.
test: export PYTHONDONTWRITEBYTECODE :=
test: .venv/ready ## the whole suite
	timeout 900 $(BIN)/python -m pytest -n 6 --dist loadfile --no-loadscope-reorder

ROUNDS ?= $(if $(SEED),1,20)

soak: .venv/ready ## rounds of random commands, crashes and kills; ROUNDS=200, or SEED=n for that round again
	$(BIN)/python -m tests.soak --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

BENCH ?=

bench: .venv-bench/ready ## Rushes and its peers on the same work; some 6 minutes. BENCH='--quick', '--json FILE', '--only ROW'
	.venv-bench/bin/python -m tests.bench $(BENCH)

check: .venv/ready ## ruff, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

screenshots: .venv/ready ## the pictures in the README anew, of real sessions
	$(BIN)/python -m tests.screenshots deploy/docs

wheel: .venv/ready ## build the wheel, and see that it brings all that the daemon reads
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel -d dist
	$(BIN)/python tests/check_wheel.py dist/*.whl

man: .venv/ready ## man pages, completion scripts and the tables of docs in deploy/ anew, from the program itself
	$(BIN)/python deploy/make_man.py

# The lock pins every package with its hashes; the project itself is installed live from this folder.
.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Rushes needs Python 3.11 or newer; say make PYTHON=python3.x")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The bench runs beside its peers' libraries, and so in an environment that has these besides all of .venv's.
.venv-bench/ready: requirements-bench.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Rushes needs Python 3.11 or newer; say make PYTHON=python3.x")'
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

LOCK := uv pip compile pyproject.toml --generate-hashes --universal --python-version 3.11 --no-emit-index-url

lock: ## write the three locks anew (needs uv): all that the makers need, all that runs, all of the bench
	$(LOCK) --group dev --group build --output-file requirements.lock
	$(LOCK) --constraint requirements.lock --output-file requirements-run.lock
	$(LOCK) --group dev --group build --group bench --constraint requirements.lock --output-file requirements-bench.lock

clean:
	rm -rf .venv .venv-bench dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
