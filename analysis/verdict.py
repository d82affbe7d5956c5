"""Who is better, by how much, and how sure: pairs of arms on the same seeds. Data frames in, data frames out.

Three bases: "as trained" (the selected epoch's figures), "equal updates" and "equal seconds" (the best accuracy on the
split that epochs are judged on, within what both arms have used on a seed; test is only known at the selected epoch).
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparable import Section
from analysis.document.display import signed
from analysis.runs import right
from analysis.statistics import (
    ALPHA,
    FEWEST_SEEDS,
    MOST_SEEDS,
    Floats,
    Paired,
    holm,
    mcnemar,
    paired,
    seeds_to_detect,
    seeds_to_tie,
    t_interval,
)
from console.wording import many
from spaces.arm import Arm

MARGIN = 0.01  # an interval within ± one point is called a tie
BASELINE = "finetune"
BASES = {"as trained": None, "equal updates": "updates", "equal seconds": "seconds"}
SAME_UPDATES = 0.01  # arms whose updates differ by no more on every seed were trained equally long


def pairs(section: Section, bases: Iterable[str] = tuple(BASES)) -> pd.DataFrame:
    """One row per pair of head-to-head arms and basis.

    The planned comparisons (an arm against the baseline, a curriculum against its twins) are one family for Holm's
    correction on each basis, all other pairs a second one: the questions asked beforehand do not pay for the rest.
    """
    arms = section.arms[~section.arms["searched"]]
    rows = []
    for basis in bases:
        found = [
            _pair(section, arms, basis, BASES[basis], *ordered(pair, section.who))
            for pair in combinations(arms["arm"].unique(), 2)
        ]
        for planned in (True, False):
            rows += _corrected([row for row in found if row is not None and row["planned"] is planned])
    return pd.DataFrame(rows)


def ordered(pair: tuple[str, str], who: dict[str, Arm]) -> tuple[str, str]:
    """The baseline, or else the twin, stands second."""
    first, second = (who.get(name) for name in pair)
    return pair[::-1] if is_baseline(first) or is_twin(second, first) else pair


def is_baseline(arm: Arm | None) -> bool:
    """Whether it is plain fine-tuning; None (what a search chose) is not."""
    return arm is not None and arm.strategy == BASELINE


def is_twin(arm: Arm | None, twin: Arm | None) -> bool:
    """Whether `twin` is the arm in another order, in the same run."""
    return twin is not None and twin.is_twin and twin.partner == arm


def is_planned(a: Arm | None, b: Arm | None) -> bool:
    """Whether `b` is a's twin, or plain fine-tuning in a's own run (in another run where only one has such names).

    None is what a search chose: it is held against the baseline, and nothing is held against it.
    """
    own = a is None or b is None or a.run in (None, b.run) or b.run is None
    return (is_baseline(b) and own) or is_twin(a, b)


def _pair(
    section: Section, arms: pd.DataFrame, basis: str, column: str | None, a: str, b: str
) -> dict[str, Any] | None:
    """None where the two share no seed."""
    first, second = (arms[arms["arm"] == name].set_index("seed") for name in (a, b))
    seeds = first.index.intersection(second.index)
    if seeds.empty:
        return None
    row = {
        "basis": basis,
        "a": a,
        "b": b,
        "planned": is_planned(section.who[a], section.who[b]) and first["init"].iloc[0] == second["init"].iloc[0],
        "equal_updates": _equally_long(first, second, seeds),
    }
    if column is None:
        on = section.judged_on
        differences = (first[f"{on}_accuracy"] - second[f"{on}_accuracy"])[seeds].to_numpy()
    else:
        on = section.eval_split
        differences = _within_budget(section.records, a, b, seeds, column)
    known = differences[~np.isnan(differences)]
    left_out = len(differences) - len(known)
    on = section.eval_split if on == "selection" else on
    return row | {"judged_on": on, "left_out": left_out} | vars(paired(known) if len(known) else NOTHING)


NAN = float("nan")
NOTHING = Paired(n=0, mean=NAN, sd=NAN, low=NAN, high=NAN, boot_low=NAN, boot_high=NAN, p=1.0, improvement=NAN)


def _equally_long(a: pd.DataFrame, b: pd.DataFrame, seeds: pd.Index) -> bool:
    ratio = a["updates"][seeds] / b["updates"][seeds]
    return bool((ratio - 1).abs().max() <= SAME_UPDATES)


def _within_budget(records: pd.DataFrame, a: str, b: str, seeds: pd.Index, column: str) -> Floats:
    """(n,) a minus b, the best so far at the smaller of their two totals; not a number before a first epoch."""
    found = []
    for seed in seeds:
        curves = [records[(records["arm"] == name) & (records["seed"] == seed)] for name in (a, b)]
        budget = min(curve[column].max() for curve in curves)
        best = [curve.loc[curve[column] <= budget, "eval_accuracy"].max() for curve in curves]
        found.append(best[0] - best[1])
    return np.array(found, float)


def _corrected(family: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not family:
        return []
    tested = [row for row in family if row["n"] >= FEWEST_SEEDS]
    adjusted = dict(zip([id(row) for row in tested], holm(np.array([r["p"] for r in tested])), strict=True))
    for row in family:
        row["family"] = len(tested)
        row["p_holm"] = float(adjusted.get(id(row), 1.0))
        row["word"], row["more_seeds"] = judge(row)
        row["sentence"] = sentence(row)
    return family


def judge(row: dict[str, Any]) -> tuple[str, float]:
    """better, worse, tie, undecided or unknown - and the seeds still missing (not a number: none, or too many)."""
    if row["n"] < FEWEST_SEEDS:
        return "unknown", float("nan")
    if row["p_holm"] <= ALPHA:
        return ("better" if row["mean"] > 0 else "worse"), float("nan")
    if row["low"] >= -MARGIN and row["high"] <= MARGIN:
        return "tie", float("nan")
    detect = seeds_to_detect(row["mean"], row["sd"], row["family"])
    tie = seeds_to_tie(row["mean"], row["sd"], MARGIN)
    wanted = [n for n in (detect, tie) if n is not None]
    return "undecided", float(max(1, min(wanted) - row["n"])) if wanted else float("nan")


def sentence(row: dict[str, Any]) -> str:
    """The verdict on one pair in one sentence, in points."""
    if row["n"] == 0:
        return f"{row['a']} against {row['b']}: one of them has no epoch within that budget, so nothing is said."
    if row["n"] < FEWEST_SEEDS:
        return (
            f"{row['a']} against {row['b']}: {signed(100 * row['mean'])} points on {many(row['n'], 'seed')}; "
            f"fewer than {FEWEST_SEEDS}, so no interval and no verdict."
        )
    figures = (
        f"{signed(100 * row['mean'])} points ({signed(100 * row['low'])} to {signed(100 * row['high'])}, "
        f"{many(row['n'], 'seed')}, ahead on {row['improvement']:.0%}, Holm p {row['p_holm']:.2g})"
    )
    unequal = " (not at equal updates)" if row["basis"] == "as trained" and not row["equal_updates"] else ""
    return f"{row['a']} against {row['b']}{unequal}: {figures}: {_says(row)}."


def _says(row: dict[str, Any]) -> str:
    word = str(row["word"])
    if word != "undecided":
        return {"tie": f"a tie within {100 * MARGIN:g} point"}.get(word, word)
    clear = row["low"] > 0 or row["high"] < 0
    lean = ("ahead" if row["mean"] > 0 else "behind") + ", not yet proven" if clear else "no clear difference"
    if np.isnan(row["more_seeds"]):
        return f"{lean}; more than {MOST_SEEDS} seeds would be needed to settle it"
    more = int(row["more_seeds"])
    return f"{lean}; needs about {many(more, 'more seed')}"


def decomposition(section: Section) -> pd.DataFrame:
    """Where a curriculum's gain over plain fine-tuning comes from: set size (its random twin) and order (the rest).

    One row per curriculum and part, as trained; the two parts of a seed add up to its total.
    """
    arms = section.arms[~section.arms["searched"]]
    wide = arms.pivot_table(index="seed", columns="arm", values=f"{section.judged_on}_accuracy")
    rows = []
    for arm in wide.columns:
        start = arms.loc[arms["arm"] == arm, "init"].iloc[0]
        others = [section.who[name] for name in arms.loc[arms["init"] == start, "arm"].unique()]
        twin, base = relatives(section.who[arm], others)
        if twin is None or base is None:
            continue
        parts = {"total": (arm, str(base)), "set size": (str(twin), str(base)), "order": (arm, str(twin))}
        for part, (a, b) in parts.items():
            differences = (wide[a] - wide[b]).dropna().to_numpy()
            if len(differences):
                rows.append({"curriculum": arm, "part": part, **vars(paired(differences))})
    return pd.DataFrame(rows)


def relatives(arm: Arm, others: Collection[Arm]) -> tuple[Arm | None, Arm | None]:
    """The arm's random twin and its baseline: plain fine-tuning from the same initialisation, in the same run."""
    if arm.is_twin:
        return None, None
    twin, baseline = (
        next((one for one in (wanted, replace(wanted, run=None)) if one in others), None)
        for wanted in (arm.twin("random"), arm.of(BASELINE))
    )
    return twin, baseline


OVERTUNING = "Overtuning: what the pick on validation promised, and what test gave (positive: too much was promised)."


def overtuning(section: Section) -> pd.DataFrame:
    """Validation best minus test, per arm: how much of the selected figure was luck of the pick. Holdout only."""
    arms = section.arms
    if section.protocol != "holdout":
        return pd.DataFrame()
    gaps = arms.assign(gap=arms["selection_accuracy"] - arms["test_accuracy"]).dropna(subset="gap")
    rows = []
    for arm, of_arm in gaps.groupby("arm", sort=False):
        low, high = t_interval(of_arm["gap"].to_numpy())
        enough = len(of_arm) >= FEWEST_SEEDS
        row = {"arm": arm, "seeds": len(of_arm), "selection": of_arm["selection_accuracy"].mean()}
        row |= {"test": of_arm["test_accuracy"].mean(), "gap": of_arm["gap"].mean()}
        rows.append(row | {"low": low if enough else float("nan"), "high": high if enough else float("nan")})
    return pd.DataFrame(rows)


def image_by_image(section: Section) -> pd.DataFrame:
    """McNemar's exact test of each pair of arms on the test images they share: same seed, so same split."""
    rows = []
    kept = [(arm, said) for _, arm in section.arms.iterrows() if (said := section.predictions(arm, "test")) is not None]
    for (a, of_a), (b, of_b) in combinations(kept, 2):
        if ordered((a["arm"], b["arm"]), section.who) != (a["arm"], b["arm"]):
            (a, of_a), (b, of_b) = (b, of_b), (a, of_a)
        if a["seed"] != b["seed"] or not np.array_equal(of_a["image"], of_b["image"]):
            continue
        right_a, right_b = right(of_a), right(of_b)
        only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
        row = {"a": a["arm"], "b": b["arm"], "seed": a["seed"], "images": len(right_a)}
        rows.append(row | {"only_a": only_a, "only_b": only_b, "p": mcnemar(only_a, only_b)})
    table = pd.DataFrame(rows)
    return table if table.empty else table.assign(p_holm=holm(table["p"].to_numpy()))
