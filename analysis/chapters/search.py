"""The chapter of one search: what it tried, what it found, and whether it was worth it."""

import pandas as pd

from analysis.chapters.pictures import pictures
from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Part, Sentences, Table
from analysis.figures.search import OF_A_SEARCH, Searched
from analysis.figures.trials import OF_ONE_TRIAL, OF_TRIALS, OneTrial, Trials
from analysis.ranking import ranked
from analysis.rulebook.conditions import picked_by
from analysis.runs import LoadedRun
from analysis.tables import space_table, trial_table
from analysis.verdict import OPTIMISM, image_by_image, optimism
from console.wording import many
from trainables.metrics import METRICS, as_text

IN_COLOUR = 4  # best trials drawn in colour, beside the anchors
LISTED = 12  # trials in the shown table; parquet has them all


def search_chapter(section: Section, run: LoadedRun, reference: pd.DataFrame | None, suffix: str) -> Chapter:
    """Table, curves, schedules and the search's own figures of one run; `suffix` ends the names of tables and figures."""
    table = trial_table(run.finals, run.records, run.configs, run.measure.objective)
    names = shown_trials(table)
    said = worth_it(section, run)
    parts: list[Part] = [Sentences([said, *_one_seed(run)]), _trials(table, run, suffix)]
    parts += [*_optimism(section, run, suffix), *_space(run, suffix)]
    parts += pictures(OF_TRIALS, Trials(run, names, reference), suffix)
    for trial, name in scheduled(names):
        parts += pictures(OF_ONE_TRIAL, OneTrial(run, trial, name), suffix)
    parts += pictures(OF_A_SEARCH, Searched(run), suffix)
    return Chapter(f"Search: {run.name}", parts, summary=[said])


def _trials(table: pd.DataFrame, run: LoadedRun, suffix: str) -> Table:
    """The best trials and every anchor; parquet has all."""
    head = table.head(LISTED)
    head = pd.concat([head, table[table["anchor"].notna() & ~table["trial"].isin(head["trial"])]])
    by = picked_by(run.about)
    caption = f"Trials, best first{by} (the best {len(head)} of {len(table)}): the selected epoch on {run.eval_split}."
    return Table(f"trials{suffix}", caption, table, _texts(head))


def _optimism(section: Section, run: LoadedRun, suffix: str) -> list[Part]:
    gaps = optimism(section)
    if len(gaps):
        gaps = gaps[gaps["arm"].isin(section.arms[section.arms["run"] == run.name]["arm"])]
    return (
        [Table(f"optimism{suffix or '_search'}", OPTIMISM, gaps, display.gaps(gaps, section.measure))]
        if len(gaps)
        else []
    )


def _space(run: LoadedRun, suffix: str) -> list[Part]:
    fields = space_table(run)
    caption = "What was searched, and what the best trial has."
    return [Table(f"space{suffix}", caption, fields, fields)] if len(fields) else []


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
    of = {"accuracy": 3, "loss": 3, "KNN": 3} | {metric.title: metric.digits for metric in METRICS.values()}
    digits = of | {f"test {name}": number for name, number in of.items()} | {"seconds": 1}
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
    by = run.measure.objective
    rows = ranked(run.finals.dropna(subset="best_epoch"), by)
    anchored = rows["trial"].map(lambda trial: bool(run.asked[trial].anchor))
    best, anchors = rows.iloc[0], rows[anchored]
    said = (
        f"{run.name}: {many(len(run.asked), 'trial')}; the best, trial {best['trial']}, has "
        f"{as_text(by.metric, best[f'selection_{by.metric}'])} on {run.eval_split}{picked_by(run.about)}"
    )
    if anchors.empty or anchored.all():
        return f"{said}{_on_test(best, by.metric)}; there is no draw and anchor to compare."
    anchor = anchors.iloc[0]
    name = run.asked[anchor["trial"]].anchor
    if best["trial"] == anchor["trial"]:
        return f"{said}{_on_test(best, by.metric)}: no draw beat the anchor {name}."
    said += f", its best anchor {name} {as_text(by.metric, anchor[f'selection_{by.metric}'])}"
    if run.eval_split == "test":
        return f"{said}. Both were picked on test itself, so both are optimistic, the best of many the more so."
    return said + _on_new_images(section, run, best, anchor)


def _on_new_images(section: Section, run: LoadedRun, best: pd.Series, anchor: pd.Series) -> str:
    """The rest of the sentence: what test says of the two, or that nothing is known yet."""
    tested = image_by_image(section)
    own = section.arms[section.arms["run"] == run.name]
    mine = own[own["trial"].isin([best["trial"], anchor["trial"]])]["arm"]
    pair = tested[tested["a"].isin(mine) & tested["b"].isin(mine)] if len(tested) else tested
    if pair.empty or pd.isna(best["test_accuracy"]) or pd.isna(anchor["test_accuracy"]):
        return ". The best of many is picked there, so expect less on new images."
    row, name = pair.iloc[0], run.measure.objective.metric
    figures = [as_text(name, of[f"test_{name}"]) for of in (best, anchor)]
    tested_by = "" if section.by_accuracy else "of accuracy, "
    return (
        f"; on test {figures[0]} against {figures[1]} "
        f"({tested_by}McNemar p {row['p']:.2g} on {row['images']} images, one split)."
    )


def _on_test(row: pd.Series, metric: str) -> str:
    tested = row[f"test_{metric}"]
    return "" if pd.isna(tested) or row["selected_on"] == "test" else f", {as_text(metric, tested)} on test"


def _one_seed(run: LoadedRun) -> list[str]:
    if run.records["seed"].nunique() > 1:
        return []
    return ["A search has one seed: its figures have no interval, and say nothing of another split or initialisation."]
