#!/bin/sh
# Tests with the lowest versions that pyproject.toml allows, in an environment of their own: .venv-lowest.
# Run by `CI_LOWEST=1 .ci/run`, and not otherwise: it installs about 6 GB.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}   # the lowest as well
venv=${LOWEST_VENV:-.venv-lowest}
tests="tests/test_layers.py tests/search/test_internals.py tests/search/test_study.py tests/search/test_population.py
    tests/spaces tests/records tests/trainables/test_tune.py tests/trainables/test_own_tuner.py
    tests/analysis/test_runs_and_tables.py"

"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv "$venv"
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
"$venv/bin/python" scripts/lowest.py >"$wanted"
"$venv/bin/python" -m pip install --disable-pip-version-check -r "$wanted"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -e .
# shellcheck disable=SC2086  # a list of paths
"$venv/bin/python" -m pytest -m "not slow and not ray" $tests
