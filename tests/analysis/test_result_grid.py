"""A run folder made of a Tuner's results, with results written down by hand: Ray is not needed to read them."""

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import from_result_grid, load_run
from analysis.report import report
from console.errors import UsageError
from records.files import read_text
from records.folder import best_weights
from trainables import trainable

GIVEN = {"gate": 0.5, "learning_rate": 1e-3, "batch_size": 8}


@dataclass
class Kept:
    place: Path

    @contextlib.contextmanager
    def as_directory(self):
        yield str(self.place)


@dataclass
class Result:
    """What is read of one of Ray's."""

    config: dict[str, Any] | None
    metrics: dict[str, Any] = field(default_factory=dict)
    metrics_dataframe: pd.DataFrame | None = None
    error: Exception | None = None
    checkpoint: Kept | None = None


@pytest.fixture(scope="module")
def SelfPaced():
    return trainable("self_paced", data="scenes:count=70", image_size=16, epochs=3)


def trained(of, config: dict, epochs: int, place: Path | None = None, keep_at: int | None = None) -> Result:
    """A trial of so many epochs, as Ray would have kept it; its checkpoint is of `keep_at`."""
    trial = of(dict(config))
    rows = []
    for epoch in range(1, epochs + 1):
        rows.append(trial.train())
        if epoch == keep_at:
            place.mkdir(parents=True)
            trial.save_checkpoint(str(place))
    rows[-1]["done"] = True  # Ray writes so of a trial that it stops
    return Result(config, rows[-1], pd.DataFrame(rows), checkpoint=Kept(place) if keep_at else None)


def test_curves_ends_and_networks_are_those_of_the_tuner(SelfPaced, tmp_path):
    grid = [
        trained(SelfPaced, GIVEN, 3, tmp_path / "kept", keep_at=3),
        trained(SelfPaced, GIVEN | {"gate": 0.97}, 2),
        Result(None, error=RuntimeError("a\nconsole.errors.UsageError: gate must be in [0, 1]; got 7.0.")),
    ]
    run = from_result_grid(grid, tmp_path / "run", SelfPaced)
    finals = run.finals.set_index("trial")
    assert finals["state"].to_dict() == {0: "complete", 1: "pruned", 2: "failed"}
    assert run.history.trials[2].reason == "UsageError: gate must be in [0, 1]; got 7.0"
    for number in (0, 1):
        rows, frame = run.records[run.records["trial"] == number], grid[number].metrics_dataframe
        for name in ("eval_loss", "share", "updates", "train_seconds", "eval_macro_f1", "finished"):
            assert rows[name].tolist() == frame[name].tolist(), name
        assert [list(counts) for counts in rows["class_counts"]] == frame[
            [f"class_counts/{n}" for n in range(7)]
        ].values.tolist()
    kept = json.loads(read_text(best_weights(run.folder, 0), "record"))
    assert kept["epoch"] == finals.loc[0, "best_epoch"] and not best_weights(run.folder, 1).exists()
    space = run.about["space"]
    assert set(space["search"]) == {"gate"} and json.loads(space["search"]["gate"])["attributes"]["high"] == 0.97
    assert space["fixed"] == {"learning_rate": 1e-3, "batch_size": 8}
    assert run.about["data"]["train"] == 42 and len(run.classes) == 7
    assert load_run(run.folder).finals.equals(run.finals)
    report([run.folder], tmp_path / "report")
    assert (tmp_path / "report" / "index.html").exists()


def test_a_member_has_the_curve_of_the_training_that_its_network_came_from(SelfPaced, tmp_path):
    donor = trained(SelfPaced, GIVEN, 2, tmp_path / "donor", keep_at=2)
    member = SelfPaced(GIVEN | {"gate": 0.9})
    told = [member.train()]
    member.reset_config(GIVEN | {"gate": 0.6})
    member.load_checkpoint(str(tmp_path / "donor"))
    told.append(member.train())  # its epoch 3: of epoch 2 Ray was told by the donor alone
    (tmp_path / "member").mkdir()
    member.save_checkpoint(str(tmp_path / "member"))
    taken = Result(GIVEN | {"gate": 0.6}, told[-1], pd.DataFrame(told), checkpoint=Kept(tmp_path / "member"))
    run = from_result_grid([donor, taken], tmp_path / "run", SelfPaced)
    losses = [run.records[run.records["trial"] == number]["eval_loss"].tolist() for number in (0, 1)]
    assert losses[1] == [*losses[0], told[-1]["eval_loss"]]
    without = from_result_grid(
        [Result(taken.config, taken.metrics, taken.metrics_dataframe)], tmp_path / "other", SelfPaced
    )
    assert without.records["epoch"].tolist() == [1]  # what follows a gap is no curve


def test_what_is_no_result_of_ours_is_refused_and_nothing_is_left(SelfPaced, tmp_path):
    foreign = Result({}, {"loss": 1.0}, pd.DataFrame([{"loss": 1.0}]))
    with pytest.raises(UsageError, match=r"no column epoch; pass a ResultGrid of a class that trainable\(\) made"):
        from_result_grid([foreign], tmp_path / "run", SelfPaced)
    unlogged = Result(GIVEN, {"epoch": 3})
    with pytest.raises(UsageError, match="Ray has kept no epoch of trial 0: TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"):
        from_result_grid([unlogged], tmp_path / "run", SelfPaced)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    with pytest.raises(UsageError, match="is there already; nothing is overwritten"):
        from_result_grid([], tmp_path / "run", SelfPaced)


def test_a_member_that_went_back_has_its_epochs_in_order(SelfPaced, tmp_path):
    for epochs in (1, 3):
        trained(SelfPaced, GIVEN, epochs, tmp_path / f"at{epochs}", keep_at=epochs)
    member = SelfPaced(dict(GIVEN))
    told = [member.train() for _ in range(3)]
    member.load_checkpoint(str(tmp_path / "at1"))
    told.append(member.train())  # its second epoch once more, later than the third
    frame = pd.DataFrame(told).assign(timestamp=[100, 200, 300, 400])
    run = from_result_grid(
        [Result(GIVEN, told[-1], frame, checkpoint=Kept(tmp_path / "at3"))], tmp_path / "run", SelfPaced
    )
    assert run.records["epoch"].tolist() == [1, 2, 3]
