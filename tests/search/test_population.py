"""Schedules found by a population: moves within the space, the line of donors, and the same curve when replayed."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet
import pytest
from optuna.distributions import FloatDistribution
from ray.tune.schedulers import pb2

from records import ledger
from records.events import Asked, Epoch, Member
from records.history import RunHistory
from records.tables import schedule_rows
from search import replay, run
from search.executors.population import FACTORS, clipped, explored, make_pb2
from spaces.registry import SPACES
from tests.analysis.test_runs_and_tables import record

WORDS = ["--data", "scenes:count=105", "--image-size", "16", "--precision", "fp32", "--epochs", "8", "--samples", "5",
         "--cpus-per-trial", "1"]  # fmt: skip
EXCHANGE = ["--exchange-epochs", "2"]


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


RATE = SPACES["self_paced"].search["learning_rate"]  # 3e-5 to 3e-3, log


@dataclass(eq=False)
class RayTrial:
    """What a scheduler looks at of Ray's trial."""

    number: int
    config: dict
    experiment_tag: str = ""

    def __str__(self) -> str:
        return f"member {self.number}"


def a_bandit():
    """PB2 over self-paced learning with two members at epoch 4, the second of which is the better one."""
    bandit = make_pb2(SPACES["self_paced"], seed=0, interval=2, epoch=0)
    bandit.set_search_properties("accuracy", "max")
    fields = SPACES["self_paced"].mutable
    members = []
    for number, rate in ((0, 3e-5), (1, 1e-3)):
        values = {"learning_rate": rate, "share_step": 0.1, "gate": 0.8}
        members.append(RayTrial(number, {"number": number, "fields": fields, "config": "{}", **values}))
        bandit.on_trial_add(None, members[-1])
    for epoch in (2, 4):
        told(bandit, members, epoch)
    return bandit, members


def told(bandit, members, epoch: int) -> None:
    for member in members:
        result = {"epoch": epoch, "accuracy": 0.1 * epoch * (1 + member.number)}
        bandit._save_trial_state(bandit._trial_state[member], epoch, result, member)


def test_pb2_models_a_field_of_a_log_scale_by_its_logarithm(monkeypatch):
    bandit, (worse, better) = a_bandit()
    seen = {}

    def select(x, y, current, newpoint, bounds, num_f):
        seen.update(points=x, bounds=bounds)
        return np.array([np.log(3e-4), 0.2, 0.6], np.float32)

    monkeypatch.setattr(pb2, "_select_config", select)
    bandit._get_new_config(worse, better)
    assert seen["bounds"] == {
        "share_step": [0.02, 0.3],
        "gate": [0.5, 0.95],
        "learning_rate": pytest.approx([np.log(3e-5), np.log(3e-3)]),
    }
    at = 2 + list(seen["bounds"]).index("learning_rate")  # after time and reward
    assert sorted(seen["points"][:, at]) == pytest.approx([np.log(3e-5), np.log(1e-3)])


@pytest.mark.parametrize(("place", "rate"), [(0.0, 3e-5), (0.5, 3e-4), (1.0, 3e-3)])
def test_pb2_suggests_by_the_middle_of_a_log_range_the_geometric_one(monkeypatch, place, rate):
    monkeypatch.setattr(pb2, "optimize_acq", lambda *given: np.full(3, place))
    bandit, (worse, better) = a_bandit()
    new, _ = bandit._get_new_config(worse, better)
    assert new["learning_rate"] == pytest.approx(rate, rel=1e-4) and RATE.low <= new["learning_rate"] <= RATE.high
    assert new["gate"] == pytest.approx(0.5 + 0.45 * place)


def test_half_of_what_pb2_suggests_blindly_is_below_the_geometric_middle(monkeypatch):
    draws = np.random.default_rng(0)
    monkeypatch.setattr(pb2, "optimize_acq", lambda *given: draws.uniform(size=3))
    rates = []
    for _ in range(60):
        bandit, (worse, better) = a_bandit()
        rates.append(bandit._get_new_config(worse, better)[0]["learning_rate"])
    assert 0.3 < np.mean(np.array(rates) < 3e-4) < 0.7  # of linear bounds it would be one in eleven


@pytest.mark.parametrize("place", [0.0, 0.3, 1.0])
def test_pb2_knows_the_gain_of_the_first_interval_after_a_suggestion(monkeypatch, place):
    """Ray takes it between rows of equal values: what was suggested, and what the member then ran with. At the ends the
    suggestion is rounded out of the range and brought back."""
    monkeypatch.setattr(pb2, "optimize_acq", lambda *given: np.full(3, place))
    bandit, (worse, better) = a_bandit()
    new, _ = bandit._get_new_config(worse, better)
    worse.config = new
    told(bandit, [worse], 6)
    suggested, ran = (row[list(SPACES["self_paced"].mutable)].tolist() for _, row in bandit.data.iloc[-2:].iterrows())
    assert suggested == ran and bandit.data.Trial.iloc[-2:].tolist() == ["member 0"] * 2
    assert ran[list(SPACES["self_paced"].mutable).index("learning_rate")] == np.log(new["learning_rate"])


def event(trial: int, epoch: int, rate: float, donor: tuple[int, int] | None = None) -> Epoch:
    return Epoch(record(trial, epoch, 0.5, 1.0), Member({"learning_rate": rate}, donor))


def test_the_line_of_donors_by_hand():
    """Member 1 takes over 0 after epoch 2, member 2 takes over 1 after epoch 3."""
    events = [Asked(t, {"learning_rate": t, "ranking": f"r{t}"}, {}) for t in range(3)]
    events += [event(t, n, float(t)) for n in (1, 2) for t in range(3)]
    events += [event(0, 3, 0.0), event(1, 3, 0.1, (0, 2)), event(2, 3, 2.0), event(2, 4, 0.2, (1, 3))]
    about = {"options": {"name": "r"}, "setting": {"seed": 0}}
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
    assert rows[0]["setting_seed"] == 0
    assert schedule_rows(RunHistory.of(about, events[:3]), [{"trial": 2, "epochs": 4}]) == []


@pytest.mark.ray
@pytest.mark.parametrize("scheduler", ["pbt", pytest.param("pb2", marks=pytest.mark.slow)])
def test_the_schedule_that_is_found_gives_the_same_curve_without_tune(tmp_path, capsys, scheduler):
    assert run.main([*WORDS, *EXCHANGE, "--scheduler", scheduler, "--out", str(tmp_path), "--name", "p"]) == run.DONE
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
    (["--search", "gate=0.5,0.7"], "moves gate within a range while trials run, and --search gives values to choose from"),
    (["--executor", "local"], "--scheduler pbt is Ray's; pass --scheduler none"),
])  # fmt: skip
def test_a_population_that_cannot_be_is_refused(tmp_path, capsys, words, said):
    asked = [*WORDS, *EXCHANGE, "--scheduler", "pbt", "--out", str(tmp_path), "--name", "p", *words]
    assert run.main(asked) == run.WRONG_USAGE and said in capsys.readouterr().err
    assert json.dumps(sorted(p.name for p in tmp_path.iterdir())) == "[]"
