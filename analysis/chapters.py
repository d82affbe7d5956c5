"""The chapters of a report, in the order of the 2024 report: what was run, Part 1, Part 2, verdict, sentences, searches."""

from pathlib import Path

import pandas as pd

from analysis import arms, claims, figures_arms, figures_errors, shown, verdict
from analysis.content import Chapter, Part, Picture, Sentences, Table
from analysis.runs import LoadedRun
from analysis.search_chapter import search_chapter
from analysis.sections import SINGLE, Section
from analysis.statistics import FEWEST_SEEDS
from analysis.verdict_chapter import methods, verdict_chapters

SIDE_BY_SIDE = 7  # arms in one panel; more cannot be told apart
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
        table = arms.arm_summary(section)
        if table.empty:
            lines.append(f"{section.title}: nothing has come to its end yet.")
            continue
        compared = table[~table["arm"].isin(section.arms[section.arms["searched"]]["arm"])]
        if len(compared):
            best = compared.sort_values("accuracy").iloc[-1]
            lines.append(
                f"{section.title}: highest mean accuracy {best['accuracy']:.3f} ({best['judged_on']}), {best['arm']}, "
                f"on {shown.many(best['seeds'], 'seed')}."
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


def what_was_run(sections: list[Section]) -> Chapter:
    """One row per run: command, data, protocol, seeds, versions, machine; and every note."""
    runs = [run for section in sections for run in section.runs]
    data = pd.DataFrame([_run_row(run) for run in runs])
    columns = ["run", "kind", "data", "images", "pixels", "protocol", "network", "weights", "seeds", "trials", "epochs"]
    parts: list[Part] = [Table("runs", "The runs of this report.", data, data[columns].astype(str))]
    parts.append(Sentences([f"{run.name}: {run.command}" for run in runs], listed=True))
    if len(sections) > 1:
        titles = "; ".join(section.title for section in sections)
        parts.append(Sentences([f"These runs differ in data or protocol, so they stand in separate sections and are never "
                                f"averaged together: {titles}."]))  # fmt: skip
    notes = [f"{run.name}: {note}" for run in runs for note in run.notes]
    if notes:
        parts.append(Sentences(notes, listed=True))
    parts.append(Sentences(_protocols(sections)))
    return Chapter("What was run", parts)


def _run_row(run: LoadedRun) -> dict:
    setting, data = run.about["setting"], run.about["data"]
    machine, versions = run.about.get("machine", {}), run.about.get("versions", {})
    splits = [f"{data[name]:,} {name}" for name in ("train", "validation", "test") if data.get(name)]
    return {
        "run": run.name, "kind": "head-to-head" if run.head_to_head else "search", "data": data["name"],
        "images": ", ".join(splits) or "–", "pixels": setting["image_size"], "protocol": setting["protocol"],
        "network": setting["model"], "weights": Path(setting["weights"]).name,
        "seeds": run.records["seed"].nunique(), "trials": len(run.asked), "epochs": int(run.records["epoch"].max()),
        "data_digest": data["digest"], "command": run.command, "processor": machine.get("processor", "–"),
        "threads": setting.get("threads", 0), "versions": ", ".join(f"{k} {v}" for k, v in versions.items()),
    }  # fmt: skip


def _protocols(sections: list[Section]) -> list[str]:
    said = {
        "holdout": "Protocol holdout: epochs and configs are picked on validation; test is opened once per trial that is "
        "reported, so its figures are not optimistic.",
        "report": "Protocol report: epochs are judged and picked on the test split, as the report did; its figures are "
        "optimistic and can be compared with the report's only.",
    }
    return [said[protocol] for protocol in dict.fromkeys(section.protocol for section in sections)]


def _part_one(sections: list[Section]) -> Chapter:
    table = arms.part_one(sections)
    caption = "Part 1: the report's figures, and ours where one of these runs has it."
    return Chapter("Part 1: from scratch and transfer", [Table("part_1", caption, table, shown.part_one(table))])


def head_to_head(section: Section, suffix: str, reference: pd.DataFrame | None) -> list[Chapter]:
    """Curves, schedules, errors, time, and the table of the arms."""
    names = list(section.arms[~section.arms["searched"]]["arm"].unique())
    if not names:
        running = ", ".join(run.name for run in section.runs if run.head_to_head)
        return [Chapter(f"Part 2: {section.title}", [Sentences([f"No trial of {running} has come to its end yet."])])]
    records, styles = section.records, figures_arms.styles_of(names)
    every = [name for name in names if "/" not in name]
    mains, split = every[:SIDE_BY_SIDE], section.eval_split
    parts: list[Part] = [
        Picture(f"arms_epochs{suffix}", f"Per epoch, judged on {split}; arms have epochs of different sizes.",
                figures_arms.arm_curves(records, mains, styles, split, "epoch", reference)),
        Picture(f"arms_updates{suffix}", f"Per update, judged on {split}: the axis on which arms are compared fairly.",
                figures_arms.arm_curves(records, mains, styles, split, "updates")),
        Picture(f"arms_schedules{suffix}", "What the arms did in each epoch.",
                figures_arms.schedules(records, mains, styles)),
    ]  # fmt: skip
    staged = [name for name in mains if records[records["arm"] == name]["share"].min() < 1][:4]
    if staged:
        drawn = figures_arms.class_counts(records, staged, section.classes)
        parts.append(Picture(f"arms_classes{suffix}", "Images of each class that were trained on, first seed.", drawn))
    parts += _errors(section, mains, styles, suffix)
    caption = (
        "Best accuracy so far against seconds of training and scoring; the dotted line is the same budget for all."
    )
    parts.append(Picture(f"arms_seconds{suffix}", caption, figures_arms.arm_seconds(records, mains, styles, split)))
    table = arms.arm_summary(section)
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
    return Table(f"arms{suffix}", caption, table, shown.arms(table))


def _errors(section: Section, mains: list[str], styles: figures_arms.Styles, suffix: str) -> list[Part]:
    table = figures_errors.errors_by_class(section, mains)
    if table.empty:
        return [Sentences(["Predictions were not kept, so nothing is said of errors by class."])]
    on = "test" if section.judged_on == "test" else section.eval_split
    kept = list(dict.fromkeys(table["arm"]))
    compared = sorted(kept, key=lambda name: name.split("@")[0] not in ("self_paced", verdict.BASELINE))[:2]
    parts: list[Part] = [
        Picture(f"errors_classes{suffix}", f"Share of each class misclassified on {on}.",
                figures_errors.misclassified_share(table, styles)),
        *_confusions(section, compared, on, suffix),
        Table(f"errors{suffix}", f"Share misclassified on {on} (lowest to highest seed).", table,
              shown.errors(table)),
    ]  # fmt: skip
    missed = figures_errors.never_predicted(table)
    return parts + ([Sentences(missed, listed=True)] if missed else [])


def _claims(sections: list[Section]) -> Chapter:
    table = claims.judge_claims(sections)
    lines = [
        "Decided by rules on the data: confirmed or contradicted needs the arm that the sentence speaks of, and an "
        "interval over at least three seeds. What was shortened can confirm a level of the report's, but not contradict it."
    ]
    part = Table("claims", "The report's sentences.", table, shown.claims(table))
    return Chapter("The report's sentences", [Sentences(lines), part])


def _confusions(section: Section, names: list[str], on: str, suffix: str) -> list[Part]:
    """Not of the multi-label task, where another class than the main one can be right."""
    if section.task != SINGLE:
        return []
    drawn = figures_errors.confusions(section, names)
    return [Picture(f"errors_confusion{suffix}", f"Confusion on {on}, seeds pooled.", drawn)]
