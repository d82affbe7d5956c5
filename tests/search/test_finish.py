"""The last sentence of a search: whether it was worth it, against the best anchor."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from records.history import read_history
from search.finish import worth_it
from tests import made_up


def said(tmp_path, **changed: dict[str, float]) -> str:
    """Of three trials, the first an anchor, whose selected epochs have these figures: first={"eval_accuracy": 0.5}."""
    history = read_history(made_up.write_search(tmp_path, "s", trials=3, epochs=1))
    for number, name in enumerate(("first", "second", "third")):
        trial = history.trials[number]
        trial.best = replace(trial.best, **{"eval_accuracy": 0.4, "eval_loss": 0.5} | changed.get(name, {}))
    return worth_it(SimpleNamespace(history=history, trials=history.trials), [])


@pytest.mark.parametrize(("changed", "sentence"), [
    ({"second": {"eval_accuracy": 0.53}},
     "The search beat its best anchor (plain) by 13.0 points on validation; the best of"),
    ({"first": {"eval_accuracy": 0.5}},
     "The search did not beat its anchors: plain is the best of all 3 trials on validation."),
    ({"second": {"eval_loss": 0.4}},
     "The search did no better than its best anchor (plain): on validation their accuracy is the same; the best of"),
])  # fmt: skip
def test_a_search_says_whether_it_was_worth_it(tmp_path, changed, sentence):
    assert said(tmp_path, **changed).startswith(sentence)
