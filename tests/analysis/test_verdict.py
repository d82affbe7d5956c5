"""The verdict on a made-up head-to-head, by hand: differences, words, parts, gaps, image by image."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis import verdict
from analysis.comparable import sections
from analysis.runs import load_run
from console.errors import UsageError
from tests import made_up


@pytest.fixture
def section(tmp_path):
    return sections([load_run(made_up.write(tmp_path, "h"))])[0]


def pair(table, a, b, basis="as trained"):
    return table[(table["a"] == a) & (table["b"] == b) & (table["basis"] == basis)].iloc[0]


def test_a_paired_difference_by_hand(section):
    row = pair(verdict.pairs(section), "self_paced", "self_paced/random")
    # .01, .02, .00: mean .01, sd .01, t(0.975, 2) = 4.30265
    assert (row["n"], row["mean"]) == (3, pytest.approx(0.01))
    assert row["high"] - row["mean"] == pytest.approx(4.30265 * 0.01 / math.sqrt(3), rel=1e-4)
    assert (row["boot_low"], row["boot_high"]) == pytest.approx((0.0, 0.02))
    assert row["p"] == pytest.approx(4 / 8) and row["improvement"] == pytest.approx(2.5 / 3)


def test_the_baseline_and_the_twin_stand_second_and_are_planned(section):
    table = verdict.pairs(section)
    planned = table[table["planned"] & (table["basis"] == "as trained")]
    assert {(row.a, row.b) for row in planned.itertuples()} == {
        ("self_paced", "self_paced/random"), ("self_paced", "finetune"), ("self_paced/random", "finetune"),
        ("transfer", "finetune"),
    }  # fmt: skip
    assert planned["family"].tolist() == [4] * 4


def test_three_seeds_are_never_called_better_however_clear(section):
    row = pair(verdict.pairs(section), "self_paced", "finetune")
    assert (
        row["mean"] == pytest.approx(0.03) and row["p"] == pytest.approx(0.25) and row["p_holm"] == pytest.approx(1.0)
    )
    assert row["word"] == "undecided"
    # no spread, so power is no question: p <= 0.05 / 4 takes 8 seeds
    assert row["more_seeds"] == 5
    assert "ahead, not yet proven; needs about 5 more seeds" in row["sentence"]


def test_many_seeds_are_called_better_and_worse(tmp_path):
    table = verdict.pairs(sections([load_run(made_up.write(tmp_path, "h", seeds=9))])[0])
    assert pair(table, "self_paced", "finetune")["word"] == "better"
    assert pair(table, "transfer", "finetune")["word"] == "worse"
    assert pair(table, "transfer", "finetune")["sentence"].endswith("worse.")


def test_small_intervals_are_a_tie():
    row = {"n": 5, "p_holm": 1.0, "low": -0.008, "high": 0.009, "mean": 0.0, "sd": 0.01, "family": 1}
    assert verdict.judge(row)[0] == "tie"
    assert verdict.judge(row | {"high": 0.02})[0] == "undecided"


def test_one_and_two_seeds_get_neither_interval_nor_verdict(tmp_path):
    for seeds in (1, 2):
        table = verdict.pairs(sections([load_run(made_up.write(tmp_path, f"h{seeds}", seeds=seeds))])[0])
        assert set(table["word"]) <= {"unknown"} and table["low"].isna().all() and table["boot_low"].isna().all()
        assert "no interval and no verdict" in table["sentence"].iloc[0]


def test_equal_seconds_takes_the_best_within_the_smaller_total(section):
    # transfer ends after 0.4 s, before any other arm has an epoch
    row = pair(verdict.pairs(section), "transfer", "finetune", "equal seconds")
    assert row["n"] == 0 and row["left_out"] == 3 and "nothing is said" in row["sentence"]
    same = pair(verdict.pairs(section), "self_paced", "finetune", "equal updates")
    assert same["mean"] == pytest.approx(0.03) and same["judged_on"] == "validation"


def test_within_a_budget_by_hand():
    records = pd.DataFrame({
        "arm": ["a"] * 3 + ["b"] * 2, "seed": 0, "updates": [10, 20, 30, 8, 16], "eval_accuracy": [0.5, 0.7, 0.9, 0.6, 0.4],
    })  # fmt: skip
    # 16 updates: a has its first epoch (0.5), b its best of two (0.6)
    assert verdict._within_budget(records, "a", "b", pd.Index([0]), "updates") == pytest.approx([-0.1])


def test_unequal_updates_are_said(section):
    section.arms.loc[section.arms["arm"] == "transfer", "updates"] *= 3
    row = pair(verdict.pairs(section), "transfer", "finetune")
    assert not row["equal_updates"] and "not at equal updates" in row["sentence"]


def test_set_size_and_order_add_up(section):
    parts = verdict.decomposition(section).set_index("part")["mean"]
    assert parts["total"] == pytest.approx(0.03)
    assert parts["set size"] == pytest.approx((0.02 + 0.01 + 0.03) / 3)
    assert parts["total"] == pytest.approx(parts["set size"] + parts["order"])


def test_the_overtuning_gap_is_validation_minus_test(section):
    gaps = verdict.overtuning(section).set_index("arm")
    assert gaps["gap"].to_numpy() == pytest.approx(np.full(4, 0.02))
    assert gaps.loc["finetune", "low"] == pytest.approx(0.02)


def test_no_gap_where_test_was_picked_on(tmp_path):
    made = made_up.about("h")
    path = made_up.write(tmp_path, "h", setting=made["setting"] | {"protocol": "report"})
    assert verdict.overtuning(sections([load_run(path)])[0]).empty


def test_image_by_image_by_hand(section):
    table = verdict.image_by_image(section)
    row = table[(table["a"] == "self_paced") & (table["b"] == "finetune") & (table["seed"] == 0)].iloc[0]
    assert (row["images"], row["only_a"], row["only_b"], row["p"]) == (6, 1, 0, 1.0)
    assert len(table) == 3 * 6 and (table["p_holm"] == 1).all()


def test_arms_of_two_runs_keep_apart_but_meet_on_their_seeds(tmp_path):
    runs = [load_run(made_up.write(tmp_path, name, arms=("self_paced", "finetune"))) for name in ("one", "two")]
    (section,) = sections(runs)
    assert set(section.arms["arm"]) == {"self_paced [one]", "self_paced [two]", "finetune [one]", "finetune [two]"}
    table = verdict.pairs(section)
    assert pair(table, "self_paced [one]", "finetune [two]")["n"] == 3


def test_other_data_and_other_protocols_stand_apart(tmp_path):
    made = made_up.about("x")
    folders = [
        made_up.write(tmp_path, "a"),
        made_up.write(tmp_path, "b", setting=made["setting"] | {"protocol": "report"}),
        made_up.write(tmp_path, "c", data=made["data"] | {"digest": "other"}),
        made_up.write(tmp_path, "d"),
    ]
    groups = sections([load_run(folder) for folder in folders])
    assert [[run.name for run in group.runs] for group in groups] == [["a", "d"], ["b"], ["c"]]


def test_two_runs_of_one_name_are_refused(tmp_path):
    runs = [load_run(made_up.write(tmp_path / place, "same")) for place in ("x", "y")]
    with pytest.raises(UsageError, match="called 'same'"):
        sections(runs)


def test_a_twin_and_a_baseline_are_those_of_the_same_run(tmp_path):
    """Run b has no twins: its curriculum must not be measured against the twin of run a."""
    runs = [made_up.write(tmp_path, "a"), made_up.write(tmp_path, "b", arms=("self_paced", "finetune"))]
    (section,) = sections([load_run(folder) for folder in runs])
    assert set(section.arms["arm"]) == {*(f"{arm} [a]" for arm in made_up.ARMS), "self_paced [b]", "finetune [b]"}
    assert set(verdict.decomposition(section)["curriculum"]) == {"self_paced [a]"}
    table = verdict.pairs(section, ["as trained"])
    planned = {(row.a, row.b) for row in table[table["planned"]].itertuples()}
    assert ("self_paced [a]", "self_paced/random [a]") in planned and ("self_paced [b]", "finetune [b]") in planned
    assert all(a.partition(" [")[2] == b.partition(" [")[2] for a, b in planned)
