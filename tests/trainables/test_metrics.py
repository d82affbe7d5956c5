"""Metrics are declared once: computed in every epoch and on test, written, shown."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from analysis.chapters.contents import make_report
from analysis.comparable import sections
from analysis.document.markdown import write_markdown
from analysis.runs import load_with_epochs
from records.history import read_history
from search import compare, run
from trainables.metrics import (
    METRICS,
    OBJECTIVES,
    Judged,
    Metric,
    accuracy,
    as_text,
    balanced_accuracy,
    chance,
    compute,
    get_metric,
    has_figure,
    loss,
    macro_f1,
    titled,
)

TINY = ["--data", "scenes:count=70", "--image-size", "16", "--precision", "fp32", "--executor", "local", "--cpus-per-trial",
        "1", "--epochs", "2"]  # fmt: skip


def worst_class(judged: Judged) -> float | None:
    """The lowest accuracy of any class."""
    right = judged.logits.argmax(axis=1) == judged.labels
    return float(min(right[judged.labels == label].mean() for label in np.unique(judged.labels)))


@pytest.fixture
def declared(monkeypatch) -> Metric:
    """A metric made up for the test, declared as a user would."""
    metric = Metric("worst_class", "worst class", worst_class, digits=2)
    monkeypatch.setitem(METRICS, metric.name, metric)
    return metric


@given(st.integers(1, 6), st.integers(2, 4), st.booleans(), st.integers(0, 2**16))
def test_every_declared_metric_is_finite_or_nothing_on_small_and_lopsided_splits(images, classes, several, seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros(images, np.int64) if seed % 2 else rng.integers(0, classes, images)
    targets = rng.random((images, classes)) < 0.4 if several else None
    judged = Judged(rng.normal(size=(images, classes)), labels, targets)
    for name, value in compute(judged).items():
        assert re.fullmatch(r"[a-z]\w*", name) and METRICS[name].title
        assert value is None or np.isfinite(value)


@given(st.integers(1, 40), st.integers(2, 6), st.integers(0, 2**16))
def test_balanced_accuracy_and_macro_f1_are_those_of_scikit_learn(images, classes, seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, images, p=rng.dirichlet(np.ones(classes)))  # some classes often, some perhaps never
    judged = Judged(rng.normal(size=(images, classes)), labels)
    predicted = judged.logits.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are predicted and never occur
        assert balanced_accuracy(judged) == pytest.approx(sklearn.metrics.balanced_accuracy_score(labels, predicted))
    theirs = sklearn.metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    assert macro_f1(judged) == pytest.approx(theirs)
    assert accuracy(judged) == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))
    softmax = np.exp(judged.logits) / np.exp(judged.logits).sum(axis=1, keepdims=True)
    assert loss(judged) == pytest.approx(sklearn.metrics.log_loss(labels, softmax, labels=range(classes)))


@given(st.integers(1, 30), st.integers(2, 5), st.integers(0, 2**16))
def test_of_several_labels_macro_f1_is_that_of_the_likely_ones_and_balanced_accuracy_means_nothing(
    images, classes, seed
):
    rng = np.random.default_rng(seed)
    targets = rng.random((images, classes)) < 0.3
    judged = Judged(rng.normal(size=(images, classes)), np.zeros(images, np.int64), targets)
    chosen = judged.logits > 0
    occur = np.flatnonzero(targets.any(axis=0) | chosen.any(axis=0))
    theirs = (
        sklearn.metrics.f1_score(targets, chosen, average="macro", labels=occur, zero_division=0)
        if len(occur)
        else None
    )
    assert macro_f1(judged) == (None if theirs is None else pytest.approx(theirs))
    assert balanced_accuracy(judged) is None
    each = np.logaddexp(0, judged.logits) - targets * judged.logits
    assert loss(judged) == pytest.approx(each.mean())


def test_a_rare_class_counts_as_much_as_a_common_one():
    labels = np.array([0] * 8 + [1] * 2)
    guess = Judged(np.tile([1.0, 0.0, 0.0], (10, 1)), labels)  # always the first of three; the third never occurs
    assert (accuracy(guess), balanced_accuracy(guess)) == (0.8, 0.5)
    assert macro_f1(guess) == pytest.approx((2 * 8 / (8 + 10) + 0) / 2)
    half = Judged(np.array([[1.0, 0, 0]] * 8 + [[0, 1.0, 0], [0, 0, 1.0]]), labels)
    assert balanced_accuracy(half) == 0.75 and macro_f1(half) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_a_task_has_a_figure_or_not():
    single = {name for name in OBJECTIVES if has_figure(name, several=False)}
    assert single == {"accuracy", "loss", "balanced_accuracy", "macro_f1"}
    assert {name for name in OBJECTIVES if has_figure(name, several=True)} == {"accuracy", "loss", "macro_f1", "map"}


def test_chance_is_what_a_network_that_has_seen_nothing_comes_to():
    counts = np.array([10, 60, 30])
    of = {
        name: chance(name, counts, 100, several=False) for name in ("accuracy", "balanced_accuracy", "loss", "macro_f1")
    }
    assert of["accuracy"] == of["balanced_accuracy"] == pytest.approx(1 / 3)
    assert of["loss"] == pytest.approx(np.log(3))
    assert of["macro_f1"] == pytest.approx(2 * 0.6 / 1.6 / 3)
    assert chance("map", counts, 100, several=True) == pytest.approx((0.1 + 0.6 + 0.3) / 3)
    assert chance("loss", counts, 100, several=True) == pytest.approx(np.log(2))
    assert chance("declared elsewhere", counts, 100, several=False) == 0.0


def test_what_may_be_picked_by_follows_what_is_declared(declared):
    assert list(OBJECTIVES)[:2] == ["accuracy", "loss"] and "worst_class" in OBJECTIVES
    assert get_metric("gone").title == "gone" and not get_metric("loss").higher_is_better
    figures = {"balanced_accuracy": 0.5, "macro_f1": 0.25, "map": None, "worst_class": 0.125}
    assert titled(figures) == [("worst class", "0.12")]
    assert titled(figures, "macro_f1") == [("macro F1", "0.250"), ("worst class", "0.12")]
    assert [as_text("loss", value) for value in (0.5, 12345.0, None)] == ["0.500", "1.2e+04", "-"]


def test_a_search_records_and_shows_a_metric_that_was_declared(declared, tmp_path, capsys):
    words = [*TINY, "--space", "finetune", "--samples", "2", "--out", str(tmp_path), "--name", "s"]
    assert run.main(words) == run.DONE
    said = capsys.readouterr().out
    history = read_history(tmp_path / "s")
    for trial in history.trials.values():
        assert all(0 <= record.metrics["worst_class"] <= 1 for record in trial.records)
    best = history.ranked()[0]
    assert best.test.metrics["worst_class"] is not None
    assert f"worst class {best.test.metrics['worst_class']:.2f}" in said
    records, finals = (pd.read_parquet(tmp_path / "s" / f"{name}.parquet") for name in ("records", "finals"))
    assert records["eval_worst_class"].notna().all() and finals["selection_worst_class"].notna().all()
    row = finals.set_index("trial").loc[best.number]
    assert row["test_worst_class"] == best.test.metrics["worst_class"]
    assert row["selection_worst_class"] == best.best.metrics["worst_class"]
    assert "| worst class |" in report_of(tmp_path / "s")


def test_a_head_to_head_compares_arms_by_it_too(declared, tmp_path, capsys):
    words = [*TINY, "--strategies", "finetune,self_paced", "--seeds", "3", "--out", str(tmp_path), "--name", "h"]
    assert compare.main(words) == run.DONE
    (head,) = [
        line for line in (tmp_path / "h" / "comparison.md").read_text().splitlines() if line.startswith("| arm |")
    ]
    assert head.split("| ")[2:6] == ["seeds ", "accuracy ", "loss ", "KNN "] and "worst class" in head
    assert "worst class" in capsys.readouterr().out


def report_of(folder) -> str:
    return write_markdown(make_report(sections([load_with_epochs(folder)])))


def test_what_was_recorded_of_a_metric_that_is_not_declared_any_more_is_kept_and_called_by_its_name():
    assert titled({"gone": 0.5, "map": None}) == [("gone", "0.500")]
