# make search: set up and run a first search on the embedded data.  make test: set up and run the tests.
VENV := .venv
STAMP := $(VENV)/.installed
PY := $(VENV)/bin/python
ARGS ?=

.PHONY: setup search test test-slow lint docs clean
search: $(STAMP)
	$(PY) -m search.run --space self_paced $(ARGS)

test: $(STAMP) lint docs
	$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

test-slow: $(STAMP)
	$(PY) -m pytest -m slow $(ARGS)

lint: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# Strict: a link or a name that leads nowhere is an error. The site is site/index.html.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

setup: $(STAMP)

# The stamp is made last, so an interrupted installation is taken up again by the next call.
$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(STAMP)

clean:
	rm -rf $(VENV)
