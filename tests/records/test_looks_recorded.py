"""Epochs without a look that counts are in the curve, and no best is picked of them."""

from dataclasses import replace

from records.epoch import EpochRecord
from records.events import Asked, Ended, Epoch, from_line
from records.history import RunHistory
from records.tables import best_rows, final_rows, record_rows
from spaces.registry import get_space
from tests.analysis.test_runs_and_tables import record
from tests.made_runs import about
from tests.made_runs import epoch as epoch_line

CONFIG = get_space("self_paced").build({}).model_dump()


def history(*looks: int, protocol: str = "holdout", state: str = "complete") -> RunHistory:
    """One trial with accuracies 0.9, 0.8, 0.7, ... and so many looks in each epoch."""
    run = about(1, len(looks), protocol=protocol) | {"kind": "search"}
    records = [replace(record(0, i, 1 - i / 10, 0.5), looks=count) for i, count in enumerate(looks, start=1)]
    return RunHistory.of(run, [Asked(0, CONFIG, {}), *map(Epoch, records), Ended(0, state)])


def test_an_epoch_without_a_look_is_never_better():
    shown = record(0, 1, 0.9, 0.1)
    assert not replace(shown, looks=0).better_than(None) and shown.better_than(None)
    assert not replace(shown, looks=0).better_than(record(0, 2, 0.1, 0.9)) and replace(shown, looks=3).better_than(None)


def test_the_best_epoch_is_picked_of_those_with_a_look():
    made = history(0, 0, 1, 2)
    (trial,) = made.trials.values()
    assert trial.best.epoch == 3 and trial.worth() is trial.best
    assert [top for _, top in trial.progress()] == [0.0, 0.0, 0.7, 0.7]
    (final,) = final_rows(made)
    assert (final["best_epoch"], final["epochs"], final["selection_accuracy"]) == (3, 4, 0.7)
    assert [row["best_epoch"] for row in best_rows(made)] == [3]


def test_a_trial_that_was_pruned_before_its_first_look_has_no_best():
    made = history(0, 0, state="pruned")
    (final,) = final_rows(made)
    assert final["best_epoch"] is None and final["selection_accuracy"] is None and made.ranked() == []


def test_under_report_every_look_opens_test_and_so_does_an_epoch_for_the_curve():
    assert final_rows(history(0, 3, 1, protocol="report"))[0]["test_opened"] == 5


def test_looks_survive_a_line_and_a_row():
    marked = replace(record(0, 1, 0.9, 0.1), looks=2, looked_at=17)
    assert EpochRecord.from_row(marked.row()) == marked
    rows = record_rows(history(0, 2))
    assert [(row["looks"], row["looked_at"]) for row in rows] == [(0, None), (2, None)]


def test_a_line_without_looks_is_an_epoch_that_was_looked_at_when_it_ended():
    line = epoch_line(0, 1, 0.7, 4)
    del line["record"]["looks"], line["record"]["looked_at"]
    read = from_line(line).record
    assert read.looks == 1 and read.looked_at is None and read.better_than(None)


def test_work_counts_what_is_only_ranked():
    """Else a curriculum that ranks every image in every epoch is stopped as late as one that ranks none."""
    trained, ranked = (record(0, 1, 0.5, 1.0, updates=10, images_scored=scored) for scored in (0, 90))
    assert (trained.work({"batch_size": 8}), ranked.work({"batch_size": 8})) == (80, 80 + 30)


def test_work_counts_images_that_are_shown_smaller_by_their_pixels():
    done = record(0, 1, 0.5, 1.0, updates=10, images_trained=20, images_scored=0)
    assert done.work({"batch_size": 8, "resolution_start": 0.5}) == 20
    assert done.work({"batch_size": 8, "resolution_start": 1.0}) == 80
