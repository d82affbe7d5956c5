"""The chapter of one search: what it tried, what it found, and whether it was worth it."""

import pandas as pd

from analysis import verdict
from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Part, Picture, Sentences, Table
from analysis.figures import search, trials
from analysis.ranking import ranked
from analysis.runs import LoadedRun
from analysis.tables import trial_table
from console.wording import many

IN_COLOUR = 4  # best trials drawn in colour, beside the anchors
LISTED = 12  # trials in the shown table; parquet has them all
CAPTIONS = {
    "search_history": "Best so far, in the order of the trials.",
    "search_expected": "Expected best accuracy of a smaller search: the mean over all subsets of so many drawn trials.",
    "search_front": "Accuracy against seconds.",
    "search_importance": "How much of the variance each field explains.",
    "search_slices": "Accuracy against each field.",
    "search_parallel": "Trials through their fields.",
}


def search_chapter(section: Section, run: LoadedRun, reference: pd.DataFrame | None, several: bool) -> Chapter:
    """Table, curves, schedules and the search's own figures of one run."""
    suffix = f"_{run.name}" if several else ""
    table = trial_table(run.finals, run.records, run.configs)
    names = shown_trials(table)
    parts: list[Part] = [Sentences([worth_it(section, run), *_one_seed(run)])]
    head = table.head(LISTED)
    head = pd.concat([head, table[table["anchor"].notna() & ~table["trial"].isin(head["trial"])]])
    caption = f"Trials, best first (the best {len(head)} of {len(table)}): the selected epoch on {run.eval_split}."
    parts.append(Table(f"trials{suffix}", caption, table, _texts(head)))
    gaps = verdict.overtuning(section)
    gaps = gaps[gaps["arm"].isin(section.arms[section.arms["run"] == run.name]["arm"])] if len(gaps) else gaps
    if len(gaps):
        parts.append(Table(f"overtuning{suffix or '_search'}", verdict.OVERTUNING, gaps, display.gaps(gaps)))
    fields = search.space_table(run)
    if len(fields):
        parts.append(Table(f"space{suffix}", "What was searched, and what the best trial has.", fields, fields))
    parts.append(Picture(f"curves{suffix}", f"Accuracy and loss per epoch on {run.eval_split}.",
                         trials.learning_curves(run.records, names, run.eval_split, reference)))  # fmt: skip
    parts.append(Picture(f"accuracy_seconds{suffix}", "Best accuracy so far against seconds of training and scoring.",
                         trials.accuracy_against_seconds(run.records, names, run.eval_split)))  # fmt: skip
    for trial, name in scheduled(names):
        rows = run.records[run.records["trial"] == trial]
        picture = trials.schedule(rows, run.classes, name)
        parts.append(Picture(f"schedule_{trial:04d}{suffix}", f"What {name} did in each epoch.", picture))
    if len(run.finals) > 1:
        drawn = search.search_figures(run)
        parts += [Picture(f"{name}{suffix}", CAPTIONS[name], figure) for name, figure in drawn.items()]
    return Chapter(f"Search: {run.name}", parts)


def shown_trials(table: pd.DataFrame) -> dict[int, str]:
    """The trials drawn in colour, best first: the best few and every anchor."""
    table = table[table["accuracy"].notna()]
    anchored = table["anchor"].notna()
    chosen = table[anchored | (table.index < IN_COLOUR)]
    names = "trial " + chosen["trial"].astype(str)
    names = names.where(~anchored, names + " (" + chosen["anchor"].astype(str) + ")")
    return dict(zip(chosen["trial"], names, strict=True))


def scheduled(names: dict[int, str]) -> list[tuple[int, str]]:
    """The best trial and the anchors."""
    return list(names.items())[:1] + [(t, n) for t, n in list(names.items())[1:] if "(" in n]


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    """The trial table with every number as a text."""
    digits = {"accuracy": 3, "loss": 3, "KNN": 3, "test accuracy": 3, "test loss": 3, "test KNN": 3, "seconds": 1}
    columns = {
        name: table[name].fillna(display.DASH) if table[name].dtype == object or name in ("anchor", "state")
        else [display.plain(value, digits.get(name, 0)) for value in table[name]]
        for name in table
    }  # fmt: skip
    shown_as = pd.DataFrame(columns).dropna(axis=1, how="all")
    shown_as["best epoch"] = shown_as["best epoch"] + " of " + shown_as["epochs"]
    return shown_as.drop(columns=["epochs", "images scored"])


def worth_it(section: Section, run: LoadedRun) -> str:
    """The best drawn trial against the best anchor, on validation and, image by image, on test."""
    rows = ranked(run.finals.dropna(subset="best_epoch"))
    anchored = rows["trial"].map(lambda trial: bool(run.asked[trial]["anchor"]))
    best, anchors = rows.iloc[0], rows[anchored]
    said = (
        f"{run.name}: {many(len(run.asked), 'trial')}; the best, trial {best['trial']}, has "
        f"{best['selection_accuracy']:.3f} on {run.eval_split}"
    )
    if anchors.empty or anchored.all():
        return f"{said}{_on_test(best)}; there is no draw and anchor to compare."
    anchor = anchors.iloc[0]
    name = run.asked[anchor["trial"]]["anchor"]
    if best["trial"] == anchor["trial"]:
        return f"{said}{_on_test(best)}: no draw beat the anchor {name}."
    said += f", its best anchor {name} {anchor['selection_accuracy']:.3f}"
    if run.eval_split == "test":
        return f"{said}. Both were picked on test itself, so both are optimistic, the best of many the more so."
    tested = verdict.image_by_image(section)
    own = section.arms[section.arms["run"] == run.name]
    mine = own[own["trial"].isin([best["trial"], anchor["trial"]])]["arm"]
    pair = tested[tested["a"].isin(mine) & tested["b"].isin(mine)] if len(tested) else tested
    if pair.empty or pd.isna(best["test_accuracy"]) or pd.isna(anchor["test_accuracy"]):
        return f"{said}. The best of many is picked there, so expect less on new images."
    row = pair.iloc[0]
    return (
        f"{said}; on test {best['test_accuracy']:.3f} against {anchor['test_accuracy']:.3f} "
        f"(McNemar p {row['p']:.2g} on {row['images']} images, one split)."
    )


def _on_test(row: pd.Series) -> str:
    tested = row["test_accuracy"]
    return "" if pd.isna(tested) or row["selected_on"] == "test" else f", {tested:.3f} on test"


def _one_seed(run: LoadedRun) -> list[str]:
    if run.records["seed"].nunique() > 1:
        return []
    return ["A search has one seed: its figures have no interval, and say nothing of another split or initialisation."]
