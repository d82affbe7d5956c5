"""Schedules found by a population: moves within the space, the line of donors, and the same curve when replayed."""

import json

import numpy as np
import pyarrow.parquet
import pytest
from optuna.distributions import FloatDistribution

from records import ledger
from records.events import Asked, Epoch, Member
from records.history import RunHistory
from records.tables import schedule_rows
from search import replay, run
from search.executors.population import FACTORS, clipped, explored
from spaces.registry import SPACES
from tests.analysis.test_runs_and_tables import record

WORDS = ["--data", "scenes:count=105", "--image-size", "16", "--precision", "fp32", "--epochs", "8", "--samples", "5",
         "--exchange-epochs", "2", "--cpus-per-trial", "1"]  # fmt: skip


def test_what_a_population_changes_is_declared_with_the_field():
    assert set(SPACES["self_paced"].mutable) == {"learning_rate", "share_step", "gate"}
    assert SPACES["transfer"].mutable == ("learning_rate",)


@pytest.mark.parametrize("distribution", [FloatDistribution(0.1, 0.9), FloatDistribution(1e-5, 1e-2, log=True)])
def test_a_move_is_a_factor_or_a_new_draw_and_is_clipped_to_the_space(distribution):
    draws = np.random.default_rng(0)
    moved = [explored(distribution, distribution.high, draws) for _ in range(400)]
    by_factor = [value for value in moved if any(np.isclose(value, distribution.high * f) for f in FACTORS)]
    assert 0.65 < len(by_factor) / 400 < 0.85  # three in four
    assert max(moved) > distribution.high  # what Ray would have gone on with
    assert all(distribution.low <= clipped(distribution, value) <= distribution.high for value in moved)


def event(trial: int, epoch: int, rate: float, donor: tuple[int, int] | None = None) -> Epoch:
    return Epoch(record(trial, epoch, 0.5, 1.0), Member({"learning_rate": rate}, donor))


def test_the_line_of_donors_by_hand():
    """Member 1 takes over 0 after epoch 2, member 2 takes over 1 after epoch 3."""
    events = [Asked(t, {"learning_rate": t, "ranking": f"r{t}"}, {}) for t in range(3)]
    events += [event(t, n, float(t)) for n in (1, 2) for t in range(3)]
    events += [event(0, 3, 0.0), event(1, 3, 0.1, (0, 2)), event(2, 3, 2.0), event(2, 4, 0.2, (1, 3))]
    about = {"options": {"name": "r"}, "setting": {"seed": 7}}
    rows = schedule_rows(RunHistory.of(about, events), [{"trial": 2, "epochs": 4}])
    assert [(r["epoch"], r["member"], r["learning_rate"]) for r in rows] == [
        (1, 0, 0.0),
        (2, 0, 0.0),
        (3, 1, 0.1),
        (4, 2, 0.2),
    ]
    assert {r["ranking"] for r in rows} == {"r0"} and {r["trial"] for r in rows} == {
        2
    }  # the first donor's other fields
    assert rows[0]["setting_seed"] == 7
    assert schedule_rows(RunHistory.of(about, events[:3]), [{"trial": 2, "epochs": 4}]) == []


@pytest.mark.ray
@pytest.mark.parametrize("scheduler", ["pbt", "pb2"])
def test_the_schedule_that_is_found_gives_the_same_curve_without_tune(tmp_path, capsys, scheduler):
    assert run.main([*WORDS, "--scheduler", scheduler, "--out", str(tmp_path), "--name", "p"]) == run.DONE
    said = capsys.readouterr().out
    assert "Anchor as_run is left out: a population changes fields." in said and "schedule.parquet" in said
    epochs = [e for e in ledger.read_lines(tmp_path / "p") if e["event"] == "epoch"]
    assert sorted((e["record"]["trial"], e["record"]["epoch"]) for e in epochs) == [
        (t, n) for t in range(5) for n in range(1, 9)
    ]
    donors = [e["member"]["donor"] for e in epochs if e["member"]["donor"]]
    assert donors and all(d[1] in (2, 4, 6) for d in donors)
    space = SPACES["self_paced"].search
    fields = [e["member"]["fields"] for e in epochs]
    assert all(space[name].low <= value <= space[name].high for of in fields for name, value in of.items())
    assert len({tuple(of.values()) for of in fields}) > 5  # more than the five that it began with
    assert replay.main([str(tmp_path / "p" / "schedule.parquet")]) == run.DONE
    assert "The same curve: accuracy and loss of all 8 epochs." in capsys.readouterr().out


def test_another_schedule_gives_another_curve(tmp_path, capsys):
    """So that the replay could have failed: one epoch's rate is changed by hand."""
    words = [
        *WORDS,
        "--executor",
        "local",
        "--scheduler",
        "none",
        "--out",
        str(tmp_path),
        "--name",
        "l",
        "--samples",
        "1",
    ]
    assert run.main(words) == run.DONE
    best = pyarrow.parquet.read_table(tmp_path / "l" / "best.parquet").to_pylist()[0]
    records = pyarrow.parquet.read_table(tmp_path / "l" / "records.parquet").to_pylist()
    rows = [best | {"member": 0, "epoch": r["epoch"], "selection_accuracy": r["eval_accuracy"],
                    "selection_loss": r["eval_loss"]} for r in records]  # fmt: skip
    table = tmp_path / "schedule.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), table)
    assert replay.main([str(table)]) == run.DONE
    rows[3]["learning_rate"] *= 2
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), table)
    assert replay.main([str(table)]) == run.TOO_FEW
    assert "Other numbers in 5 of 8 epochs, first in epoch 4." in capsys.readouterr().out


@pytest.mark.parametrize(("words", "said"), [
    (["--samples", "3"], "wants a population of 4 at least; got --samples 3"),
    (["--set", "learning_rate=1e-3", "--set", "gate=0.9", "--set", "share_step=0.1"], "--set fixes all of them"),
    (["--executor", "local"], "--scheduler pbt is Ray's; pass --scheduler none"),
])  # fmt: skip
def test_a_population_that_cannot_be_is_refused(tmp_path, capsys, words, said):
    asked = [*WORDS, "--scheduler", "pbt", "--out", str(tmp_path), "--name", "p", *words]
    assert run.main(asked) == run.WRONG_USAGE and said in capsys.readouterr().err
    assert json.dumps(sorted(p.name for p in tmp_path.iterdir())) == "[]"
