"""Tables as a reader wants them: numbers as texts with their intervals. Data frames in, data frames out."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.rulebook.forecast import MOST
from analysis.rulebook.measure import Measure
from analysis.rulebook.plan import ACCURACY
from trainables.metrics import METRICS

DASH = "–"


def ranged(mean: float, low: float, high: float, digits: int = 3) -> str:
    """'0.913 (0.901 to 0.925)'; without an interval where there is none."""
    if pd.isna(mean):
        return DASH
    interval = "" if pd.isna(low) else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{mean:.{digits}f}{interval}"


def plain(value: float, digits: int = 0) -> str:
    """'1,234'; a dash where there is no value."""
    return DASH if value is None or pd.isna(value) else f"{value:,.{digits}f}"


def points(row: pd.Series, mean: str = "mean", measure: Measure = ACCURACY) -> str:
    """'+1.2 (-0.9 to +3.4)': a difference of accuracies in points, or of another metric in its unit."""
    if pd.isna(row[mean]):
        return DASH
    low, high = row["low"], row["high"]
    interval = "" if not np.isfinite(low) else f" ({measure.signed(low)} to {measure.signed(high)})"
    return f"{measure.signed(row[mean])}{interval}"


def arms(table: pd.DataFrame, measure: Measure = ACCURACY) -> pd.DataFrame:
    """Of tables.arm_summary: one line per arm, what was picked by first, the report's figure beside ours if it has one."""
    shown = pd.DataFrame({"arm": table["arm"], "seeds": table["seeds"].astype(str)})
    further = [(name, metric.title) for name, metric in METRICS.items() if name in table]
    named = [("accuracy", "accuracy"), ("loss", "loss"), ("knn", "KNN"), *further]
    for name, head in sorted(named, key=lambda pair: pair[0] != measure.objective.metric):
        shown[head] = [ranged(*row) for row in table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)]
        if f"report_{name}" in table and table[f"report_{name}"].notna().any():
            shown[f"report's {head}"] = [plain(value, 2) for value in table[f"report_{name}"]]
    if table["judged_on"].nunique() > 1:
        shown["judged on"] = table["judged_on"]
    shown["best epoch"] = [
        f"{best:.0f} of {last:.0f}" for best, last in zip(table["best_epoch"], table["epochs"], strict=True)
    ]
    for column in ("seconds", "updates", "images_trained", "images_scored"):
        few = table[column].max() < 100 and column == "seconds"
        shown[column.replace("_", " ")] = [plain(value, 1 if few else 0) for value in table[column]]
    return shown


def quality(table: pd.DataFrame, measure: Measure = ACCURACY) -> pd.DataFrame:
    """Of tables.arm_summary: how good each arm is, in at most eight columns, what was picked by first."""
    shown = pd.DataFrame({"arm": table["arm"], "seeds": table["seeds"].astype(str)})
    further = [(name, metric.title) for name, metric in METRICS.items() if name in table]
    named = [("accuracy", "accuracy"), ("loss", "loss"), ("knn", "KNN"), *further]
    for name, head in sorted(named, key=lambda pair: pair[0] != measure.objective.metric)[:4]:
        shown[head] = [ranged(*row) for row in table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)]
    if table["judged_on"].nunique() > 1:
        shown["judged on"] = table["judged_on"]
    epochs = zip(table["best_epoch"], table["epochs"], strict=True)
    return shown.assign(**{"best epoch": [f"{best:.0f} of {last:.0f}" for best, last in epochs]})


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Of tables.arm_summary: what a training of each arm used, seeds averaged."""
    shown = pd.DataFrame({"arm": table["arm"], "seeds": table["seeds"].astype(str), "epochs": _counts(table["epochs"])})
    shown["seconds"] = _counts(table["seconds"], 1 if table["seconds"].max() < 100 else 0)
    for column in ("updates", "images_trained", "images_scored"):
        shown[column.replace("_", " ")] = _counts(table[column])
    return shown


def _counts(column: pd.Series, digits: int = 0) -> list[str]:
    return [plain(value, digits) for value in column]


def theirs(table: pd.DataFrame) -> pd.DataFrame:
    """Of tables.arm_summary: the report's figures beside ours, of the arms that it has."""
    known = table[table["report_accuracy"].notna()]
    shown = pd.DataFrame({"arm": known["arm"], "seeds": known["seeds"].astype(str)})
    for name, head in (("accuracy", "accuracy"), ("loss", "loss"), ("knn", "KNN")):
        shown[head] = [ranged(*row) for row in known[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)]
        shown[f"report's {head}"] = [plain(value, 2) for value in known[f"report_{name}"]]
    return shown


def part_one(table: pd.DataFrame) -> pd.DataFrame:
    """Of original.part_one: the report's figures, then ours or 'not run'."""
    shown = pd.DataFrame({"trained": table["trained"]})
    shown["report's accuracy / loss"] = _both(table["report_accuracy"], table["report_loss"])
    shown["report's conditions"] = [
        f"{n} epochs; {text}" for n, text in zip(table["report_epochs"], table["report_remark"], strict=True)
    ]
    columns = (
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "loss",
        "seeds",
        "judged_on",
        "remark",
        "best_epoch",
        "epochs",
    )
    known = table.reindex(columns=list(columns))
    shown["ours"] = table["ours"]
    shown["accuracy"] = [
        ranged(*row) for row in known[["accuracy", "accuracy_low", "accuracy_high"]].itertuples(index=False)
    ]
    shown["loss"] = [plain(value, 3) for value in known["loss"]]
    shown["seeds"] = [plain(value) for value in known["seeds"]]
    epochs = [
        "" if pd.isna(best) else f"epoch {best:.0f} of {last:.0f}"
        for best, last in zip(known["best_epoch"], known["epochs"], strict=True)
    ]
    shown["remarks"] = [
        DASH if pd.isna(on) else "; ".join(filter(None, [f"judged on {on}", epoch, str(remark)]))
        for on, epoch, remark in zip(known["judged_on"], epochs, known["remark"], strict=True)
    ]
    return shown


def _both(accuracy: pd.Series, loss: pd.Series) -> list[str]:
    """'0.520 / 2.41', or a dash."""
    pairs = zip(accuracy, loss, strict=True)
    return [DASH if pd.isna(a) else f"{plain(a, 3)} / {plain(b, 2)}" for a, b in pairs]


def verdicts(table: pd.DataFrame, measure: Measure = ACCURACY) -> pd.DataFrame:
    """Of verdict.pairs."""
    shown = pd.DataFrame({"first": table["a"], "second": table["b"], "seeds": table["n"].astype(str)})
    failed = table["failed_a"] + table["failed_b"]
    if failed.any():
        shown["failed"] = failed.astype(str)
    shown[f"{measure.unit}{measure.of}"] = [points(row, measure=measure) for _, row in table.iterrows()]
    shown["ahead on"] = [DASH if pd.isna(value) else f"{value:.0%}" for value in table["improvement"]]
    shown["verdict"] = [word or "not planned" for word in table["word"]]
    shown["more seeds"] = [_more(row) for row in table.itertuples()]
    if not failed.any() and not table["equal_updates"].all():
        shown["updates"] = np.where(table["equal_updates"], "equal", "not equal")
    return shown


def _more(row: Any) -> str:
    """'12 (8 to 30)', or that no number of seeds would do."""
    if pd.isna(row.more_seeds):
        return DASH
    if np.isinf(row.more_seeds):
        return f"over {MOST}"
    high = f"over {MOST}" if np.isinf(row.more_seeds_high) else f"{row.more_seeds_high:.0f}"
    return f"{row.more_seeds:.0f} ({row.more_seeds_low:.0f} to {high})"


def parts(table: pd.DataFrame, measure: Measure = ACCURACY) -> pd.DataFrame:
    """Of verdict.decomposition: a line per curriculum, a column per part."""
    said = table.assign(text=[points(row, measure=measure) for _, row in table.iterrows()])
    wide = said.pivot(index="curriculum", columns="part", values="text")[["total", "set size", "order"]]
    return wide.reset_index().rename_axis(columns=None).astype(object)


def gaps(table: pd.DataFrame, measure: Measure = ACCURACY) -> pd.DataFrame:
    """Of verdict.optimism."""
    shown = pd.DataFrame({"arm": table["arm"], "seeds": table["seeds"].astype(str)})
    shown["validation best"] = [plain(value, 3) for value in table["selection"]]
    shown["test"] = [plain(value, 3) for value in table["test"]]
    shown[f"gap, {measure.unit}{measure.of}"] = [points(row, "gap", measure) for _, row in table.iterrows()]
    return shown


def mcnemar(table: pd.DataFrame) -> pd.DataFrame:
    """Of verdict.image_by_image."""
    shown = table[["a", "b", "seed", "images", "only_a", "only_b"]].astype({"seed": str})
    shown = shown.rename(
        columns={"a": "first", "b": "second", "only_a": "only first right", "only_b": "only second right"}
    )
    return shown.assign(p=[f"{p:.3g}" for p in table["p"]], **{"Holm p": [f"{p:.3g}" for p in table["p_holm"]]})


def claims(table: pd.DataFrame) -> pd.DataFrame:
    """Of original.claims.judge_claims."""
    names = {"sentence": "the report says", "status": "status", "figure": "found", "conditions": "not as in the report"}
    shown = table[list(names)].rename(columns=names).replace("", DASH)
    return pd.concat([("§ " + table["report"]).rename("section"), shown], axis=1)


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """Of figures.errors.errors_by_class: a line per class, a column per arm."""
    texts = [
        f"{row.misclassified:.3f}" + (f" ({row.lowest:.3f} to {row.highest:.3f})" if row.seeds > 1 else "")
        for row in table.itertuples()
    ]
    wide = table.assign(text=texts).pivot(index="class", columns="arm", values="text")
    wide = wide.reindex(index=dict.fromkeys(table["class"]), columns=dict.fromkeys(table["arm"]))
    return wide.reset_index().rename_axis(columns=None).fillna(DASH)
