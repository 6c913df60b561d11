# The only door: `make help` lists every target.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHECKED := libs services bench k8s requirements tests conftest.py
PACKAGES := libs/protos libs/common libs/probes libs/agent libs/devstack services/inventory services/monitoring services/gateway
# The environment is made anew when a lock or a package's own file changes.
INSTALLED := $(VENV)/.installed-$(shell cat requirements/dev.lock requirements/carriers.lock $(PACKAGES:%=%/pyproject.toml) | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help

.PHONY: help
help: ## List every target
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED):
	@echo "installing into $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 cannot make a virtual environment: install its venv module (Debian: python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/carriers.lock
	@$(BIN)/python requirements/unpack.py
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index $(PACKAGES:%=-e %)
	@rm -f $(VENV)/.installed-*
	@touch $@

# What the images install, kept so that the tests can install it offline.
WHEELS := $(VENV)/wheels-$(shell cksum < requirements/run.lock | cut -d' ' -f1)

$(WHEELS): $(INSTALLED)
	@rm -rf $(VENV)/wheels-*
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-build-isolation --only-binary :all: --no-binary nkeys -r requirements/run.lock -d $@.part
	@mv $@.part $@

.PHONY: install
install: $(INSTALLED) ## Install everything into .venv (the other targets do it by themselves)

# What devstack is told: PORT=9000 (0: a free one), DATA=<state folder>; README.md there has the rest.
STACK = env $(if $(PORT),SMARTCITY_STACK_PORT='$(PORT)') $(if $(DATA),SMARTCITY_STACK_STATE_FOLDER='$(DATA)') $(if $(REPLICAS),SMARTCITY_STACK_REPLICAS='$(REPLICAS)') $(BIN)/python -m devstack

.PHONY: run
run: $(INSTALLED) ## Start the whole platform until Ctrl-C (PORT=8080 DATA=.local/stack REPLICAS=1 QUIET=1)
	@exec $(STACK) --with-parent $(if $(QUIET),--quiet)

.PHONY: load
load: $(INSTALLED) ## Load a folder of data into the running platform (REGION=64.09 FROM=data/ppu)
	@test -n "$(REGION)" -a -n "$(FROM)" || { echo "say what to load: make load REGION=64.09 FROM=data/ppu"; exit 1; }
	@exec $(STACK) load --region '$(REGION)' '$(FROM)'

.PHONY: verify
verify: $(INSTALLED) ## Check that nobody changed the running platform's history behind its back
	@exec $(STACK) verify

.PHONY: reseal
reseal: $(INSTALLED) ## Seal contacts and targets of the running platform under the active key (docs/operations.md)
	@exec $(STACK) reseal

.PHONY: tell
tell: $(INSTALLED) ## Tell all districts, providers, points and circuits of the running platform anew, for who begins to listen
	@exec $(STACK) tell

.PHONY: token
token: $(INSTALLED) ## Print a token for the running platform (ROLE=operator REGION=64.01; -s: that alone)
	@exec $(STACK) token $(if $(ROLE),--role '$(ROLE)') $(if $(REGION),--region '$(REGION)')

.PHONY: events
events: $(INSTALLED) ## Look at events of the running platform (ARGS="tail", "lag", "dead list", "--help")
	@exec $(STACK) events $(or $(ARGS),--help)

.PHONY: outage
outage: $(INSTALLED) ## Break demo lines (POINT=DES-64.01.06.2012 or DISTRICT=64.01.06, MINUTES=10; ARGS=list, ARGS=end)
	@exec $(STACK) outage $(ARGS) $(if $(POINT),--point '$(POINT)') $(if $(DISTRICT),--district '$(DISTRICT)') $(if $(MINUTES),--minutes '$(MINUTES)')

.PHONY: backup
backup: $(INSTALLED) ## Back up the platform, running or stopped, and its keys beside it (TO=<new folder> DATA=.local/stack)
	@test -n "$(TO)" || { echo "say where to: make backup TO=/backups/2026-11-26"; exit 1; }
	@exec $(STACK) backup '$(TO)'

.PHONY: restore
restore: $(INSTALLED) ## Make a fresh state folder from a backup (FROM=<folder> DATA=<new folder> KEYS=<file>; ARGS=--look: only check it)
	@test -n "$(FROM)" || { echo "say what to restore: make restore FROM=/backups/2026-11-26 DATA=<new folder>"; exit 1; }
	@exec $(STACK) restore $(if $(KEYS),--keys '$(KEYS)') $(ARGS) '$(FROM)'

.PHONY: clean
clean: $(INSTALLED) ## Delete the platform's state: databases, streams, keys, logs (DATA=.local/stack)
	@$(STACK) clean

.PHONY: test
test: lint $(WHEELS) ## Run everything that CI runs: lint, then every test (ARGS="-k import" to choose, WORKERS=3)
	@$(BIN)/python -m pytest -q -n $(or $(WORKERS),3) --dist loadfile $(ARGS)

.PHONY: lint
lint: $(INSTALLED) ## Check style, types and the direction of imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary $(CHECKED)
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache

.PHONY: format
format: $(INSTALLED) ## Set the code's form, and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .

.PHONY: bench
bench: $(INSTALLED) ## Measure speed and memory beside their baselines, and print the tables
	@$(BIN)/python bench

# The version and commit that the images are labelled with, and the address of the source.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
SOURCE ?= $(shell git config --get remote.origin.url)

.PHONY: images
images: ## Build the images smartcity/services and smartcity/gateway (VERSION=0.1.0 SOURCE=https://...)
	@command -v docker >/dev/null || { echo "make images needs docker: docker/README.md"; exit 1; }
	@for image in services gateway; do docker build --file docker/Dockerfile --target $$image --tag "smartcity/$$image:$(VERSION)" --build-arg VERSION="$(VERSION)" --build-arg REVISION="$$(git rev-parse HEAD)" --build-arg SOURCE="$(SOURCE)" . || exit 1; done

.PHONY: sbom
sbom: $(INSTALLED) ## Write what the images install as a CycloneDX bill of materials, .local/sbom.cdx.json
	@mkdir -p .local
	@$(BIN)/cyclonedx-py requirements --output-reproducible --output-format JSON --output-file .local/sbom.cdx.json requirements/run.lock
	@echo .local/sbom.cdx.json

.PHONY: kind-up
kind-up: $(INSTALLED) ## Bring the platform up in a kind cluster on this machine (docker, kind; k8s/README.md)
	@k8s/kind/up.sh

.PHONY: kind-down
kind-down: ## Delete that cluster with everything in it
	@k8s/kind/down.sh

.PHONY: e2e-k8s
e2e-k8s: $(INSTALLED) ## Install into that cluster and see what it survives; says why when it is skipped
	@$(BIN)/python k8s/e2e/run.py

.PHONY: hooks
hooks: $(INSTALLED) ## Let git check each commit as CI does (pre-commit)
	@$(BIN)/pre-commit install

.PHONY: protos
protos: $(INSTALLED) ## Write the stubs and descriptors anew from protos/
	@$(BIN)/python libs/protos/generate.py

.PHONY: release-protos
release-protos: $(INSTALLED) ## Make today's protos the release that later ones must not break
	@$(BIN)/buf build libs/protos/src/smartcity/descriptors.binpb --exclude-source-info -o protos/released.binpb

.PHONY: lock
lock: $(INSTALLED) ## Choose the newest versions of the dependencies and lock them with hashes
	@cd requirements && lock() { ../$(BIN)/uv pip compile --universal --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet $$1.in -o $$1.lock $$2; } && lock run && lock dev && lock carriers --no-deps
