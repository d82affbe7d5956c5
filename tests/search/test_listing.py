"""`--list`: an overview of two screens, and one space whole, with every range as it is declared."""

import re

import pytest

from search import run
from search.proposers.samplers import SAMPLERS
from search.schedulers import SCHEDULERS
from spaces.registry import SPACES

SCREENS = 2 * 24  # lines


def listed(capsys, *words: str) -> str:
    assert run.main(["--list", *words]) == run.DONE
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def of_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_the_overview_names_all_there_is_on_two_screens(capsys):
    text = listed(capsys)
    lines = text.splitlines()
    assert len(lines) <= SCREENS and max(map(len, lines)) <= 80
    named = [line.split()[0] for line in lines if re.match(r"  \S", line)]
    assert named == [*SPACES, *SAMPLERS, *SCHEDULERS]
    plain = " ".join(text.split())
    assert all(f"({', '.join(a.name for a in space.anchors)})" in plain for space in SPACES.values())


def entries(part: str) -> dict[str, str]:
    """{name: what is said of it, on one line} below a heading."""
    return {one.split()[0]: " ".join(one.split()[1:]) for one in re.split(r"\n  (?=\S)", part)[1:]}


@pytest.mark.parametrize("name", SPACES)
def test_a_space_is_shown_whole_with_its_ranges_as_they_are_declared(name, capsys):
    space = SPACES[name]
    text = listed(capsys, "--space", name)
    assert max(map(len, text.splitlines())) <= 80
    head, *parts = re.split(r"\n(?=Anchors|Searched|Not searched)", text)
    anchors, searched, others = map(entries, parts)
    assert head.startswith(f"{name}: ") and anchors.keys() >= {anchor.name for anchor in space.anchors}
    assert all(anchor.says in anchors[anchor.name] for anchor in space.anchors)
    shown = searched | others
    assert shown.keys() == space.config.model_fields.keys()
    for field, info in space.config.model_fields.items():
        assert shown[field].startswith(info.description) and (field in searched) == (field in space.search)
    for field, drawn in space.search.items():
        low_high = getattr(drawn, "choices", None) or (drawn.low, drawn.high)
        said = re.search(r"; searched (.*); legal (.*)$", shown[field])
        if hasattr(drawn, "choices"):
            assert said[1].split(", ") == [str(choice) for choice in drawn.choices]
        else:
            ends, _, log = said[1].partition(", ")
            assert tuple(map(float, ends.split(" to "))) == low_high and (log == "log") == drawn.log


def test_what_is_legal_and_where_a_field_starts_is_shown(capsys):
    text = " ".join(listed(capsys, "--space", "self_paced").split())
    assert "gate train accuracy to pass, strictly above 0.85; searched 0.5 to 0.95; legal 0 to 1 " in text
    assert "learning rate of the first epoch 0.001; searched 3e-05 to 0.003, log; legal above 0 to 10 " in text
    assert "adam; legal adam, adamw, sgd " in text and "batch_size images per update 32; legal 2 to 4,096 " in text
    assert "constant rate 1e-4 learning_rate 0.0001, rate constant, ranking batch, score_mode train " in text


@pytest.mark.parametrize(("words", "said"), [
    (["--space", "selfpaced"], "Did you mean 'self_paced'?"),
    (["--samples", "3"], "--list shows what there is and runs nothing, so --samples has no effect"),
])  # fmt: skip
def test_what_cannot_be_listed_is_refused(words, said, capsys):
    assert run.main(["--list", *words]) == run.WRONG_USAGE
    assert said in capsys.readouterr().err
