"""The tables of a report: the arms of a section, the trials of a search and its space. Runs in, data frames out."""

from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    json_to_distribution,
)

from analysis.comparable import COSTS, MEASURES, Section
from analysis.original import published
from analysis.ranking import ranked
from analysis.runs import LoadedRun
from analysis.statistics import FEWEST_SEEDS, t_interval
from records.epoch import ACCURACY, Objective
from trainables.metrics import METRICS, shown_beside


def arm_summary(section: Section) -> pd.DataFrame:
    """One row per arm: mean and 95 % t interval over its seeds of each figure, mean costs, the report's figures.

    `accuracy`, `loss`, `knn` and further metrics are of test, or of the split that epochs are judged on while test is
    still closed; `judged_on` says which. Intervals are not a number below three seeds.
    """
    rows = []
    for arm, of_arm in section.arms.groupby("arm", sort=False):
        first = of_arm.iloc[0]
        row = {name: first[name] for name in ("run", "base", "init", "model", "image_size", "anchor", "trains_as")}
        row |= {"arm": arm, "twin": not pd.isna(first["arm_order"]), "seeds": len(of_arm)}
        row |= _figures(of_arm, section.metrics)
        row |= {name: float(of_arm[name].mean()) for name in COSTS}
        rows.append(row | _theirs(section, first))
    table = pd.DataFrame(rows)
    return table if table.empty else table[["arm", *table.columns.drop("arm")]]


def _figures(of_arm: pd.DataFrame, metrics: list[str]) -> dict[str, Any]:
    on = "test" if of_arm["test_accuracy"].notna().all() else "selection"
    row: dict[str, Any] = {"judged_on": of_arm["selected_on"].iloc[0] if on == "selection" else "test"}
    for measure in dict.fromkeys((*MEASURES, *metrics)):
        values = of_arm[f"{on}_{measure}"].to_numpy(float)
        low, high = t_interval(values) if len(values) >= FEWEST_SEEDS else (float("nan"),) * 2
        row |= {measure: float(np.mean(values)), f"{measure}_low": low, f"{measure}_high": high}
    row["selection_accuracy"] = float(of_arm["selection_accuracy"].mean())
    return row


def _theirs(section: Section, first: pd.Series) -> dict[str, Any]:
    known = section.data == "rsscn7" and first["model"] == "resnet18"
    theirs = published.table_1(first["trains_as"], first["init"], not pd.isna(first["arm_order"])) if known else None
    return {f"report_{name}": value for name, value in zip(MEASURES, theirs or (np.nan,) * 3, strict=True)}


COLUMNS = {
    "trial": "trial",
    "anchor": "anchor",
    "state": "state",
    "selection_accuracy": "accuracy",
    "selection_loss": "loss",
    "selection_knn": "KNN",
    "best_epoch": "best epoch",
    "epochs": "epochs",
    "images_trained": "images trained",
    "images_scored": "images scored",
    "seconds": "seconds",
    "test_accuracy": "test accuracy",
    "test_loss": "test loss",
    "test_knn": "test KNN",
}


def trial_table(
    finals: pd.DataFrame, records: pd.DataFrame, configs: pd.DataFrame, by: Objective = ACCURACY
) -> pd.DataFrame:
    """One row per trial, best first (`ranked`): the figures of its best epoch and what the whole trial has cost.

    Accuracy, loss and KNN are those of the split the epochs were judged on; the test columns are empty where test was
    not opened.
    """
    used = records.groupby("trial")[["images_trained", "images_scored"]].max()
    anchors = configs.set_index("trial")["anchor"].astype(object)
    table = finals.join(used, on="trial").assign(anchor=finals["trial"].map(anchors.where(anchors.notna(), None)))
    columns = COLUMNS | _further(finals, by)
    first = ("trial", "anchor", "state", f"selection_{by.metric}")
    columns = {name: columns.get(name, name) for name in dict.fromkeys((*first, *columns))}
    return ranked(table, by)[list(columns)].rename(columns=columns).reset_index(drop=True)


def _further(finals: pd.DataFrame, by: Objective) -> dict[str, str]:
    """Column -> title of the metrics beside accuracy, loss and KNN that there are figures of and a reader is shown."""
    shown = {name: METRICS[name].title for name in shown_beside(dict.fromkeys(METRICS, 0.0), by.metric)}
    columns = {f"selection_{name}": title for name, title in shown.items()}
    columns |= {f"test_{name}": f"test {title}" for name, title in shown.items()}
    return {name: title for name, title in columns.items() if name in finals and finals[name].notna().any()}


def space_table(run: LoadedRun) -> pd.DataFrame:
    """The searched fields: what was allowed, and what the best trial and the best anchor have."""
    order = ranked(run.finals.dropna(subset="best_epoch"), run.measure.objective)["trial"].tolist()
    anchor = next((trial for trial in order if run.asked[trial].anchor), None)
    shown = {"best": order[0]} | ({f"anchor {run.asked[anchor].anchor}": anchor} if anchor is not None else {})
    rows = []
    for name, text in run.about["space"]["search"].items():
        row = {"field": name, "allowed": _allowed(json_to_distribution(text))}
        rows.append(row | {head: _short(run.asked[trial].values.get(name, "–")) for head, trial in shown.items()})
    return pd.DataFrame(rows)


def _allowed(values: BaseDistribution) -> str:
    if isinstance(values, CategoricalDistribution):
        return ", ".join(map(str, values.choices))
    assert isinstance(values, (FloatDistribution, IntDistribution))  # Optuna has no others
    return f"{values.low:g} to {values.high:g}" + (" (log)" if values.log else "")


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
