"""The chapters of a section's head-to-heads: seeds, arms, what they trained on, what it cost, what they get wrong."""

from collections.abc import Sequence

import pandas as pd

from analysis.chapters.pictures import pictures
from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Folded, Part, Sentences, Table
from analysis.figures.arms import COSTS, SCHEDULES, SEEDS, TRAINING, Arms
from analysis.figures.errors import OF_ERRORS, Errors, never_predicted
from analysis.statistics import FEWEST_SEEDS
from analysis.tables import arm_summary

MOST_IN_A_TABLE = 7  # arms side by side; a table of more is for parquet


def head_to_head(
    section: Section, label: str, suffix: str, reference: pd.DataFrame | None, strategies: Sequence[str] = ()
) -> list[Chapter]:
    """Short chapters, each one thing; `label` says of what they are, `suffix` ends the names of tables and figures.

    `strategies`: of the whole report, each of which has one colour throughout.
    """
    names = list(section.arms[~section.arms["searched"]]["arm"].unique())
    if not names:
        running = ", ".join(run.name for run in section.runs if run.head_to_head)
        return [Chapter("The arms", [Sentences([f"No trial of {running} has come to its end yet."])], label)]
    arms = Arms(section, names, reference, strategies)
    table = arm_summary(section)
    table = table[table["arm"].isin(names)].reset_index(drop=True)  # what a search chose has a chapter of its own
    chapters: dict[str, Sequence[Part]] = {
        "Seed by seed": pictures(SEEDS, arms, suffix),
        "The arms": [_quality(section, table, suffix), *pictures(TRAINING, arms, suffix)],
        "What they trained on": pictures(SCHEDULES, arms, suffix),
        "What it cost": [*pictures(COSTS, arms, suffix), _costs(table, suffix)],
        "What they get wrong": _errors(Errors(arms), suffix),
    }
    return [Chapter(title, list(parts), label) for title, parts in chapters.items() if parts]


def _quality(section: Section, table: pd.DataFrame, suffix: str) -> Table:
    judged = "test figures of the selected epoch" if section.judged_on == "test" else (
        f"figures of the selected epoch on {section.eval_split}, since test is not open for all of them yet"
    )  # fmt: skip
    caption = (
        f"{_leader(section, table)} {judged[0].upper()}{judged[1:]}; mean over seeds (95 % t interval of the arm alone, "
        f"from {FEWEST_SEEDS} seeds on)."
    )
    return Table(f"arms{suffix}", caption, table, display.quality(table, section.measure), list(table["arm"]))


def _leader(section: Section, table: pd.DataFrame) -> str:
    """Which arm has the best mean, a control being called one; no word follows from that."""
    by = section.measure.objective
    best = table.sort_values(by.metric, ascending=not by.lower_is_better).iloc[-1]
    most = "Lowest" if by.lower_is_better else "Highest"
    control = ", a control" * bool(best["twin"])
    arm, figure = f"{best['arm']}{control}", f"{best[by.metric]:.3f}"
    return f"{most} mean {section.measure.title}: {arm}, {figure}, which by itself decides nothing."


def _costs(table: pd.DataFrame, suffix: str) -> Table:
    caption = "Per training: seconds of training and scoring, updates, and images that went through the network."
    columns = ["arm", "seeds", "epochs", "seconds", "updates", "images_trained", "images_scored"]
    return Table(f"costs{suffix}", caption, table[columns], display.costs(table), list(table["arm"]))


def _errors(errors: Errors, suffix: str) -> list[Part]:
    if errors.table.empty:
        kept = "Predictions were not kept" if errors.arms.section.judged_on == "test" else "No predictions are here yet"
        return [Sentences([f"{kept}, so nothing is said of errors by class."])]
    caption = f"Share misclassified on {errors.words['on']} (lowest to highest seed)."
    few = errors.table[errors.table["arm"].isin(errors.table["arm"].unique()[:MOST_IN_A_TABLE])]
    missed = never_predicted(errors.table)
    return [
        *pictures(OF_ERRORS, errors, suffix),
        *([Sentences(missed, listed=True)] if missed else []),
        Folded("Every class", [Table(f"errors{suffix}", caption, errors.table, display.errors(few))]),
    ]
