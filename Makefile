# Two commands: `make demo` and `make test`. Nothing is needed before them but git, make and
# Python 3.11 to 3.13; scripts/install.sh makes .venv from requirements.lock.

BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo test torture bench fuzz lint format fixtures lock install install-tests clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: install ## run the whole job on bundled messages (ONCE=1: print the tickets and end)
	@$(BIN)/intake demo $(if $(ONCE),--once)

# One process more than there are cores: many tests wait for a server now and then.
test: install-tests ## check style, types and import directions, and run all tests
	@$(MAKE) --no-print-directory lint
	@echo "== pytest"
	@$(BIN)/python -m pytest --dist worksteal --numprocesses \
	    $$($(BIN)/python -c 'import os; print(len(os.sched_getaffinity(0)) + 1)') $(ARGS)

torture: install-tests ## kill the service 200 times while 5,000 messages arrive, then count (ARGS="--kills 50")
	@$(BIN)/python -m tests.torture $(ARGS)

bench: install-tests ## measure everything beside its peers, in 20 minutes (LARGE=1: 100,000 messages too; ARGS="--quick")
	@$(BIN)/python -m benchmarks $(if $(LARGE),--large 100000) $(ARGS)

fuzz: install-tests ## search for inputs that break a promise (SECONDS=60 for each of five targets)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --only-binary :all: atheris
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

lint: install ## check style, types and import directions only
	@echo "== ruff"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@echo "== mypy"
	@$(BIN)/mypy
	@echo "== import directions"
	@$(BIN)/lint-imports --no-logo

format: install ## put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

fixtures: install ## make the certificates of fixtures/ again; git must show no change
	for script in fixtures/make_*.py; do $(BIN)/python $$script || exit 1; done
	git status --short fixtures intake/demo/data

lock: ## find new versions of all packages (needs uv); commit the result
	uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --no-emit-index-url --no-emit-find-links \
	    --extra test pyproject.toml -o requirements.lock

install: ## make .venv only, for a server
	@sh scripts/install.sh

install-tests:
	@sh scripts/install.sh --tests

clean: ## remove the environment and all caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find intake tests scripts fixtures -name __pycache__ -type d -prune -exec rm -rf {} +
