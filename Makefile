# Every target first builds what it needs: `make demo` works on a fresh machine.
#
#   RECIPE=...                          the recipe of `make demo`: demo, demo-code, demo-smollm2, or a YAML file
#   VERIFIER_RUNNER=docker|bubblewrap   the sandbox for untrusted programs (default: the first that works here)
#   BASE_IMAGE=...                      the base of sandbox and service images (default: python:3.12-slim)
#   IMAGE_PREFIX=...                    the prefix of the images: PREFIX/python, ... (default: grpo-verifier)
#   PYTHON=...                          the Python for the environment, 3.11 or newer
#   PYTEST_ARGS=..., TEST_PROCESSES=3   arguments for pytest, and how many tests run in parallel
#   TORCH=cpu|default                   the build of PyTorch (default: cpu without an NVIDIA GPU)
#   FULL=1, CHECK=REPORT, AGAINST=URL   for `make bench`: measure more, compare with a report or another verifier;
#   LABELLED=FILE, MBPP=FILE            your own labeled math, an MBPP file; BENCH_ARGS=... goes to benchmarks

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LANGUAGES ?= python
MANUAL := verifier_service/manual/index.html
MANUAL_SOURCES := mkdocs.yml $(wildcard *.md) sandboxes/README.md examples/README.md $(shell find docs manual -type f -not -name '*.pyc')
# A manual with a broken link is not left behind: `make serve` would take it as fresh.
BUILD_MANUAL = NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict || { rm -f $(MANUAL); exit 1; }
export RECIPE ?= demo

export VENV
export VERIFIER_IMAGE_PREFIX ?= $(or $(IMAGE_PREFIX),grpo-verifier)

export PYTEST_ARGS

.PHONY: help install demo test test-all check bench sandboxes docs serve reference figures constraints clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22
	@sed -n '3,11s/^# //p' Makefile

$(INSTALLED): pyproject.toml constraints.txt scripts/install sandboxes/python/requirements.txt
	@scripts/install

install: $(INSTALLED) ## Create .venv with the service, the trainer and the development tools

demo: $(INSTALLED) ## Start the verifier, train a small model against it, and write a report (minutes, no GPU)
	@scripts/demo

test: $(INSTALLED) ## Run the tests; Docker tests too if a daemon answers
	@scripts/test

test-all: $(INSTALLED) ## Run every test, including those that take minutes, like CI
	@scripts/test all

check: $(INSTALLED) ## Lint, formatting, types, import contracts, unused code, the budget of Any
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/vulture
	@scripts/check-any

bench: $(INSTALLED) ## Compare the verifier with others in one report (minutes; FULL=1: more than an hour)
	@runner="$$(scripts/choose-runner)"; VERIFIER_RUNNER="$$runner" $(BIN)/python -m benchmarks \
		$(if $(FULL),--full) $(if $(CHECK),--check "$(CHECK)") $(if $(AGAINST),--against "$(AGAINST)") \
		$(if $(LABELLED),--labelled "$(LABELLED)") $(if $(MBPP),--mbpp "$(MBPP)") $(BENCH_ARGS)

sandboxes: ## Build the sandbox images of LANGUAGES="python cpp ..." (default: python)
	@sandboxes/build $(LANGUAGES)

docs: $(INSTALLED) ## Build the manual, which the service serves at /manual; a broken link fails
	@$(BUILD_MANUAL)
	@echo "The manual is built: $(MANUAL), and /manual of a service"

$(MANUAL): $(INSTALLED) $(MANUAL_SOURCES)
	@$(BUILD_MANUAL)

serve: $(INSTALLED) $(MANUAL) ## Serve the verifier on 127.0.0.1:8000 (VERIFIER_HOST, VERIFIER_PORT)
	@runner="$$(scripts/choose-runner)"; VERIFIER_RUNNER="$$runner" exec $(BIN)/python -m verifier_service serve

reference: $(INSTALLED) ## Write docs/openapi.json and the generated pages of docs/reference from the code
	@$(BIN)/python -m manual.reference

figures: $(INSTALLED) ## Write the measured figures of docs/measured.json into README.md and docs/
	@$(BIN)/python -m benchmarks.documented

constraints: ## Update constraints.txt to the newest versions that pyproject.toml allows
	@scripts/update-constraints

clean: ## Remove .venv and everything built or cached; keep runs/
	rm -rf $(VENV) verifier_service/manual build dist ./*.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
