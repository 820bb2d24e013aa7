# Needs only python3 >= 3.11 and a package registry. `make setup` installs into .venv; everything else uses it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench proof

help: ## Say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## Install Luthier and its tools into .venv

# Installed again only when what is to be installed changed.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Luthier needs Python 3.11 or newer. Try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	# Older versions of pip leave out extras whose name is spelt with an underscore.
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup ## The main job: a folder of files becomes a model with evidence
	$(BIN)/luthier run examples/medical-coding/luthier.yaml

check: setup ## Style, types, arrows between rooms, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_house_rules.py

test: check ## Everything that must hold
	# Two files of tests at a time, one thread each.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

bench: setup ## Measure every number that is claimed; rows go to bench/results
	@for file in bench/*/*.py; do \
		case $$file in */_*|*'*'*) continue;; esac; \
		echo "== $$file"; \
		$(BIN)/python -m $$(echo $${file%.py} | tr / .) || exit 1; \
	done

proof: setup ## Break a thousand runs, then all examples from files to verdict with every number recomputed
	$(BIN)/python -m bench.engine.t6
	$(BIN)/python -m bench.engine.t7
	$(BIN)/python -m bench.engine.t8
	$(BIN)/luthier run examples/medical-coding/luthier.yaml --require-ship
	$(BIN)/luthier run examples/medical-coding/classify.yaml
	$(BIN)/luthier run examples/finance-ner/luthier.yaml
	$(BIN)/luthier run examples/postgres-docs/luthier.yaml
	$(BIN)/luthier run examples/preferred-answers/luthier.yaml
	$(BIN)/luthier run examples/preferred-answers/reward.yaml
	$(BIN)/luthier run examples/synonym-search/luthier.yaml
	$(BIN)/luthier run examples/postgres-docs/fill.yaml
	$(BIN)/luthier run examples/exam-questions/luthier.yaml
	$(BIN)/luthier verify examples/medical-coding/runs/medical-coding
	$(BIN)/luthier verify examples/medical-coding/runs/medical-coding-classify
	$(BIN)/luthier verify examples/finance-ner/runs/finance-ner
	$(BIN)/luthier verify examples/postgres-docs/runs/postgres-docs
	$(BIN)/luthier verify examples/preferred-answers/runs/preferred-answers
	$(BIN)/luthier verify examples/preferred-answers/runs/preferred-answers-reward
	$(BIN)/luthier verify examples/synonym-search/runs/synonym-search
	$(BIN)/luthier verify examples/postgres-docs/runs/postgres-docs-fill
	$(BIN)/luthier verify examples/exam-questions/runs/exam-questions
