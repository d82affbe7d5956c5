"""The tables of a report: every arm of a section, and the report's Part 1. Data frames in, data frames out."""

import numpy as np
import pandas as pd

from analysis import statistics
from analysis.comparable import COSTS, MEASURES, Section
from analysis.original import published
from analysis.ranking import ranked
from analysis.statistics import FEWEST_SEEDS


def arm_summary(section: Section) -> pd.DataFrame:
    """One row per arm: mean and 95 % t interval over its seeds of each figure, mean costs, the report's figures.

    `accuracy`, `loss` and `knn` are of test, or of the split that epochs are judged on while test is still closed;
    `judged_on` says which. Intervals are not a number below three seeds.
    """
    rows = []
    for arm, of_arm in section.arms.groupby("arm", sort=False):
        first = of_arm.iloc[0]
        row = {name: first[name] for name in ("run", "base", "init", "model", "image_size", "anchor")}
        row |= {"arm": arm, "seeds": len(of_arm)} | _figures(of_arm)
        row |= {name: float(of_arm[name].mean()) for name in COSTS}
        rows.append(row | _theirs(section, first))
    table = pd.DataFrame(rows)
    return table if table.empty else table[["arm", *table.columns.drop("arm")]]


def _figures(of_arm: pd.DataFrame) -> dict:
    on = "test" if of_arm["test_accuracy"].notna().all() else "selection"
    row: dict = {"judged_on": of_arm["selected_on"].iloc[0] if on == "selection" else "test"}
    for measure in MEASURES:
        values = of_arm[f"{on}_{measure}"].to_numpy(float)
        low, high = statistics.t_interval(values) if len(values) >= FEWEST_SEEDS else (float("nan"),) * 2
        row |= {measure: float(np.mean(values)), f"{measure}_low": low, f"{measure}_high": high}
    row["selection_accuracy"] = float(of_arm["selection_accuracy"].mean())
    return row


def _theirs(section: Section, first: pd.Series) -> dict:
    known = section.data == "rsscn7" and first["model"] == "resnet18"
    theirs = published.table_1(first["base"], first["init"], first["arm"]) if known else None
    return {f"report_{name}": value for name, value in zip(MEASURES, theirs or (np.nan,) * 3, strict=True)}


def part_one(sections: list[Section]) -> pd.DataFrame:
    """The report's Part 1, a row per thing it trained: its figures, and ours where one of these runs has it."""
    return pd.DataFrame([_part_row(row, sections) for row in published.PART_1])


def _part_row(theirs: published.PartOne, sections: list[Section]) -> dict:
    row = {"trained": theirs.label, "report_accuracy": theirs.accuracy, "report_loss": theirs.loss,
           "report_epochs": theirs.epochs, "report_remark": theirs.remark}  # fmt: skip
    found = [(section, summary) for section in sections if section.data == theirs.data and section.task == theirs.task
             for _, summary in arm_summary(section).iterrows() if _matches(theirs, summary)]  # fmt: skip
    if not found:
        return row | {"ours": "not run"}
    section, best = max(
        found, key=lambda pair: (pair[1]["seeds"], pair[1]["anchor"] in published.CONFIG, pair[1]["selection_accuracy"])
    )
    trial = section.arms[section.arms["arm"] == best["arm"]]
    ours = {"ours": best["arm"], "run": best["run"], "seeds": best["seeds"], "judged_on": best["judged_on"]}
    figures = ("accuracy", "accuracy_low", "accuracy_high", "loss", "selection_accuracy", "best_epoch", "epochs")
    ours |= {name: best[name] for name in figures}
    return row | ours | _training(section, trial) | {"remark": _shortened(section, theirs, best)}


def _matches(theirs: published.PartOne, ours: pd.Series) -> bool:
    same = ours["model"] == theirs.model and ours["init"] == theirs.init
    return same and ours["base"] in theirs.strategy and "/" not in ours["arm"]


def _training(section: Section, arms: pd.DataFrame) -> dict:
    """Train loss and accuracy in the selected epoch, seeds averaged."""
    keys = arms[["run", "trial", "best_epoch"]].rename(columns={"best_epoch": "epoch"})
    rows = section.records.merge(keys, on=["run", "trial", "epoch"])
    return {"train_loss": rows["train_loss"].mean(), "train_accuracy": rows["train_accuracy"].mean()}


def _shortened(section: Section, theirs: published.PartOne, ours: pd.Series) -> str:
    """What is not as in the report, in words."""
    said = [f"{section.image_size} px of {published.IMAGE_SIZE}"] * (section.image_size != published.IMAGE_SIZE)
    said += [f"{ours['epochs']:.0f} epochs of {theirs.epochs}"] * (ours["epochs"] < theirs.epochs)
    said += [f"{len(section.classes)} classes of 47"] * (section.data == "dtd" and len(section.classes) != 47)
    said += ["picked on validation"] * (section.protocol == "holdout")
    return "; ".join(said)


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


def trial_table(finals: pd.DataFrame, records: pd.DataFrame, configs: pd.DataFrame) -> pd.DataFrame:
    """One row per trial, best first (`ranked`): the figures of its best epoch and what the whole trial has cost.

    Accuracy, loss and KNN are those of the split the epochs were judged on; the test columns are empty where test was
    not opened.
    """
    used = records.groupby("trial")[["images_trained", "images_scored"]].max()
    anchors = configs.set_index("trial")["anchor"].astype(object)
    table = finals.join(used, on="trial").assign(anchor=finals["trial"].map(anchors.where(anchors.notna(), None)))
    return ranked(table)[list(COLUMNS)].rename(columns=COLUMNS).reset_index(drop=True)
