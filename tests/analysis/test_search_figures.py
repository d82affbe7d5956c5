"""Figures of a search by what they show, on a search whose best learning rate is known; and how far it scales."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import report
from analysis.chapters.pictures import pictures
from analysis.chapters.worth import search_answer
from analysis.comparable import sections
from analysis.figures.drawing import compose
from analysis.figures.front import front_panels, pareto
from analysis.figures.history import expected_caption, expected_panels, history_caption, history_panels, ordinal
from analysis.figures.search import OF_A_SEARCH
from analysis.figures.searched import Searched, drawn_values
from analysis.figures.slices import fields, slices_caption, slices_panels
from analysis.figures.study import importances, rebuild
from analysis.runs import load_run
from analysis.tables import space_table, trial_table
from records.files import write_arrays, write_json
from records.folder import predictions_file, read_run
from records.ledger import Ledger
from search import run as command
from tests import made_up, odd_runs
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
    rows = pareto(finals).set_index("trial")["front"]
    assert rows.to_dict() == {0: True, 1: True, 2: False, 3: False}
    stopped = finals.assign(state=["pruned", "complete", "complete", "complete"])
    rows = pareto(stopped).set_index("trial")["front"]
    assert rows.to_dict() == {0: False, 1: True, 2: False, 3: False}
    stopped = finals.assign(state=["complete", "pruned", "complete", "complete"])
    assert pareto(stopped).set_index("trial")["front"].to_dict() == {0: True, 1: False, 2: True, 3: True}


def axes_of(panels):
    return compose(panels[:1]).axes[0]


def test_what_a_smaller_search_would_have_found(loaded):
    values, of = drawn_values(loaded), Searched(loaded)
    assert len(values) == 39  # without the anchor
    line = axes_of(expected_panels(of)).lines[0]
    assert line.get_ydata()[0] == pytest.approx(values.mean()) and line.get_ydata()[-1] == pytest.approx(values.max())
    assert f"all 39 found {values.max():.3f}" in expected_caption(of)


@pytest.mark.parametrize(("sampler", "shown"), [("random", True), ("tpe", False)])
def test_a_smaller_search_is_spoken_of_only_where_the_draws_are_exchangeable(tmp_path, sampler, shown):
    """Under TPE late draws know the early ones: any few of sixty promised 1.7 points more than a search of eight found."""
    run = load_run(made_up.write_search(tmp_path, "s", trials=8, epochs=2, sampler=sampler))
    names = {picture.name for picture in pictures(OF_A_SEARCH, Searched(run), "")}
    assert ("search_expected" in names) == shown and "search_history" in names


def test_the_history_shows_every_trial_the_best_so_far_and_the_anchor(loaded):
    of = Searched(loaded)
    axes = axes_of(history_panels(of))
    dots = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_label() != "_outside"]
    far = [line for line in axes.lines if line.get_label() == "_outside"]
    assert sum(len(line.get_xdata()) for line in (*dots, *far)) == 40
    line = next(line for line in axes.lines if line.get_label() == "best so far")
    values = of.table["value"].to_numpy()
    steps = values[np.maximum.accumulate(values) == values]
    assert list(line.get_ydata()) == pytest.approx([*steps, steps[-1]])
    anchor = next(line for line in axes.lines if line.get_label() == "anchor plain")
    assert set(anchor.get_ydata()) == {values[0]} and {"best so far", "anchor plain"} <= {
        t.get_text() for t in axes.texts
    }
    place = int(values.argmax()) + 1
    assert f"came as the {ordinal(place)}; the last {40 - place} added nothing." in history_caption(of)


def test_ordinals():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112, 1003)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th", "1,003rd"]  # fmt: skip


def test_an_outlier_squashes_no_axis_and_is_marked(tmp_path):
    of = Searched(load_run(odd_runs.search_with_an_outlier(tmp_path)))
    for panels in (history_panels(of), front_panels(of), slices_panels(of)):
        axes = axes_of(panels)
        assert axes.get_ylim()[0] > 0.8 and "(1 outside)" in axes.get_xlabel()
        assert "0.01" in {text.get_text() for text in axes.texts}
    assert axes_of(front_panels(of)).get_xscale() == "log"


def test_a_field_has_a_slice_where_it_varied(loaded):
    of = Searched(loaded)
    assert fields(of) == ["learning_rate", "batch_size"]
    axes = axes_of(slices_panels(of))
    assert axes.get_xscale() == "log" and axes.get_title(loc="left") == "learning_rate"
    best = of.best
    assert f"trial {best['trial']}" in {text.get_text() for text in axes.texts}
    assert slices_caption(of).startswith("learning_rate lies between ")


def test_of_few_trials_no_field_is_praised(tmp_path):
    of = Searched(load_run(made_up.write_search(tmp_path, "s", trials=8, epochs=2)))
    assert slices_caption(of).startswith("8 trials show where each of them lies, and too little of any field.")


def test_what_was_not_searched_has_no_slice(tmp_path):
    folder = made_up.write_search(tmp_path, "s", trials=6, epochs=2)
    ledger = folder / "ledger.jsonl"
    ledger.write_text(re.sub(r'("batch_size": )\d+', r"\g<1>32", ledger.read_text()))
    assert fields(Searched(load_run(folder))) == ["learning_rate"]


@pytest.mark.parametrize(("trials", "shown"), [(29, False), (30, True)])
def test_what_mattered_is_said_from_thirty_trials_on(tmp_path, trials, shown):
    """Of six they contradicted what optuna-dashboard said of the same six."""
    of = Searched(load_run(made_up.write_search(tmp_path, "s", trials=trials, epochs=2)))
    names = {picture.name for picture in pictures(OF_A_SEARCH, of, "")}
    assert ("search_importance" in names) == shown and "search_slices" in names


def test_no_figure_of_a_search_asks_pyplot(loaded):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from analysis.figures.search import OF_A_SEARCH, Searched\n"
        "from analysis.figures.drawing import compose\n"
        "from analysis.runs import load_run\n"
        "of = Searched(load_run(Path(sys.argv[1])))\n"
        "drawn = [compose(drawing.panels(of)) for drawing in OF_A_SEARCH if drawing.wants(of)]\n"
        "assert len(drawn) == 5 and 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(loaded.folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_search_of_one_trial_has_curves_and_no_empty_panel(tmp_path):
    folder = made_up.write_search(tmp_path, "one", trials=1, epochs=3)
    assert report.main([str(folder), "--out", str(tmp_path / "out"), "--figures"]) == command.DONE
    names = {path.stem for path in (tmp_path / "out" / "figures").glob("*.png")}
    assert "curves" in names and not any(name.startswith("search") for name in names)


def test_the_best_trial_is_the_tables_where_accuracies_are_equal(loaded):
    losses = loaded.finals["trial"].map({4: 0.1, 9: 0.1}).fillna(0.2)
    tied = replace(loaded, finals=loaded.finals.assign(selection_accuracy=0.5, selection_loss=losses))
    table = trial_table(tied.finals, tied.records, tied.configs)
    shown = space_table(tied).set_index("field")["best"]
    assert table["trial"][0] == 4
    assert shown["learning_rate"] == f"{tied.asked[4].values['learning_rate']:.3g}"
    assert "trial 4, has accuracy 0.500 on validation" in search_answer(sections([tied])[0], tied).text


def test_whether_it_was_worth_it_is_one_sentence(loaded):
    said = search_answer(sections([loaded])[0], loaded).text
    best = loaded.finals.sort_values("selection_accuracy").iloc[-1]
    assert (
        f"trial {best['trial']}, has accuracy {best['selection_accuracy']:.3f} on validation, its best anchor" in said
    )
    assert "so expect less on new images." in said


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
    assert "McNemar p 1 on 6 images" in search_answer(section, one).text
    assert "McNemar p 0.12 on 6 images" in search_answer(section, two).text  # four to none: 2 / 2^4


def test_what_was_picked_on_test_is_called_optimistic(tmp_path):
    folder = made_up.write_search(tmp_path, "s", trials=5, epochs=2)
    about = read_run(folder)
    about["setting"]["protocol"] = "report"
    write_json(folder / "run.json", about)
    picked = load_run(folder)
    assert search_answer(sections([picked])[0], picked).text.endswith(
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
