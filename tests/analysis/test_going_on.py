"""What is suggested after a head-to-head: more seeds where they are expected to decide something."""

import math
from types import SimpleNamespace

import pytest

from analysis.going_on import next_commands
from analysis.rulebook.forecast import Forecast

BETTER = SimpleNamespace(word="better", n=5, forecast=None)
SOON = SimpleNamespace(word="undecided", n=5, forecast=Forecast(7.0, 3.0, 30.0))
LATE = SimpleNamespace(word="undecided", n=8, forecast=Forecast(20.0, 9.0, math.inf))
NEVER = SimpleNamespace(word="undecided", n=5, forecast=Forecast(math.inf, 90.0, math.inf))
UNKNOWN = SimpleNamespace(word="undecided", n=2, forecast=None)
UNSAID = SimpleNamespace(word="", n=5, forecast=None)
MORE = "python -m search.compare --resume --name h"


@pytest.mark.parametrize(("pairs", "first"), [
    ([BETTER, SOON], f"{MORE} --until-decided --max-seeds 12"),
    ([SOON, LATE, NEVER], f"{MORE} --until-decided --max-seeds 28"),
    ([UNKNOWN], f"{MORE} --until-decided"),
    ([BETTER, NEVER], None),
    ([UNSAID], None),
    ([], None),
])  # fmt: skip
def test_more_seeds_are_suggested_where_they_would_decide_something(pairs, first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = next_commands(tmp_path / "runs" / "h", {"setting": {}}, pairs)
    page, pages = "python -m analysis.report runs/h --out runs/h/report", "python -m search.dashboard runs/h"
    assert found == [*([first] if first else []), page, pages]


def test_what_is_to_be_typed_names_the_place_and_the_plugins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, *_ = next_commands(tmp_path / "my runs" / "h", {"setting": {"plugins": ["capped"]}}, [SOON])
    assert first == f"{MORE} --out 'my runs' --plugin capped --until-decided --max-seeds 12"
