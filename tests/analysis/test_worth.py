"""Whether a search was worth it: a word only from fresh seeds, nothing of what still trains, trials by their numbers."""

import json

import pytest

from analysis.chapters import first_screen
from analysis.chapters.contents import make_report
from analysis.chapters.worth import by_trial, search_answer
from analysis.comparable import sections
from analysis.runs import load_run
from tests import made_up


@pytest.fixture
def folder(tmp_path):
    return made_up.write_search(tmp_path, "s", trials=6, epochs=3)


def answer_of(folder):
    run = load_run(folder)
    return search_answer(sections([run])[0], run)


def add(folder, *events) -> None:
    with (folder / "ledger.jsonl").open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


def rewrite(folder, change) -> None:
    """Every line of the ledger as `change` leaves its event."""
    ledger = folder / "ledger.jsonl"
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    for event in events:
        change(event)
    ledger.write_text("".join(json.dumps(event) + "\n" for event in events))


def test_one_split_carries_no_word(folder):
    said = answer_of(folder)
    assert said.word == "Undecided" and said.text.endswith("--confirm 3 trains the best again on fresh ones.")


def test_a_trial_that_still_trains_is_not_named(folder):
    before = answer_of(folder)
    events = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    record = next(event["record"] for event in events if event["event"] == "epoch")
    values = {"learning_rate": 1e-3, "batch_size": 32}
    add(folder, {"event": "asked", "trial": 6, "anchor": None, "values": values, "config": values},
        {"event": "epoch", "record": record | {"trial": 6, "eval_accuracy": 0.99}})  # fmt: skip
    said = answer_of(folder)
    assert "0.99" not in said.text and said.text.replace("7 trials", "6 trials") == before.text


def test_an_equal_figure_is_no_gain(folder):
    def level(event):
        if event["event"] == "epoch":
            event["record"]["eval_accuracy"] = 0.5

    rewrite(folder, level)
    said = answer_of(folder)
    assert (
        said.word == "Undecided"
        and "no draw was better than its best anchor there. One seed and one split" in said.text
    )


def test_a_search_that_no_draw_improved_says_so_and_decides_nothing(folder):
    def anchor_first(event):
        if event["event"] == "epoch" and event["record"]["trial"] == 0:
            event["record"]["eval_accuracy"] = 0.99

    rewrite(folder, anchor_first)
    said = answer_of(folder)
    assert said.word == "Undecided" and "no draw beat the anchor plain there. One seed and one split" in said.text


def test_trials_are_called_by_their_numbers_and_anchors_by_their_names(folder):
    run = load_run(folder)
    said = by_trial("finetune+trial-3 is ahead of finetune+trial-0, not self_paced", run)
    assert said == "trial 3 is ahead of anchor plain, not self_paced"


def test_fresh_seeds_give_the_word(folder, monkeypatch):
    figures = made_up.Figures(copies=300, accuracy=lambda arm, seed: 0.95 if arm == "self_paced" else 0.9)
    other = made_up.write(folder.parent, "c", arms=("self_paced", "finetune"), seeds=12, figures=figures)
    (section,) = sections([load_run(other)])
    monkeypatch.setattr("analysis.chapters.worth.confirmation", lambda run: section)
    monkeypatch.setattr("analysis.chapters.first_screen.confirmation", lambda run: section)
    said = answer_of(folder)
    assert said.word == "Yes" and "On fresh seeds: self_paced is better than finetune by 5.0 points" in said.text
    assert "carry no word" not in said.text
    plot, trials = first_screen.lead(sections([load_run(folder)]), [""])
    assert plot.forest.columns == ("on fresh seeds",) and trials.name == "search_history"


def test_the_history_is_on_the_first_screen_and_not_again(folder):
    found = make_report(sections([load_run(folder)]))
    assert [part.name for part in found.lead] == ["search_history"]
    names = [getattr(part, "name", "") for part in found.parts]
    assert names.count("search_history") == 1
