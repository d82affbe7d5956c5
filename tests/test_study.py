"""What the pages say of the study is what its packed runs say, and no packed run tells of the machine that made it."""

import re
import zipfile
from functools import cache
from pathlib import Path

import pytest

from analysis import report
from analysis.chapters import first_screen
from analysis.chapters.contents import make_report
from analysis.comparable import sections
from analysis.document.markdown import write_markdown
from analysis.runs import LoadedRun, load_run
from records.packed import unpacked

ROOT = Path(__file__).parent.parent
PACKED = sorted((ROOT / "studies").glob("*/*.zip"))
COLUMNS = {"ResNet18, 256 px": "heads_resnet18", "ViT-S/14, 224 px": "heads_vit_s_14"}  # heads of tables -> runs
MOST_BYTES = 10_000_000
PAIR = re.compile(r"\| `([^`]+)` against `([^`]+)` \|(.*)\|")


@cache
def packed_run(name: str) -> LoadedRun:
    (packed,) = [path for path in PACKED if path.stem == name]
    return load_run(unpacked(packed))


@cache
def said_of(run: str) -> dict[tuple[str, str], str]:
    """Each planned pair of a packed run, in words."""
    section = sections([packed_run(run)])[0]
    rows = first_screen.lead([section], first_screen.labels([section]))[0].forest.rows
    return {(row.label, row.note.removeprefix("against ")): row.marks[0].text for row in rows}


def pairs_of(page: str) -> list[tuple[str, tuple[str, str], str]]:
    """(run, pair, what is said) of each cell of a page's tables of planned pairs whose heads are packed runs."""
    found, runs = [], []
    for line in page.splitlines():
        if line.startswith("| planned pair |"):
            heads = [head.strip(" `") for head in line.strip("| ").split("|")[1:]]
            runs = [COLUMNS.get(head, head) for head in heads]
        elif pair := PAIR.fullmatch(line):
            cells = [re.sub(r"\*|a (?=tie)", "", cell).strip() for cell in pair[3].split("|")]
            found += [(run, (pair[1], pair[2]), cell) for run, cell in zip(runs, cells, strict=True)]
    return found


@pytest.mark.parametrize("page, at_least", [("curricula", 32), ("lessons", 16)])
def test_a_page_says_of_planned_pairs_what_the_packed_runs_say(page, at_least):
    found = pairs_of((ROOT / "docs" / f"{page}.md").read_text())
    assert len(found) >= at_least
    assert [said for _, _, said in found] == [said_of(run)[pair] for run, pair, _ in found]


def test_the_reader_of_pages_sees_what_is_wrong():
    row = "| `paced` against `finetune` | +9.0 (+8.0 to +9.9, 2 seeds): **better** |"
    (one,) = pairs_of(f"| planned pair | `heads_vit_s_14` |\n| --- | --- |\n{row}")
    assert one == ("heads_vit_s_14", ("paced", "finetune"), "+9.0 (+8.0 to +9.9, 2 seeds): better")
    assert said_of(one[0])[one[1]] != one[2]


def test_the_python_of_the_lessons_prints_what_they_say(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "lessons.md").read_text()
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], {})  # our own page
    gain, behind = capsys.readouterr().out.splitlines()
    shared, mean, half = map(float, gain.split())
    assert (
        f"On the {shared:.0f} seeds" in text and f"{mean:.1f} points ({mean - half:.1f} to {mean + half:.1f}," in text
    )
    ahead, seeds, low, high = map(float, behind.split())
    assert f"ahead on {ahead:.0f} of {seeds:.0f} seeds (`heads_resnet18`), once by {high:.1f} points" in text
    assert f"as much as {-low:.1f} behind" in text


@pytest.mark.parametrize("packed", PACKED, ids=lambda path: path.stem)
def test_a_packed_run_says_no_place_of_a_machine(packed):
    with zipfile.ZipFile(packed) as archive:
        for name in ("run.json", "ledger.jsonl"):
            assert not re.search(rb"[^\w.\xa6/]/(?:[\w.-]+/)+[\w.-]+", archive.read(name))


def test_the_study_is_small():
    assert PACKED and sum(path.stat().st_size for path in PACKED) < MOST_BYTES


def test_the_page_on_the_study_has_the_numbers_of_the_packed_runs():
    made = make_report(sections([packed_run(path.stem) for path in PACKED]))
    assert write_markdown(made) == (ROOT / "docs/results/report.md").read_text()


@pytest.mark.slow  # it draws every figure
def test_the_page_on_the_study_is_rebuilt_to_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert report.main(["studies/rsscn7/*", "--out", str(tmp_path / "out")]) == report.DONE
    assert (tmp_path / "out" / "report.md").read_text() == (ROOT / "docs/results/report.md").read_text()
