"""The chapters of a report, in the order of the 2024 report: what was run, Part 1, Part 2, verdict, sentences, searches."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from analysis.chapters.head_to_head import head_to_head
from analysis.chapters.overview import what_was_run
from analysis.chapters.search import search_chapter
from analysis.chapters.verdict import methods, verdict_chapters
from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Part, Sentences, Table
from analysis.original.claims import judge_claims
from analysis.original.judgement import FEWEST
from analysis.original.part_one import part_one

REPORT_DATA = ("rsscn7", "dtd")
More = Callable[[Section, str], list[Part]]  # what else to say of a section; its names end with the suffix


def nothing_more(section: Section, suffix: str) -> list[Part]:
    """What is said of a section without being asked for more."""
    return []


def make_chapters(
    sections: list[Section], reference: pd.DataFrame | None = None, more: More = nothing_more
) -> list[Chapter]:
    """Everything there is to say of these sections, short things first.

    `more` is asked once per section; its parts close the section's own chapter, or its last search's without a
    head-to-head. Raises what `more` raises.
    """
    body: list[Chapter] = [what_was_run(sections)]
    as_theirs = [section for section in sections if section.by_accuracy]  # the 2024 report picked by accuracy
    if any(section.data in REPORT_DATA for section in as_theirs):
        body.append(_part_one(as_theirs))
    searches: list[Chapter] = []
    several = sum(not run.head_to_head for section in sections for run in section.runs) > 1
    for number, section in enumerate(sections):
        suffix = f"_{number + 1}" if len(sections) > 1 else ""
        compared = _compared(section, suffix, reference)
        searched = _searched(section, reference, several)
        own = compared or searched
        place = 0 if compared else -1
        own[place] = replace(own[place], parts=[*own[place].parts, *more(section, suffix)])
        body += compared
        searches += searched
    if any(section.data == "rsscn7" for section in as_theirs):
        body.append(_claims(as_theirs))
    body += [*searches, methods(sections)]
    return [in_short(body), *body]


def _compared(section: Section, suffix: str, reference: pd.DataFrame | None) -> list[Chapter]:
    """The chapters of a section's head-to-heads, its own chapter first; none where it has searches only."""
    if not any(run.head_to_head for run in section.runs):
        return []
    return [head_to_head(section, suffix, reference), *verdict_chapters(section, suffix)]


def _searched(section: Section, reference: pd.DataFrame | None, several: bool) -> list[Chapter]:
    """A chapter for each search of a section; where the report has `several`, names end with the run's."""
    runs = [run for run in section.runs if not run.head_to_head]
    return [search_chapter(section, run, reference, f"_{run.name}" if several else "") for run in runs]


def in_short(body: list[Chapter]) -> Chapter:
    """What a hurried reader takes away: what each chapter says of itself, in their order."""
    return Chapter("In short", [Sentences([line for chapter in body for line in chapter.summary], listed=True)])


def _part_one(sections: list[Section]) -> Chapter:
    table = part_one(sections)
    caption = "Part 1: the report's figures, and ours where one of these runs has it."
    return Chapter("Part 1: from scratch and transfer", [Table("part_1", caption, table, display.part_one(table))])


def _claims(sections: list[Section]) -> Chapter:
    table = judge_claims(sections)
    lines = [
        "Decided by rules on the data. Levels and differences: by the verdict's interval, at 5 % for all sentences "
        "together. A level is confirmed where the interval lies above it less one point, and contradicted where it lies "
        "below that; that one arm is better is contradicted by a tie too. Sentences on every seed: by counting, from "
        f"{FEWEST} seeds on. An arm with fewer pixels, images or epochs than the report's, or another protocol, is not "
        "comparable yet, whatever it found."
    ]
    part = Table("claims", "The report's sentences.", table, display.claims(table))
    counted = ", ".join(f"{n} {status}" for status, n in table["status"].value_counts().items())
    summary = [f"Of the report's {len(table)} sentences: {counted}."]
    return Chapter("The report's sentences", [Sentences(lines), part], summary)
