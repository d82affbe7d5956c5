"""What a search and a head-to-head say at their end: whether it was worth it, and all of it as wide as the terminal."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis import comparison
from console.arguments import DONE
from records.history import read_history
from search import compare, run, status
from search.finish import worth_it
from tests import made_up


def said(tmp_path, **changed: dict[str, float]) -> str:
    """Of three trials, the first an anchor, whose selected epochs have these figures: first={"eval_accuracy": 0.5}."""
    history = read_history(made_up.write_search(tmp_path, "s", trials=3, epochs=1))
    for number, name in enumerate(("first", "second", "third")):
        trial = history.trials[number]
        trial.best = replace(trial.best, **{"eval_accuracy": 0.4, "eval_loss": 0.5} | changed.get(name, {}))
    return worth_it(SimpleNamespace(history=history, trials=history.trials), [])


@pytest.mark.parametrize(("changed", "sentence"), [
    ({"second": {"eval_accuracy": 0.53}},
     "The search beat its best anchor (plain) by 13.0 points on validation; the best of"),
    ({"first": {"eval_accuracy": 0.5}},
     "The search did not beat its anchors: plain is the best of all 3 trials on validation."),
    ({"second": {"eval_loss": 0.4}},
     "The search did no better than its best anchor (plain): on validation their accuracy is the same; the best of"),
])  # fmt: skip
def test_a_search_says_whether_it_was_worth_it(tmp_path, changed, sentence):
    assert said(tmp_path, **changed).startswith(sentence)


TINY = ["--data", "scenes:count=70", "--image-size", "16", "--epochs", "1", "--executor", "local", "--cpus-per-trial", "1",
        "--precision", "fp32"]  # fmt: skip


@pytest.fixture(params=[60, 80, 120])
def columns(request, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.chdir(tmp_path)
    return request.param


def shown(capsys, columns: int, after: str) -> str:
    """What was printed since, from the line that begins with `after` on; no line may be longer, no number end one."""
    text = capsys.readouterr().out
    text = text[re.search(f"^{after}", text, re.MULTILINE).start() :]
    assert max(map(len, text.splitlines())) <= columns
    assert not re.search(r"\d\n +(%|to [-+]|seed|point)|\d to\n", text)
    return text


def test_a_search_and_its_status_end_as_wide_as_the_terminal(columns, capsys):
    assert run.main([*TINY, "--samples", "3", "--name", "r"]) == DONE
    text = shown(capsys, columns, "Best epochs")
    assert "Best configuration (trial " in text and "Next:  python -m analysis.report runs/r" in text
    head = next(line for line in text.splitlines() if line.startswith("trial "))
    assert head.split()[:2] == ["trial", "anchor"] and ("images" in head) == (columns > 60) and "accuracy" in head
    assert status.main(["runs/r"]) == DONE
    assert "3 complete" in shown(capsys, columns, "r: self_paced on scenes")


def test_a_head_to_head_ends_as_a_search_does(columns, capsys):
    words = ["--strategies", "self_paced,finetune", "--seeds", "1", "--twins", "--name", "h"]
    assert compare.main([*TINY, *words]) == DONE
    text = shown(capsys, columns, "4 trials, ")
    assert re.search(r"^arm +seeds +accuracy", text, re.MULTILINE) and "| " not in text
    parts = ("self_paced/random ", "- self_paced against", "Not decided: ", "Files: runs/h", "Next:  python -m ")
    places = [text.index(f"\n{part}") for part in parts]
    assert places == sorted(places) and "search.compare --resume --name h" in text
    assert text.rstrip().endswith("python -m search.dashboard runs/h")


def test_on_a_terminal_a_comparison_is_shown_as_it_was_and_as_markdown_into_a_pipe(columns, capsys, monkeypatch):
    folder = made_up.write(Path(), "h")
    assert comparison.main([str(folder)]) == DONE
    page = capsys.readouterr().out
    assert page == (folder / "comparison.md").read_text() + "\n"
    assert "| self_paced | 3 | 0.940 (0.915 to 0.965) |" in page
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert comparison.main([str(folder)]) == DONE
    text = shown(capsys, columns, "arm ")
    assert "| " not in text and "0.940 (0.915 to 0.965)" in text and ("  loss" in text) == (columns > 60)
    plain = " ".join(text.split())
    assert all(line[2:] in plain for line in page.splitlines() if line.startswith("- "))
    assert "Next: python -m " in plain and "every interval" in plain
