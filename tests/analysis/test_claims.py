"""The report's sentences on made-up runs: what settles one, what leaves it open, and what cannot be compared."""

import numpy as np
import pandas as pd
import pytest

from analysis.comparable import sections
from analysis.original import claims, published
from analysis.original.evidence import find
from analysis.original.judgement import CONFIRMED, CONTRADICTED, FEWEST, UNDECIDED, level, settled
from analysis.rulebook.sequence import ALPHA, half_widths
from analysis.runs import load_run
from analysis.tables import arm_summary
from tests import made_up

OPEN = {"undecided", "not run", "true by construction"}
WIDE = made_up.Figures(copies=1000)  # 6,000 test images leave half a point open at most
AS_TRAINED = {"protocol": "report"}


@pytest.fixture
def of_four_epochs(monkeypatch):
    """The report's trainings had four epochs, so that those of the tests are not shortened."""
    monkeypatch.setattr(published, "EPOCHS", dict.fromkeys(published.EPOCHS, 4))


def full(folder, name="h", train=2240, setting=AS_TRAINED, **changes):
    """A head-to-head under the report's own conditions."""
    made = made_up.about(name)
    data, whole = made["data"] | {"train": train}, made["setting"] | setting
    return made_up.write(folder, name, data=data, setting=whole, **({"figures": WIDE} | changes))


def statuses(*folders):
    table = claims.judge_claims(sections([load_run(folder) for folder in folders]))
    return dict(zip(table["sentence"].str.split().str[:4].str.join(" "), table["status"], strict=True)), table


def figure(table, start):
    return table.loc[table["sentence"].str.startswith(start), "figure"].iloc[0]


def test_the_reports_sentences_on_the_made_up_run(tmp_path, of_four_epochs):
    found, table = statuses(full(tmp_path, seeds=12))
    assert found["Self-paced learning has 89"] == "confirmed"  # .95, .96, .97 in epoch 4
    assert found["It trains on the"] == "contradicted"  # the whole set first in epoch 4
    assert found["Its best is 96.78"] == "undecided"  # .96 ± .01: .9578 would do
    assert found["It recognises every forest"] == "confirmed"
    assert found["Parking is its worst"] == "confirmed"
    assert found["It beats every transfer"] == "contradicted"  # transfer is there first
    assert found["KNN is flat for"] == "true by construction"
    assert found["KNN rises fast and"] == "confirmed"
    assert found["KNN is high from"] == "not run"
    assert found["ImageNet weights beat DTD"] == "not run"
    assert found["Curriculum learning is significantly"] == "confirmed"  # +8.0 points, sd 1
    assert set(table["conditions"]) == {""}
    assert "self_paced minus transfer: +8.0 points (+6.7 to +9.3, 12 seeds)" in figure(table, "Curriculum learning")


@pytest.mark.parametrize("changed", [{"unfreeze": "head"}, {"resolution_start": 0.5}])
def test_what_trained_otherwise_than_theirs_says_nothing_of_their_sentences(tmp_path, of_four_epochs, changed):
    found, _ = statuses(full(tmp_path, seeds=12, config=changed))
    assert found["Self-paced learning has 89"] == found["Its best is 96.78"] == "not run"


def test_the_reports_figures_stand_beside_what_trains_as_theirs_alone(tmp_path, of_four_epochs):
    own, head = (
        arm_summary(sections([load_run(full(tmp_path / name, seeds=3, config=config))])[0]).set_index("arm")
        for name, config in (("whole", {}), ("head", {"unfreeze": "head"}))
    )
    assert own.loc["self_paced", "report_accuracy"] > 0.9 and np.isnan(head.loc["self_paced", "report_accuracy"])
    assert own.loc["transfer", "report_accuracy"] == head.loc["transfer", "report_accuracy"] > 0.8


def test_an_arm_whose_config_is_no_anchor_is_said_to_have_its_own(tmp_path, of_four_epochs):
    """Beside arms with anchors it was "config nan"."""
    ledger = full(tmp_path, seeds=3) / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"anchor": "as_run"', '"anchor": null'))
    _, table = statuses(ledger.parent)
    assert "self_paced: config of its own" in table["conditions"].tolist()[0]


@pytest.mark.parametrize("seeds", [1, 3, FEWEST - 1])
def test_few_seeds_decide_nothing_however_clear(tmp_path, of_four_epochs, seeds):
    """On three, "better than transfer" was confirmed where the verdict on the same pair said undecided."""
    found, table = statuses(full(tmp_path, seeds=seeds, arms=("self_paced", "manual_division", "transfer")))
    assert set(found.values()) <= OPEN
    assert "too few seeds for an interval" in figure(table, "Curriculum learning")
    of_one = [text for text in table["figure"] if "(seeds " not in text and " to " not in text]
    assert (len(of_one) == len(table)) == (seeds == 1), "one seed has no range, and three have"


def test_no_rule_speaks_before_the_interval_can():
    counts = np.arange(1.0, 9.0)
    assert counts[np.isfinite(half_widths(counts, np.ones(8), ALPHA))][0] == FEWEST


def test_all_intervals_that_decide_a_sentence_share_one_error(tmp_path, of_four_epochs, monkeypatch):
    """Whatever the runs can speak to: three levels, and five differences in three sentences."""
    asked = []
    for name in ("of_level", "of_epoch", "of_difference"):
        rule = getattr(claims, name)
        monkeypatch.setattr(claims, name, lambda *given, rule=rule: asked.append(given) or rule(*given))
    arms_there = ("self_paced", "self_paced@dtd", "transfer", "transfer@dtd", "manual_division")
    statuses(full(tmp_path, seeds=1, arms=arms_there))
    assert len(asked) == 8 and all(ALPHA / 8 in given for given in asked)


def wrong(true, n, word, runs=1000):
    """How often the mean of n accuracies around `true` is called so, of a level of 0.9."""
    draws = np.random.default_rng(0).normal(true, 0.02, (runs, n))
    return np.mean([level(values, 10_000, 0.9, ALPHA)[0] == word for values in draws])


@pytest.mark.parametrize("n", [6, 12, 30])
def test_a_mean_one_point_below_a_level_is_seldom_called_confirmed(n):
    """An interval of three seeds confirmed it in 34 of 100; its own error is 5."""
    assert wrong(0.89, n, CONFIRMED) <= ALPHA
    assert wrong(0.90, n, CONTRADICTED) <= ALPHA


def test_a_level_that_is_reached_or_missed_by_far_is_told_apart():
    assert wrong(0.93, 12, CONFIRMED) > 0.9 and wrong(0.85, 12, CONTRADICTED) > 0.9


def test_what_lies_across_an_edge_is_undecided():
    assert settled(0.0, 1.0, 0.0, 1.0) == CONFIRMED
    assert settled(-0.1, 0.5, 0.0, 1.0) == UNDECIDED == settled(-np.inf, np.inf, 0.0, 1.0)
    assert settled(-0.2, -0.1, 0.0, 1.0) == CONTRADICTED == settled(1.1, 1.2, 0.0, 1.0)
    assert settled(0.1, -0.1, 0.0, 1.0) == UNDECIDED  # an empty interval whose ends disagree


def test_few_test_images_leave_a_level_open(tmp_path, of_four_epochs):
    found, _ = statuses(full(tmp_path, seeds=12, figures=made_up.Figures()))
    assert found["Self-paced learning has 89"] == "undecided"  # six images: ± 8 points of one seed


def first_whole(folder, epochs):
    """The status of the sentence on the whole set where seeds first come to it in these epochs."""
    return statuses(
        full(
            folder,
            arms=("self_paced",),
            seeds=len(epochs),
            epochs=40,
            figures=made_up.Figures(whole=lambda seed: epochs[seed]),
        )
    )


def test_seeds_around_another_epoch_contradict_the_reports(tmp_path, of_four_epochs):
    """They straddle 28, as most sets of twenty seeds around epoch 20 do; this was called confirmed."""
    found, table = first_whole(tmp_path, [11, 30, 18, 22, 19, 21, 20, 17, 23, 20, 16, 24, 20, 19, 21])
    assert found["It trains on the"] == "contradicted"
    assert "first in epoch 20.1 (" in figure(table, "It trains") and "the report: 28" in figure(table, "It trains")


def test_seeds_at_the_reports_epoch_confirm_it_and_scattered_ones_do_not(tmp_path, of_four_epochs):
    assert (
        first_whole(tmp_path / "a", [28, 29, 28, 29, 28, 29, 28, 29, 28, 29, 28, 29])[0]["It trains on the"]
        == CONFIRMED
    )
    assert first_whole(tmp_path / "b", [20, 36, 24, 33, 28, 29, 22, 35, 30])[0]["It trains on the"] == UNDECIDED


def test_a_seed_that_never_has_the_whole_set_counts_as_after_its_last_epoch(tmp_path, of_four_epochs):
    found, table = first_whole(tmp_path, [50] * 9)
    assert found["It trains on the"] == "contradicted" and "9 of 9 seeds never" in figure(table, "It trains")


def test_frozen_features_make_a_flat_knn_true_by_construction(tmp_path, of_four_epochs):
    """No run could have contradicted it; with BatchNorm by the batch the features drift, and it can be judged."""
    found, table = statuses(full(tmp_path / "frozen", seeds=6, arms=("transfer",)))
    assert found["KNN is flat for"] == "true by construction"
    assert "frozen features cannot move it" in figure(table, "KNN is flat")
    found, _ = statuses(full(tmp_path / "batch", seeds=6, arms=("transfer",), config={"batchnorm": "batch"}))
    assert found["KNN is flat for"] == "confirmed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"setting": AS_TRAINED | {"image_size": 96}}, "96 px of 256"),
     ({"train": 1792}, "1,792 training images of 2,240"),
     ({"setting": {}}, "judged on validation until the end"),
     ({"epochs": 3}, "self_paced: 3 epochs of 4"),
     ({"setting": AS_TRAINED | {"updates": 40}}, "self_paced: 40 updates of 280")],
)  # fmt: skip
def test_what_was_shortened_is_not_comparable_yet_and_still_shown(tmp_path, of_four_epochs, changes, said):
    found, table = statuses(full(tmp_path, seeds=12, **changes))
    assert set(found.values()) == {"not comparable yet", "not run", "true by construction"}
    row = table[table["sentence"].str.startswith("Self-paced learning has 89")].iloc[0]
    assert said in row["conditions"] and ("accuracy in epoch" in row["figure"] or "no seed" in row["figure"])


def test_a_training_of_as_many_updates_as_the_reports_is_not_shortened(tmp_path, of_four_epochs):
    """2,240 images in batches of 560 are four updates an epoch; the made-up epochs take ten."""
    asked = {"setting": AS_TRAINED | {"updates": 40}, "config": {"batch_size": 560}}
    assert statuses(full(tmp_path, seeds=12, **asked))[0]["Self-paced learning has 89"] == "confirmed"


def test_an_arm_as_the_report_trained_it_stands_before_a_shortened_one_of_more_seeds(tmp_path, of_four_epochs):
    small = made_up.about("x")["data"] | {"train": 2240, "digest": "small"}
    folders = made_up.write(tmp_path, "small", seeds=9, data=small), full(tmp_path, "long", seeds=7)
    arm = find(sections([load_run(folder) for folder in folders]), "self_paced", "imagenet")
    assert arm is not None and arm.run.name == "long" and not arm.shortened


def test_dtd_weights_are_told_by_their_name_and_a_tie_is_not_better(tmp_path, of_four_epochs):
    found, table = statuses(full(tmp_path, seeds=12, arms=("self_paced", "self_paced@dtd", "transfer")))
    assert found["ImageNet weights beat DTD"] == "contradicted"  # the two are equal here
    assert "self_paced minus self_paced@dtd: 0.0 points" in figure(table, "ImageNet")


def test_a_lead_whose_interval_holds_zero_is_undecided(tmp_path, of_four_epochs):
    found, table = statuses(full(tmp_path, seeds=12, arms=("self_paced", "manual_division", "transfer")))
    assert found["Self-paced learning is better"] == "undecided"  # .03, -.01, .01
    assert "+1.0 points (-" in figure(table, "Self-paced learning is better")


def test_a_failed_training_counts_in_the_reports_sentences(tmp_path, of_four_epochs):
    """Of what is counted by seed nothing is said then: a training without predictions has no worst class."""
    failed = {("self_paced", seed): 0 for seed in (1, 4, 7, 10)}
    found, table = statuses(full(tmp_path, seeds=12, figures=made_up.Figures(failed=failed, copies=1000)))
    assert (
        found["Curriculum learning is significantly"] == "undecided"
        and found["Self-paced learning has 89"] != "confirmed"
    )
    assert "4 trainings of self_paced failed" in figure(table, "Curriculum learning")
    assert found["It recognises every forest"] == "undecided" and "leaves this open" in figure(table, "It recognises")


def test_another_data_set_says_nothing_of_the_report(tmp_path):
    made = made_up.about("h")
    found, _ = statuses(made_up.write(tmp_path, "h", data=made["data"] | {"name": "scenes"}))
    assert set(found.values()) == {"not run"}


def test_a_lead_counts_epochs_with_a_look():
    a = pd.DataFrame({"seconds": [1.0, 2.0], "eval_accuracy": [0.9, 0.6], "looks": [0, 1]})
    b = pd.DataFrame({"seconds": [1.0, 2.0], "eval_accuracy": [0.5, 0.8], "looks": [1, 0]})
    assert claims._lead(a, b) == pytest.approx([0.1])
