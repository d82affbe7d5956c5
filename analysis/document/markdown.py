"""A report as one Markdown file, with its figures beside it."""

import re

import pandas as pd

from analysis.document.parts import Chapter, Part, Picture, Sentences, Table, data_file, picture_file
from console.wording import printable


def write_markdown(title: str, chapters: list[Chapter]) -> str:
    """The whole report, with links to its figures and tables."""
    parts = [f"# {literal(title)}\n"]
    for chapter in chapters:
        parts.append(f"## {literal(chapter.title)}\n")
        parts += [_part(part) for part in chapter.parts]
    return "\n".join(parts)


def _part(part: Part) -> str:
    if isinstance(part, Sentences):
        return _sentences(part)
    if isinstance(part, Table):
        source = data_file(part.name)
        if part.folded:
            return f"{literal(part.caption)} {len(part.shown)} rows: [{source}]({source})\n"
        return f"{literal(part.caption)} ([{source}]({source}))\n\n{as_markdown(part.shown)}"
    assert isinstance(part, Picture)
    caption = literal(part.caption)
    return f"![{caption}]({picture_file(part.name, 'png')})\n\n*{caption}*\n"


def _sentences(part: Sentences) -> str:
    source = f"\n([{data_file(part.source)}]({data_file(part.source)}))\n" if part.source else ""
    if part.listed:
        return "\n".join(f"- {literal(line)}" for line in part.lines) + "\n" + source
    return "\n\n".join(map(literal, part.lines)) + "\n" + source


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
