"""TODO."""

import pandas as pd

from analysis import tables, verdict
from analysis.comparable import SINGLE, Section
from analysis.document import display
from analysis.document.parts import Chapter, Part, Picture, Sentences, Table
from analysis.figures import arms, errors
from analysis.statistics import FEWEST_SEEDS

SIDE_BY_SIDE = 7  # arms in one panel; more cannot be told apart


def head_to_head(section: Section, suffix: str, reference: pd.DataFrame | None) -> list[Chapter]:
    """Curves, schedules, errors, time, and the table of the arms."""
    names = list(section.arms[~section.arms["searched"]]["arm"].unique())
    if not names:
        running = ", ".join(run.name for run in section.runs if run.head_to_head)
        return [Chapter(f"Part 2: {section.title}", [Sentences([f"No trial of {running} has come to its end yet."])])]
    records, styles = section.records, arms.styles_of(names)
    every = [name for name in names if "/" not in name]
    mains, split = every[:SIDE_BY_SIDE], section.eval_split
    parts: list[Part] = [
        Picture(f"arms_epochs{suffix}", f"Per epoch, judged on {split}; arms have epochs of different sizes.",
                arms.arm_curves(records, mains, styles, split, "epoch", reference)),
        Picture(f"arms_updates{suffix}", f"Per update, judged on {split}: the axis on which arms are compared fairly.",
                arms.arm_curves(records, mains, styles, split, "updates")),
        Picture(f"arms_schedules{suffix}", "What the arms did in each epoch.",
                arms.schedules(records, mains, styles)),
    ]  # fmt: skip
    staged = [name for name in mains if records[records["arm"] == name]["share"].min() < 1][:4]
    if staged:
        drawn = arms.class_counts(records, staged, section.classes)
        parts.append(Picture(f"arms_classes{suffix}", "Images of each class that were trained on, first seed.", drawn))
    parts += _errors(section, mains, styles, suffix)
    caption = (
        "Best accuracy so far against seconds of training and scoring; the dotted line is the same budget for all."
    )
    parts.append(Picture(f"arms_seconds{suffix}", caption, arms.arm_seconds(records, mains, styles, split)))
    table = tables.arm_summary(section)
    if len(mains) < len(every):
        parts.insert(
            0, Sentences([f"Figures show the first {len(mains)} of {len(every)} arms; the tables have them all."])
        )
    return [Chapter(f"Part 2: {section.title}", [_arm_table(section, table, suffix), *parts])]


def _arm_table(section: Section, table: pd.DataFrame, suffix: str) -> Table:
    judged = "test figures of the selected epoch" if section.judged_on == "test" else (
        f"figures of the selected epoch on {section.eval_split}, since test is not open for all of them yet"
    )  # fmt: skip
    caption = f"Every arm: {judged}; mean over seeds (95 % t interval from {FEWEST_SEEDS} seeds on), costs per trial."
    return Table(f"arms{suffix}", caption, table, display.arms(table))


def _errors(section: Section, mains: list[str], styles: arms.Styles, suffix: str) -> list[Part]:
    table = errors.errors_by_class(section, mains)
    if table.empty:
        return [Sentences(["Predictions were not kept, so nothing is said of errors by class."])]
    on = "test" if section.judged_on == "test" else section.eval_split
    kept = list(dict.fromkeys(table["arm"]))
    compared = sorted(kept, key=lambda name: name.split("@")[0] not in ("self_paced", verdict.BASELINE))[:2]
    parts: list[Part] = [
        Picture(f"errors_classes{suffix}", f"Share of each class misclassified on {on}.",
                errors.misclassified_share(table, styles)),
        *_confusions(section, compared, on, suffix),
        Table(f"errors{suffix}", f"Share misclassified on {on} (lowest to highest seed).", table,
              display.errors(table)),
    ]  # fmt: skip
    missed = errors.never_predicted(table)
    return parts + ([Sentences(missed, listed=True)] if missed else [])


def _confusions(section: Section, names: list[str], on: str, suffix: str) -> list[Part]:
    """Not of the multi-label task, where another class than the main one can be right."""
    if section.task != SINGLE:
        return []
    drawn = errors.confusions(section, names)
    return [Picture(f"errors_confusion{suffix}", f"Confusion on {on}, seeds pooled.", drawn)]
