# `make` lists the targets. Recipes are short: what takes thought is Python.
# Needs make, git and Python 3.11 or newer; everything else is put into .venv.

.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NAME ?= dev

# The first of these that runs and is new enough.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

# The installed kubectl, else the one that was built for the local cluster.
BUILT_KUBECTL = $(BIN)/python -c \
	'from heartbeats.cluster.build import kubectl_path as path; print(path() or "kubectl")'
KUBECTL = $(shell command -v kubectl || $(BUILT_KUBECTL))

# No directory of the checkout can shadow a module of the standard library.
export PYTHONSAFEPATH := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: setup
setup: $(READY) ## Make the virtual environment .venv (the other targets do)

$(READY): requirements-dev.lock pyproject.toml
	@python="$(PYTHON)"; fail() { echo "$$1" >&2; exit 1; }; set -e; \
	test -n "$$python" || fail "Python 3.11 or newer is needed, and none is on PATH. Install one, or name it: make PYTHON=/path/to/python3"; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$$python is not Python 3.11 or newer, which is needed."; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$$python has no venv module. On Debian and Ubuntu: apt-get install python3-venv"; \
	echo "Setting up $(VENV) with $$python …" >&2; \
	"$$python" -m venv $(VENV); \
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock; \
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .; \
	touch $@

.PHONY: demo
demo: $(READY) ## Show it at work on a cluster of its own; ctrl-C ends it
	@$(BIN)/heartbeats demo

.PHONY: test
test: lint test-unit test-browser test-oracle test-integration ## Run all checks and tests that a change must pass

.PHONY: test-unit
test-unit: $(READY) ## Run unit and property tests (no network, no cluster)
	$(BIN)/pytest -n 2 -m "not slow" tests/unit tests/property

.PHONY: test-browser
test-browser: $(READY) ## Try the status page in the machine's Chromium (skipped where there is none)
	$(BIN)/pytest -n 2 tests/browser

.PHONY: test-oracle
test-oracle: $(READY) ## Compare with oracles: cron with the controller's library (needs Go or fetches it), a week with naive rules
	$(BIN)/pytest -n 2 tests/oracle

# They wait for clusters most of the time: more of them than cores at once.
.PHONY: test-integration
test-integration: $(READY) ## Run tests on a real control plane (built the first time)
	@PYTHONPATH=tests $(BIN)/python -m support.alert_tools
	@PYTHONPATH=tests $(BIN)/python -m support.helm
	$(BIN)/pytest -n 6 --dist worksteal -m "integration and not slow" tests/integration

.PHONY: test-slow
test-slow: $(READY) ## Run the integration tests that take minutes each
	$(BIN)/pytest -m slow tests

.PHONY: search
search: $(READY) ## Look for new counterexamples: the property tests with examples of their own
	$(BIN)/pytest -n 2 --hypothesis-profile search tests/property

N ?= 1000000

.PHONY: fuzz-cron
fuzz-cron: $(READY) ## Compare N more random schedules with that library; SEED=… repeats a run
	@PYTHONPATH=tests $(BIN)/python -m support.cron_fuzz --cases $(N) $(if $(SEED),--seed $(SEED))

SEEDS ?= 20

.PHONY: fuzz-week
fuzz-week: $(READY) ## Play SEEDS random weeks against the oracle; SEED=… repeats one
	@PYTHONPATH=tests $(BIN)/python -m support.week.fuzz --seeds $(SEEDS) $(if $(SEED),--seed $(SEED))

.PHONY: bench-core
bench-core: $(READY) ## Measure the core: next_after against its limit, transitions a second
	@PYTHONPATH=tests $(BIN)/python -m bench.bench_core

SECONDS ?= 60
MONITORS ?= 5000
ROUNDS ?= 100

.PHONY: bench-ping
bench-ping: $(READY) ## Measure durable pings a second against one status patch per ping
	@PYTHONPATH=tests $(BIN)/python -m bench.bench_ping --seconds $(SECONDS) --monitors $(MONITORS)

.PHONY: bench-kill
bench-kill: $(READY) ## Kill -9 both roles under load, ROUNDS times: nothing lost or counted twice
	@PYTHONPATH=tests $(BIN)/python -m bench.bench_kill --rounds $(ROUNDS)

.PHONY: bench-soak
bench-soak: $(READY) ## Ping 1,000,000 times, then 10 minutes faster than statuses are stored
	@PYTHONPATH=tests $(BIN)/python -m bench.bench_soak

SIZES ?= 50,1000,5000,10000

.PHONY: bench-scale
bench-scale: $(READY) ## Measure the operator role with SIZES CronJobs, three Jobs and a monitor each; OPTIONS=--help tells more
	@PYTHONPATH=tests $(BIN)/python -m bench.bench_scale --sizes $(SIZES) $(OPTIONS)

.PHONY: image
image: $(READY) ## Build the image with docker, podman or buildah; IMAGE=name:tag OPTIONS=--help tells more
	@PYTHONPATH=tests $(BIN)/python -m support.image.build $(if $(IMAGE),--tag "$(IMAGE)") $(OPTIONS)

.PHONY: test-image
test-image: $(READY) ## Build the image, look into it and run it (as root on Debian, no Docker needed)
	$(BIN)/pytest -m image tests/image

.PHONY: test-e2e
test-e2e: $(READY) ## Run the shipped manifests as real pods on a real node (as root on Debian, no Docker needed)
	@PYTHONPATH=tests $(BIN)/python -m support.node.ahead

.PHONY: bench-page
bench-page: $(READY) ## Measure the status page with MONITORS monitors, in the machine's Chromium
	@PYTHONPATH=tests $(BIN)/python -m bench.bench_page --monitors $(if $(filter file,$(origin MONITORS)),10000,$(MONITORS))

.PHONY: screenshots
screenshots: $(READY) ## Take the pictures in docs/images again, in the machine's Chromium
	@PYTHONPATH=tests $(BIN)/python -m support.screenshots

DAYS ?= 30

.PHONY: bench-month
bench-month: $(READY) ## Live DAYS days in simulated time (an hour for 30): does anything grow?
	@PYTHONPATH=tests $(BIN)/python -m bench.bench_month --days $(DAYS)

.PHONY: lint
lint: $(READY) ## Check style, types and the import direction
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: fmt
fmt: $(READY) ## Format the code and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes \
	--no-header --no-emit-index-url --python-version 3.11 $(if $(UPGRADE),--upgrade)

.PHONY: lock
lock: $(READY) ## Renew the lock files; UPGRADE=1 takes newer versions
	$(UV_COMPILE) pyproject.toml --all-extras --group dev -o requirements-dev.lock
	$(UV_COMPILE) pyproject.toml -c requirements-dev.lock -o requirements.lock
	$(UV_COMPILE) --group build -c requirements-dev.lock -o requirements-build.lock

AUDITED ?= requirements-dev.lock

# Not part of `test`: it depends on the day and on a service. What it could not ask
# about is no good news, hence --strict. What runs in production is a part of this file.
.PHONY: audit
audit: $(READY) ## Look for known vulnerabilities in what is locked (asks the package index's service)
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	if $(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		-r $(AUDITED) 2>"$$log" || grep -q '^Found .* known vulnerabilit' "$$log"; \
	then cat "$$log" >&2; ! grep -q '^Found' "$$log"; \
	else echo "The audit could not be done, the vulnerability service gave no answer: $$(tail -n 1 "$$log" | cut -c1-200)" >&2; exit 1; fi

.PHONY: manifests
manifests: $(READY) ## Make install.yaml, the PrometheusRule and the chart's copies; RUNBOOKS=URL/ begins links
	@PYTHONPATH=tests $(BIN)/python -m support.prometheus_rule --runbooks "$(RUNBOOKS)"
	@PYTHONPATH=tests $(BIN)/python -m support.installs

.PHONY: docs
docs: $(READY) ## Make docs/reference.md from the definition
	@PYTHONPATH=tests $(BIN)/python -m support.reference

.PHONY: cluster
cluster: $(READY) ## Start a local cluster; .cluster has links to its kubeconfig and to a kubectl
	@kubeconfig=$$($(BIN)/heartbeats cluster up --name $(NAME)) \
	&& mkdir -p .cluster && ln -sfn "$$kubeconfig" .cluster/kubeconfig \
	&& ln -sfn "$$($(BUILT_KUBECTL))" .cluster/kubectl \
	&& echo .cluster/kubeconfig

.PHONY: cluster-down
cluster-down: $(READY) ## Stop that cluster and remove all of it
	@$(BIN)/heartbeats cluster down --name $(NAME)
	@rm -rf .cluster

.PHONY: run
run: cluster ## Run the operator on it, as the cluster's administrator
	$(KUBECTL) --kubeconfig .cluster/kubeconfig apply --server-side -k crds
	$(KUBECTL) --kubeconfig .cluster/kubeconfig apply --server-side -k manifests/rights
	$(BIN)/heartbeats run --kubeconfig .cluster/kubeconfig --ping-address 127.0.0.1:8080 \
		--metrics-address 127.0.0.1:9090 --health-address 127.0.0.1:8081

.PHONY: alerts
alerts: $(READY) ## Run Prometheus and Alertmanager with the shipped rules beside it; OPTIONS=--help tells more
	@PYTHONPATH=tests $(BIN)/python -m support.alerts --link-in .cluster $(OPTIONS)

.PHONY: clean
clean: ## Remove the virtual environment and what tools have cached here
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build
