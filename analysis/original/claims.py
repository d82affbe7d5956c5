"""The report's sentences, each with what our runs say to it. The rules are conservative and in the code.

confirmed, contradicted or undecided need the arm that the sentence speaks of, trained as the report trained it: where it
had fewer pixels, images or epochs, or another protocol, its figures are shown and the sentence is not comparable yet.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.comparable import Section
from analysis.original.evidence import Evidence, Two, find, find_pair
from analysis.original.judgement import (
    BY_CONSTRUCTION,
    NOT_RUN,
    Judgement,
    all_of,
    counted,
    judged,
    of_difference,
    of_epoch,
    of_level,
)
from analysis.rulebook.outcomes import right
from analysis.rulebook.sequence import ALPHA
from analysis.runs import looked
from analysis.statistics import Floats

FLAT = 0.05  # a KNN metric that moves by no more over the epochs is flat
NEAR_TOP = 0.9  # of its highest value: "high"
EARLY = 4  # epochs: "fast"
WHOLE = (28, 29)  # first epoch on the whole set: by the report's text, and by its log
MISSING = Judgement(NOT_RUN, "no run has this arm")
Rule = Callable[[list[Section], float], Judgement]  # the float: what each of its intervals may err with


@dataclass(frozen=True)
class Claim:
    """One sentence of the report, and how it is settled."""

    place: str
    sentence: str
    rule: Rule
    intervals: int = 0  # that decide it: one per part of the sentence; none where seeds are counted


def judge_claims(sections: list[Section]) -> pd.DataFrame:
    """One row per sentence: where it stands, what it says, the status, the figure, and what was not as in the report.

    The intervals of all sentences together may err in 5 %, whether or not these runs can speak to each.
    """
    alpha, rows = ALPHA / sum(claim.intervals for claim in CLAIMS), []
    for claim in CLAIMS:
        found = claim.rule(sections, alpha)
        rows.append({"report": claim.place, "sentence": claim.sentence, "status": found.status, "figure": found.figure,
                     "conditions": found.conditions})  # fmt: skip
    return pd.DataFrame(rows)


def _self_paced(sections: list[Section]) -> Evidence | None:
    return find(sections, "self_paced", "imagenet")


def _epoch_four(sections: list[Section], alpha: float) -> Judgement:
    arm = _self_paced(sections)
    if arm is None:
        return MISSING
    accuracy, images, split = arm.accuracy_at(EARLY), arm.at_epoch(EARLY, "images"), arm.section.eval_split
    if not len(images):
        return judged(NOT_RUN, f"no seed reached epoch {EARLY}", arm)
    found = of_level(arm, accuracy, split, 0.89, alpha, f"{split} accuracy in epoch {EARLY}")
    share, seconds = images.mean() / arm.judged_images("train"), arm.at_epoch(EARLY, "seconds").mean()
    figure = f"{found.figure}; {images.mean():.0f} images ({share:.0%}), {seconds:.0f} s here"
    return Judgement(found.status, figure, found.conditions)


def _whole_set(sections: list[Section], alpha: float) -> Judgement:
    """A seed that never comes to the whole set counts as if it did right after its last epoch: too early, if anything."""
    arm = _self_paced(sections)
    if arm is None:
        return MISSING
    first = [(rows.loc[rows["share"] >= 1, "epoch"].min(), rows["epoch"].max() + 1) for rows in arm.curves()]
    never = sum(np.isnan(epoch) for epoch, _ in first)
    epochs = np.array([after if np.isnan(epoch) else epoch for epoch, after in first], float)
    found = of_epoch(arm, epochs, *WHOLE, alpha, "first in epoch")
    said = f"; {never} of {len(first)} seeds never, and count as one after their last" if never else ""
    figure = f"{found.figure}{said}; the report: {WHOLE[0]} (its log: {WHOLE[1]})"
    return Judgement(found.status, figure, found.conditions)


def _best(sections: list[Section], alpha: float) -> Judgement:
    arm = _self_paced(sections)
    if arm is None:
        return MISSING
    accuracy = np.array([outcome.figure for outcome in arm.outcomes.values()])
    found = of_level(arm, accuracy, "test", 0.9678, alpha, "accuracy of the selected epoch")
    epochs = arm.rows["best_epoch"]
    return Judgement(found.status, f"{found.figure}; epoch {_from_to(epochs)}", found.conditions)


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


def _forests(sections: list[Section], _: float) -> Judgement:
    arm = _self_paced(sections)
    table = pd.DataFrame() if arm is None else recalls(arm)
    if arm is None or "eForest" not in table:
        return MISSING
    found = table["eForest"].to_numpy()
    figure = f"forests known: {', '.join(f'{value:.1%}' for value in found)} by seed"
    return counted([value == 1 for value in found], figure, arm)


def _parking(sections: list[Section], _: float) -> Judgement:
    arm = _self_paced(sections)
    table = pd.DataFrame() if arm is None else recalls(arm)
    if arm is None or "gParking" not in table:
        return MISSING
    worst = ", ".join(table.idxmin(axis=1))
    figure = f"worst class by seed: {worst}; parking known {_ranged(table['gParking'].to_numpy())}"
    lowest = table.eq(table.min(axis=1), axis=0)["gParking"]
    return counted(list(lowest), figure, arm)


def _at_once(sections: list[Section], _: float) -> Judgement:
    """Best accuracy so far against seconds: ahead of each transfer column from its own first epoch on?"""
    parts = []
    for init in ("imagenet", "dtd"):
        pair = find_pair(sections, ("self_paced", "imagenet"), ("transfer", init))
        if pair is not None:
            parts.append(_race(*pair))
    return all_of(parts)


def _race(a: Evidence, b: Evidence) -> Judgement:
    theirs = {rows["seed"].iloc[0]: rows for rows in b.curves()}
    leads = [_lead(rows, theirs[seed]) for rows in a.curves() if (seed := rows["seed"].iloc[0]) in theirs]
    behind = [min(lead) < 0 for lead in leads]
    figure = f"against {b.name}: behind at some time on {sum(behind)} of {len(behind)} seeds"
    if leads:
        figure += f"; in its first epoch {100 * np.mean([lead[0] for lead in leads]):+.1f} points"
    return counted([not late for late in behind], figure, a, b)


def _lead(a: pd.DataFrame, b: pd.DataFrame) -> list[float]:
    """At the end of each of a's epochs, its best accuracy so far minus b's; b has none before its own first epoch."""
    a, b, leads = looked(a), looked(b), []
    for seconds, best in zip(a["seconds"], a["eval_accuracy"].cummax(), strict=True):
        other = b.loc[b["seconds"] <= seconds, "eval_accuracy"].max()
        leads.append(float(best - (0.0 if np.isnan(other) else other)))
    return leads


def _flat(sections: list[Section], alpha: float) -> Judgement:
    """Nothing to be confirmed where the features are frozen: the same features have the same neighbours in every epoch."""
    arm = find(sections, "transfer", "imagenet")
    found = _knn("transfer", lambda c: bool(np.ptp(c) <= FLAT), f"moves by {FLAT} or less")(sections, alpha)
    if arm is None or not arm.frozen_features:
        return found
    return Judgement(BY_CONSTRUCTION, f"{found.figure}; frozen features cannot move it", found.conditions)


def _knn(base: str, says: Callable[[Floats], bool], words: str) -> Rule:
    """A rule on the KNN curve of each seed: on all of them, on none, or on some."""

    def rule(sections: list[Section], _: float) -> Judgement:
        arm = find(sections, base, "imagenet")
        if arm is None:
            return MISSING
        curves = [rows["eval_knn"].to_numpy() for rows in arm.curves()]
        first, last, top = (np.array([pick(c) for c in curves]) for pick in (lambda c: c[0], lambda c: c[-1], np.max))
        holds = [says(curve) for curve in curves]
        said = f"{words} on {sum(holds)} of {len(holds)} seeds"
        figure = f"first epoch {_ranged(first)}, last {_ranged(last)}, highest {_ranged(top)}; {said}"
        return counted(holds, figure, arm)

    return rule


def _from_to(epochs: Floats) -> str:
    low, high = np.min(epochs), np.max(epochs)
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def _ranged(values: Floats) -> str:
    """'0.913 (seeds 0.901 to 0.925)': no interval, since these are counted."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} (seeds {np.min(values):.3f} to {np.max(values):.3f})"


def _differ(sections: list[Section], alpha: float, *two: tuple[tuple[str, str], tuple[str, str]]) -> Judgement:
    pairs: list[Two | None] = [find_pair(sections, a, b) for a, b in two]
    return all_of([of_difference(*pair, alpha) for pair in pairs if pair is not None])


def _better_weights(sections: list[Section], alpha: float) -> Judgement:
    return _differ(sections, alpha, *(((base, "imagenet"), (base, "dtd")) for base in ("transfer", "self_paced")))


def _over_transfer(sections: list[Section], alpha: float) -> Judgement:
    return _differ(sections, alpha, *(((base, "imagenet"), ("transfer", "imagenet")) for base in CURRICULA))


def _over_manual(sections: list[Section], alpha: float) -> Judgement:
    return _differ(sections, alpha, (("self_paced", "imagenet"), ("manual_division", "imagenet")))


CURRICULA = ("self_paced", "manual_division")
CLAIMS = (
    Claim("9.3", "Self-paced learning has 89 % test accuracy in epoch 4, on a fifth of the data, after 91 s", _epoch_four,
          intervals=1),
    Claim("9.3", "It trains on the whole set for the first time in epoch 28", _whole_set, intervals=1),
    Claim("9.3", "Its best is 96.78 % in epoch 43", _best, intervals=1),
    Claim("9.4", "It recognises every forest", _forests),
    Claim("9.4", "Parking is its worst class", _parking),
    Claim("9.5", "It beats every transfer column at once in accuracy against time", _at_once),
    Claim("11", "KNN is flat for transfer", _flat),
    Claim("11", "KNN rises fast and high for self-paced learning",
          _knn("self_paced", lambda c: c[: EARLY].max() >= NEAR_TOP * c.max() and c.max() - c[0] > FLAT,
               f"{NEAR_TOP:.0%} of its top within {EARLY} epochs")),
    Claim("11", "KNN is high from the start for manual division",
          _knn("manual_division", lambda c: c[0] >= NEAR_TOP * c.max(), f"{NEAR_TOP:.0%} of its top in the first epoch")),
    Claim("9.3", "ImageNet weights beat DTD weights throughout", _better_weights, intervals=2),
    Claim("12", "Curriculum learning is significantly better than transfer", _over_transfer, intervals=2),
    Claim("12", "Self-paced learning is better than manual division", _over_manual, intervals=1),
)  # fmt: skip
