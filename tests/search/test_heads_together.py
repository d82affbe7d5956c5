"""Searches and head-to-heads of heads in this process: many side by side, the same figures as one after another."""

import gc
import weakref

import pandas as pd
import pytest

from console.arguments import DONE, WRONG_USAGE
from records.history import read_history
from search import compare, run
from search.campaign import Campaign
from search.executors import local
from trainables.networks.engine import Engine
from trainables.together import Crew

TINY = ["--data", "scenes:count=70", "--image-size", "16", "--weights", "textures", "--precision", "fp32",
        "--cpus-per-trial", "1", "--executor", "local", "--epochs", "4"]  # fmt: skip
HEADS = [
    "--train",
    "head",
    "--strategies",
    "finetune,self_paced,self_paced/random",
    "--seeds",
    "3",
    "--set",
    "learning_rate=0.01",
]
RANDOM = ["--space", "transfer", "--sampler", "random", "--scheduler", "none", "--samples", "7"]
FIGURES = ["selection_accuracy", "selection_loss", "selection_knn", "best_epoch", "epochs", "state"]


@pytest.fixture
def steps(monkeypatch) -> list[int]:
    """How many heads each joint step was of."""
    counted: list[int] = []
    step = Crew.step

    def counting(crew):
        counted.append(len(crew))
        return step(crew)

    monkeypatch.setattr(Crew, "step", counting)
    return counted


def finals(folder) -> pd.DataFrame:
    table = pd.read_parquet(folder / "finals.parquet")
    by = ["arm_strategy", "arm_order", "seed"] if table["arm_strategy"].notna().all() else ["trial"]
    return table.sort_values(by).reset_index(drop=True)


def same(one, other) -> None:
    for name in FIGURES:
        if one[name].dtype.kind == "f":
            assert one[name].to_numpy(float) == pytest.approx(other[name].to_numpy(float), rel=1e-4, abs=1e-6), name
        else:
            assert one[name].tolist() == other[name].tolist(), name


def test_a_head_to_head_of_heads_has_the_figures_of_one_by_one(tmp_path, steps, monkeypatch):
    assert compare.main([*HEADS, *TINY, "--out", str(tmp_path), "--name", "together"]) == DONE
    assert max(steps) == 6  # two arms on three seeds; the twins wait for the sizes of their partners
    monkeypatch.setattr("search.running.TOGETHER", 1)
    assert compare.main([*HEADS, *TINY, "--out", str(tmp_path), "--name", "alone"]) == DONE
    same(finals(tmp_path / "together"), finals(tmp_path / "alone"))


def test_a_random_search_of_heads_has_the_figures_of_one_by_one(tmp_path, steps, monkeypatch):
    assert run.main([*RANDOM, *TINY, "--out", str(tmp_path), "--name", "together"]) == DONE
    assert max(steps) == 7
    monkeypatch.setattr("search.running.TOGETHER", 1)
    assert run.main([*RANDOM, *TINY, "--out", str(tmp_path), "--name", "alone"]) == DONE
    same(finals(tmp_path / "together"), finals(tmp_path / "alone"))
    ends = [read_history(tmp_path / name).trials for name in ("together", "alone")]
    assert [t.asked.config for t in ends[0].values()] == [t.asked.config for t in ends[1].values()]


def test_a_search_that_learns_goes_one_by_one_unless_told_otherwise(tmp_path, steps):
    learning = ["--space", "transfer", "--samples", "5", "--out", str(tmp_path)]
    assert run.main([*learning, *TINY, "--name", "one"]) == DONE
    assert set(steps) <= {0}
    assert run.main([*learning, *TINY, "--name", "three", "--concurrent", "3"]) == DONE
    assert max(steps) == 3


def test_whole_networks_are_not_run_side_by_side_here(tmp_path, capsys):
    words = ["--space", "finetune", "--samples", "2", "--concurrent", "2", *TINY, "--out", str(tmp_path), "--name", "x"]
    assert run.main(words) == WRONG_USAGE
    assert "unless they are heads on features" in capsys.readouterr().err


def test_what_is_interrupted_is_gone_on_with(tmp_path, monkeypatch):
    assert run.main([*RANDOM, *TINY, "--out", str(tmp_path), "--name", "whole"]) == DONE
    epoch, seen = Campaign.epoch, []

    def interrupted(campaign, record, member=None):
        epoch(campaign, record, member)
        seen.append(record)
        if len(seen) == 11:
            raise KeyboardInterrupt

    monkeypatch.setattr(Campaign, "epoch", interrupted)
    assert run.main([*RANDOM, *TINY, "--out", str(tmp_path), "--name", "cut"]) == 130
    monkeypatch.setattr(Campaign, "epoch", epoch)
    states = {trial.state for trial in read_history(tmp_path / "cut").trials.values()}
    assert states == {"interrupted"}
    assert run.main(["--resume", "--name", "cut", "--out", str(tmp_path)]) == DONE
    same(finals(tmp_path / "cut"), finals(tmp_path / "whole"))


def test_one_that_fails_is_entered_and_the_others_end(tmp_path):
    words = ["--space", "transfer", "--sampler", "random", "--scheduler", "none", "--samples", "5", "--anchors", "none"]
    assert run.main([*words, *TINY, "--out", str(tmp_path), "--name", "r"]) == DONE
    begun = local._begun

    def breaking(campaign, setting, referee, asked):
        trial = begun(campaign, setting, referee, asked)
        if asked.trial == 2:
            trial.state.engine.network.head.weight.data.fill_(float("nan"))
        return trial

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(local, "_begun", breaking)
        run.main([*words, *TINY, "--out", str(tmp_path), "--name", "broken"])
    states = {number: trial.state for number, trial in read_history(tmp_path / "broken").trials.items()}
    assert states == {0: "complete", 1: "complete", 2: "failed", 3: "complete", 4: "complete"}
    same(finals(tmp_path / "broken").drop(2), finals(tmp_path / "r").drop(2))
    assert "NonFiniteLoss" in (tmp_path / "broken" / "log" / "trial-0002.txt").read_text()


@pytest.mark.parametrize(("words", "told"), [
    (["--sampler", "random", "--scheduler", "none"], True),
    (["--sampler", "random", "--scheduler", "none", "--executor", "local"], False),
    (["--sampler", "random", "--scheduler", "none", "--set", "unfreeze=last_block"], False),
    (["--sampler", "random"], False),
    (["--scheduler", "none"], False),
])  # fmt: skip
def test_whoever_trains_heads_alone_is_told_of_the_quicker_way_where_it_is_one(words, told, capsys):
    small = ["--space", "transfer", "--data", "scenes:count=70", "--image-size", "16", "--weights", "none", "--dry-run"]
    assert run.main([*small, *words]) == DONE
    assert (
        "--executor local trains up to 64 of them in one update" in " ".join(capsys.readouterr().out.split())
    ) == told


def test_a_head_to_head_of_heads_alone_is_told_of_it_too(capsys):
    small = ["--data", "scenes:count=70", "--image-size", "16", "--weights", "none", "--dry-run"]
    for words, told in ((["--train", "head"], True), ([], False)):
        assert compare.main(["--strategies", "finetune,self_paced", *small, *words]) == DONE
        assert ("--executor local trains up to" in " ".join(capsys.readouterr().out.split())) == told


def test_a_trial_that_is_over_is_gone_before_the_next_is_built(tmp_path, monkeypatch):
    built: list[weakref.ref] = []
    alive: list[int] = []
    make = Engine.__init__

    def building(engine, *given, **named):
        alive.append(sum(old() is not None for old in built))
        make(engine, *given, **named)
        built.append(weakref.ref(engine))

    monkeypatch.setattr(Engine, "__init__", building)
    gc.disable()  # by itself it comes when it likes
    try:
        words = ["--space", "finetune", "--samples", "3", "--scheduler", "none", *TINY, "--model", "small_cnn"]
        assert run.main([*words, "--weights", "none", "--out", str(tmp_path), "--name", "r"]) == DONE
    finally:
        gc.enable()
    assert len(built) >= 3 and not any(alive)
