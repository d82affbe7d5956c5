"""Who is better, by how much, and how sure: every pair of arms of a section, by the one rulebook. Data frames out."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparable import Section
from analysis.rulebook.outcomes import right
from analysis.rulebook.pairs import Pair, make_pair
from analysis.rulebook.plan import BASELINE, VerdictPlan, name_of
from analysis.rulebook.sentences import sentence
from analysis.statistics import FEWEST_SEEDS, holm, mcnemar, t_interval
from spaces.arm import Arm

SAME_UPDATES = 0.01  # arms whose updates differ by no more on every seed were trained equally long


def all_pairs(section: Section) -> list[Pair]:
    """Every pair of the section's head-to-head arms, the planned ones first and as they were planned."""
    found = [_pair(section, *ordered(pair, section)) for pair in combinations(section.sides, 2)]
    return sorted((pair for pair in found if pair.n), key=lambda pair: _place(section, pair))


def _place(section: Section, pair: Pair) -> tuple[bool, int]:
    """Where it stands: planned pairs in their plan's order, before all others."""
    names = (name_of(pair.a), name_of(pair.b))
    known = plan_for(section, str(pair.a), str(pair.b)).pairs
    return not pair.planned, known.index(names) if names in known else 0


def _pair(section: Section, a: str, b: str) -> Pair:
    first, second = section.sides[a], section.sides[b]
    return make_pair(first.arm, second.arm, first.outcomes, second.outcomes, plan_for(section, a, b))


def plan_for(section: Section, a: str, b: str) -> VerdictPlan:
    """The plan of the run that has both; arms of two runs were never planned against each other."""
    first, second = section.sides[a].run, section.sides[b].run
    return section.plans[first] if first == second else VerdictPlan((), measure=section.measure)


def ordered(pair: tuple[str, str], section: Section) -> tuple[str, str]:
    """As it is planned; else the baseline, or else the twin, stands second."""
    first, second = (section.sides[name].arm for name in pair)
    plan = plan_for(section, *pair)
    if plan.has(first, second) or plan.has(second, first):
        return pair if plan.has(first, second) else pair[::-1]
    return pair[::-1] if is_baseline(first) or is_twin(second, first) else pair


def is_baseline(arm: Arm) -> bool:
    """Whether it is plain fine-tuning."""
    return arm.strategy == BASELINE


def is_twin(arm: Arm, twin: Arm) -> bool:
    """Whether `twin` is the arm in another order, in the same run."""
    return twin.is_twin and twin.partner == arm


def pairs(section: Section) -> pd.DataFrame:
    """One row per pair: the interval, the word of a planned pair, what an undecided one would take, the sentence."""
    return pd.DataFrame([_row(section, pair) for pair in all_pairs(section)])


def _row(section: Section, pair: Pair) -> dict[str, Any]:
    equal = _equally_long(section, str(pair.a), str(pair.b), pair.seeds)
    ahead = pair.forecast
    return {
        "a": str(pair.a),
        "b": str(pair.b),
        "planned": pair.planned,
        "n": pair.n,
        "failed_a": pair.failed[0],
        "failed_b": pair.failed[1],
        "mean": pair.mean,
        "sd": pair.sd,
        "floor": pair.floor,
        "low": pair.low,
        "high": pair.high,
        "alpha": pair.alpha,
        "margin": pair.margin,
        "word": pair.word,
        "more_seeds": ahead.median if ahead else NAN,
        "more_seeds_low": ahead.low if ahead else NAN,
        "more_seeds_high": ahead.high if ahead else NAN,
        "improvement": improvement(pair.differences),
        "equal_updates": equal,
        "sentence": sentence(pair, "" if equal else " (not at equal updates)"),
    }


NAN = float("nan")


def improvement(differences: np.ndarray) -> float:
    """The share of the seeds on which the first is ahead; a tie counts half."""
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


def _equally_long(section: Section, a: str, b: str, seeds: Collection[int]) -> bool:
    """Whether those of these trainings that came to their end made equally many updates, on each seed."""
    used = section.arms.pivot_table(index="seed", columns="arm", values="updates")
    if a not in used or b not in used:
        return True
    ratio = (used[a] / used[b]).reindex(list(seeds)).dropna()
    return bool((ratio - 1).abs().max() <= SAME_UPDATES) if len(ratio) else True


def decomposition(section: Section) -> pd.DataFrame:
    """Where a curriculum's gain over plain fine-tuning comes from: set size (its random twin) and order (the rest).

    One row per curriculum and part; the two parts of a seed add up to its total. Intervals, and no words: the total and the
    order are planned pairs of their own.
    """
    rows = []
    arms = [side.arm for side in section.sides.values()]
    for arm in arms:
        twin, base = relatives(arm, arms)
        if twin is None or base is None:
            continue
        for part, (a, b) in {"total": (arm, base), "set size": (twin, base), "order": (arm, twin)}.items():
            pair = _pair(section, str(a), str(b))
            if pair.n:
                rows.append({"curriculum": str(arm), "part": part, **_figures(pair)})
    return pd.DataFrame(rows)


def _figures(pair: Pair) -> dict[str, float]:
    return {"n": pair.n, "mean": pair.mean, "sd": pair.sd, "low": pair.low, "high": pair.high}


def relatives(arm: Arm, others: Collection[Arm]) -> tuple[Arm | None, Arm | None]:
    """The arm's random twin and its baseline: plain fine-tuning from the same initialisation, in the same run."""
    if arm.is_twin:
        return None, None
    twin, baseline = (
        next((one for one in (wanted, replace(wanted, run=None)) if one in others), None)
        for wanted in (arm.twin("random"), arm.of(BASELINE))
    )
    return twin, baseline


OPTIMISM = (
    "What the pick on validation promised and what test gave (positive: too much was promised). On one seed this holds the "
    "luck of the split as well as that of the pick; over seeds whose splits differ the first averages out."
)


def optimism(section: Section) -> pd.DataFrame:
    """Validation best minus test, per arm. Holdout only."""
    arms, by = section.arms, section.measure.objective
    if section.protocol != "holdout":
        return pd.DataFrame()
    promised, found = f"selection_{by.metric}", f"test_{by.metric}"
    gaps = arms.assign(gap=(arms[promised] - arms[found]) * by.turned(1)).dropna(subset="gap")
    rows = []
    for arm, of_arm in gaps.groupby("arm", sort=False):
        enough = len(of_arm) >= FEWEST_SEEDS
        low, high = t_interval(of_arm["gap"].to_numpy()) if enough else (NAN, NAN)
        row = {"arm": arm, "seeds": len(of_arm), "selection": of_arm[promised].mean()}
        row |= {"test": of_arm[found].mean(), "gap": of_arm["gap"].mean()}
        rows.append(row | {"low": low, "high": high})
    return pd.DataFrame(rows)


def image_by_image(section: Section) -> pd.DataFrame:
    """McNemar's exact test of each pair of arms on the test images they share: same seed, so same split."""
    rows = list(_mcnemar_rows(section))
    table = pd.DataFrame(rows)
    return table if table.empty else table.assign(p_holm=holm(table["p"].to_numpy()))


def _mcnemar_rows(section: Section) -> Iterator[dict[str, Any]]:
    found = ((arm["arm"], arm["seed"], section.predictions(arm, "test")) for _, arm in section.arms.iterrows())
    kept = [(name, seed, said) for name, seed, said in found if said is not None]
    for (a, seed, of_a), (b, other, of_b) in combinations(kept, 2):
        if seed != other or not np.array_equal(of_a["image"], of_b["image"]):
            continue
        if {a, b} <= section.sides.keys() and ordered((a, b), section) != (a, b):
            (a, of_a), (b, of_b) = (b, of_b), (a, of_a)
        right_a, right_b = right(of_a), right(of_b)
        only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
        row = {"a": a, "b": b, "seed": seed, "images": len(right_a)}
        yield row | {"only_a": only_a, "only_b": only_b, "p": mcnemar(only_a, only_b)}
