"""The chapter of one search: what it found, against what, whether it was worth it, what mattered, the winner's schedule."""

from functools import partial

import pandas as pd

from analysis.chapters.pictures import pictures
from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Folded, Part, Sentences, Table
from analysis.figures.search import OF_A_SEARCH, Searched
from analysis.figures.trials import OF_ONE_TRIAL, OF_TRIALS, OneTrial, Trials, gid_of
from analysis.rulebook.conditions import picked_by
from analysis.runs import LoadedRun
from analysis.tables import space_table, trial_table
from analysis.verdict import OPTIMISM, optimism
from trainables.metrics import METRICS

IN_COLOUR = 4  # best trials drawn in colour, beside the anchors
HISTORY = "search_history"
COLUMNS = 8
LISTED = 12  # trials in the shown table; parquet has them all


def search_chapter(
    section: Section, run: LoadedRun, reference: pd.DataFrame | None, suffix: str, led: bool = False
) -> Chapter:
    """Table, curves, schedules and the search's own figures of one run; `suffix` ends the names of tables and figures.

    `led`: the history of the trials is on the first screen, and so not here.
    """
    table = trial_table(run.finals, run.records, run.configs, run.measure.objective)
    names = shown_trials(table)
    winner, *others = [partial(OneTrial, run, trial, name) for trial, name in scheduled(names)]
    parts: list[Part] = [
        *_space(run, suffix),
        *pictures([d for d in OF_A_SEARCH if not led or d.name != HISTORY], Searched(run), suffix),
    ]
    parts += pictures(OF_ONE_TRIAL, winner(), suffix)
    parts += [_trials(table, run, suffix), *pictures(OF_TRIALS, Trials(run, names, reference), suffix)]
    more: list[Part] = [picture for other in others for picture in pictures(OF_ONE_TRIAL, other(), suffix)]
    parts += [Folded("Schedules of the anchors", more)] if more else []
    parts += [*_optimism(section, run, suffix), *_one_seed(run)]
    return Chapter(f"Search: {run.name}", parts)


def _trials(table: pd.DataFrame, run: LoadedRun, suffix: str) -> Table:
    """The best trials and every anchor; parquet has all."""
    head = table.head(LISTED)
    head = pd.concat([head, table[table["anchor"].notna() & ~table["trial"].isin(head["trial"])]])
    by = picked_by(run.about)
    caption = f"Trials, best first{by} (the best {len(head)} of {len(table)}): the selected epoch on {run.eval_split}."
    return Table(f"trials{suffix}", caption, table, _texts(head, run.measure.title),
                 [gid_of(trial) for trial in head["trial"]])  # fmt: skip


def _optimism(section: Section, run: LoadedRun, suffix: str) -> list[Part]:
    gaps = optimism(section)
    if len(gaps):
        gaps = gaps[gaps["arm"].isin(section.arms[section.arms["run"] == run.name]["arm"])]
    if not len(gaps):
        return []
    table = Table(f"optimism{suffix or '_search'}", OPTIMISM, gaps, display.gaps(gaps, section.measure))
    return [Folded("What the pick on validation promised", [table])]


def _space(run: LoadedRun, suffix: str) -> list[Part]:
    fields = space_table(run)
    caption = "What was searched, and what the best trial and the best anchor have; –: of no effect there."
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


def _texts(table: pd.DataFrame, title: str) -> pd.DataFrame:
    """The trial table in at most COLUMNS columns, every number as a text; `title`: of what was picked by."""
    of = {"accuracy": 3, "loss": 3, "KNN": 3} | {metric.title: metric.digits for metric in METRICS.values()}
    digits = of | {f"test {name}": number for name, number in of.items()} | {"seconds": 1}
    anchors = ["" if pd.isna(anchor) else f" ({anchor})" for anchor in table["anchor"]]
    epochs = zip(table["best epoch"], table["epochs"], strict=True)
    shown = {
        "trial": [f"{number}{anchor}" for number, anchor in zip(table["trial"], anchors, strict=True)],
        "state": table["state"],
    } | {name: [display.plain(value, digits[name]) for value in table[name]] for name in _measured(table, title)}
    shown["best epoch"] = [f"{display.plain(best)} of {display.plain(last)}" for best, last in epochs]
    for name in ("seconds", f"test {title}"):
        if name in table and table[name].notna().any():
            shown[name] = [display.plain(value, digits.get(name, 0)) for value in table[name]]
    return pd.DataFrame(shown)


def _measured(table: pd.DataFrame, title: str) -> list[str]:
    """The figures there is room for: what was picked by, accuracy and loss, and one more."""
    known = [name for name in dict.fromkeys((title, "accuracy", "loss", *(m.title for m in METRICS.values()), "KNN"))
             if name in table and table[name].notna().any()]  # fmt: skip
    return known[: COLUMNS - 5]


def _one_seed(run: LoadedRun) -> list[Part]:
    if run.records["seed"].nunique() > 1:
        return []
    said = "A search has one seed: its figures have no interval, and say nothing of another split or initialisation."
    return [Sentences([said])]


def history(run: LoadedRun) -> list[Part]:
    """The trials in their order and the best so far, for the first screen."""
    return list(pictures([drawing for drawing in OF_A_SEARCH if drawing.name == HISTORY], Searched(run), ""))
