"""python -m analysis.comparison RUN: the table of a head-to-head, seeds averaged, the report's figures beside it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from analysis.runs import load_run
from analysis.table import as_markdown
from search.arguments import DONE, Parser, guarded
from spaces.errors import UsageError

# report, Table 1: accuracy, loss, KNN; best of 50 to 100 epochs picked on test, one run each
PUBLISHED = {
    ("transfer", "imagenet"): (0.88, 0.38, 0.66),
    ("transfer", "dtd"): (0.86, 0.39, 0.59),
    ("manual_division", "imagenet"): (0.94, 0.22, 0.92),
    ("self_paced", "imagenet"): (0.97, 0.13, 0.94),
    ("self_paced", "dtd"): (0.92, 0.32, 0.84),
}
BASELINE = "finetune"
FEWEST_SEEDS = 3  # two differences that happen to agree have an interval of no width


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m analysis.comparison", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder of search.compare")
    asked = parser.parse_args(words)
    return guarded(lambda: print(write_comparison(asked.run)) or DONE)


def write_comparison(folder: Path) -> str:
    """comparison.md and comparison.parquet in the run folder; returns the Markdown."""
    run = load_run(folder)
    if run.records.empty:
        raise UsageError(f"{folder} has no epoch yet; wait for the first one.")
    used = run.records.groupby("trial")[["updates", "images_trained", "images_scored"]].max()
    finals = run.finals[run.finals["state"] == "complete"]
    if finals.empty or finals["test_accuracy"].isna().any():
        raise UsageError(
            f"{folder} has no complete trial, or trials without test figures; let the comparison end first."
        )
    finals = finals.join(used, on="trial").astype(dict.fromkeys(("test_accuracy", "test_loss", "test_knn"), float))
    table = arm_table(finals)
    rsscn7 = run.about["data"]["name"] == "rsscn7"
    text = (
        _heading(run.about)
        + as_markdown(_shown(table, run.about["setting"]["weights"] if rsscn7 else None))
        + "\n"
        + "\n".join(differences(finals))
        + "\n"
    )
    (folder / "comparison.md").write_text(text)
    table.to_parquet(folder / "comparison.parquet")
    return text


def arm_table(finals: pd.DataFrame) -> pd.DataFrame:
    """One row per arm: means over seeds of its selected epoch's test figures, with half of their 95 % intervals."""
    rows = []
    for arm, of_arm in finals.groupby("strategy", sort=False):
        row = {"arm": arm, "seeds": len(of_arm)}
        for column in ("test_accuracy", "test_loss", "test_knn"):
            row[column], row[f"{column}_half"] = mean_and_half(of_arm[column].to_numpy(float))
        for column in ("best_epoch", "seconds", "updates", "images_trained", "images_scored"):
            row[column] = float(of_arm[column].mean())
        rows.append(row)
    return pd.DataFrame(rows)


def mean_and_half(values: np.ndarray) -> tuple[float, float]:
    """Mean, and half of its 95 % interval by Student's t; not a number for one value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan")
    return mean, float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def differences(finals: pd.DataFrame) -> list[str]:
    """A sentence per arm: its paired difference to plain fine-tuning on the same seeds, with a 95 % t interval."""
    wide = finals.pivot(index="seed", columns="strategy", values="test_accuracy")
    if BASELINE not in wide:
        return [f"Without a {BASELINE} arm nothing is said about who is better."]
    lines = []
    for arm in wide.columns.drop(BASELINE):
        paired = 100 * (wide[arm] - wide[BASELINE]).dropna().to_numpy()
        if len(paired) < FEWEST_SEEDS:
            lines.append(f"- {arm} against {BASELINE}: fewer than {FEWEST_SEEDS} seeds in common, so nothing is said.")
            continue
        mean, half = mean_and_half(paired)
        word = "no clear difference" if not abs(mean) > half else "better" if mean > 0 else "worse"
        lines.append(
            f"- {arm} against {BASELINE}: {mean:+.1f} points ({mean - half:+.1f} to {mean + half:+.1f}), {word}."
        )
    return lines


def published(arm: str, weights: str) -> tuple[float, float, float] | None:
    """The report's figures for an arm's strategy and initialisation (by the file's name); a twin has none."""
    strategy, _, own = arm.partition("@")
    name = (own or Path(weights).name).lower()
    return PUBLISHED.get((strategy, next((known for known in ("dtd", "imagenet") if known in name), "")))


def _shown(table: pd.DataFrame, weights: str | None) -> pd.DataFrame:
    """The table as texts: mean ± half interval, and on RSSCN7 (weights given) the report's figure where it has one."""

    def figure(row: pd.Series, column: str) -> str:
        half = row[f"{column}_half"]
        return f"{row[column]:.3f}" + ("" if np.isnan(half) else f" ± {half:.3f}")

    shown = pd.DataFrame({"arm": table["arm"], "seeds": table["seeds"].astype(str)})
    for place, (head, column) in enumerate((("accuracy", "test_accuracy"), ("loss", "test_loss"), ("KNN", "test_knn"))):
        shown[f"{head} (test)"] = [figure(row, column) for _, row in table.iterrows()]
        if weights is not None:
            theirs = [published(arm, weights) for arm in table["arm"]]
            shown[f"report's {head}"] = [f"{figures[place]:.2f}" if figures else "–" for figures in theirs]
    for column in ("best_epoch", "updates", "images_trained", "images_scored", "seconds"):
        shown[column.replace("_", " ")] = [f"{value:,.0f}" for value in table[column]]
    return shown


def _heading(about: dict) -> str:
    setting = about["setting"]
    picked = (
        "test itself, as the report's" if setting["protocol"] == "report" else "validation; test opened once per trial"
    )
    return (
        f"{about['data']['name']}, {setting['image_size']} px, {setting['model']}; epochs picked on {picked}; "
        f"mean over seeds and 95 % t interval. Full-network arms get the same updates on a seed.\n\n"
    )


if __name__ == "__main__":
    sys.exit(main())
