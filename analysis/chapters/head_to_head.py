"""The chapter of a section's head-to-heads: the table of the arms, their curves, their errors, their time."""

import pandas as pd

from analysis.chapters.pictures import pictures
from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Part, Sentences, Table
from analysis.figures.arms import TIME, TRAINING, Arms
from analysis.figures.errors import OF_ERRORS, Errors, never_predicted
from analysis.statistics import FEWEST_SEEDS
from analysis.tables import arm_summary


def head_to_head(section: Section, suffix: str, reference: pd.DataFrame | None) -> Chapter:
    """Table of the arms, curves, schedules, errors and time; `suffix` ends the names of tables and figures."""
    title = f"Part 2: {section.title}"
    names = list(section.arms[~section.arms["searched"]]["arm"].unique())
    if not names:
        running = ", ".join(run.name for run in section.runs if run.head_to_head)
        return Chapter(title, [Sentences([f"No trial of {running} has come to its end yet."])])
    arms = Arms(section, names, reference)
    parts: list[Part] = [_arm_table(section, suffix), *_left_out(arms)]
    parts += pictures(TRAINING, arms, suffix)
    parts += _errors(Errors(arms), suffix)
    parts += pictures(TIME, arms, suffix)
    return Chapter(title, parts)


def _arm_table(section: Section, suffix: str) -> Table:
    table = arm_summary(section)
    judged = "test figures of the selected epoch" if section.judged_on == "test" else (
        f"figures of the selected epoch on {section.eval_split}, since test is not open for all of them yet"
    )  # fmt: skip
    caption = f"Every arm: {judged}; mean over seeds (95 % t interval from {FEWEST_SEEDS} seeds on), costs per trial."
    return Table(f"arms{suffix}", caption, table, display.arms(table, section.measure))


def _left_out(arms: Arms) -> list[Part]:
    """A sentence where the figures have no room for all arms."""
    shown, every = len(arms.shown), len(arms.without_twins)
    if shown == every:
        return []
    return [Sentences([f"Figures show the first {shown} of {every} arms; the tables have them all."])]


def _errors(errors: Errors, suffix: str) -> list[Part]:
    if errors.table.empty:
        return [Sentences(["Predictions were not kept, so nothing is said of errors by class."])]
    caption = f"Share misclassified on {errors.words['on']} (lowest to highest seed)."
    parts: list[Part] = [
        *pictures(OF_ERRORS, errors, suffix),
        Table(f"errors{suffix}", caption, errors.table, display.errors(errors.table)),
    ]
    missed = never_predicted(errors.table)
    return parts + ([Sentences(missed, listed=True)] if missed else [])
