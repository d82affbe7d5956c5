"""The report's sentences, each confirmed, contradicted, undecided or not run. The rules are conservative and in the code.

Confirmed or contradicted needs the arm the sentence speaks of, and an interval over three seeds or more.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.comparable import Section
from analysis.original.evidence import (
    CONFIRMED,
    CONTRADICTED,
    NOT_RUN,
    UNDECIDED,
    Evidence,
    Judgement,
    all_of,
    find,
    find_pair,
    interval,
    of_difference,
    of_level,
)
from analysis.runs import looked, right
from analysis.statistics import Floats

FLAT = 0.05  # a KNN metric that moves by no more over the epochs is flat
NEAR_TOP = 0.9  # of its highest value: "high"
EARLY = 4  # epochs: "fast"
MISSING = Judgement(NOT_RUN, "no run has this arm")
Rule = Callable[[list[Section]], Judgement]


def judge_claims(sections: list[Section]) -> pd.DataFrame:
    """One row per sentence: where it stands, what it says, the status, the figure, and what was shortened."""
    rows = []
    for place, sentence, rule in CLAIMS:
        found = rule(sections)
        rows.append({"report": place, "sentence": sentence, "status": found.status, "figure": found.figure,
                     "conditions": found.conditions})  # fmt: skip
    return pd.DataFrame(rows)


def _self_paced(sections: list[Section]) -> Evidence | None:
    return find(sections, "self_paced", "imagenet")


def _epoch_four(sections: list[Section]) -> Judgement:
    arm = _self_paced(sections)
    if arm is None:
        return MISSING
    accuracy, images = arm.at_epoch(EARLY), arm.at_epoch(EARLY, "images")
    if not len(accuracy):
        return Judgement(NOT_RUN, f"no seed reached epoch {EARLY}", arm.conditions)
    found = of_level(arm, accuracy, 0.89, f"{arm.section.eval_split} accuracy in epoch {EARLY}")
    share, seconds = images.mean() / _training_images(arm), arm.at_epoch(EARLY, "seconds").mean()
    figure = f"{found.figure}; {images.mean():.0f} images ({share:.0%}), {seconds:.0f} s here"
    return Judgement(found.status, figure, found.conditions)


def _training_images(arm: Evidence) -> int:
    return int(arm.section.run(arm.rows["run"].iloc[0]).about["data"]["train"])


def _whole_set(sections: list[Section]) -> Judgement:
    arm = _self_paced(sections)
    if arm is None:
        return MISSING
    first = [rows.loc[rows["share"] >= 1, "epoch"].min() for rows in arm.curves()]
    reached = [int(epoch) for epoch in first if not np.isnan(epoch)]
    longest = int(arm.rows["epochs"].max())
    if len(reached) < len(first):
        said = f"{len(reached)} of {arm.seeds} used the whole set within {longest} epochs"
        return Judgement(UNDECIDED if longest >= 28 else NOT_RUN, said, arm.conditions)
    figure = f"first in epoch {min(reached)} to {max(reached)} on {arm.seeds}; the report: 28 (its log: 29)"
    if not arm.enough:
        return Judgement(UNDECIDED, figure + "; fewer than three seeds", arm.conditions)
    inside = min(reached) <= 29 and max(reached) >= 28
    return Judgement(CONFIRMED if inside else CONTRADICTED, figure, arm.conditions)


def _best(sections: list[Section]) -> Judgement:
    arm = _self_paced(sections)
    if arm is None:
        return MISSING
    found = of_level(arm, arm.values().to_numpy(float), 0.9678, "accuracy of the selected epoch")
    epochs = arm.rows["best_epoch"]
    return Judgement(found.status, f"{found.figure}; epoch {epochs.min():.0f} to {epochs.max():.0f}", found.conditions)


def recalls(arm: Evidence) -> pd.DataFrame:
    """Seeds x classes: the share of a class's test images that the selected network knows."""
    split = "test" if arm.rows["test_accuracy"].notna().all() else arm.section.eval_split
    rows = {}
    for _, row in arm.rows.iterrows():
        said = arm.section.predictions(row, split)
        if said is not None:
            known = pd.Series(right(said)).groupby(said["true"]).mean()
            rows[row["seed"]] = known.rename(dict(enumerate(arm.section.classes)))
    return pd.DataFrame(rows).T


def _forests(sections: list[Section]) -> Judgement:
    arm = _self_paced(sections)
    table = pd.DataFrame() if arm is None else recalls(arm)
    if arm is None or "eForest" not in table:
        return MISSING
    found = table["eForest"].to_numpy()
    figure = f"forests known: {', '.join(f'{value:.1%}' for value in found)} by seed"
    if len(found) < 3:
        return Judgement(UNDECIDED, figure + "; fewer than three seeds", arm.conditions)
    missed = np.all(found < 1) and not arm.shortened
    return Judgement(CONFIRMED if np.all(found == 1) else CONTRADICTED if missed else UNDECIDED, figure, arm.conditions)


def _parking(sections: list[Section]) -> Judgement:
    arm = _self_paced(sections)
    table = pd.DataFrame() if arm is None else recalls(arm)
    if arm is None or "gParking" not in table:
        return MISSING
    worst = table.idxmin(axis=1)
    figure = f"worst class by seed: {', '.join(worst)}; parking known {interval(table['gParking'].to_numpy())}"
    if len(worst) < 3:
        return Judgement(UNDECIDED, figure + "; fewer than three seeds", arm.conditions)
    lowest = table.eq(table.min(axis=1), axis=0)["gParking"]
    status = CONFIRMED if lowest.all() else CONTRADICTED if not lowest.any() else UNDECIDED
    return Judgement(status, figure, arm.conditions)


def _at_once(sections: list[Section]) -> Judgement:
    """Best accuracy so far against seconds: ahead of each transfer column from its own first epoch on?"""
    parts = []
    for init in ("imagenet", "dtd"):
        pair = find_pair(sections, ("self_paced", "imagenet"), ("transfer", init))
        if pair is not None:
            parts.append(_race(*pair))
    return all_of(parts)


def _race(a: Evidence, b: Evidence) -> Judgement:
    theirs = {rows["seed"].iloc[0]: rows for rows in b.curves()}
    ahead = {}
    for rows in a.curves():
        other = theirs.get(rows["seed"].iloc[0])
        if other is not None:
            ahead[rows["seed"].iloc[0]] = _lead(rows, other)
    behind = sum(min(lead) < 0 for lead in ahead.values())
    first = np.array([lead[0] for lead in ahead.values()])
    figure = f"against {b.name}: behind at some time on {behind} of {len(ahead)} seeds"
    if len(first):
        figure += f"; in its first epoch {100 * first.mean():+.1f} points"
    if len(ahead) < 3:
        return Judgement(UNDECIDED, figure + "; fewer than three seeds", a.conditions)
    status = CONFIRMED if behind == 0 else CONTRADICTED if behind == len(ahead) else UNDECIDED
    return Judgement(status, figure, a.conditions)


def _lead(a: pd.DataFrame, b: pd.DataFrame) -> list[float]:
    """At the end of each of a's epochs, its best accuracy so far minus b's; b has none before its own first epoch."""
    a, b, leads = looked(a), looked(b), []
    for seconds, best in zip(a["seconds"], a["eval_accuracy"].cummax(), strict=True):
        other = b.loc[b["seconds"] <= seconds, "eval_accuracy"].max()
        leads.append(float(best - (0.0 if np.isnan(other) else other)))
    return leads


def _knn(base: str, says: Callable[[Floats], bool], words: str) -> Rule:
    """A rule on the KNN curve of each seed: on all of them, on none, or on some."""

    def rule(sections: list[Section]) -> Judgement:
        arm = find(sections, base, "imagenet")
        if arm is None:
            return MISSING
        curves = [rows["eval_knn"].to_numpy() for rows in arm.curves()]
        first, last, top = (np.array([pick(c) for c in curves]) for pick in (lambda c: c[0], lambda c: c[-1], np.max))
        holds = [says(curve) for curve in curves]
        figure = (
            f"first epoch {interval(first)}, last {interval(last)}, highest {interval(top)}; {words} on {sum(holds)} of "
            f"{arm.seeds}"
        )
        if not arm.enough:
            return Judgement(UNDECIDED, figure + "; fewer than three seeds", arm.conditions)
        status = CONFIRMED if all(holds) else CONTRADICTED if not any(holds) else UNDECIDED
        return Judgement(status, figure, arm.conditions)

    return rule


def _better_weights(sections: list[Section]) -> Judgement:
    pairs = [find_pair(sections, (base, "imagenet"), (base, "dtd")) for base in ("transfer", "self_paced")]
    return all_of([of_difference(*pair) for pair in pairs if pair is not None])


def _over_transfer(sections: list[Section]) -> Judgement:
    pairs = [find_pair(sections, (base, "imagenet"), ("transfer", "imagenet")) for base in CURRICULA]
    return all_of([of_difference(*pair) for pair in pairs if pair is not None])


def _over_manual(sections: list[Section]) -> Judgement:
    pair = find_pair(sections, ("self_paced", "imagenet"), ("manual_division", "imagenet"))
    return MISSING if pair is None else of_difference(*pair)


CURRICULA = ("self_paced", "manual_division")
CLAIMS: tuple[tuple[str, str, Rule], ...] = (
    ("9.3", "Self-paced learning has 89 % test accuracy in epoch 4, on a fifth of the data, after 91 s", _epoch_four),
    ("9.3", "It trains on the whole set for the first time in epoch 28", _whole_set),
    ("9.3", "Its best is 96.78 % in epoch 43", _best),
    ("9.4", "It recognises every forest", _forests),
    ("9.4", "Parking is its worst class", _parking),
    ("9.5", "It beats every transfer column at once in accuracy against time", _at_once),
    ("11", "KNN is flat for transfer", _knn("transfer", lambda c: bool(np.ptp(c) <= FLAT), f"moves by {FLAT} or less")),
    ("11", "KNN rises fast and high for self-paced learning",
     _knn("self_paced", lambda c: c[: EARLY].max() >= NEAR_TOP * c.max() and c.max() - c[0] > FLAT,
          f"{NEAR_TOP:.0%} of its top within {EARLY} epochs")),
    ("11", "KNN is high from the start for manual division",
     _knn("manual_division", lambda c: c[0] >= NEAR_TOP * c.max(), f"{NEAR_TOP:.0%} of its top in the first epoch")),
    ("9.3", "ImageNet weights beat DTD weights throughout", _better_weights),
    ("12", "Curriculum learning is significantly better than transfer", _over_transfer),
    ("12", "Self-paced learning is better than manual division", _over_manual),
)  # fmt: skip
