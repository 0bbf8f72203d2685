# The doors of the house. `make` alone lists them; each sets up what it needs on a fresh machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
LOCK := pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

# Hundreds of short processes are started by the tests: compiled once, not each time, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo test tests lint image wheel sbom audit check servers coverage bench sim soak boot docs reference lock clean

help: ## list the doors
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## set up .venv with the commands rewards-agent and rewards-catalogue

$(VENV)/.installed: requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" sh tests/install_packages.sh venv
	@$(BIN)/python -c 'import pip, ssl' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## a whole campus in one terminal: 30 seconds, nothing else needed
	$(BIN)/rewards-agent demo

test: install servers ## every gate and every test, side by side
	@$(MAKE) --no-print-directory --jobs 2 check tests

tests:
	@room=$$(sh tests/room.sh) && trap 'rm -rf "$$room"' EXIT && \
	TMPDIR=$$room $(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder

lint: install check ## style, types and import contracts, without the tests

check:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

servers:
	@sh tests/install_packages.sh servers

coverage: install ## how much of the engine its own tests reach; fails under 100 % of branches
	$(BIN)/python -m pytest tests/unit tests/property --cov=agent.engine --cov-fail-under=100

bench: install servers ## measure, each figure beside its bare limit, into bench/RESULTS.md
	$(BIN)/python -m bench

sim: install ## play whole systems by seed under virtual time: SEED=7 tells one, SEEDS=200 runs many (FIRST=, MINUTES=, SHORT=1, ONLY="restore office")
	$(BIN)/python -m sim $(if $(SHORT),--short) $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),50) --first $(or $(FIRST),1) $(if $(MINUTES),--minutes $(MINUTES)))

soak: install servers ## the long tests, after a long day of a campus on failing machines (MINUTES=, SOAK_SEED=; as root)
	$(BIN)/python -m soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SOAK_SEED),--seed $(SOAK_SEED))
	$(BIN)/python -m pytest -m soak --timeout=86400
	REWARDS_EFFORT_PCT=1000 $(BIN)/python -m pytest tests/property tests/oracle --timeout=86400

boot: install ## boot a Debian of its own in an emulator: upgrades, watchdog, memory, power cuts, clocks, under systemd (as root)
	$(BIN)/python -m soak.booted $(if $(BEFORE),--before $(BEFORE)) $(if $(PLACE),--place $(PLACE))

docs: install $(VENV)/.docs ## build the manual into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

image: ## build the image with docker, podman or buildah; BASE=debootstrap where no registry can be reached, WHEELS=DIR
	@sh scripts/image.sh $(if $(filter debootstrap,$(BASE)),--debootstrap,$(if $(BASE),--base $(BASE))) $(if $(WHEELS),--wheels $(WHEELS))

wheel: install ## build the wheel, the same bytes wherever it is built, into dist/
	env -u SOURCE_DATE_EPOCH $(BIN)/python -m hatchling build --target wheel

sbom: install $(VENV)/.audit ## write the bill of materials (CycloneDX) of what an installation holds into dist/
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --spec-version 1.6 --output-reproducible \
	    --output-format JSON --output-file dist/sbom.cdx.json requirements.run.lock

audit: install $(VENV)/.audit ## ask whether a security advisory is known for anything an installation holds
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements.run.lock || { \
	    echo "Where a package is named with an advisory above: raise its pin (make lock). Where one could not be audited, or" \
	        "nobody be reached, nothing is known of any: ask again from where the public package index answers." >&2; exit 1; }

$(VENV)/.audit: requirements.audit.lock $(VENV)/.installed
	$(PIP) install --require-hashes --requirement requirements.audit.lock
	@touch $@

reference: install ## write the manual's reference pages anew from the code
	$(BIN)/python -m manual

$(VENV)/.docs: docs/requirements.lock $(VENV)/.installed
	$(PIP) install --require-hashes --requirement docs/requirements.lock
	@touch $@

lock: ## resolve the dependencies again and write the lock files; run it with the oldest Python we support, Debian 12's
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip --disable-pip-version-check install --quiet pip-tools
	$(VENV)-lock/bin/$(LOCK) --extra catalogue --extra parquet --extra dev --output-file requirements.lock pyproject.toml
	$(VENV)-lock/bin/$(LOCK) --extra docs --constraint requirements.lock --output-file docs/requirements.lock pyproject.toml
	$(VENV)-lock/bin/$(LOCK) --extra catalogue --extra build --constraint requirements.lock \
	    --output-file requirements.run.lock pyproject.toml
	$(VENV)-lock/bin/$(LOCK) --extra audit --constraint requirements.lock --output-file requirements.audit.lock pyproject.toml
	sed -i '1i # Written by make lock: what writes the bill of materials and asks for advisories, with the hashes of its files.' \
	    requirements.audit.lock
	sed -i '1i # Written by make lock: what an installation downloads, with its hashes; a part of requirements.lock.' \
	    requirements.run.lock
	sed -i '1i # Written by make lock: every package of the agent, the catalogue and the tests, with its hashes.' requirements.lock
	sed -i '1i # Written by make lock: what builds the manual, with the hashes of its files.' docs/requirements.lock

clean: ## remove everything that can be made again
	rm -rf $(VENV) $(VENV)-lock build dist site demo-data .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find agent catalogue machine wire tests bench sim soak -name __pycache__ -type d -prune -exec rm -rf {} +
