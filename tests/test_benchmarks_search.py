"""The benchmarks of the search itself: they run, and they compare the same number of trials and epochs."""

import pytest
from ray import tune

from benchmarks import searching
from benchmarks.growth_trials import FIGURES, exponents, growth
from benchmarks.ready import RECORD, ReadyTrial
from spaces.finetune import FinetuneConfig
from spaces.setting import Setting


def test_a_ready_trial_yields_every_epoch_and_ends_as_planned():
    records = list(ReadyTrial(Setting(strategy="finetune", epochs=3), FinetuneConfig(), 7).records())
    assert [(r.trial, r.epoch, r.finished) for r in records] == [(7, 1, False), (7, 2, False), (7, 3, True)]
    assert type(records[0]) is type(RECORD) and records[-1].images_trained == 3 * RECORD.images


def test_a_missing_epoch_is_no_figure(monkeypatch):
    monkeypatch.setattr(searching, "_search", lambda *asked: 1.0)
    monkeypatch.setattr(searching, "epochs_in", lambda folder: [(0, 1)])
    assert searching.run_search(1, 1, 1) == 1.0
    with pytest.raises(AssertionError):
        searching.run_search(1, 2, 1)


@pytest.mark.ray
@pytest.mark.slow
def test_the_smoke_rows_compare_the_same_trials_and_epochs(monkeypatch):
    """Two rows, each of our search and of another way on the same Ray; the third starts processes for ten seconds."""
    monkeypatch.setattr(searching, "first_epoch", lambda: 3.0)
    monkeypatch.setattr(searching, "ray_alone", lambda: 2.0)
    ledgers, fits, epochs_in, fit = [], [], searching.epochs_in, tune.Tuner.fit
    monkeypatch.setattr(searching, "epochs_in", lambda folder: ledgers.append(epochs_in(folder)) or ledgers[-1])
    monkeypatch.setattr(tune.Tuner, "fit", lambda tuner: fits.append(fit(tuner)) or fits[-1])
    rows = list(searching.rows(smoke=True, rounds=1))
    assert len(rows) == 3 and all(len(row.ours) == len(row.floor or row.peer) == 1 for row in rows)
    assert ledgers == [
        [(trial, epoch) for trial in range(n) for epoch in (1, 2, 3)] for n in (4, 2)
    ]  # every one is there
    epochs = [[result.metrics["training_iteration"] for result in results] for results in fits]
    assert epochs == [[3] * 4, [3] * 4, [3] * 2, [3] * 2]


@pytest.mark.slow
def test_growth_is_measured_at_every_size_and_its_exponents_are_slopes():
    points = list(growth(smoke=True, samplers=("random",)))
    assert [point.trials for point in points] == [12, 24]
    assert all(getattr(point, name) > 0 for point in points for name in FIGURES if name != "memory_mb")
    linear = [type(points[0])("random", n, *(n * 2.0 for _ in FIGURES)) for n in (10, 20, 40)]
    assert exponents(linear) == pytest.approx(dict.fromkeys(FIGURES, 1.0))
