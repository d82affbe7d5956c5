"""Metrics are declared once: computed in every epoch and on test, written, shown."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.chapters.contents import make_chapters
from analysis.comparable import sections
from analysis.document.markdown import write_markdown
from analysis.runs import load_with_epochs
from records.history import read_history
from search import compare, run
from trainables.metrics import METRICS, Judged, Metric, compute, titled

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
    assert "| worst class |" in report_of(tmp_path / "s") and "test worst class" in report_of(tmp_path / "s")


def test_a_head_to_head_compares_arms_by_it_too(declared, tmp_path, capsys):
    words = [*TINY, "--strategies", "finetune,self_paced", "--seeds", "3", "--out", str(tmp_path), "--name", "h"]
    assert compare.main(words) == run.DONE
    (head,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| arm |")]
    assert head.split("| ")[2:6] == ["seeds ", "accuracy ", "loss ", "KNN "] and "worst class" in head


def report_of(folder) -> str:
    return write_markdown("made up", make_chapters(sections([load_with_epochs(folder)])))


def test_what_was_recorded_of_a_metric_that_is_not_declared_any_more_is_kept_and_called_by_its_name():
    assert titled({"gone": 0.5, "map": None}) == [("gone", "0.500")]
