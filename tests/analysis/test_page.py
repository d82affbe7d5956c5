"""The page as text: the answer before everything else, nothing from elsewhere, few columns, figures that are numbered."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from analysis import report
from analysis.chapters.contents import make_report
from analysis.comparable import sections
from analysis.document.forest import forest_html
from analysis.document.html import DARK, LIGHT, write_page
from analysis.document.parts import Chapter, Folded, Picture, Report, Sentences, Table
from analysis.document.svg import inline
from analysis.figures import style
from analysis.figures.differences import Forest, Mark, Row
from analysis.figures.drawing import Panel
from analysis.rulebook.answer import Answer
from analysis.runs import load_run
from console.arguments import DONE
from tests import made_up

MOST_COLUMNS = 8
VOID = {"meta", "link", "br", "img", "line", "circle", "rect", "path", "use", "stop"}


class Read(HTMLParser):
    """What a browser makes of a page: its text in order, ids, and tags that were never closed."""

    def __init__(self, page: str):
        super().__init__()
        self.text, self.ids, self.open, self.loose = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for key, value in attrs if key == "id"]

    def handle_endtag(self, tag):
        if tag not in VOID:
            if self.open and self.open[-1] == tag:
                self.open.pop()
            else:
                self.loose.append(tag)

    def handle_data(self, data):
        if not {"style", "script", "title"} & set(self.open):
            self.text.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("page")
    made_up.write(place, "h", seeds=5)
    made_up.write_search(place, "s", 6, 4)
    for name in ("h", "s"):
        assert report.main([str(place / name), "--out", str(place / f"of-{name}")]) == DONE
    return place


@pytest.mark.parametrize("name", ["h", "s"])
def test_the_answer_stands_before_everything_else(written, name):
    page = (written / f"of-{name}" / "index.html").read_text()
    places = [page.index(part) for part in ("<h1>", 'class="conditions"', 'class="answer', "<figure", "<nav", "<h2>")]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["h", "s"])
def test_the_page_needs_nothing_from_elsewhere_and_is_well_formed(written, name):
    page = (written / f"of-{name}" / "index.html").read_text()
    assert not re.findall(r'(?:src|href)="(?:https?:|//)', page) and "<link" not in page and "@import" not in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(script.strip().splitlines()) < 120 and "fetch(" not in script and "innerHTML" not in script
    read = Read(page)
    assert read.open == [] and read.loose == []
    assert len(read.ids) == len(set(read.ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', page)) <= set(read.ids)
    assert len(page) < 300_000


def test_every_table_has_few_columns_and_its_file(written):
    for name in ("h", "s"):
        out = written / f"of-{name}"
        page = (out / "index.html").read_text()
        for table in re.findall(r"<table>(.*?)</table>", page, re.S):
            assert 1 < table.split("<tbody>")[0].count("<th ") <= MOST_COLUMNS
        linked = set(re.findall(r'href="(data/[^"]+)"', page))
        assert linked == {f"data/{path.name}" for path in (out / "data").iterdir()}


def test_figures_are_numbered_and_say_what_is_to_be_seen(written):
    page = (written / "of-h" / "index.html").read_text()
    numbers = [int(number) for number in re.findall(r"<b>Figure (\d+)\.</b>", page)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 4
    assert all(len(said.split()) > 3 for said in re.findall(r"<b>Figure \d+\.</b>([^<]*)", page))


def test_figures_are_files_only_when_asked(written, tmp_path):
    assert not (written / "of-h" / "figures").exists()
    assert "![" not in (written / "of-h" / "report.md").read_text()
    assert report.main([str(written / "h"), "--out", str(tmp_path / "out"), "--figures"]) == DONE
    text, page = ((tmp_path / "out" / name).read_text() for name in ("report.md", "index.html"))
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert "figures/verdict_planned.png" in pictures and all((tmp_path / "out" / one).is_file() for one in pictures)
    linked = set(re.findall(r'href="(figures/[^"]+)"', page))
    assert {f"figures/{path.name}" for path in (tmp_path / "out" / "figures").glob("*.svg")} == linked


def test_every_colour_has_a_light_and_a_dark_value(written):
    page = (written / "of-h" / "index.html").read_text()
    assert style.THEME.keys() == style.DARK.keys() and LIGHT.keys() == DARK.keys()
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", page))
    assert used and used <= style.THEME.keys() | LIGHT.keys()
    shown = "".join(re.findall(r'<svg class="panel".*?</svg>', page, re.S))
    assert not re.findall(r"#[0-9a-fA-F]{6}", shown)  # none that would stay as it is in the dark


def a_report(*parts, **changes) -> Report:
    return Report(**({"title": "A question?", "chapters": [Chapter("One", list(parts))]} | changes))


def test_what_a_page_quotes_does_nothing_there():
    bad = "<img src=x onerror=alert(1)>\x1b[2J&"
    frame = pd.DataFrame({bad: [bad, "1"]})
    panel = Panel(lambda axes: axes.plot([0, 1], [0, 1], gid=f"arm:{bad}") and axes.set_title(bad))
    forest = Forest(((bad, (Row(bad, bad, bad, (Mark(1.0, 0.0, 2.0, "", bad),)),)),), (bad,), bad, 1.0)
    parts = [Sentences([bad]), Table("t", bad, frame, frame, [bad, bad]), Picture("p", bad, lambda: [panel])]
    page = write_page(a_report(*parts, title=bad, conditions=bad, answers=((bad, Answer(bad, bad)),))) + forest_html(
        forest
    )
    assert "<img" not in page and "\x1b" not in page and page.count("&lt;img") > 10
    assert Read(page).loose == []


def test_what_is_folded_is_there():
    frame = pd.DataFrame({"a": [1], "b": [2]})
    page = write_page(a_report(Folded("More", [Sentences(["deep"]), Table("t", "Said.", frame, frame)])))
    assert re.search(r"<details><summary>More</summary>.*deep.*<figure id=\"t\">.*</details>", page, re.S)


def test_a_panel_is_text_without_what_clashes():
    def draw(axes):
        axes.plot([0, 1], [0, 1], color=style.COLOURS[0], gid="arm:self_paced")
        axes.set(title="Two points", xlabel="updates")

    first, second = inline(Panel(draw), "a"), inline(Panel(draw), "b")
    assert ">updates</text>" in first and 'aria-label="Two points"' in first and 'data-arm="self_paced"' in first
    assert "var(--strategy-1)" in first and "DejaVu" not in first and "<style" not in first and "<metadata" not in first
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0] and not ids[0] & ids[1] and len(first) < 6000


def test_a_forest_marks_what_goes_on_and_what_is_decided():
    marks = (Mark(-30.0, -50.0, -4.0, "worse", "far"), Mark(0.1, -0.5, 0.5, "tie", "near"),
             Mark(1.0, -2.0, 4.0, "undecided", "open"), Mark(0.5, -1.5, 3.0, "better", "up"), None)  # fmt: skip
    rows = tuple(Row(str(i), "", "x", (mark,)) for i, mark in enumerate(marks))
    page = forest_html(Forest((("?", rows),), ("test",), "points", 1.0))
    far, near, open_, up = re.findall(r'<svg class="track \w+".*?</title>.*?</svg></td>', page, re.S)[:4]
    assert 'class="track worse"' in far and ">-30.0</text>" in far and "<circle" not in far and 'class="end"' in far
    assert 'class="track tie"' in near and "<circle" in near and 'class="track open"' in open_
    assert 'class="track better"' in up and "not compared" in page
    assert 'aria-label="near"' in near


def test_the_markdown_has_the_answer_and_the_pairs(written):
    text = (written / "of-h" / "report.md").read_text()
    assert text.splitlines()[0] == "# Does self_paced help on RSSCN7?"
    assert re.search(r"^\*\*(Yes|No|Undecided)", text, re.M) and "| question | pair | difference on test |" in text


def test_a_label_is_said_once_in_the_contents(tmp_path):
    made = made_up.about("x")
    other = made_up.write(tmp_path, "b", setting=made["setting"] | {"protocol": "report"})
    found = make_report(sections([load_run(made_up.write(tmp_path, "a")), load_run(other)]))
    assert len({chapter.anchor for chapter in found.chapters}) == len(found.chapters)
    assert len({label for label, _ in found.answers}) == 2


def test_a_report_takes_the_place_of_the_last_one_and_of_nothing_else(written, tmp_path):
    out = tmp_path / "out"
    assert report.main([str(written / "h"), "--out", str(out), "--figures"]) == DONE
    (out / "data" / "mine.parquet").write_bytes(b"kept")
    (out / "notes.txt").write_text("kept")
    assert report.main([str(written / "s"), "--out", str(out)]) == DONE
    page = (out / "index.html").read_text()
    linked = {link.removeprefix("data/") for link in re.findall(r'href="(data/[^"]+)"', page)}
    assert {path.name for path in (out / "data").iterdir()} == linked | {"mine.parquet"}
    assert list((out / "figures").iterdir()) == [] and (out / "notes.txt").read_text() == "kept"
