"""Tables: data frames in, data frames out."""

import pandas as pd

LONGEST_NUMBER = len("0.913 (0.901 to 0.925)") + 4  # characters; what is longer is a sentence
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
    """One row per trial, best first: the figures of its best epoch and what the whole trial has cost.

    Accuracy, loss and KNN are those of the split the epochs were judged on; the test columns are empty where test was
    not opened. Ties are broken by loss, then by trial number.
    """
    used = records.groupby("trial")[["images_trained", "images_scored"]].max()
    anchors = configs.set_index("trial")["anchor"].astype(object)
    table = finals.join(used, on="trial").assign(anchor=finals["trial"].map(anchors.where(anchors.notna(), None)))
    table = table.sort_values(
        ["selection_accuracy", "selection_loss", "trial"], ascending=[False, True, True], na_position="last"
    )
    return table[list(COLUMNS)].rename(columns=COLUMNS).reset_index(drop=True)


def as_markdown(table: pd.DataFrame) -> str:
    """A Markdown table; numbers to the right, missing values as an en dash."""
    heads = [str(column) for column in table.columns]
    numeric = [looks_numeric(table[column]) for column in table.columns]
    rule = ["---:" if number else "---" for number in numeric]
    rows = [
        [_cell(name, value) for name, value in zip(heads, row, strict=True)] for row in table.itertuples(index=False)
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, rule, *rows]) + "\n"


def looks_numeric(column: pd.Series) -> bool:
    """Whether it holds numbers, or short texts that all begin like one."""
    if pd.api.types.is_numeric_dtype(column):
        return True
    texts = [str(value) for value in column if not _missing(value) and str(value) not in ("–", "")]
    return bool(texts) and all(text.lstrip("+-−")[:1].isdigit() and len(text) <= LONGEST_NUMBER for text in texts)


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and pd.isna(value))


def _cell(column: str, value: object) -> str:
    if _missing(value):
        return "–"
    if isinstance(value, str):
        return value.replace("|", "\\|")
    if "accuracy" in column or "loss" in column or "KNN" in column:
        return f"{value:.3f}"
    if isinstance(value, float):
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and column.startswith("images") else str(value)
