"""What a run is picked by: in histories, in studies, under Ray's names, in the verdict, in words; and uneven classes."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.chapters.contents import make_report
from analysis.comparable import sections
from analysis.comparison import compared, in_terminal, write_comparison
from analysis.document.markdown import write_markdown
from analysis.ranking import ranked
from analysis.rulebook.measure import Measure, measure_of
from analysis.rulebook.outcomes import Outcome, chance_of, outcomes
from analysis.rulebook.pairs import make_pair
from analysis.rulebook.plan import VerdictPlan, plan_of
from analysis.rulebook.resampling import jackknife_sd
from analysis.rulebook.sentences import by_which_rule, conclusion, sentence
from analysis.rulebook.sequence import sampling_sd
from analysis.rulebook.uneven import is_uneven, majority, recall_rows, recalls, uneven_lines
from analysis.runs import load_run
from console.arguments import WRONG_USAGE
from records.confirmed import Confirmed
from records.epoch import ACCURACY, WORST, Objective
from records.events import Asked, Ended, Epoch
from records.events import Tested as Opened
from records.history import RunHistory
from records.tables import best_rows
from search import compare, export, replay, run, status
from search.confirm import winner_of
from search.proposers.study import StudyProposer, values_of
from search.rounds import drawn, standing
from search.views.optuna_study import objectives
from search.views.tensorboard import scalars
from spaces.arm import Arm
from spaces.registry import get_space
from spaces.setting import Setting
from tests import made_up
from tests.analysis.test_runs_and_tables import record

BALANCED, LOSS = Objective("balanced_accuracy"), Objective("loss", lower_is_better=True)
ONE = (("self_paced", "finetune"),)


def figures(trial, epoch, accuracy, loss, balanced):
    return record(trial, epoch, accuracy, loss, metrics={"balanced_accuracy": balanced})


def history(metric: str, lower: bool = False) -> RunHistory:
    """Trial 0 is the best by accuracy, trial 1 by balanced accuracy, trial 2 by loss."""
    about = {"kind": "search", "setting": {"metric": metric, "lower_is_better": lower}}
    made = RunHistory.of(about, [Asked(trial, {"batch_size": 4}, {}) for trial in range(3)])
    for trial, rows in enumerate((((0.9, 0.9, 0.5), (0.8, 0.7, 0.6)), ((0.7, 0.8, 0.7),), ((0.6, 0.2, 0.4),))):
        for epoch, row in enumerate(rows, start=1):
            made.apply(Epoch(figures(trial, epoch, *row)))
        made.apply(Ended(trial, "complete"))
    return made


@pytest.mark.parametrize(
    ("metric", "lower", "order", "best_of_first", "worth"),
    [
        ("accuracy", False, [0, 1, 2], 1, 0.9),
        ("balanced_accuracy", False, [1, 0, 2], 2, 0.6),
        ("loss", True, [2, 0, 1], 2, 0.7),
        ("macro_f1", False, [2, 0, 1], 2, None),  # nobody has it: then by loss alone
    ],
)
def test_another_trial_and_another_epoch_are_best_by_another_metric(metric, lower, order, best_of_first, worth):
    made = history(metric, lower)
    assert [trial.number for trial in made.ranked()] == order
    assert made.trials[0].best.epoch == best_of_first
    assert values_of(made.trials[0], two=False) == (None if worth is None else [worth])


def test_schedulers_are_told_of_scores_of_which_more_is_better():
    assert [score for _, score in history("loss", True).trials[0].progress()] == [-0.9, -0.7]
    assert [score for _, score in history("balanced_accuracy").trials[0].progress()] == [0.5, 0.6]
    assert ACCURACY.before_any == 0.0 and LOSS.before_any == WORST
    unseen = replace(figures(0, 1, 0.9, 0.1, 0.9), looks=0)
    made = history("loss", True)
    made.trials[0].records = [unseen]
    assert [score for _, score in made.trials[0].progress()] == [WORST]


def test_ties_are_broken_by_loss_and_then_by_the_earlier():
    first, second = figures(0, 1, 0.9, 0.5, 0.6), figures(0, 2, 0.1, 0.4, 0.6)
    assert second.better_than(first, BALANCED) and not first.better_than(second, BALANCED)
    assert not replace(first, epoch=3).better_than(first, BALANCED)
    assert first.better_than(second) and second.better_than(first, LOSS)


def test_old_settings_were_picked_by_accuracy():
    assert Objective.of({}) == ACCURACY and Setting(strategy="finetune").metric == "accuracy"


def test_a_study_is_told_the_metric_and_its_direction():
    study = StudyProposer(get_space("finetune"), 4, 0, "random", LOSS)
    assert study.study.direction.name == "MINIMIZE"
    about = {
        "setting": {"protocol": "holdout", "metric": "loss", "lower_is_better": True},
        "options": {"sampler": "tpe"},
    }
    assert objectives(about)[0] == ["validation loss"] and objectives(about)[1][0].name == "MINIMIZE"
    assert scalars(figures(0, 1, 0.9, 0.5, 0.6), 0.5, by=LOSS)["best/loss"] == 0.5


def test_finals_are_ranked_by_it_too():
    finals = pd.DataFrame({"trial": [0, 1, 2], "selection_accuracy": [0.9, 0.8, None], "selection_loss": [0.9, 0.2, None],
                           "selection_balanced_accuracy": [0.5, 0.7, None]})  # fmt: skip
    assert ranked(finals)["trial"].tolist() == [0, 1, 2]
    assert ranked(finals, LOSS)["trial"].tolist() == ranked(finals, BALANCED)["trial"].tolist() == [1, 0, 2]


def test_configs_of_runs_are_exported_in_its_order():
    row = {"run": "r", "selection_accuracy": 0.5, "selection_loss": 0.5, "seconds": 1.0}
    row |= {"setting_metric": "loss", "setting_lower_is_better": True, "setting_strategy": "finetune"}
    rows = [row | {"trial": 0}, row | {"trial": 1, "selection_loss": 0.4, "selection_accuracy": 0.1}]
    assert [one["trial"] for one in export.choose(rows, None, False)] == [1, 0]


def test_fresh_seeds_name_the_one_with_the_least_loss():
    of = {0: Confirmed(0.5, {1: 0.5}, 0, LOSS), 1: Confirmed(0.4, {1: 0.4}, 0, LOSS)}
    assert winner_of(of) == 1 and "confirmed_test_loss" in of[0].row()
    assert winner_of({n: replace(one, objective=ACCURACY) for n, one in of.items()}) == 0


# refusals


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "map"], "--metric map is no figure of --task single_label; take one of accuracy, loss, "),
        (
            ["--metric", "balanced_accuracy", "--task", "multi_label"],
            "--metric balanced_accuracy is no figure of --task multi",
        ),
        (
            ["--metric", "f1"],
            "--metric must be 'accuracy', 'loss', 'balanced_accuracy', 'macro_f1' or 'map'; got 'f1'.",
        ),
    ],
)
@pytest.mark.parametrize("main", [run.main, compare.main])
def test_a_metric_that_the_task_has_not_is_refused_before_anything_is_read(main, words, said, tmp_path, capsys):
    assert main([*words, "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == WRONG_USAGE
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


# the verdict


def pair(values, measure: Measure, margin=0.01):
    of_a = {seed: Outcome(0.5 + value, None, 1000, False, 1.0) for seed, value in enumerate(values)}
    of_b = {seed: Outcome(0.5, None, 1000, False, 1.0) for seed in of_a}
    return make_pair(Arm("self_paced"), Arm("finetune"), of_a, of_b, VerdictPlan(ONE, margin, measure=measure))


def test_less_loss_is_better_and_is_said_in_nats():
    less = pair([-0.050, -0.052, -0.048, -0.050, -0.051, -0.049], measure_of("loss"))
    assert less.word == "better" and less.mean == pytest.approx(0.05)
    said = sentence(less)
    assert said.startswith("self_paced against finetune: +0.050 nats of loss avoided (+0.04") and said.endswith(
        ": better."
    )
    plan = VerdictPlan(ONE, measure=measure_of("loss"))
    assert "self_paced is better than finetune by 0.050 nats of loss (" in conclusion([less], plan, "conditions")
    assert by_which_rule(plan).endswith(
        "tie margin 0.01 nats of loss, valid at every look, loss turned so that plus is less of it and better"
    )
    assert "-0.1 nats 0 +0.1" in standing([less]) and "●" in drawn(less)[16:]
    assert pair([0.05, 0.052, 0.048, 0.05, 0.051, 0.049], measure_of("loss")).word == "worse"
    tie = pair([0.0004, -0.0004, 0.0002, -0.0002, 0.0001, -0.0001] * 4, measure_of("loss"))
    assert sentence(tie).endswith("a tie within 0.01 nats of loss.")


def test_other_metrics_are_said_in_points_of_them_and_accuracy_as_ever():
    values = [0.050, 0.052, 0.048, 0.050, 0.051, 0.049]
    assert ": +5.0 points of balanced accuracy (" in sentence(pair(values, measure_of("balanced_accuracy")))
    assert ": +5.0 points (" in sentence(pair(values, measure_of("accuracy")))
    assert (
        measure_of("accuracy").margin(0.01) == "1 point"
        and measure_of("macro_f1").margin(0.005) == "0.5 points of macro F1"
    )


def said_of(rng, images=400, classes=3, skill=1.0) -> dict:
    true = np.arange(images) % classes
    logits = rng.normal(size=(images, classes)) + skill * np.eye(classes)[true]
    likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return {"image": np.arange(images), "true": true, "predicted": likely.argmax(axis=1),
            "probabilities": likely.astype(np.float32)}  # fmt: skip


def test_the_jackknife_agrees_with_the_formulas_where_there_are_some():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(20):
        a, b = said_of(rng), said_of(rng, skill=0.5)
        right = [one["predicted"] == one["true"] for one in (a, b)]
        formula = sampling_sd(float(np.mean(right[0] != right[1])), float(right[0].mean() - right[1].mean()), 400)
        own = [-np.log(one["probabilities"][np.arange(400), one["true"]]) for one in (a, b)]
        of_loss = float(np.std(own[0] - own[1], ddof=1)) / 20
        metrics = [measure_of(name).metric for name in ("accuracy", "balanced_accuracy", "loss")]
        found.append(np.array([jackknife_sd(one, a, b) for one in metrics]) / (formula, formula, of_loss))
    assert np.mean(found, axis=0) == pytest.approx([1, 1, 1], abs=0.1)
    assert jackknife_sd(metrics[0], a, b) == jackknife_sd(metrics[0], a, b)


def test_the_images_alone_keep_an_interval_from_closing():
    rng = np.random.default_rng(0)
    arms = [{seed: Outcome(0.7 + shift, said_of(rng), 400, False, 1.0) for seed in range(6)} for shift in (0.02, 0.0)]
    found = make_pair(Arm("self_paced"), Arm("finetune"), *arms, VerdictPlan(ONE, measure=measure_of("macro_f1")))
    assert found.sd == pytest.approx(0) and found.floor > 0.02 and found.word == "undecided"


def test_a_failed_training_counts_with_its_last_figure_or_that_of_one_that_has_seen_nothing():
    data = {"classes": ["a", "b"], "test": 10, "class_counts": {"test": [8, 2]}}
    about = {"kind": "head_to_head", "data": data, "setting": {"metric": "loss", "lower_is_better": True}}
    arm = {"arm": Arm("finetune"), "strategy": "finetune"}
    happened = [Asked(trial, {}, {}, setting=Setting(**arm, seed=trial)) for trial in range(3)]
    happened += [Epoch(record(0, 1, 0.6, 0.4)), Ended(0, "failed"), Ended(1, "failed")]
    happened += [Epoch(record(2, 1, 0.6, 0.4)), Ended(2, "complete"), Opened(2, 0.7, 0.3, 0.5)]
    found = outcomes(RunHistory.of(about, happened), lambda number: None)[Arm("finetune")]
    assert [found[seed].figure for seed in range(3)] == pytest.approx([0.4, np.log(2), 0.3])
    assert chance_of(about, "macro_f1") == pytest.approx(2 * 0.8 / 1.8 / 2) and chance_of(about, "accuracy") == 0.5


# whole runs, made up


@pytest.fixture
def by_loss(tmp_path):
    """A head-to-head picked by loss: self_paced has 0.1 nats less than finetune on every seed, and less accuracy."""
    about = made_up.about("h")
    counts = {"train": [60, 30, 10], "validation": [12, 6, 2], "test": [2, 2, 2]}
    folder = made_up.write(
        tmp_path, "h", arms=("self_paced", "finetune"), seeds=6, tests=False,
        setting=about["setting"] | {"metric": "loss", "lower_is_better": True, "data": "drawn"},
        data=about["data"] | {"name": "drawn", "class_counts": counts},
        verdict={"primary": [["self_paced", "finetune"]], "margin": 0.01, "level": 0.95},
    )  # fmt: skip
    for trial in range(12):
        append_test(folder, trial)
    return folder


def append_test(folder, trial: int) -> None:
    loss = (0.3 if trial % 2 == 0 else 0.4) + 0.001 * (trial // 2 % 3)
    with (folder / "ledger.jsonl").open("a") as file:
        line = {
            "event": "test",
            "trial": trial,
            "accuracy": 0.9,
            "loss": loss,
            "knn": 0.9,
            "metrics": {"macro_f1": 0.5},
        }
        file.write(json.dumps(line) + "\n")


def test_a_head_to_head_by_loss_is_judged_and_shown_by_loss(by_loss, monkeypatch):
    run_of = load_run(by_loss)
    assert plan_of(run_of.about, []).measure == measure_of("loss") == run_of.measure
    text = write_comparison(by_loss)
    assert "epochs picked by loss on validation" in text and "| arm | seeds | loss | accuracy |" in text
    assert "nats of loss avoided" in text and "turned so that plus is less of it and better" in text
    assert "macro F1" not in text  # recorded, and not what was picked by
    assert "Classes are uneven (10 to 60 training images): always guessing aGrass" in text
    assert "accuracy of 0.333 on test" in text and "| gParking | 10 | 12 | 0.000 | 0.000 |" in text
    monkeypatch.chdir(by_loss.parent)
    monkeypatch.setenv("COLUMNS", "60")
    shown = in_terminal(by_loss, compared(by_loss))
    assert max(map(len, shown.splitlines())) <= 60 and re.search(r"^arm +seeds +loss", shown, re.MULTILINE)
    assert "Classes are uneven" in shown and re.search(r"^gParking +10 +12 +0\.000 +0\.000$", shown, re.MULTILINE)
    report = write_markdown(make_report(sections([run_of])))
    assert "Lowest mean loss: self_paced, 0.301" in report and "picked by loss" in report
    assert "gap, nats of loss avoided" in report and "delete-a-group jackknife" in report


def test_even_classes_need_no_further_words(tmp_path):
    folder = made_up.write(tmp_path, "h", arms=("self_paced", "finetune"))
    assert "uneven" not in write_comparison(folder)


def test_a_search_on_uneven_classes_has_another_best_trial_by_balanced_accuracy(tmp_path, capsys):
    def made(name, **picked):
        folder = made_up.write_search(tmp_path, name, trials=4, epochs=2)
        about = json.loads((folder / "run.json").read_text())
        about["setting"] |= picked
        about["options"] |= {"space": "finetune", "data": "drawn", "samples": 4, "epochs": 2}
        (folder / "run.json").write_text(json.dumps(about))
        lines = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
        for line in lines:  # who guesses the largest class is accurate, and no more
            if line["event"] == "epoch":
                line["record"]["eval_balanced_accuracy"] = 1 - line["record"]["eval_accuracy"]
        (folder / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return load_run(folder)

    plain, balanced = made("plain"), made("balanced", metric="balanced_accuracy")
    first, second = (found.history.ranked()[0].number for found in (plain, balanced))
    assert first != second
    rows = best_rows(balanced.history)
    assert rows[0]["trial"] == second and rows[0]["selection_balanced_accuracy"] is not None
    assert status.main([str(balanced.folder)]) == 0
    assert (
        f"best balanced accuracy {rows[0]['selection_balanced_accuracy']:.3f} in trial {second}"
        in capsys.readouterr().out
    )
    report = {of.name: write_markdown(make_report(sections([of]))) for of in (plain, balanced)}
    assert "balanced accuracy" not in report["plain"]
    assert "| trial | state | balanced accuracy | accuracy | loss |" in report["balanced"]
    assert "on validation by balanced accuracy" in report["balanced"]


def test_a_search_by_balanced_accuracy_on_an_uneven_folder_from_flag_to_replay(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for place, (name, images) in enumerate({"oak": 30, "moss": 12, "rose": 10}.items()):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(images):
            pixels = rng.integers(0, 80, (16, 16, 3)) + 150 * (np.arange(3) == place)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / name / f"{number}.png")
    where = ["--out", str(tmp_path / "runs"), "--name", "b"]
    words = "--image-size 16 --model small_cnn --weights none --precision fp32 --executor local --cpus-per-trial 1"
    words = [*words.split(), "--data", str(tmp_path / "data"), "--space", "finetune", "--samples", "2"]
    assert run.main([*words, "--epochs", "2", "--metric", "balanced_accuracy", *where]) == run.DONE
    said = capsys.readouterr().out
    assert "protocol holdout, picked by balanced accuracy" in said and "validation balanced accuracy 0." in said
    assert "Best epochs on validation by balanced accuracy" in said and ", balanced accuracy 0." in said
    assert "Classes are uneven (" in said and " training images): always guessing oak, the largest, would have" in said
    assert "Recall of each class on test:" in said
    best = pd.read_parquet(tmp_path / "runs" / "b" / "best.parquet")
    assert best["selection_balanced_accuracy"].is_monotonic_decreasing and best["test_balanced_accuracy"].notna().any()
    assert set(best["setting_metric"]) == {"balanced_accuracy"}
    assert replay.main([str(tmp_path / "runs" / "b" / "best.parquet")]) == run.DONE
    assert "The same numbers" in capsys.readouterr().out
    assert run.main(["--resume", *where, "--metric", "loss"]) == WRONG_USAGE
    assert "--metric was balanced_accuracy in b and is loss now, which would be another run" in capsys.readouterr().err


# uneven classes


def test_uneven_classes_have_a_majority_and_a_recall_each():
    about = {"data": {"classes": ["oak", "moss", "rose"], "test": 10,
                      "class_counts": {"train": [31, 20, 20], "test": [6, 3, 1]}}}  # fmt: skip
    assert is_uneven(about) and majority(about, "test").endswith(
        "guessing oak, the largest, would have an accuracy of 0.600 on test."
    )
    said = {"true": np.array([0] * 6 + [1] * 3), "predicted": np.array([0, 0, 0, 1, 1, 1, 1, 1, 0])}
    found = recalls([said], 3)
    assert recall_rows(about, "test", {"trial 3": found})[1:] == [
        ["oak", "31", "6", "0.500"], ["moss", "20", "3", "0.667"], ["rose", "20", "0", "-"]]  # fmt: skip
    assert len(uneven_lines(about, "test", {"trial 3": found})) == 3
    about["data"]["class_counts"]["train"] = [30, 20, 20]
    assert not is_uneven(about) and uneven_lines(about, "test", {"trial 3": found}) == []
    assert not is_uneven({"data": {}})  # of runs from before classes were counted


def test_of_many_classes_the_worst_dozen_is_shown():
    names = [f"c{place}" for place in range(20)]
    about = {"data": {"classes": names, "test": 40, "class_counts": {"train": [5, *[2] * 19], "test": [2] * 20}}}
    true = np.repeat(np.arange(20), 2)
    said = {"true": true, "predicted": np.where(true < 10, true, 0)}
    rows = recall_rows(about, "test", {"a": recalls([said], 20)})
    assert len(rows) == 13 and [row[0] for row in rows[1:11]] == names[10:] and rows[1][-1] == "0.000"
