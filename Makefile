# freezebench: `make help` lists what can be asked for.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# SYSTEM_SITE=1 uses the torch that $(PYTHON) already has instead of downloading one.
SYSTEM_SITE ?=

DEVICE    ?= cpu
WORKLOAD  ?=
STRATEGY  ?=
BATCH     ?=
DTYPE     ?=
OPTIMIZER ?=
THREADS   ?=
FREEZE    ?=
PRECISION ?=
BUDGET    ?=
RESULTS   ?=
RUN       ?=
RUNS      ?=
BY        ?=
OUT       ?= report.html
TARGET    ?=
BASE      ?=
HEAD      ?= .
ARGS      ?=

training = --device $(DEVICE) \
	$(foreach name,$(WORKLOAD),--workload '$(name)') \
	$(foreach name,$(STRATEGY),--strategy '$(name)') \
	$(foreach name,$(FREEZE),--freeze '$(name)') \
	$(if $(BATCH),--batch $(BATCH)) \
	$(if $(DTYPE),--dtype $(DTYPE)) \
	$(if $(OPTIMIZER),--optimizer $(OPTIMIZER)) \
	$(if $(THREADS),--threads $(THREADS)) \
	$(if $(BUDGET),--budget $(BUDGET))

request = $(training) \
	$(if $(PRECISION),--precision $(PRECISION)) \
	$(if $(RESULTS),--results '$(RESULTS)') \
	$(ARGS)

runs = $(or $(RUNS),'$(or $(RESULTS),results)')
# In a checkout the README of results/ tells of the runs that git keeps.
tracked = $(if $(wildcard .git),--tracked)

.PHONY: help bench test check audit hazards claims recipes counters gate gate-study audit-study \
	report compare page selfbench clean

help:  ## what can be asked for
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12
	@echo
	@echo 'make bench takes DEVICE, WORKLOAD, STRATEGY, BATCH, DTYPE, OPTIMIZER, THREADS, FREEZE,'
	@echo 'PRECISION, BUDGET, RESULTS and ARGS (anything else that `freezebench run` takes), as in'
	@echo '  make bench DEVICE=cuda WORKLOAD="policy torchvision:resnet50" BATCH=32 PRECISION=2%'
	@echo 'make gate takes the same but PRECISION and RESULTS, and BASE and HEAD. It fails with exit code'
	@echo '2 for whatever is no PASS, since make has no other; the first line says which it was.'
	@echo 'PYTHON=python3.12 chooses the interpreter; SYSTEM_SITE=1 uses the torch it already has.'

bench: $(VENV)/.installed  ## compare freezing strategies and write results/<machine>/<run>/
	@$(BIN)/freezebench run $(request)

test: $(VENV)/.installed  ## run the tests
	@$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadgroup

check: recipes $(VENV)/.installed  ## lint, types, the direction of imports, and the recipes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: $(VENV)/.installed  ## did your own training stay frozen? TARGET=my_training.py:training
	@$(BIN)/freezebench audit $(foreach name,$(FREEZE),--freeze '$(name)') $(ARGS) \
		'$(or $(TARGET),$(error say what to audit: make audit TARGET=my_training.py:training))'

hazards: $(VENV)/.installed  ## how a frozen part still moves, every way against every strategy
	@$(BIN)/freezebench hazards $(if $(RESULTS),--results '$(RESULTS)') $(ARGS)

claims: $(VENV)/.installed  ## what is said about freezing, measured: some minutes
	@$(BIN)/freezebench claims $(if $(RESULTS),--results '$(RESULTS)') $(ARGS)

recipes: $(VENV)/.installed  ## the recipes for CI: schemas, security, and actionlint if it is there
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows bench/recipes/github*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci \
		bench/recipes/gitlab*.yml
	@$(BIN)/zizmor --offline --quiet --no-config --strict-collection --persona=auditor \
		bench/recipes/github*.yml
	@# actionlint is no Python package that holds its program, so it is used where it is installed.
	@if command -v actionlint > /dev/null; then \
		actionlint -ignore 'label "gpu" is unknown' bench/recipes/github*.yml; \
	else \
		echo 'SKIPPED: actionlint is not installed here, so it has not seen the recipes' >&2; \
	fi

counters: $(VENV)/.installed  ## did any count change? (ARGS=--update keeps the new ones)
	@$(BIN)/freezebench gate counters $(ARGS)

gate: $(VENV)/.installed  ## did a step become slower? BASE=origin/main against HEAD=. in turns
	@$(BIN)/freezebench gate time --head '$(HEAD)' $(training) $(ARGS) \
		--base '$(or $(BASE),$(error say what to compare with: make gate BASE=origin/main))'

gate-study: $(VENV)/.installed  ## how often that gate is wrong: an hour or two (ARGS goes to analyse)
	@$(BIN)/python -m bench.study collect
	@$(BIN)/python -m bench.study gates
	@$(BIN)/python -m bench.study analyse $(ARGS)

audit-study: $(VENV)/.installed  ## how often the audit is wrong: planted faults and clean set-ups
	@$(BIN)/python -m bench.audit_study $(ARGS)

report: $(VENV)/.installed  ## table and plots of RUN=results/<machine>/<run> again
	@$(BIN)/freezebench report $(or $(RUN),$(error say which: make report RUN=results/<machine>/<run>))

compare: $(VENV)/.installed  ## runs side by side, RUNS=... BY=threads; all of results/ if none are named
ifeq ($(RUNS)$(BY)$(RESULTS),)
	@$(BIN)/freezebench compare results --every $(ARGS)
	@$(BIN)/freezebench collection results $(tracked)
else
	@$(BIN)/freezebench compare $(runs) $(if $(BY),--by $(BY),--every) $(ARGS)
endif

page: $(VENV)/.installed  ## OUT=report.html: RUNS=... as one file to send; all of results/ if none are named
	@$(BIN)/freezebench page $(runs) -o '$(OUT)' $(if $(BY),--by $(BY)) $(ARGS)

selfbench: $(VENV)/.installed  ## what the harness itself costs, on DEVICE (ARGS goes to pytest)
	@DEVICE=$(DEVICE) $(BIN)/python -m pytest tests/perf/perf_*.py --benchmark-enable -q -s $(ARGS)

clean:  ## remove the environment and everything that tools left behind
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.benchmarks .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One pip call resolves everything together, so that no later step can replace torch.
$(VENV)/.installed: pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
ifneq ($(SYSTEM_SITE),)
	@# A path file rather than --system-site-packages, which would look past an interpreter that
	@# itself lives in a virtual environment.
	@$(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/system.pth"
endif
	@echo 'installing into $(VENV) (with torch: some minutes and gigabytes, once)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
