"""The benchmarks of the search itself: they run, and they compare the same number of trials and epochs."""

import contextlib
from collections.abc import Iterator

import pytest

from benchmarks import searching
from benchmarks.growth_trials import FIGURES, exponents, growth
from benchmarks.ready import RECORD, ReadyTrial
from spaces.finetune import FinetuneConfig
from spaces.setting import Setting


def test_a_ready_trial_yields_every_epoch_and_ends_as_planned():
    records = list(ReadyTrial(Setting(strategy="finetune", epochs=3), FinetuneConfig(), 7).records())
    assert [(r.trial, r.epoch, r.finished) for r in records] == [(7, 1, False), (7, 2, False), (7, 3, True)]
    assert type(records[0]) is type(RECORD) and records[-1].images_trained == 3 * RECORD.images


@pytest.fixture(scope="module")
def at_once() -> Iterator[int]:
    with searching._ray() as at_once:
        yield at_once


@pytest.mark.ray
def test_our_search_and_rays_floor_report_the_same_trials_and_epochs(at_once, monkeypatch):
    from benchmarks import bare_tune

    told, seen = [], []
    monkeypatch.setattr(searching, "epochs_in", lambda folder, of=searching.epochs_in: told.append(of(folder)) or told[-1])
    fit = bare_tune.tune.Tuner.fit
    monkeypatch.setattr(bare_tune.tune.Tuner, "fit", lambda tuner: seen.append(fit(tuner)) or seen[-1])
    assert searching.run_search(3, 2, at_once) > 0 and bare_tune.run_bare(3, 2, at_once) > 0
    ours, floor = seen
    assert told == [[(trial, epoch) for trial in range(3) for epoch in (1, 2)]]  # the ledger has every one
    epochs = [[result.metrics["training_iteration"] for result in results] for results in (ours, floor)]
    assert epochs == [[2, 2, 2], [2, 2, 2]]


def test_a_missing_epoch_is_no_figure(monkeypatch):
    monkeypatch.setattr(searching, "_search", lambda *asked: 1.0)
    monkeypatch.setattr(searching, "epochs_in", lambda folder: [(0, 1)])
    assert searching.run_search(1, 1, 1) == 1.0
    with pytest.raises(AssertionError):
        searching.run_search(1, 2, 1)


@pytest.mark.ray
def test_the_smoke_rows_have_figures_of_every_round(at_once, monkeypatch):
    monkeypatch.setattr(searching, "_ray", lambda: contextlib.nullcontext(at_once))
    monkeypatch.setattr(searching, "first_epoch", lambda: 3.0)  # these two start processes of their own, for ten seconds
    monkeypatch.setattr(searching, "ray_alone", lambda: 2.0)
    rows = list(searching.rows(smoke=True, rounds=1))
    assert [len(row.ours) for row in rows] == [1] * len(rows) and all(row.floor or row.peer for row in rows)
    assert all(row.ours[0] > 0 for row in rows)


def test_growth_is_measured_at_every_size_and_its_exponents_are_slopes():
    points = list(growth(smoke=True, samplers=("random",)))
    assert [point.trials for point in points] == [12, 24]
    assert all(getattr(point, name) > 0 for point in points for name in FIGURES if name != "memory_mb")
    linear = [type(points[0])("random", n, *(n * 2.0 for _ in FIGURES)) for n in (10, 20, 40)]
    assert exponents(linear) == pytest.approx(dict.fromkeys(FIGURES, 1.0))
