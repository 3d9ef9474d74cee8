# What there is to do here. `make` lists it; GNU make 3.81 and a POSIX shell are enough.

ifeq ($(OS),Windows_NT)
$(error On Windows use WSL, where all of this works: https://learn.microsoft.com/windows/wsl/install)
endif

VENV   := .venv
PYTHON ?=
CLOUD  ?= oracle
ARGS   ?=

clouds := oracle $(notdir $(patsubst %/laptop/engine,%,$(wildcard clouds/*/laptop/engine)))
$(if $(filter $(CLOUD),$(clouds)),,$(error CLOUD is one of: $(clouds)))

python := $(VENV)/bin/python
pip    := $(python) -m pip --disable-pip-version-check install --quiet

# For `make contract`: the owner's token, which goes by the environment so that no list of processes shows it; ALONE=yes
# where nobody else visits the counter; REPORT=yes if the owner may get a mail; ORIGIN=https://page if TOKEN is not known.
export TOKEN
contract = $(if $(filter yes,$(ALONE)),--alone) $(if $(filter yes,$(REPORT)),--send-report) \
	$(if $(ORIGIN),--origin "$(ORIGIN)")

.PHONY: help run test check test-all lint contract bench soak package publish-as release lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile
	@echo "Options are handed on with ARGS: make run ARGS=--help"

run: $(VENV)/installed-$(CLOUD) ## the counter on this laptop, no account needed; CLOUD=aws and CLOUD=azure too
	@$(python) -m local --cloud $(CLOUD) $(ARGS)

pytest := $(python) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test: lint ## lint, types, import rules, and every test that is quick
	@$(pytest) -m "not slow" $(ARGS)

test-all: test ## the same, and then the tests that take longer
	@$(pytest) -m slow $(ARGS)

lint: $(VENV)/installed-test ## ruff, mypy and import-linter
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy . .github/ship.py .github/release.py
	@$(VENV)/bin/lint-imports --no-cache

contract: $(python) ## whether a counter that runs somewhere keeps its word: URL=https://host/v1 TOKEN=...
	@$(python) -c 'import pytest' 2>/dev/null || $(pip) -r tests/contract/requirements.lock
	@$(python) -m pytest tests/contract --url "$(URL)" --junitxml build/contract.xml $(contract) $(ARGS)

check: $(python) ## whether your counter works, and what to do if not: URL=https://host/v1, TOKEN=... COUNT=yes REPORT=yes
	@$(python) -m clouds.check "$(URL)" $(if $(ORIGIN),--origin "$(ORIGIN)") \
	    $(if $(filter yes,$(COUNT)),--count) $(if $(filter yes,$(REPORT)),--report)

bench: $(VENV)/installed-test ## the measurements behind the README's numbers
	@$(python) -m bench $(ARGS)

soak: $(VENV)/installed-test ## everything goes wrong at once, then every visit is accounted for: ARGS="--minutes 30 --seed 5"
	@$(python) -m bench.soak $(ARGS)

package: $(python) ## what a cloud runs, in build/CLOUD.zip: CLOUD=aws and CLOUD=azure too
	@$(python) -m clouds.bundle $(CLOUD) $(ARGS)

# The name is a second goal to make, which has nothing to do.
publish-as: $(python) ## every link leads to your copy on GitHub: make publish-as OWNER/REPOSITORY
	@$(python) tests/make_links.py $(filter-out $@,$(MAKECMDGOALS))
ifeq (publish-as,$(firstword $(MAKECMDGOALS)))
$(filter-out publish-as,$(MAKECMDGOALS)):
	@:
endif

release: $(python) ## a release, prepared on this machine: VERSION=1.2.0
	@$(python) .github/release.py prepare "$(VERSION)"

# The packages that the tests share with what is shipped have the versions that are shipped.
lock: ## the lock files anew, after a change of what is required; needs uv. ARGS=--upgrade: and newer versions of the rest
	@for lock in clouds/*/requirements.lock .github/requirements.lock tests/contract/requirements.lock; do \
	    sed -n 's/^# *\(uv pip compile .*\)/\1 --quiet $(ARGS)/p' "$$lock" | sh -e >/dev/null || exit; \
	done
	@uv pip compile --quiet tests/requirements.txt $(cloudy) $(addprefix -c ,$(wildcard clouds/*/requirements.lock)) \
	    --universal --python-version 3.11 --generate-hashes --no-annotate -o tests/requirements.lock $(ARGS) >/dev/null

clean: ## remove all that was installed, and all caches
	rm -rf $(VENV) clouds/*/laptop/engine/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Running the counter needs what the function needs, and what stands in for its cloud.
$(VENV)/installed-oracle: requirements.txt $(python)
	@echo "Installing what the function needs into $(VENV), once ..."
	@$(pip) -r requirements.txt
	@touch $@

$(VENV)/installed-%: clouds/%/laptop/engine/requirements.txt clouds/%/requirements.txt $(python)
	@echo "Installing what the function needs on $* into $(VENV), once ..."
	@$(pip) -r $<
	@touch $@

# A cloud that was taken away takes its requirements along.
cloudy := $(wildcard clouds/*/requirements.txt clouds/*/laptop/engine/requirements.txt clouds/*/tests/requirements.txt)

$(VENV)/installed-test: tests/requirements.lock $(wildcard clouds/*/laptop/engine/package-lock.json) $(python)
	@echo "Installing what the tests need into $(VENV), once ..."
	@$(pip) -r tests/requirements.lock
	@# Now, and not by several tests at once. Without Node the tests that need it are skipped, and say so.
	@for engine in clouds/*/laptop/engine; do \
	    if npm --version >/dev/null 2>&1; then \
	        (cd "$$engine" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) || exit; \
	    fi; \
	done
	@touch $(VENV)/installed-oracle $@

# A name on PATH may be a version manager's shim that fails, so every candidate is run and asked. Oracle's kit for
# functions (fdk 0.1.128) is at home on Python 3.11 to 3.13; 3.14 may work, 3.15 has lost what it loads functions with.
# Newer ones are therefore taken only when nothing better is here, and said so.
good  := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
newer := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < (3, 14))
bare  := import sys; sys.exit(sys.version_info[:2] < (3, 11))

# Without its Python (upgraded away, or the folder moved) nothing that was installed counts.
broken := $(shell test -x $(python) || rm -f $(VENV)/installed-*)

candidates = $(if $(PYTHON),"$(PYTHON)",python3.12 python3.11 python3.13 python3 python python3.14)

$(python):
	@found=; unfit=; \
	for candidate in $(candidates); do \
	    if "$$candidate" -c '$(good)' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    for candidate in $(candidates); do \
	        if "$$candidate" -c '$(newer)' >/dev/null 2>&1; then \
	            found=$$candidate; \
	            echo "Warning: only a Python newer than 3.13 is here; Oracle's fdk may not run on it." >&2; \
	            break; \
	        elif "$$candidate" -c '$(bare)' >/dev/null 2>&1; then unfit=$$candidate; fi; \
	    done; \
	fi; \
	if [ -z "$$found" ] && [ -n "$$unfit" ]; then \
	    echo "$$unfit has no venv module; on Debian and Ubuntu: apt install python3-venv." >&2; exit 1; \
	elif [ -z "$$found" ]; then \
	    echo "Python 3.11 or newer is needed; install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	trap 'rm -rf $(VENV); exit 130' INT TERM; \
	"$$found" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
