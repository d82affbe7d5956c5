"""A report as one Markdown file, with its figures beside it."""

import re

import pandas as pd

from analysis.document.parts import (
    Chapter,
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
from console.wording import printable


class Written:
    """Writes a report as text; figures are numbered as they come, and shown where they are `drawn` as files."""

    def __init__(self, drawn: bool):
        self.drawn = drawn
        self.figures = 0

    def chapter(self, chapter: Chapter) -> list[str]:
        title = f"{chapter.title} ({chapter.label})" if chapter.label else chapter.title
        return [f"## {literal(title)}\n", *(self.part(part) for part in chapter.parts)]

    def part(self, part: Part) -> str:
        match part:
            case Sentences():
                return _sentences(part)
            case Folded():
                return "\n".join([f"### {literal(part.title)}\n", *map(self.part, part.parts)])
            case Table():
                source = data_file(part.name)
                return f"{literal(part.caption)} ([{source}]({source}))\n\n{as_markdown(part.shown)}"
            case Picture() | ForestPlot() | Sheet():
                return self._picture(part)

    def _picture(self, part: Picture | ForestPlot | Sheet) -> str:
        self.figures += 1
        caption = literal(f"Figure {self.figures}. {part.caption}")
        shown = f"![{caption}]({picture_file(part.name, 'png')})\n\n" if self.drawn else ""
        rows = f"\n{as_markdown(_forest_table(part))}" if isinstance(part, ForestPlot) else ""
        return f"{shown}*{caption}*\n{rows}"


def _forest_table(part: ForestPlot) -> pd.DataFrame:
    """What the forest plot shows, in words."""
    rows = []
    for title, of in part.forest.groups:
        for row in of:
            marks = [mark.text if mark else "–" for mark in row.marks]
            rows.append([title, f"{row.label} {row.note}".strip(), *marks])
    return pd.DataFrame(rows, columns=["question", "pair", *part.forest.columns])


def write_markdown(report: Report, drawn: bool = False) -> str:
    """The whole report; with links to its figures where they are drawn as files."""
    writer = Written(drawn)
    lines = [f"# {literal(report.title)}\n"]
    lines += [f"{literal(report.conditions)}\n"] * bool(report.conditions)
    for label, said in report.answers:
        lines.append(f"{literal(label)}{': ' * bool(label)}**{said.word}.** {literal(said.text)}\n")
    lines += [writer.part(part) for part in report.lead]
    for chapter in report.chapters:
        lines += writer.chapter(chapter)
    return "\n".join(lines)


def _sentences(part: Sentences) -> str:
    if part.listed:
        return "\n".join(f"- {literal(line)}" for line in part.lines) + "\n"
    return "\n\n".join(map(literal, part.lines)) + "\n"


def literal(text: str) -> str:
    """A text of which nothing is taken for HTML, a link or a further line, whatever a class or a run is called."""
    return re.sub(r"\\|<(?=[a-zA-Z/!?])|\](?=\()", r"\\\g<0>", printable(" ".join(text.split())))


LONGEST_NUMBER = len("0.913 (0.901 to 0.925)") + 4  # characters; what is longer is a sentence


def as_markdown(table: pd.DataFrame) -> str:
    """A Markdown table; numbers to the right, missing values as an en dash."""
    heads = [str(column) for column in table.columns]
    shown = [_escaped(head) for head in heads]
    numeric = [looks_numeric(table[column]) for column in table.columns]
    rule = ["---:" if number else "---" for number in numeric]
    rows = [
        [_cell(name, value) for name, value in zip(heads, row, strict=True)] for row in table.itertuples(index=False)
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [shown, rule, *rows]) + "\n"


def looks_numeric(column: pd.Series) -> bool:
    """Whether it holds numbers, or short texts that all begin like one."""
    if pd.api.types.is_numeric_dtype(column):
        return True
    texts = [str(value) for value in column if not _missing(value) and str(value) not in ("–", "")]
    return bool(texts) and all(text.lstrip("+-−")[:1].isdigit() and len(text) <= LONGEST_NUMBER for text in texts)


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and pd.isna(value))


def _escaped(text: str) -> str:
    return literal(text).replace("|", "\\|")


def _cell(column: str, value: object) -> str:
    if _missing(value):
        return "–"
    if isinstance(value, str):
        return _escaped(value)
    if "accuracy" in column or "loss" in column or "KNN" in column:
        return f"{value:.3f}"
    if isinstance(value, float):
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and column.startswith("images") else str(value)
