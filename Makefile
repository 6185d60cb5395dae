# Everything here works on a machine that has Python 3.11 or later, pip and make; the rest goes into .venv* and .services.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory

export AIRFLOW_HOME := $(CURDIR)/.airflow
export PYTHONUNBUFFERED := 1

# More arguments for pytest: make test PYTEST_ARGS="-k sensor"
PYTEST_ARGS ?=
# And for the benchmarks: make bench BENCH_ARGS=--quick
BENCH_ARGS ?=
SOURCES := airflow_provider_orders docs example_dags scripts tests
LOCK_COMMAND = .venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--custom-compile-command "make lock" pyproject.toml --all-extras
airflow_of = $$($(1)/bin/python -c 'from importlib.metadata import version; print(version("apache-airflow"))')

.PHONY: help demo airflow services test test-matrix test-airflow31 test-lowest test-cluster test-browser test-wheel lint format docs bench bench-waiting bench-parse soak lock dist clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.ready ## Export the orders of all four vendors from the built-in sandbox into demo/
	@.venv/bin/python scripts/demo.py

airflow: .venv/.ready ## Start Airflow with the sandbox, its connections and the example DAGs
	@.venv/bin/python scripts/run_airflow.py

services: ## Fetch the servers that the tests need and the package index lacks
	@scripts/fetch_debian.sh .services/mariadb mariadb-server-core
	@scripts/fetch_debian.sh .services/redis redis-server

test: .venv/.ready services ## Run the tests on the newest Airflow
	@echo "Testing on Airflow $(call airflow_of,.venv)"
	@.venv/bin/python -m pytest $(PYTEST_ARGS)

test-matrix: test-airflow31 test ## Run the tests on Airflow 3.1 and on the newest

test-airflow31: .venv-airflow31/.ready services
	@echo "Testing on Airflow $(call airflow_of,.venv-airflow31)"
	@.venv-airflow31/bin/python -m pytest $(PYTEST_ARGS)

# Old releases warn about newer ones around them, so that warnings are no errors here.
test-lowest: .venv-lowest/.ready services ## Run the tests with the lowest versions that pyproject.toml allows
	@echo "Testing on Airflow $(call airflow_of,.venv-lowest) and the lowest versions of everything"
	@.venv-lowest/bin/python -m pytest -o filterwarnings=default --disable-warnings $(PYTEST_ARGS)

test-cluster: .venv-celery/.ready services ## Run a backfill on Celery, with Redis and PostgreSQL, and kill a worker
	@CI=true .venv-celery/bin/python -m pytest tests/celery $(PYTEST_ARGS)

# An older Airflow: make test-wheel AIRFLOW=3.1; make test-browser takes 3.1 and 3.3
AIRFLOW ?= 3.3
BROWSER_VENV_3.1 := .venv-browser-airflow31
BROWSER_VENV_3.3 := .venv-browser
BROWSER_VENV = $(or $(BROWSER_VENV_$(AIRFLOW)),lock-for-airflow-$(AIRFLOW))

test-browser: $(BROWSER_VENV)/.ready ## Fill forms and trigger DAGs in a browser; screenshots go to .screenshots
	@scripts/fetch_debian.sh .services/chromium chromium chromium-common fonts-liberation
	@echo "Testing in a browser, on Airflow $(call airflow_of,$(BROWSER_VENV))"
	@$(BROWSER_VENV)/bin/python -m pytest tests/browser $(PYTEST_ARGS)

test-wheel: dist .venv-lock/.ready ## Install the built wheel, as its users do, and run the unit tests against it
	@scripts/test_wheel.sh $(AIRFLOW) $(PYTEST_ARGS)

lint: .venv/.ready ## Check style, types and which part imports which
	@echo "ruff: style";          .venv/bin/ruff check $(wildcard $(SOURCES))
	@echo "ruff: format";         .venv/bin/ruff format --check $(wildcard $(SOURCES))
	@echo "mypy: types";          .venv/bin/mypy
	@echo "import-linter: map";   .venv/bin/lint-imports --no-logo

format: .venv/.ready ## Format the code and fix what ruff can fix
	@.venv/bin/ruff check --fix $(wildcard $(SOURCES))
	@.venv/bin/ruff format $(wildcard $(SOURCES))

docs: .venv-docs/.ready ## Build the documentation into docs/_build/html, and check its links
	@rm -rf docs/_build
	@.venv-docs/bin/python -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --quiet docs docs/_build/html
	@.venv-docs/bin/python scripts/check_links.py docs/_build/html
	@echo "Open docs/_build/html/index.html"

bench: .venv-bench/.ready ## Compare the export with dlt and Airflow's HttpOperator
	@.venv-bench/bin/python -m tests.benchmarks.export $(BENCH_ARGS)

bench-waiting: .venv-bench/.ready ## Compare waiting with Airflow's HTTP sensor and with one poll per task
	@.venv-bench/bin/python -m tests.benchmarks.waiting $(BENCH_ARGS)

bench-parse: .venv-bench/.ready ## Compare what an import costs a DAG file with Airflow's own providers
	@.venv-bench/bin/python -m tests.benchmarks.parse $(BENCH_ARGS)

soak: .venv-bench/.ready ## Wait for half an hour while things go wrong, and see that nothing grows
	@.venv-bench/bin/python -m tests.benchmarks.soak $(BENCH_ARGS)

lock: .venv-lock/.ready ## Renew the lock files
	@echo "requirements.lock: the newest Airflow, with the tools"
	@$(LOCK_COMMAND) --group test --group lint --generate-hashes -o requirements.lock
	@echo "requirements-airflow31.lock: the oldest Airflow that we support"
	@$(LOCK_COMMAND) --group test --group airflow31 --generate-hashes -o requirements-airflow31.lock
	@echo "requirements-lowest.lock: the lowest version of each dependency"
	@$(LOCK_COMMAND) --group lowest --resolution lowest-direct -o .venv-lock/lowest.txt
	@$(LOCK_COMMAND) --group test --group lowest --constraint .venv-lock/lowest.txt --no-annotate \
		--generate-hashes -o requirements-lowest.lock
	@echo "requirements-bench.lock, requirements-celery.lock: the newest Airflow, with what we compare with, with Celery"
	@$(LOCK_COMMAND) --group bench --constraint requirements.lock --generate-hashes -o requirements-bench.lock
	@$(LOCK_COMMAND) --group celery --constraint requirements.lock --generate-hashes -o requirements-celery.lock
	@echo "requirements-browser.lock, requirements-browser-airflow31.lock: the newest Airflow and the oldest, with Playwright"
	@$(LOCK_COMMAND) --group browser --constraint requirements.lock --generate-hashes -o requirements-browser.lock
	@$(LOCK_COMMAND) --group browser --group airflow31 --constraint requirements-airflow31.lock \
		--generate-hashes -o requirements-browser-airflow31.lock
	@echo "requirements-airflow32.lock, requirements-docs.lock: the newest Airflow 3.2, what the documentation is built with"
	@$(LOCK_COMMAND) --group test --group airflow32 --generate-hashes -o requirements-airflow32.lock
	@$(LOCK_COMMAND) --group docs --generate-hashes -o requirements-docs.lock

dist: .venv/.ready ## Build the distribution and check its metadata
	@rm -rf dist
	@.venv/bin/python -m build --no-isolation
	@.venv/bin/python -m twine check --strict dist/*

clean: ## Remove everything that make has made
	rm -rf .airflow .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .screenshots .services \
		.venv .venv-airflow31 .venv-bench .venv-browser .venv-browser-airflow31 .venv-celery .venv-docs .venv-lock .venv-lowest .venv-wheel-* docs/_build bench build demo dist htmlcov
	find $(wildcard $(SOURCES)) -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is made again when its lock changes, and its link to this checkout when the metadata changes.
.venv/.locked: requirements.lock
.venv-airflow31/.locked: requirements-airflow31.lock
.venv-lowest/.locked: requirements-lowest.lock
.venv-bench/.locked: requirements-bench.lock
.venv-browser/.locked: requirements-browser.lock
.venv-browser-airflow31/.locked: requirements-browser-airflow31.lock
.venv-celery/.locked: requirements-celery.lock
.venv-docs/.locked: requirements-docs.lock

.venv/.locked .venv-airflow31/.locked .venv-lowest/.locked .venv-bench/.locked .venv-browser/.locked .venv-browser-airflow31/.locked .venv-celery/.locked .venv-docs/.locked:
	@scripts/make_venv.sh $(@D) $<
	@touch $@

.venv/.ready .venv-airflow31/.ready .venv-lowest/.ready .venv-bench/.ready .venv-browser/.ready .venv-browser-airflow31/.ready .venv-celery/.ready .venv-docs/.ready: %/.ready: %/.locked pyproject.toml
	@$(@D)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv-lock/.ready:
	@scripts/make_venv.sh $(@D)
	@touch $@
