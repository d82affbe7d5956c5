"""A report as one HTML page: pictures inlined, light and dark, printable, every number linked to its parquet file."""

import base64
import html
from pathlib import Path

from analysis.document.markdown import looks_numeric
from analysis.document.parts import Chapter, Part, Picture, Sentences, Table, data_file, picture_file
from console.wording import printable
from records.outputs import GENERATOR

CSS = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #5b6570; --line: #d9dee3; --stripe: #f5f7f9;
  --link: #0b5fa5; --good: #00704f; --bad: #a8480b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --paper: #14171a; --soft: #a3adb7; --line: #353b42;
  --stripe: #1c2126; --link: #7cbcf2; --good: #4fc99f; --bad: #f0945a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { font-size: 1.3rem; margin-top: 2.6rem;
  border-top: 1px solid var(--line); padding-top: 1.2rem; }
nav { font-size: .9rem; } nav a { margin-right: 1.1rem; white-space: nowrap; }
a { color: var(--link); } td a { color: inherit; text-decoration: none; border-bottom: 1px dotted var(--soft); }
.wide { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; font-size: .84rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; font-size: .9rem; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { border-bottom: 2px solid var(--line); } tr:nth-child(even) td { background: var(--stripe); }
td:not(.number) { min-width: 5rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.confirmed, .better { color: var(--good); font-weight: 600; } .contradicted, .worse { color: var(--bad); font-weight: 600; }
figure { margin: 1.4rem 0; } figure img { max-width: 100%; height: auto; background: #fff; border-radius: 4px;
  padding: 6px; display: block; } figcaption { color: var(--soft); font-size: .9rem; margin-top: .3rem; }
summary { color: var(--soft); font-size: .9rem; cursor: pointer; margin: 1rem 0; }
li { margin: .25rem 0; } .source { font-size: .82rem; color: var(--soft); }
@media print { :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #444; --line: #bbb; --stripe: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; } h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; } .wide { overflow: visible; } table { font-size: 7pt; width: 100%; }
  td:not(.number) { min-width: 5rem; }
.number { white-space: normal; } a { color: inherit; } }
"""
MARKED = ("confirmed", "contradicted", "better", "worse")


def write_page(title: str, chapters: list[Chapter], out: Path) -> str:
    """The page; the PNG files of its pictures are read from `out`."""
    links = " ".join(f'<a href="#{c.anchor}">{escape(c.title)}</a>' for c in chapters)
    body = "\n".join(_chapter(chapter, out) for chapter in chapters)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"{GENERATOR}\n"
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{CSS}</style>\n</head>\n<body>\n'
        f"<h1>{escape(title)}</h1>\n<nav>{links}</nav>\n{body}\n</body>\n</html>\n"
    )


def escape(text: str) -> str:
    """The text as it stands in a page, which may be shown by a terminal too."""
    return html.escape(printable(text))


def _chapter(chapter: Chapter, out: Path) -> str:
    parts = "\n".join(_part(part, out) for part in chapter.parts)
    return f'<section id="{chapter.anchor}">\n<h2>{escape(chapter.title)}</h2>\n{parts}\n</section>'


def _part(part: Part, out: Path) -> str:
    if isinstance(part, Sentences):
        return _sentences(part)
    if isinstance(part, Table):
        return _table(part)
    assert isinstance(part, Picture)
    image = base64.b64encode((out / picture_file(part.name, "png")).read_bytes()).decode()
    return (
        f'<figure id="figure-{part.name}"><img alt="{escape(part.caption)}" src="data:image/png;base64,{image}">'
        f'<figcaption>{escape(part.caption)} <a href="{picture_file(part.name, "svg")}">SVG</a></figcaption></figure>'
    )


def _sentences(part: Sentences) -> str:
    if not part.listed:
        found = "\n".join(f"<p>{escape(line)}</p>" for line in part.lines)
    else:
        found = "<ul>\n" + "\n".join(f"<li>{escape(line)}</li>" for line in part.lines) + "\n</ul>"
    source = part.source and data_file(part.source)
    return found + (f'\n<p class="source">Figures: <a href="{source}">{source}</a></p>' if source else "")


def _table(part: Table) -> str:
    numeric = [looks_numeric(part.shown[column]) for column in part.shown]
    heads = "".join(
        f"<th{' class=number' * number}>{escape(str(column))}</th>"
        for column, number in zip(part.shown, numeric, strict=True)
    )
    rows = "\n".join(
        "<tr>" + "".join(_cell(part, place, str(column), value, number)
                         for column, value, number in zip(part.shown, row, numeric, strict=True)) + "</tr>"
        for place, row in enumerate(part.shown.itertuples(index=False))
    )  # fmt: skip
    source = data_file(part.name)
    caption = f'<caption>{escape(part.caption)} <a href="{source}">{source}</a></caption>'
    if part.folded:
        caption = ""
    inside = f"{caption}<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>"
    table = f'<div class="wide"><table id="{part.name}">{inside}</table></div>'
    if not part.folded:
        return table
    link = f'<a href="{source}">{source}</a>'
    return f"<details><summary>{escape(part.caption)} {link} ({len(part.shown)} rows)</summary>{table}</details>"


def _cell(part: Table, row: int, column: str, value: object, number: bool) -> str:
    text = escape(str(value))
    if any(c.isdigit() for c in text) and number:
        place = f"{data_file(part.name)}: {escape(str(part.shown.iat[row, 0]))}, {escape(column)}"
        text = f'<a href="{data_file(part.name)}" title="{place}">{text}</a>'
    marked = f' class="{value}"' if value in MARKED else ""
    return f"<td{' class=number' * number}{marked}>{text}</td>"
