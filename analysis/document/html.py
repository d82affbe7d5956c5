"""A report as one HTML page: the answer first, charts as inline SVG, light and dark, for a telephone and for paper."""

import base64
import html
from collections.abc import Iterable
from importlib.resources import files
from io import BytesIO

from analysis.document.forest import forest_html
from analysis.document.markdown import looks_numeric
from analysis.document.parts import (
    Chapter,
    Drawn,
    Folded,
    ForestPlot,
    Part,
    Picture,
    Report,
    Sentences,
    Sheet,
    Table,
    data_file,
    picture_file,
)
from analysis.document.svg import inline, with_classes
from analysis.figures import style
from analysis.rulebook.answer import NO, YES
from console.progress import track
from console.wording import printable
from records.outputs import GENERATOR

LIGHT = {"paper": "#ffffff", "soft": "#59636e", "line": "#d9dee3", "stripe": "#f5f7f9", "link": "#0b5fa5",
         "better": "#00704f", "worse": "#a8480b", "band": "#e6ebf0"}  # fmt: skip
DARK = {"paper": "#14171a", "soft": "#a3adb7", "line": "#353b42", "stripe": "#1c2126", "link": "#7cbcf2",
        "better": "#4fc99f", "worse": "#f0945a", "band": "#2a3138"}  # fmt: skip
MARKED = ("confirmed", "contradicted", "better", "worse")


class Page:
    """Writes a report; figures are numbered as they come, and linked to their files where these are `drawn`."""

    def __init__(self, report: Report, drawn: bool = False):
        self.report = report
        self.drawn = drawn
        self.figures = 0
        self.tables = 0
        pictures = [part for part in report.parts if isinstance(part, Drawn)]
        numbered = enumerate(track(pictures, "drawing", unit="figures"))
        self.drawings = {part.name: _drawing(part, f"p{number}") for number, part in numbered}

    def write(self) -> str:
        title = escape(self.report.title)
        lead = self.parts(self.report.lead)
        body = "\n".join(self._chapter(chapter) for chapter in self.report.chapters)
        content, rules = with_classes(f"{lead}\n{_contents(self.report)}\n{body}")
        return (
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n{GENERATOR}\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<style>\n{_style()}{rules}</style>\n</head>\n"
            f'<body>\n<div class="page">\n<header>\n<h1>{title}</h1>\n{_conditions(self.report)}{_answers(self.report)}'
            f"</header>\n<main>\n{content}\n</main>\n</div>\n"
            f"<script>\n{_own_file('page.js')}</script>\n</body>\n</html>\n"
        )

    def _chapter(self, chapter: Chapter) -> str:
        label = f" <small>{escape(chapter.label)}</small>" if chapter.label else ""
        head = f"<h2>{escape(chapter.title)}{label}</h2>"
        return f'<section id="{escape(chapter.anchor)}">\n{head}\n{self.parts(chapter.parts)}\n</section>'

    def parts(self, parts: Iterable[Part]) -> str:
        return "\n".join(map(self.part, parts))

    def part(self, part: Part) -> str:
        match part:
            case Sentences():
                return _sentences(part)
            case Table():
                return self._table(part)
            case Folded():
                return f"<details><summary>{escape(part.title)}</summary>\n{self.parts(part.parts)}\n</details>"
            case Picture() | ForestPlot() | Sheet():
                return self._figure(part)

    def _figure(self, part: Drawn) -> str:
        self.figures += 1
        link = f' <a href="{picture_file(part.name, "svg")}">SVG</a>' if self.drawn else ""
        caption = f"<figcaption><b>Figure {self.figures}.</b> {escape(part.caption)}{link}</figcaption>"
        return f'<figure id="figure-{part.name}">{self.drawings[part.name]}{caption}</figure>'

    def _table(self, part: Table) -> str:
        self.tables += 1
        numeric = [looks_numeric(part.shown[column]) for column in part.shown]
        heads = "".join(
            f"<th scope=col{' class=number' * number}><button>{escape(str(column))}</button></th>"
            for column, number in zip(part.shown, numeric, strict=True)
        )
        rows = "\n".join(
            _row(part, place, row, numeric) for place, row in enumerate(part.shown.itertuples(index=False))
        )
        source, name = data_file(part.name), f"table-{part.name}"
        said = f'<b>Table {self.tables}.</b> {escape(part.caption)} <a href="{source}">{source}</a>'
        table = f"<table><thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
        inside = f'<div class="wide" tabindex="0" role="region" aria-labelledby="{name}">{table}</div>'
        return f'<figure id="{part.name}"><figcaption id="{name}">{said}</figcaption>{inside}</figure>'


def write_page(report: Report, drawn: bool = False) -> str:
    """The whole page."""
    return Page(report, drawn).write()


def escape(text: str) -> str:
    """The text as it stands in a page, which may be shown by a terminal too."""
    return html.escape(printable(text))


def _style() -> str:
    """The theme's colours, light and dark, and the rules that use them."""
    light, dark = style.THEME | LIGHT, style.DARK | DARK
    in_the_dark = f"@media screen and (prefers-color-scheme: dark) {{ {_root(dark)}}}\n"
    return f"{_root(light, 'light dark')}{in_the_dark}{_own_file('page.css')}"


def _root(colours: dict[str, str], scheme: str = "") -> str:
    named = " ".join(f"--{key}: {value};" for key, value in colours.items())
    return f":root {{ {f'color-scheme: {scheme}; ' if scheme else ''}{named} }}\n"


def _own_file(name: str) -> str:
    return files("analysis.document").joinpath(name).read_text(encoding="utf-8")


def _contents(report: Report) -> str:
    """Links to the chapters; a label that several share is said once."""
    links, last = [], ""
    for chapter in report.chapters:
        if chapter.label != last and chapter.label:
            links.append(f"<span>{escape(chapter.label)}:</span>")
        links.append(f'<a href="#{escape(chapter.anchor)}">{escape(chapter.title)}</a>')
        last = chapter.label
    return f'<nav aria-label="Contents">{"".join(links)}</nav>'


def _conditions(report: Report) -> str:
    return f'<p class="conditions">{escape(report.conditions)}</p>\n' if report.conditions else ""


def _answers(report: Report) -> str:
    said = []
    for label, one in report.answers:
        kind = "yes" if one.word.startswith(YES) else "no" if one.word == NO else "open"
        small = f"<small>{escape(label)}</small>" if label else ""
        said.append(f'<p class="answer {kind}">{small}<strong>{escape(one.word)}.</strong> {escape(one.text)}</p>\n')
    return "".join(said)


def _drawing(part: Drawn, name: str) -> str:
    if isinstance(part, ForestPlot):
        return forest_html(part.forest)
    if isinstance(part, Picture):
        drawn = "".join(inline(panel, f"{name}-{i}") for i, panel in enumerate(part.panels))
        return f'<div class="panels">{drawn}</div>'
    image = base64.b64encode(as_png(part)).decode()
    return f'<img alt="{escape(part.caption)}" src="data:image/png;base64,{image}">'


def as_png(part: Sheet) -> bytes:
    """The sheet as it is shown."""
    content = BytesIO()
    part.figure.savefig(content, format="png")
    return content.getvalue()


def _sentences(part: Sentences) -> str:
    if not part.listed:
        return "\n".join(f"<p>{escape(line)}</p>" for line in part.lines)
    return "<ul>\n" + "\n".join(f"<li>{escape(line)}</li>" for line in part.lines) + "\n</ul>"


def _row(part: Table, place: int, row: tuple[object, ...], numeric: list[bool]) -> str:
    arm = f' data-arm="{escape(part.arms[place])}"' if part.arms else ""
    first, *rest = (_cell(value, number) for value, number in zip(row, numeric, strict=True))
    head = first.replace("<td", "<th scope=row", 1).removesuffix("</td>") + "</th>"
    return f"<tr{arm}>{head}{''.join(rest)}</tr>"


def _cell(value: object, number: bool) -> str:
    text = escape(str(value))
    named = " ".join(["number"] * number + [text] * (text in MARKED))
    marked = f' class="{named}"' if named else ""
    return f"<td{marked}>{text}</td>"
