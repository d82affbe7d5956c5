"""python -m analysis.difficulty RUN --out difficulty/: do scorers, seeds and the division agree on what is hard?

N = images of the data set. Higher is harder.
"""

import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis.document.display import plain
from analysis.document.parts import Chapter, Folded, Part, Report, Sentences, Sheet, Table
from analysis.document.write import add_out, write_report
from analysis.figures import images
from analysis.runs import LoadedRun, load_with_epochs, setting_of
from analysis.statistics import Floats
from console.arguments import DONE, Parser, guarded
from console.errors import UsageError
from console.progress import track
from records.outputs import prepare_folder
from spaces.setting import Setting
from trainables.data.dataset import Dataset, short_name
from trainables.data.folder import LEVELS
from trainables.data.sheet import CLASSES, GROUPS, Numbering, groups, sheets, shown_classes
from trainables.difficulty.division import levels_of
from trainables.difficulty.scorers import read_scores
from trainables.preparation import fixed_difficulty, load_data, opened_here

SHARES = (0.1, 0.3, 0.65)  # of the training set: what a curriculum that starts easy sees first


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m analysis.difficulty", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder: its data, network and split are used")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds whose scores are compared (3)")
    parser.add_argument("--division", type=Path, metavar="FILE.csv", help="columns path,difficulty: compared as well")
    add_out(parser, "difficulty")
    asked = parser.parse_args(words)
    return guarded(
        lambda: difficulty(asked.run, asked.seeds, asked.division, asked.out, asked.overwrite, asked.figures)
    )


def difficulty(folder: Path, seeds: int, division: Path | None, out: Path, overwrite: bool = False,
               figures: bool = False) -> int:  # fmt: skip
    """Write index.html, report.md, data/ and figures/. Raises UsageError."""
    if seeds < 1:
        raise UsageError(f"--seeds must be at least 1; got {seeds}.")
    run = load_with_epochs(folder)
    setting = opened_here(setting_of(run), run.name)
    prepare_folder(out, overwrite)
    data, _ = load_data(setting)
    scores = all_scores(run, setting, data, seeds, division)
    chapters = [Chapter("Difficulty", [*agreement(scores), *balance(scores, setting, data)]), _sheets(scores, data)]
    write_report(Report(f"Which images are hard in {short_name(data)}?", chapters), [run], out, figures)
    print(f"{out / 'index.html'}: {', '.join(scores.columns)} on {data.count:,} images")
    return DONE


def all_scores(run: LoadedRun, setting: Setting, data: Dataset, seeds: int, division: Path | None) -> pd.DataFrame:
    """(N, scorers): a head on frozen features per seed, the true difficulty, the division, the networks of the run."""
    columns: dict[str, Floats] = {}
    for seed in track(range(setting.seed, setting.seed + seeds), "scoring", unit="seeds"):
        own = setting.model_copy(update={"difficulty": "head", "seed": seed})
        _, split = load_data(own)
        columns[f"head, seed {seed}"] = fixed_difficulty(own, data, split.train)[0].values
    if data.difficulty is not None:
        columns["true"] = data.difficulty
    if division is not None:
        columns["division"] = read_scores(division, data).values
    return pd.DataFrame(columns | network_losses(run, data.count))


def network_losses(run: LoadedRun, count: int) -> dict[str, Floats]:
    """The loss of each test image under the selected networks of each arm, seeds averaged; elsewhere not a number."""
    sums: dict[str, list[Floats]] = {}
    arms = run.finals[run.finals["arm_order"].isna()].set_index("trial")["strategy"]  # twins say nothing new
    for (trial, split), said in run.predictions.items():
        if split != "test" or trial not in arms.index or "probabilities" not in said:
            continue
        losses = np.full(count, np.nan)
        chosen = said["probabilities"][np.arange(len(said["true"])), said["true"]].astype(float)
        losses[said["image"]] = -np.log(np.maximum(chosen, 1e-12))
        sums.setdefault(f"loss of {arms[trial]}", []).append(losses)
    found = {name: np.ma.masked_invalid(np.array(rows)).mean(axis=0).filled(np.nan) for name, rows in sums.items()}
    return found


def agreement(scores: pd.DataFrame) -> list[Part]:
    """Spearman's rank correlation of every pair of scorers, on the images that both have scored."""
    table = pd.DataFrame(index=scores.columns, columns=scores.columns, dtype=float)
    for a in scores:
        for b in scores:
            both = scores[a].notna() & scores[b].notna()
            table.loc[a, b] = 1.0 if a == b else _spearman(scores.loc[both, a], scores.loc[both, b])
    data = table.rename_axis(index="scorer").reset_index()
    texts = data.map(lambda value: f"{value:.2f}" if isinstance(value, float) else value)
    caption = "Rank correlation (Spearman) of difficulty between scorers; losses of networks on test images only."
    return [
        Table("agreement", caption, data, texts),
        Sheet("agreement", _finding(table), lambda: images.correlations(table, "Do they agree on what is hard?")),
    ]


def _finding(table: pd.DataFrame) -> str:
    """Which two scorers agree least, of a square table of rank correlations."""
    pairs = {(a, b): table.loc[a, b] for a, b in combinations(table, 2) if pd.notna(table.loc[a, b])}
    if not pairs:
        return "There are no two scorers to compare."
    a, b = min(pairs, key=lambda pair: pairs[pair])
    return f"{a} and {b} agree least on what is hard: {pairs[a, b]:.2f}, where 1 is one order and 0 none."


def _spearman(a: pd.Series, b: pd.Series) -> float:
    """Not a number where one of the two is constant or fewer than three images have both."""
    if len(a) < 3 or a.nunique() < 2 or b.nunique() < 2:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)


def balance(scores: pd.DataFrame, setting: Setting, data: Dataset) -> list[Part]:
    """Images of each class in the stages of manual division, and among the easiest of the training split."""
    _, split = load_data(setting)
    first = scores.columns[0]
    base = "division" if "division" in scores else first
    levels = levels_of(scores[base].to_numpy(), data, split.train)[split.train]
    labels = data.labels[split.train]
    rows = [_counts(f"{name} (division by {base})", labels[levels == level], data) for level, name in enumerate(LEVELS)]
    for scorer in [first, *(["true"] if "true" in scores else [])]:
        order = np.argsort(scores[scorer].to_numpy()[split.train], kind="stable")
        for share in SHARES:
            rows.append(_counts(f"easiest {share:.0%} by {scorer}", labels[order[: round(share * len(order))]], data))
    table = pd.DataFrame(rows)
    lost = table[(table[list(data.classes)] == 0).any(axis=1)]["stage"].tolist()
    said = [f"{stage} holds no image of some class: a curriculum that starts there forgets it." for stage in lost]
    parts: list[Part] = [Table("stages", "Training images of each class in each stage.", table, table.astype(str))]
    return parts + ([Sentences(said, listed=True)] if said else [])


def _counts(stage: str, labels: npt.NDArray[np.int64], data: Dataset) -> dict[str, Any]:
    counts = np.bincount(labels, minlength=len(data.classes))
    return {"stage": stage, "images": len(labels), **dict(zip(data.classes, counts.tolist(), strict=True))}


def _sheets(scores: pd.DataFrame, data: Dataset) -> Chapter:
    """The sheet that search.divide draws, for one scorer: of all classes, or of the hardest where they are many."""
    name = "division" if "division" in scores else scores.columns[0]
    values = scores[name].to_numpy()
    shown = shown_classes(data, values, CLASSES)
    drawn = np.asarray(sheets(data, values, shown, f"By {name}", Numbering())[0])
    which = (
        f"the {len(shown)} hardest of {len(data.classes)} classes" if len(shown) < len(data.classes) else "each class"
    )
    caption = (
        f"The easiest, median and hardest images of {which} by {name}; their numbers are those of explain's --images."
    )
    sheet = Sheet("sheet", caption, lambda: images.whole_image(drawn))
    return Chapter("Easiest and hardest", [sheet, _listed(scores, data, values, shown)])


def _listed(scores: pd.DataFrame, data: Dataset, values: Floats, shown: list[int]) -> Folded:
    """The images of the sheet with the scores of all scorers, a row each."""
    rows = [{"image": index, "class": data.classes[label], "group": group, "path": data.paths[index]}
            for label in shown
            for group, chosen in zip(GROUPS, groups(data, values, label), strict=True)
            for index in chosen.tolist()]  # fmt: skip
    table = pd.DataFrame(rows)
    table = table.join(scores, on="image")
    texts = table.astype(str).assign(**{scorer: [plain(value, 3) for value in table[scorer]] for scorer in scores})
    caption = "The images of the sheet, with what each scorer says."
    return Folded("Every image of the sheet in numbers", [Table("sheet_images", caption, table, texts)])


if __name__ == "__main__":
    sys.exit(main())
