"""The verdict on a made-up head-to-head, by hand: differences, words, parts, gaps, image by image."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis import report, verdict
from analysis.chapters.verdict import FIXED_TEST, verdict_chapters
from analysis.comparable import sections
from analysis.document import display
from analysis.runs import load_run
from console.errors import UsageError
from tests import made_up


@pytest.fixture
def section(tmp_path):
    return sections([load_run(made_up.write(tmp_path, "h"))])[0]


def many_images(failed=(), **changes):
    """Enough test images that what they leave open does not hide the seeds."""
    return made_up.Figures(copies=400, failed=dict(failed), **changes)


def tabled(folder, name="h", **changes):
    """The table of pairs of one made-up head-to-head."""
    return verdict.pairs(sections([load_run(made_up.write(folder, name, **changes))])[0])


def pair(table, a, b):
    return table[(table["a"] == a) & (table["b"] == b)].iloc[0]


def planned(table):
    return [(row.a, row.b) for row in table[table["planned"]].itertuples()]


def test_a_paired_difference_by_hand(section):
    row = pair(verdict.pairs(section), "self_paced", "self_paced/random")
    # .01, .02, .00: mean .01, sd .01
    assert (row["n"], row["mean"], row["sd"]) == (3, pytest.approx(0.01), pytest.approx(0.01))
    assert row["improvement"] == pytest.approx(2.5 / 3)
    assert (row["low"], row["high"], row["word"]) == (-math.inf, math.inf, "undecided")


def test_the_interval_by_hand_on_enough_seeds(tmp_path):
    row = pair(tabled(tmp_path, seeds=9, figures=many_images()), "self_paced", "finetune")
    # a sixth of 2,400 images told apart: the floor is sqrt((1/6 - .03^2) / 2400), and every seed says .03
    assert row["floor"] == pytest.approx(math.sqrt((1 / 6 - 0.0009) / 2400)) and row["sd"] == pytest.approx(0, abs=1e-9)
    edge = (math.sqrt(10) / 0.025) ** (2 / 9)  # nine seeds, two planned pairs
    half = row["floor"] * math.sqrt(8 / 9) * math.sqrt((edge - 1) / (1 - edge / 10))
    assert row["high"] - row["mean"] == pytest.approx(half) == row["mean"] - row["low"]


def test_curricula_are_planned_against_the_baseline_and_their_random_twin(tmp_path):
    arms = (*made_up.ARMS, "manual_division", "self_paced/hard_first")
    accuracy = {"self_paced/hard_first": (0.9, 0.9, 0.9)} | made_up.ACCURACY
    table = tabled(tmp_path, arms=arms, figures=made_up.Figures(accuracy=lambda arm, seed: accuracy[arm][seed % 3]))
    assert sorted(planned(table)) == [
        ("manual_division", "finetune"), ("self_paced", "finetune"), ("self_paced", "self_paced/random"),
    ]  # fmt: skip
    assert table[table["planned"]]["alpha"].tolist() == pytest.approx([0.05 / 3] * 3)
    assert table["planned"].tolist() == sorted(table["planned"], reverse=True)


def test_what_run_json_plans_gets_the_words(tmp_path):
    plan = {"primary": [["transfer", "self_paced"]], "margin": 0.02, "level": 0.95}
    table = tabled(tmp_path, verdict=plan)
    assert planned(table) == [("transfer", "self_paced")]
    assert pair(table, "transfer", "self_paced")[["alpha", "margin"]].tolist() == [0.05, 0.02]


def test_a_pair_that_was_not_planned_has_an_interval_and_no_word(tmp_path):
    table = tabled(tmp_path, seeds=9, figures=many_images())
    row = pair(table, "transfer", "finetune")
    assert row["high"] < 0 and row["word"] == "" and math.isnan(row["more_seeds"]) and row["alpha"] == 0.05
    assert row["sentence"].endswith("9 seeds).")
    assert "not planned" in display.verdicts(table)["verdict"].tolist()


def test_three_seeds_are_never_called_better_however_clear(section):
    row = pair(verdict.pairs(section), "self_paced", "finetune")
    assert row["mean"] == pytest.approx(0.03) and row["word"] == "undecided"
    assert "too few seeds for an interval, 3 seeds): undecided; about" in row["sentence"]
    assert row["more_seeds_low"] <= row["more_seeds"] <= row["more_seeds_high"]


def flat(differences):
    """Accuracies such that self_paced is ahead of the others by these, seed by seed."""
    return lambda arm, seed: 0.8 + (differences[seed % len(differences)] if arm == "self_paced" else 0.0)


@pytest.mark.parametrize(
    ("ahead", "word"),
    [((0.03, 0.05), "better"), ((-0.03, -0.05), "worse"), ((0.001, -0.001), "tie"), ((0.06, -0.06), "undecided")],
)  # fmt: skip
def test_words_on_enough_seeds(tmp_path, ahead, word):
    figures = many_images(accuracy=flat(ahead))
    row = pair(tabled(tmp_path, seeds=24, arms=("self_paced", "transfer", "finetune"), figures=figures), *PLANNED)
    assert row["word"] == word
    assert {"tie": "a tie within 1 point", "undecided": "would stay undecided"}.get(word, f": {word}.") in row[
        "sentence"
    ]


PLANNED = ("self_paced", "finetune")


def test_few_test_images_leave_open_what_the_seeds_agree_on(tmp_path):
    row = pair(tabled(tmp_path, seeds=12), *PLANNED)  # +3 points on every seed, of six images
    assert row["sd"] == pytest.approx(0, abs=1e-9) and row["floor"] > 0.1 and row["word"] == "undecided"


FAILED = {("self_paced", seed): 0 for seed in (1, 4, 7, 10)}


def test_a_failed_training_takes_part_and_is_said(tmp_path):
    """The seeds on which it did not fail have +3 points each: without the others it is better on eight."""
    row = pair(tabled(tmp_path, seeds=12, figures=many_images(FAILED)), *PLANNED)
    by_hand = (8 * 0.03 + 4 * (1 / 3 - 0.91)) / 12  # chance among three classes, where finetune has .91
    assert (row["n"], row["failed_a"], row["failed_b"]) == (12, 4, 0) and row["mean"] == pytest.approx(by_hand)
    assert row["word"] == "undecided" and "12 seeds, 4 trainings of self_paced failed" in row["sentence"]
    without = tabled(
        tmp_path, "whole", seeds=8, figures=many_images(accuracy=lambda arm, seed: made_up.ACCURACY[arm][0])
    )
    assert pair(without, *PLANNED)["word"] == "better"


def test_a_training_that_failed_late_counts_with_its_last_accuracy(tmp_path):
    row = pair(tabled(tmp_path, seeds=1, figures=many_images({("self_paced", 0): 3})), *PLANNED)
    assert row["mean"] == pytest.approx(0.93 + 0.02 - 0.05 - 0.90)  # its third of four epochs, on validation


def test_a_failed_baseline_takes_no_seed_from_the_others(tmp_path):
    table = tabled(tmp_path, figures=many_images({("finetune", 0): 0}))
    assert pair(table, "self_paced", "finetune")[["n", "failed_b"]].tolist() == [3, 1]
    assert pair(table, "self_paced", "self_paced/random")["n"] == 3


def test_an_arm_that_failed_on_every_seed_is_still_compared_and_reported(tmp_path):
    failed = {("self_paced", seed): 0 for seed in range(3)}
    folder = made_up.write(tmp_path, "h", figures=many_images(failed))
    (section,) = sections([load_run(folder)])
    assert pair(verdict.pairs(section), *PLANNED)["failed_a"] == 3
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == 0


def test_an_arm_that_failed_everywhere_is_not_taken_for_its_namesake_in_another_run(tmp_path):
    failed = {("self_paced", seed): 0 for seed in range(3)}
    one = made_up.write(tmp_path, "one", arms=PLANNED, figures=many_images(failed))
    two = made_up.write(tmp_path, "two", arms=("self_paced", "transfer"), figures=many_images())
    (section,) = sections([load_run(one), load_run(two)])
    assert set(section.sides) == {"self_paced [one]", "finetune [one]", "self_paced [two]", "transfer [two]"}
    assert pair(verdict.pairs(section), "self_paced [one]", "finetune [one]")["failed_a"] == 3


def test_words_do_not_depend_on_what_is_reported_beside_them(tmp_path):
    """The family is a run's own plan: fifty pairs more in one report would have widened every interval."""
    one = made_up.write(tmp_path, "one", seeds=9, figures=many_images())
    beside = made_up.write(tmp_path, "two", seeds=9, arms=(*made_up.ARMS, "manual_division"), figures=many_images())
    alone = verdict.pairs(sections([load_run(one)])[0])
    together = verdict.pairs(sections([load_run(one), load_run(beside)])[0])
    own = together[together["a"].str.endswith(" [one]") & together["b"].str.endswith(" [one]")]
    stripped = own.replace(r" \[one\]", "", regex=True)
    columns = ["planned", "n", "mean", "low", "high", "alpha", "word", "more_seeds", "sentence"]
    for row in alone.itertuples():
        assert pair(stripped, row.a, row.b)[columns].equals(pair(alone, row.a, row.b)[columns])
    across = together[together["a"].str.endswith(" [one]") != together["b"].str.endswith(" [one]")]
    assert len(across) and not across["planned"].any()


def test_the_page_says_that_fixed_test_images_are_fixed(tmp_path):
    made = made_up.about("h")
    for name, split in (("by_seed", None), ("official", "official:1")):
        folder = made_up.write(tmp_path, name, setting=made["setting"] | {"split": split})
        chapter = verdict_chapters(sections([load_run(folder)])[0], "", "")[0]
        assert (FIXED_TEST in chapter.parts[0].lines) == bool(split)


def test_the_chapter_says_by_which_rule_the_words_come(section):
    (lines,) = (part.lines for part in verdict_chapters(section, "", "")[0].parts[:1])
    assert "confidence sequences over the 2 pairs that are planned by default, tie margin 1 point" in lines[0]


def test_unequal_updates_are_said(section):
    section.arms.loc[section.arms["arm"] == "transfer", "updates"] *= 3
    row = pair(verdict.pairs(section), "transfer", "finetune")
    assert not row["equal_updates"] and "not at equal updates" in row["sentence"]


def test_one_seed_of_unequal_updates_is_enough(section):
    """2 % more on one of three seeds: above the tolerance of 1 %, which their mean is not."""
    of_one = (section.arms["arm"] == "transfer") & (section.arms["seed"] == section.arms["seed"].max())
    section.arms["updates"] = section.arms["updates"].astype(float)
    section.arms.loc[of_one, "updates"] *= 1.02
    assert not pair(verdict.pairs(section), "transfer", "finetune")["equal_updates"]
    section.arms.loc[of_one, "updates"] *= 1.005 / 1.02
    assert pair(verdict.pairs(section), "transfer", "finetune")["equal_updates"]


def test_infinite_intervals_are_written_and_drawn(tmp_path):
    folder = made_up.write(tmp_path, "h", seeds=2)
    assert report.main([str(folder), "--out", str(tmp_path / "out"), "--figures"]) == 0
    kept = pd.read_parquet(tmp_path / "out" / "data" / "verdict.parquet")
    assert np.isinf(kept["low"]).all() and (tmp_path / "out" / "figures" / "verdict_planned.png").is_file()
    text = (tmp_path / "out" / "report.md").read_text()
    assert "inf" not in text.lower().replace("information", "") and "too few seeds for an interval" in text


def test_set_size_and_order_add_up(section):
    parts = verdict.decomposition(section).set_index("part")["mean"]
    assert parts["total"] == pytest.approx(0.03)
    assert parts["set size"] == pytest.approx((0.02 + 0.01 + 0.03) / 3)
    assert parts["total"] == pytest.approx(parts["set size"] + parts["order"])


def test_the_optimism_of_the_pick_is_validation_minus_test(section):
    gaps = verdict.optimism(section).set_index("arm")
    assert gaps["gap"].to_numpy() == pytest.approx(np.full(4, 0.02))
    assert gaps.loc["finetune", "low"] == pytest.approx(0.02)


def test_no_gap_where_test_was_picked_on(tmp_path):
    made = made_up.about("h")
    path = made_up.write(tmp_path, "h", setting=made["setting"] | {"protocol": "report"})
    assert verdict.optimism(sections([load_run(path)])[0]).empty


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
    found = planned(verdict.pairs(section))
    assert ("self_paced [a]", "self_paced/random [a]") in found and ("self_paced [b]", "finetune [b]") in found
    assert all(a.partition(" [")[2] == b.partition(" [")[2] for a, b in found)
