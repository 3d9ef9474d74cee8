# The project's commands. `make` lists them; GNU make 3.81 and a POSIX shell are enough.

ifeq ($(OS),Windows_NT)
$(error Windows is not supported, use WSL: https://learn.microsoft.com/windows/wsl/install)
endif

VENV   := .venv
PYTHON ?=
CLOUD  ?= oracle
ARGS   ?=

clouds := oracle $(notdir $(patsubst %/laptop/engine,%,$(wildcard clouds/*/laptop/engine)))
$(if $(filter $(CLOUD),$(clouds)),,$(error CLOUD must be one of: $(clouds)))

python := $(VENV)/bin/python
pip    := $(python) -m pip --disable-pip-version-check install --no-compile

# Installs packages, and lists what is downloaded. They are compiled on all cores, except for the SDK: most of its 18,000
# modules are never imported. The stamp is made within the pipe, since a POSIX shell does not see that pip failed there.
sizes   := sed -n -e 's/^ *Downloading \([^ ]*\) (\(.*\))$$/  \1, \2/p'
compile := $(python) -m compileall -qq -j 0 -x '/oci/' $(VENV)/lib
install  = rm -f $@; { $(pip) $(1) && { $(compile) || true; } && touch $@; } | $(sizes); test -e $@

# For `make contract`: TOKEN is your token, passed in the environment so that no process list shows it; ALONE=yes if
# nobody else visits the counter; REPORT=yes to send a mail; ORIGIN=https://page if you do not know TOKEN.
export TOKEN
contract = $(if $(filter yes,$(ALONE)),--alone) $(if $(filter yes,$(REPORT)),--send-report) \
	$(if $(ORIGIN),--origin "$(ORIGIN)")

.PHONY: help run test check test-all lint contract bench soak package publish-as release lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile
	@echo "Pass options with ARGS: make run ARGS=--help"

run: $(VENV)/installed-$(CLOUD) ## run the counter on this machine, no account needed; also CLOUD=aws, CLOUD=azure
	@$(python) -m local --cloud $(CLOUD) $(ARGS)

pytest := $(python) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test: lint ## run lint, type checks, import rules and all quick tests
	@$(pytest) -m "not slow" $(ARGS)

test-all: lint ## the same with the slow tests
	@$(pytest) $(ARGS)

lint: $(VENV)/installed-test ## run ruff, mypy and import-linter
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy . .github/ship.py
	@$(VENV)/bin/lint-imports --no-cache

contract: $(python) ## test a deployed counter against the contract: URL=https://host/v1 TOKEN=...
	@$(python) -c 'import pytest' 2>/dev/null || $(pip) --quiet -r tests/contract/requirements.lock
	@$(python) -m pytest tests/contract --url "$(URL)" --junitxml build/contract.xml $(contract) $(ARGS)

check: $(python) ## check a deployed counter and say what to fix: URL=https://host/v1 TOKEN=... COUNT=yes REPORT=yes
	@$(python) -m clouds.check "$(URL)" $(if $(ORIGIN),--origin "$(ORIGIN)") \
	    $(if $(filter yes,$(COUNT)),--count) $(if $(filter yes,$(REPORT)),--report)

bench: $(VENV)/installed-test ## measure the README's figures
	@$(python) -m bench $(ARGS)

soak: $(VENV)/installed-test ## inject every fault at once, then check every visit: ARGS="--minutes 30 --seed 5"
	@$(python) -m bench.soak $(ARGS)

package: $(python) ## build the function's bundle, build/CLOUD.zip; also CLOUD=aws, CLOUD=azure
	@$(python) -m clouds.bundle $(CLOUD) $(ARGS)

# To make, OWNER/REPOSITORY is a second goal, with nothing to do.
publish-as: $(python) ## point every link to your copy on GitHub: make publish-as OWNER/REPOSITORY
	@$(python) tests/make_links.py $(filter-out $@,$(MAKECMDGOALS))
ifeq (publish-as,$(firstword $(MAKECMDGOALS)))
$(filter-out publish-as,$(MAKECMDGOALS)):
	@:
endif

release: $(VENV)/installed-test ## prepare a release on this machine: VERSION=1.2.0
	@echo "$(VERSION)" | grep -qxE '[0-9]+\.[0-9]+\.[0-9]+' || { echo "VERSION is three numbers, as in 1.2.0" >&2; exit 1; }
	@[ "$$(git branch --show-current)" = main ] || { echo "Releases are made on main: git switch main" >&2; exit 1; }
	@$(python) -c 'import sys; new, old = (list(map(int, text.split("."))) for text in sys.argv[1:]); sys.exit(new <= old)' \
	    "$(VERSION)" "$$(sed -n 's/^version: //p' func.yaml)" || { echo "$(VERSION) is not newer than func.yaml's." >&2; exit 1; }
	@$(VENV)/bin/bump-my-version bump --new-version "$(VERSION)"
	@echo "Release $(VERSION) is a commit and a tag on this machine. To publish it, and let the Release workflow build it:"
	@echo "    git push --atomic --follow-tags origin main"
	@echo "To take it back: git tag --delete v$(VERSION) && git reset --keep HEAD~1"

# Packages that the tests share with the function have the function's versions.
lock: ## update the lock files after changing requirements; needs uv. ARGS=--upgrade also raises all versions
	@for lock in clouds/*/requirements.lock .github/requirements.lock tests/contract/requirements.lock; do \
	    sed -n 's/^# *\(uv pip compile .*\)/\1 --quiet $(ARGS)/p' "$$lock" | sh -e >/dev/null || exit; \
	done
	@uv pip compile --quiet tests/requirements.txt $(cloudy) $(addprefix -c ,$(wildcard clouds/*/requirements.lock)) \
	    --universal --python-version 3.11 --generate-hashes --no-annotate -o tests/requirements.lock $(ARGS) >/dev/null

clean: ## remove everything that was installed, and all caches
	rm -rf $(VENV) clouds/*/laptop/engine/node_modules tests/postman/node_modules tests/browser/packages/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# To run the counter: the function's packages, and those that replace its cloud.
$(VENV)/installed-oracle: requirements.txt $(python)
	@echo "Installing the function's packages into $(VENV): a download of 45 MB, a minute or two, first run only ..."
	@$(call install,-r requirements.txt)

$(VENV)/installed-%: clouds/%/laptop/engine/requirements.txt clouds/%/requirements.txt $(python)
	@echo "Installing the packages for $* into $(VENV): a download of 25 MB at most, a minute, first run only ..."
	@$(call install,-r $<)

# The requirements of the clouds that are present.
cloudy := $(wildcard clouds/*/requirements.txt clouds/*/laptop/engine/requirements.txt clouds/*/tests/requirements.txt)

$(VENV)/installed-test: tests/requirements.lock $(wildcard clouds/*/laptop/engine/package-lock.json) $(python)
	@echo "Installing the test packages into $(VENV): a download of 150 MB, two minutes, first run only ..."
	@# Installed now, since several tests would do it at once. Without Node the tests that need it are skipped.
	@for engine in clouds/*/laptop/engine; do \
	    if npm --version >/dev/null 2>&1; then \
	        (cd "$$engine" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) || exit; \
	    fi; \
	done
	@$(call install,--no-deps -r tests/requirements.lock) # the lock names all
	@touch $(VENV)/installed-oracle

# A name on PATH may be a version manager's shim that fails, so every candidate is run and asked. Oracle's FDK (0.1.128)
# supports Python 3.11 to 3.13; 3.14 may work, and 3.15 removed a module that it needs. A newer Python is therefore used
# only if there is no other, with a warning.
good  := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
newer := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < (3, 14))
bare  := import sys; sys.exit(sys.version_info[:2] < (3, 11))

# If the venv's Python is gone (upgraded, or the folder was moved), everything is installed again.
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
	            echo "Warning: only a Python newer than 3.13 was found; Oracle's FDK may not run on it." >&2; \
	            break; \
	        elif "$$candidate" -c '$(bare)' >/dev/null 2>&1; then unfit=$$candidate; fi; \
	    done; \
	fi; \
	if [ -z "$$found" ] && [ -n "$$unfit" ]; then \
	    echo "$$unfit has no venv module; on Debian and Ubuntu: apt install python3-venv." >&2; exit 1; \
	elif [ -z "$$found" ]; then \
	    echo "Python 3.11 or newer is needed; install it, or set its path: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	trap 'rm -rf $(VENV); exit 130' INT TERM; \
	"$$found" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
