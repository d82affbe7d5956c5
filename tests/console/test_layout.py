"""Text and tables as wide as the terminal."""

import re

import pytest

from console.layout import PIPED, cells, columns, cut, ending, fitted, typed, width

SENTENCE = (
    "self_paced against finetune: +0.3 points (-1.7 to +2.3, 10 seeds): undecided; about 26 more seeds (12 to 56)."
)
NUMBERS = ("-1.7 to +2.3,", "10 seeds", "26 more", "(12 to 56)", "95 %")
ARMS = [
    ["arm", "seeds", "accuracy", "loss", "images trained"],
    ["self_paced+learning_rate=1e-05+batch_size=8", "10", "0.865 (0.853 to 0.878)", "0.397", "4,477"],
    ["self_paced+learning_rate=1e-04+batch_size=8", "3", "0.9", "-", "12"],
]


@pytest.mark.parametrize("most", [60, 80, 120])
def test_no_line_is_longer_and_no_number_is_broken(most):
    text = fitted(f"- {SENTENCE}\n\n  Two: {SENTENCE} 95 % of it holds.", most)
    assert max(map(len, text.splitlines())) <= most and " ".join(text.split()).count(SENTENCE) == 2
    assert all(part in text for part in NUMBERS)
    first, *rest = text.partition("\n\n")[0].splitlines()
    assert first.startswith("- ") and all(re.match("  [^ ]", line) for line in rest) and (most == 120 or rest)


def test_what_fits_stays_as_it_is_and_a_path_is_not_broken():
    assert fitted("a  b   c", 60) == "a  b   c"
    assert fitted(f"into /{'x' * 70}, 4 MB", 60) == f"into\n  /{'x' * 70},\n  4 MB"
    assert fitted("one two", 4, further="") == "one\ntwo"


@pytest.mark.parametrize("most", [60, 80, 120])
def test_a_command_that_goes_on_in_another_line_can_be_copied(most):
    command = "python -m search.compare --resume --name h --out '/a place/with runs' --until-decided --max-seeds 59"
    said = typed("Next:  ", command, most)
    assert max(map(len, said.splitlines())) <= most and "--max-seeds 59" in said and "'/a place/with runs'" in said
    assert " ".join(said.removeprefix("Next:  ").replace(" \\\n", " ").split()) == command


@pytest.mark.parametrize(("most", "heads"), [
    (120, ["arm", "seeds", "accuracy", "loss", "images trained"]),
    (90, ["arm", "seeds", "accuracy", "loss"]),
    (60, ["arm", "seeds", "accuracy"]),
])  # fmt: skip
def test_columns_are_left_out_and_names_shortened(most, heads):
    lines = columns(ARMS, most, drop=("images trained", "loss")).splitlines()
    assert re.split("  +", lines[0].strip()) == heads and len(lines) == 4 and max(map(len, lines)) <= most
    assert "0.865 (0.853 to 0.878)" in lines[2] and lines[0].endswith(heads[-1]) and lines[2] != lines[3]
    assert most == 60 or lines[2].startswith(ARMS[1][0])


def test_what_may_not_be_left_out_stands_below():
    names = ["class", *(f"strategy_{number}" for number in range(6))]
    lines = columns([names, ["forest", *["0.912"] * 6]], 60).splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == ["class", "------", "forest"] * 2
    assert " ".join(lines).count("0.912") == 6 and max(map(len, lines)) <= 60


def test_two_names_never_become_one():
    names = [f"{'a' * 20}{middle}{'b' * 20}" for middle in "xy"]
    assert cut(names, 20) == names and cut(["abcdefghij", "k"], 5) == ["ab…ij", "k"]
    assert cut(["prefix-one", "prefix-two"], 8) == ["pre…-one", "pre…-two"]


def test_letters_of_two_columns_line_up():
    assert cells("森林") == 4 and cells("é") == cells("e\u0301") == 1
    lines = columns([["class", "n"], ["森林", "1"], ["forest", "12"]], 60).splitlines()
    assert {cells(line) for line in lines} == {10}


def test_the_width_is_the_terminals_and_60_at_least(monkeypatch):
    for asked, known in (("80", 80), ("20", 60), ("200", 200)):
        monkeypatch.setenv("COLUMNS", asked)
        assert width() == known
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("sys.__stdout__", None)  # of a process that has no terminal
    assert width() == PIPED


def test_the_end_of_a_run_names_what_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    (tmp_path / "r" / "checkpoints").mkdir(parents=True)
    said = ending(tmp_path / "r", ("best.parquet", "checkpoints/"), ("python -m a r", "python -m b r"))
    assert said == "\nFiles: r (checkpoints/)\nNext:  python -m a r\n       python -m b r"
