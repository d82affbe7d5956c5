"""The chapters of a report, in the order of the 2024 report: what was run, Part 1, Part 2, verdict, sentences, searches."""

import pandas as pd

from analysis import tables
from analysis.chapters.head_to_head import head_to_head
from analysis.chapters.overview import what_was_run
from analysis.chapters.search import search_chapter
from analysis.chapters.verdict import methods, verdict_chapters
from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Sentences, Table
from analysis.original import claims
from console.wording import many

REPORT_DATA = ("rsscn7", "dtd")


def make_chapters(sections: list[Section], reference: pd.DataFrame | None = None) -> list[Chapter]:
    """Everything there is to say of these sections, short things first."""
    several = len(sections) > 1
    body: list[Chapter] = [what_was_run(sections)]
    if any(section.data in REPORT_DATA for section in sections):
        body.append(_part_one(sections))
    for number, section in enumerate(sections):
        suffix = f"_{number + 1}" if several else ""
        if any(run.head_to_head for run in section.runs):
            body += [*head_to_head(section, suffix, reference), *verdict_chapters(section, suffix)]
    if any(section.data == "rsscn7" for section in sections):
        body.append(_claims(sections))
    searches = [(section, run) for section in sections for run in section.runs if not run.head_to_head]
    body += [search_chapter(section, run, reference, len(searches) > 1) for section, run in searches]
    body.append(methods())
    return [in_short(sections, body), *body]


def in_short(sections: list[Section], body: list[Chapter]) -> Chapter:
    """What a hurried reader takes away: who leads, the planned comparisons, the sentences, the searches."""
    lines = []
    for section in sections:
        table = tables.arm_summary(section)
        if table.empty:
            lines.append(f"{section.title}: nothing has come to its end yet.")
            continue
        compared = table[~table["arm"].isin(section.arms[section.arms["searched"]]["arm"])]
        if len(compared):
            best = compared.sort_values("accuracy").iloc[-1]
            lines.append(
                f"{section.title}: highest mean accuracy {best['accuracy']:.3f} ({best['judged_on']}), {best['arm']}, "
                f"on {many(best['seeds'], 'seed')}."
            )
    lines += _planned_lines(body)
    for chapter in body:
        for part in chapter.parts:
            if isinstance(part, Table) and part.name == "claims":
                counts = part.data["status"].value_counts()
                said = ", ".join(f"{n} {status}" for status, n in counts.items())
                lines.append(f"Of the report's {len(part.data)} sentences: {said}.")
            if isinstance(part, Sentences) and chapter.title.startswith("Search") and not part.listed:
                lines += part.lines[:1]
    return Chapter("In short", [Sentences(lines, listed=True)])


def _planned_lines(body: list[Chapter]) -> list[str]:
    tables = [p.data for c in body for p in c.parts if isinstance(p, Table) and p.name.startswith("verdict")]
    lines = []
    for table in tables:
        chosen = table[(table["basis"] == "as trained") & table["planned"]]
        own = chosen[~chosen["a"].str.contains("/", regex=False)]
        lines += [f"As trained: {text}" for text in own["sentence"]]
    return lines


def _part_one(sections: list[Section]) -> Chapter:
    table = tables.part_one(sections)
    caption = "Part 1: the report's figures, and ours where one of these runs has it."
    return Chapter("Part 1: from scratch and transfer", [Table("part_1", caption, table, display.part_one(table))])


def _claims(sections: list[Section]) -> Chapter:
    table = claims.judge_claims(sections)
    lines = [
        "Decided by rules on the data: confirmed or contradicted needs the arm that the sentence speaks of, and an "
        "interval over at least three seeds. What was shortened can confirm a level of the report's, but not contradict it."
    ]
    part = Table("claims", "The report's sentences.", table, display.claims(table))
    return Chapter("The report's sentences", [Sentences(lines), part])
