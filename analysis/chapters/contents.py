"""A report: the answer, then the chapters of each head-to-head, of each search, the 2024 report, and how it was done."""

from collections.abc import Callable

import pandas as pd

from analysis.chapters.first_screen import answers, conditions, is_search_alone, labels, lead, question
from analysis.chapters.head_to_head import head_to_head
from analysis.chapters.overview import what_was_run
from analysis.chapters.search import search_chapter
from analysis.chapters.verdict import methods, verdict_chapters
from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Folded, Part, Report, Sentences, Table
from analysis.original.claims import judge_claims
from analysis.original.judgement import FEWEST
from analysis.original.part_one import part_one
from analysis.tables import arm_summary

REPORT_DATA = ("rsscn7", "dtd")
NOT_RUN = "not run"
More = Callable[[Section, str], list[Part]]  # what else to say of a section; its names end with the suffix


def nothing_more(section: Section, suffix: str) -> list[Part]:
    """What is said of a section without being asked for more."""
    return []


def make_report(sections: list[Section], reference: pd.DataFrame | None = None, more: More = nothing_more) -> Report:
    """Everything there is to say of these sections, the answer first.

    `more` is asked once per section; its parts close the section's own chapters. Raises what `more` raises.
    """
    named = labels(sections)
    strategies = list(dict.fromkeys(side.arm.strategy for section in sections for side in section.sides.values()))
    chapters: list[Chapter] = []
    for number, (section, label) in enumerate(zip(sections, named, strict=True)):
        suffix = f"_{number + 1}" if len(sections) > 1 else ""
        chapters += _of_section(section, label, suffix, reference, strategies, more)
    searches = [(section, run) for section in sections for run in section.runs if not run.head_to_head]
    for section, run in searches:
        chapters.append(search_chapter(section, run, reference, f"_{run.name}" if len(searches) > 1 else "",
                                       is_search_alone(sections)))  # fmt: skip
    chapters += [*the_original(sections), what_was_run(sections, named), methods(sections)]
    found = answers(sections, named)
    return Report(question(sections), chapters, conditions(sections), tuple(found), tuple(lead(sections, named)))


def _of_section(
    section: Section, label: str, suffix: str, reference: pd.DataFrame | None, strategies: list[str], more: More
) -> list[Chapter]:
    """The chapters of a section's head-to-heads; of one with searches only, what `more` has to say."""
    compared = any(run.head_to_head for run in section.runs)
    own = (
        [*head_to_head(section, label, suffix, reference, strategies), *verdict_chapters(section, label, suffix)]
        if compared
        else []
    )
    further = more(section, suffix)
    return [*own, Chapter("The images", further, label)] if further else own


def the_original(sections: list[Section]) -> list[Chapter]:
    """The 2024 report's tables and sentences beside ours, where these runs have its data and are picked by accuracy."""
    as_theirs = [section for section in sections if section.by_accuracy]
    if not any(section.data in REPORT_DATA for section in as_theirs):
        return []
    table, parts = part_one(as_theirs), list[Part]()
    if any(section.data == "rsscn7" for section in as_theirs):
        parts += _claims(as_theirs)
    if not parts and (table["ours"] == NOT_RUN).all():
        return []
    caption = "Part 1: the report's figures, and ours where one of these runs has it."
    parts.append(
        Folded("Part 1: from scratch and transfer", [Table("part_1", caption, table, display.part_one(table))])
    )
    for number, section in enumerate(as_theirs):
        parts += _beside(section, f"_{number + 1}" if len(as_theirs) > 1 else "")
    return [Chapter("The 2024 report", parts)]


def _beside(section: Section, suffix: str) -> list[Part]:
    """The report's Table 1 beside the arms that train as its own did."""
    table = arm_summary(section)
    if table.empty or table["report_accuracy"].isna().all():
        return []
    caption = f"Part 2: the report's Table 1 beside ours ({section.title})."
    shown = display.theirs(table)
    return [Folded("Part 2: Table 1", [Table(f"table_1{suffix}", caption, table, shown, list(shown["arm"]))])]


def _claims(sections: list[Section]) -> list[Part]:
    table = judge_claims(sections)
    if (table["status"] == NOT_RUN).all():
        return []
    counted = ", ".join(f"{n} {status}" for status, n in table["status"].value_counts().items())
    rules = (
        "Decided by rules on the data. Levels and differences: by the verdict's interval, at 5 % for all sentences "
        "together. A level is confirmed where the interval lies above it less one point, and contradicted where it lies "
        "below that; that one arm is better is contradicted by a tie too. Sentences on every seed: by counting, from "
        f"{FEWEST} seeds on. An arm with fewer pixels, images or epochs than the report's, or another protocol, is not "
        "comparable yet, whatever it found."
    )
    part = Table("claims", "The report's sentences.", table, display.claims(table))
    return [
        Sentences([f"Of the report's {len(table)} sentences: {counted}."]),
        Folded("Its sentences", [Sentences([rules]), part]),
    ]
