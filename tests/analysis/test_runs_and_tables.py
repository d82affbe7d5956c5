"""Analysis from a made-up run whose figures are known: tables by hand, figures by what they draw."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from analysis import report
from analysis.document.markdown import as_markdown
from analysis.figures.drawing import compose
from analysis.figures.style import OTHERS
from analysis.figures.trials import (
    MOST_GREY,
    OneTrial,
    Trials,
    curves_caption,
    curves_panels,
    schedule_caption,
    schedule_panels,
    seconds_caption,
    seconds_panels,
)
from analysis.ranking import ranked
from analysis.runs import load_run
from analysis.tables import trial_table
from console.errors import UsageError
from records.epoch import EpochRecord
from records.events import FORMAT
from records.files import write_json
from records.ledger import Ledger
from search import run as command
from tests.made_runs import put


def record(trial: int, epoch: int, accuracy: float, loss: float, **changes) -> EpochRecord:
    values = {
        "strategy": "self_paced", "trial": trial, "seed": 0, "epoch": epoch, "stage": "", "learning_rate": 1e-3 / epoch,
        "share": 0.5, "images": 10, "class_counts": (4, 6), "train_loss": 1.0, "train_accuracy": 0.5,
        "eval_split": "validation", "eval_loss": loss, "eval_accuracy": accuracy, "eval_knn": 0.5, "stage_loss": None,
        "stage_accuracy": None, "updates": epoch, "images_trained": 10 * epoch, "images_scored": 20 * epoch,
        "train_seconds": 2.0 * epoch, "score_seconds": 1.0 * epoch, "eval_seconds": 0.5, "finished": epoch == 2,
    }  # fmt: skip
    return EpochRecord(**(values | changes))


@pytest.fixture
def folder(tmp_path):
    """Trial 0 (an anchor) 0.6, trial 1 0.8 at its first epoch, trial 2 0.8 with a lower loss, trial 3 failed."""
    path = tmp_path / "made-up"
    path.mkdir()
    setting = {"strategy": "self_paced", "seed": 0, "protocol": "holdout", "image_size": 32, "model": "small_cnn",
               "weights": "none"}  # fmt: skip
    options = {"name": "made-up", "data": "toy", "space": "self_paced", "sampler": "tpe", "seed": 0, "samples": 4,
               "epochs": 2}  # fmt: skip
    about = {"format": FORMAT, "command": "python -m search.run", "options": options, "versions": {},
             "space": {"search": {}, "anchors": {}},
             "setting": setting, "data": {"name": "toy", "digest": "d", "classes": ["a", "b"], "train": 8, "validation": 2,
                                         "test": 0}}  # fmt: skip
    write_json(path / "run.json", about)
    ledger = Ledger(path)
    curves = {0: [(0.5, 1.0), (0.6, 0.9)], 1: [(0.8, 0.7), (0.7, 0.8)], 2: [(0.6, 0.9), (0.8, 0.5)], 3: []}
    for trial, curve in curves.items():
        put(ledger, "asked", trial=trial, anchor="as_run" if trial == 0 else None, values={}, config={"gate": 0.5})
        for epoch, (accuracy, loss) in enumerate(curve, start=1):
            put(ledger, "epoch", record=record(trial, epoch, accuracy, loss).row())
        state = "complete" if curve else "failed"
        put(ledger, "ended", trial=trial, state=state, reason="" if curve else "no luck", peak_memory_mb=1.0)
    put(ledger, "test", trial=2, accuracy=0.75, loss=0.6, knn=0.4)
    ledger.close()
    return path


def test_the_table_ranks_by_accuracy_then_loss_and_keeps_failures(folder):
    run = load_run(folder)
    table = trial_table(run.finals, run.records, run.configs)
    assert table["trial"].tolist() == [2, 1, 0, 3]
    assert table["best epoch"].tolist()[:3] == [2, 1, 2]
    assert table["seconds"].tolist() == [6.0, 6.0, 6.0, 0.0]
    assert table["test accuracy"].tolist()[0] == 0.75 and table["test accuracy"].isna().tolist() == [
        False,
        True,
        True,
        True,
    ]
    assert table["anchor"].tolist()[2] == "as_run"


def test_of_two_equal_trials_the_earlier_is_the_better():
    finals = pd.DataFrame({"trial": [4, 3, 2, 1, 0], "selection_accuracy": [0.8, 0.8, None, 0.8, 0.7],
                           "selection_loss": [0.5, 0.5, None, 0.6, 0.1]})  # fmt: skip
    assert ranked(finals)["trial"].tolist() == [3, 4, 1, 0, 2]
    assert ranked(finals[::-1])["trial"].tolist() == [3, 4, 1, 0, 2]


def test_a_repeated_epoch_counts_once(folder):
    ledger = Ledger(folder)
    put(ledger, "epoch", record=record(1, 2, 0.99, 0.1).row())
    ledger.close()
    assert len(load_run(folder).records) == 6
    assert load_run(folder).finals.set_index("trial").loc[1, "selection_accuracy"] == 0.8


def test_of_two_equal_epochs_the_earlier_is_the_best(folder):
    ledger = Ledger(folder)
    put(ledger, "asked", trial=5, anchor=None, values={}, config={})
    for epoch in (1, 2, 3):
        put(ledger, "epoch", record=record(5, epoch, 0.7, 0.5 if epoch > 1 else 0.6).row())
    ledger.close()
    assert load_run(folder).finals.set_index("trial").loc[5, "best_epoch"] == 2


def test_a_running_trial_counts_as_interrupted(folder):
    ledger = Ledger(folder)
    put(ledger, "asked", trial=4, anchor=None, values={}, config={})
    ledger.close()
    assert load_run(folder).finals.set_index("trial").loc[4, "state"] == "interrupted"


def test_markdown_has_a_row_per_trial_and_a_dash_for_what_is_missing(folder):
    run = load_run(folder)
    lines = as_markdown(trial_table(run.finals, run.records, run.configs)).splitlines()
    assert len(lines) == 2 + 4
    assert lines[2].startswith("| 2 | – | complete | 0.800 | 0.500 |") and lines[5].count("–") >= 6


def axes_of(panel):
    return compose([panel]).axes[0]


def test_curves_show_the_named_trials_in_colour_and_the_others_in_grey(folder):
    run = load_run(folder)
    of = Trials(run, {2: "trial 2", 0: "trial 0 (as_run)"})
    axes = axes_of(curves_panels(of)[0])
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["trial 2"].get_ydata()) == [0.6, 0.8]
    assert lines["trial 2"].get_color() != lines["trial 0 (as_run)"].get_color() != OTHERS
    assert sum(line.get_color() == OTHERS for line in axes.lines) == 1 and "other trials" in lines
    assert {"trial 2", "trial 0 (as_run)"} <= {text.get_text() for text in axes.texts}
    assert curves_caption(of) == (
        "Trial 2 has the best epoch, 0.800 in epoch 2 of 2; the best epochs of all 3 trials go from 0.600 to 0.800 "
        "(1 seed, so no interval)."
    )


def test_the_best_epoch_in_a_caption_is_the_tables(folder):
    """Trials 1 and 2 reach the same accuracy, trial 2 with the lower loss."""
    run = load_run(folder)
    assert trial_table(run.finals, run.records, run.configs)["trial"][0] == 2
    assert curves_caption(Trials(run, {})).startswith("Trial 2 ") and seconds_caption(Trials(run, {})).startswith(
        "Trial 2 "
    )


def test_time_figure_is_best_so_far_against_training_and_scoring(folder):
    axes = axes_of(seconds_panels(Trials(load_run(folder), {1: "trial 1"}))[0])
    line = next(line for line in axes.lines if line.get_label() == "trial 1")
    assert list(line.get_xdata()) == [3.0, 6.0] and list(line.get_ydata()) == [0.8, 0.8]


def test_time_figure_leaves_out_epochs_without_a_look_that_counts(folder):
    run = load_run(folder)
    run.records.loc[(run.records["trial"] == 1) & (run.records["epoch"] == 1), "looks"] = 0
    run.records.loc[run.records["trial"] == 2, "looks"] = 0  # before its first mark
    axes = axes_of(seconds_panels(Trials(run, {1: "trial 1", 2: "trial 2"}))[0])
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}
    assert lines["trial 1"] == ([6.0], [0.7]) and "trial 2" not in lines


def test_curves_are_of_what_trials_are_picked_by(folder):
    """They showed accuracy whatever the metric."""
    ledger = (
        (folder / "ledger.jsonl")
        .read_text()
        .replace('"eval_accuracy"', '"eval_balanced_accuracy": 0.25, "eval_accuracy"')
    )
    (folder / "ledger.jsonl").write_text(ledger)
    about = json.loads((folder / "run.json").read_text())
    about["setting"]["metric"] = "balanced_accuracy"
    write_json(folder / "run.json", about)
    of = Trials(load_run(folder), {2: "trial 2"})
    for panel in (curves_panels(of)[0], seconds_panels(of)[0]):
        axes = axes_of(panel)
        line = next(line for line in axes.lines if line.get_label() == "trial 2")
        assert "balanced accuracy" in axes.get_ylabel() and set(line.get_ydata()) == {0.25}
    assert "loss" in axes_of(curves_panels(of)[1]).get_ylabel()


def test_a_schedule_shows_what_changes_and_says_the_rest(folder):
    of = OneTrial(load_run(folder), 2, "trial 2")  # half of the set throughout, a rate that falls
    (panel,) = schedule_panels(of)
    axes = axes_of(panel)
    assert axes.get_ylabel() == "learning rate" and list(axes.lines[0].get_ydata()) == [1e-3, 5e-4]
    assert schedule_caption(of) == "Trial 2: share stayed at 0.50; learning rate went from 0.001 to 0.0005."


def test_a_ribbon_is_the_share_class_by_class(folder):
    run = load_run(folder)
    own = run.records["trial"] == 2
    run.records.loc[own, "share"] = [0.5, 1.0]
    run.records.loc[own, "images"] = [10, 20]
    axes = axes_of(schedule_panels(OneTrial(run, 2, "trial 2"))[0])
    bands = {band.get_label(): band.get_paths()[0].get_extents() for band in axes.collections}
    assert bands["a"].y1 == pytest.approx(0.4) and (bands["b"].y0, bands["b"].y1) == pytest.approx((0.2, 1.0))
    assert {"a", "b"} <= {text.get_text() for text in axes.texts} and axes.get_xlim() == (0.5, 2.5)


def test_no_more_grey_lines_are_drawn_than_can_be_told_apart(folder):
    run = load_run(folder)
    one = run.records[run.records["trial"] == 2]
    many = replace(run, records=pd.concat([one.assign(trial=trial) for trial in range(200)]))
    axes = axes_of(curves_panels(Trials(many, {2: "trial 2"}))[0])
    grey = [line for line in axes.lines if line.get_color() == OTHERS]
    assert len(grey) == 50 <= MOST_GREY and grey[0].get_label() == "50 of the 199 other trials"


def test_the_report_command_writes_page_markdown_tables_and_figures(folder, tmp_path, capsys):
    reference = tmp_path / "curve.csv"
    reference.write_text("epoch,accuracy,loss\n1,0.5,1.0\n2,0.6,0.8\n")
    out = tmp_path / "out"
    asked = ["--out", str(out), "--reference", str(reference), "--figures"]
    assert report.main([str(folder), *asked]) == command.DONE
    assert {path.name for path in out.iterdir()} == {"index.html", "report.md", "data", "figures"}
    figures_there = {path.name for path in (out / "figures").iterdir()}
    expected = {"curves.png", "curves.svg", "accuracy_seconds.png", "schedule_0002.png", "schedule_0000.png"}
    assert expected <= figures_there
    assert pd.read_parquet(out / "data" / "trials.parquet")["trial"].tolist() == [2, 1, 0, 3]


def test_what_is_no_run_is_refused(tmp_path, folder):
    with pytest.raises(UsageError, match="is no run folder"):
        load_run(tmp_path)
    about = json.loads((folder / "run.json").read_text()) | {"format": 99}
    write_json(folder / "run.json", about)
    with pytest.raises(UsageError, match="run format 99"):
        load_run(folder)


def test_a_run_without_an_epoch_says_so(folder, tmp_path, capsys):
    (folder / "ledger.jsonl").write_text("")
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.WRONG_USAGE
    assert "has no epoch yet" in capsys.readouterr().err
