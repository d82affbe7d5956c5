"""Figures of a search by what they show, on a search whose best learning rate is known; and how far it scales."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import report
from analysis.chapters.pictures import pictures
from analysis.chapters.search import worth_it
from analysis.comparable import sections
from analysis.figures import search
from analysis.figures.study import importances, rebuild
from analysis.runs import load_run
from analysis.tables import space_table, trial_table
from records.files import write_arrays, write_json
from records.folder import predictions_file, read_run
from records.ledger import Ledger
from search import run as command
from tests import made_up
from tests.made_runs import put


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load_run(made_up.write_search(tmp_path_factory.mktemp("runs"), "s", trials=40, epochs=5))


def test_the_study_is_rebuilt_from_the_ledger(loaded):
    study = rebuild(loaded)
    assert len(study.trials) == 40
    by_hand = 0.9 - 0.1 * abs(np.log10(study.trials[7].params["learning_rate"]) + 3)
    assert study.trials[7].value == pytest.approx(by_hand * (1 - 0.5**5))
    assert study.trials[7].user_attrs["trial"] == 7


def test_what_no_draw_could_have_given_is_left_out(tmp_path):
    folder = made_up.write_search(tmp_path, "s", trials=5, epochs=2)
    ledger = (folder / "ledger.jsonl").read_text()
    (folder / "ledger.jsonl").write_text(ledger.replace('"learning_rate": 0.01', '"learning_rate": 10.0'))
    assert [t.user_attrs["trial"] for t in rebuild(load_run(folder)).trials] == [1, 2, 3, 4]


def test_what_matters_is_found(loaded):
    weights = importances(rebuild(loaded))
    assert list(weights) == ["learning_rate", "batch_size"] and weights["learning_rate"] > 0.7


def test_the_front_by_hand():
    finals = pd.DataFrame({"trial": [0, 1, 2, 3], "state": "complete", "best_epoch": 1, "seconds": [1.0, 2.0, 2.0, 3.0],
                           "selection_accuracy": [0.5, 0.7, 0.6, 0.7]})  # fmt: skip
    rows = search.pareto(finals).set_index("trial")["front"]
    assert rows.to_dict() == {0: True, 1: True, 2: False, 3: False}
    stopped = finals.assign(state=["pruned", "complete", "complete", "complete"])
    rows = search.pareto(stopped).set_index("trial")["front"]
    assert rows.to_dict() == {0: False, 1: True, 2: False, 3: False}
    stopped = finals.assign(state=["complete", "pruned", "complete", "complete"])
    assert search.pareto(stopped).set_index("trial")["front"].to_dict() == {0: True, 1: False, 2: True, 3: True}


def test_what_a_smaller_search_would_have_found(loaded):
    values = search.drawn_values(loaded)
    assert len(values) == 39  # without the anchor
    line = search.expected(loaded).axes[0].lines[0]
    assert line.get_ydata()[0] == pytest.approx(values.mean()) and line.get_ydata()[-1] == pytest.approx(values.max())


@pytest.mark.parametrize(("sampler", "shown"), [("random", True), ("tpe", False)])
def test_a_smaller_search_is_spoken_of_only_where_the_draws_are_exchangeable(tmp_path, sampler, shown):
    """Under TPE late draws know the early ones: any few of sixty promised 1.7 points more than a search of eight found."""
    run = load_run(made_up.write_search(tmp_path, "s", trials=8, epochs=2, sampler=sampler))
    names = {picture.name for picture in pictures(search.OF_A_SEARCH, search.Searched(run), "")}
    assert ("search_expected" in names) == shown and "search_history" in names


def test_the_history_shows_every_trial_and_the_best_so_far(loaded):
    study = rebuild(loaded)
    axes = search.history(study, "accuracy").axes[0]
    assert len(axes.collections[0].get_offsets()) == 40
    best = np.maximum.accumulate([trial.value for trial in study.trials])
    assert axes.lines[0].get_ydata().tolist() == pytest.approx(best.tolist())


def test_optuna_leaves_the_house_style_as_it_was(loaded):
    import matplotlib.pyplot as plt

    before = dict(plt.rcParams), dict(plt.style.library["ggplot"])
    assert len(pictures(search.OF_A_SEARCH, search.Searched(loaded), "")) == 6
    assert (dict(plt.rcParams), dict(plt.style.library["ggplot"])) == before


def test_a_search_of_one_trial_has_curves_and_no_empty_panel(tmp_path):
    folder = made_up.write_search(tmp_path, "one", trials=1, epochs=3)
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.DONE
    names = {path.stem for path in (tmp_path / "out" / "figures").glob("*.png")}
    assert "curves" in names and not any(name.startswith("search") for name in names)


def test_the_best_trial_is_the_tables_where_accuracies_are_equal(loaded):
    losses = loaded.finals["trial"].map({4: 0.1, 9: 0.1}).fillna(0.2)
    tied = replace(loaded, finals=loaded.finals.assign(selection_accuracy=0.5, selection_loss=losses))
    table = trial_table(tied.finals, tied.records, tied.configs)
    shown = space_table(tied).set_index("field")["best"]
    assert table["trial"][0] == 4
    assert shown["learning_rate"] == f"{tied.asked[4].values['learning_rate']:.3g}"
    assert "the best, trial 4, has 0.500" in worth_it(sections([tied])[0], tied)


def test_whether_it_was_worth_it_is_one_sentence(loaded):
    said = worth_it(sections([loaded])[0], loaded)
    best = loaded.finals.sort_values("selection_accuracy").iloc[-1]
    assert f"trial {best['trial']}, has {best['selection_accuracy']:.3f} on validation, its best anchor plain" in said
    assert said.endswith("so expect less on new images.")


def test_two_searches_of_one_section_are_each_compared_with_their_own_anchor(tmp_path):
    """Both have a trial 0 and the same best trial; only in the second are four images known to the best alone."""
    for name, wrong in (("one", 0), ("two", 4)):
        folder = made_up.write_search(tmp_path, name, trials=6, epochs=2)
        best = load_run(folder).finals.sort_values("selection_accuracy").iloc[-1]["trial"]
        ledger = Ledger(folder)
        for trial in (0, int(best)):
            put(ledger, "test", trial=trial, accuracy=0.5, loss=1.0, knn=0.5)
            arrays = {"image": np.arange(6), "true": np.zeros(6, int), "predicted": np.zeros(6, int),
                      "probabilities": np.full((6, 3), 1 / 3, np.float32)}  # fmt: skip
            arrays["predicted"][: wrong if trial == 0 else 0] = 1
            write_arrays(predictions_file(folder, trial, "test"), arrays, '{"epoch": 2}')
        ledger.close()
    one, two = (load_run(tmp_path / name) for name in ("one", "two"))
    (section,) = sections([one, two])
    assert "McNemar p 1 on 6 images" in worth_it(section, one)
    assert "McNemar p 0.12 on 6 images" in worth_it(section, two)  # four to none: 2 / 2^4


def test_what_was_picked_on_test_is_called_optimistic(tmp_path):
    folder = made_up.write_search(tmp_path, "s", trials=5, epochs=2)
    about = read_run(folder)
    about["setting"]["protocol"] = "report"
    write_json(folder / "run.json", about)
    picked = load_run(folder)
    assert worth_it(sections([picked])[0], picked).endswith(
        "Both were picked on test itself, so both are optimistic, the best of many the more so."
    )


MEASURED = """
import re, sys, time
from pathlib import Path
from analysis import report, runs
started = time.process_time()
if sys.argv[2] == "load":
    runs.load_run(Path(sys.argv[1]))
else:
    assert report.main([sys.argv[1], "--out", sys.argv[2]]) == 0
memory = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())  # getrusage counts the parent's too
print(time.process_time() - started, int(memory[1]) / 1e6)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is read from /proc, which is Linux's")
def test_a_thousand_trials_of_a_hundred_epochs(tmp_path):
    """Seconds of one core (nothing here waits), so that a busy machine does not fail it; memory in GB."""
    folder = made_up.write_search(tmp_path, "long", trials=1000, epochs=100)
    found = {}
    for what, out in (("load", "load"), ("report", str(tmp_path / "out"))):
        code = [sys.executable, "-c", MEASURED, str(folder), out]
        done = subprocess.run(code, capture_output=True, text=True, check=True)
        found[what] = tuple(map(float, done.stdout.split()[-2:]))
    assert found["load"][0] < 3 and found["report"][0] < 10 and found["report"][1] < 1, found
    assert (tmp_path / "out" / "index.html").stat().st_size < 3e6
