"""What is asked before anything runs: which pairs are to get a word, and how small a difference counts as none."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from analysis.rulebook.measure import Measure
from analysis.rulebook.sequence import ALPHA
from analysis.rulebook.words import MARGIN
from console.errors import UsageError, unknown
from records.epoch import Objective
from spaces.arm import Arm
from spaces.registry import get_space

BASELINE, SUBSET = "finetune", "random_subset"
ACCURACY = Measure()


Names = tuple[tuple[str, str], ...]  # pairs of arms, by what they are called in their own run


@dataclass(frozen=True)
class VerdictPlan:
    """The pairs that get a word, and the margin of a tie as a fraction. Every other pair gets an interval and no word.

    The family is these pairs and nothing else: what a report shows beside them does not change what they say.
    """

    pairs: Names
    margin: float = MARGIN
    recorded: bool = True  # whether it was written down before the run began
    measure: Measure = ACCURACY  # what differences are of

    @property
    def alpha(self) -> float:
        """What each planned pair may err with: all of them together 5 % (Bonferroni)."""
        return ALPHA / max(1, len(self.pairs))

    def row(self) -> dict[str, Any]:
        """As run.json has it."""
        return {"primary": [list(pair) for pair in self.pairs], "margin": self.margin, "level": 1 - ALPHA}

    def has(self, a: Arm, b: Arm) -> bool:
        """Whether the pair is planned, in this order."""
        return (name_of(a), name_of(b)) in self.pairs


def name_of(arm: Arm) -> str:
    """What an arm is called in its own run."""
    return str(replace(arm, run=None))


def default_pairs(arms: Collection[Arm]) -> Names:
    """Each curriculum against those that are there of plain fine-tuning, random subsets, and its random twin."""
    found: list[tuple[str, str]] = []
    for arm in arms:
        if is_curriculum(arm):
            others = [other for other in (arm.of(BASELINE), arm.of(SUBSET), arm.twin("random")) if other in arms]
            found += [(name_of(arm), name_of(other)) for other in others]
    return tuple(found)


def is_curriculum(arm: Arm) -> bool:
    """Whether it follows a rule that is to be judged; a twin is a control of one."""
    return not arm.is_twin and get_space(arm.strategy).config.is_curriculum


def named_pairs(text: str, arms: Collection[Arm]) -> Names:
    """The pairs of 'a:b,c:d'. Raises UsageError for an arm that is not among these, or a pair that is named twice."""
    known = [name_of(arm) for arm in arms]
    pairs: list[tuple[str, str]] = []
    for part in text.split(","):
        first, _, second = (name.strip() for name in part.partition(":"))
        if not second or first == second:
            raise UsageError(f"--primary wants pairs of two arms like self_paced:finetune, with commas; got '{part}'.")
        for name in (first, second):
            if name not in known:
                raise unknown("arm", name, known)
        if (first, second) in pairs or (second, first) in pairs:
            raise UsageError(f"--primary names {first} and {second} twice; a pair is asked about once.")
        pairs.append((first, second))
    return tuple(pairs)


def make_plan(arms: Collection[Arm], primary: str | None, margin: float, measure: Measure = ACCURACY) -> VerdictPlan:
    """The plan of a new run; `margin` as a fraction. Raises UsageError."""
    return VerdictPlan(named_pairs(primary, arms) if primary else default_pairs(arms), margin, measure=measure)


def plan_of(run: dict[str, Any], arms: Collection[Arm]) -> VerdictPlan:
    """The plan that run.json has; of a run from before there was one, the default for the arms that it ran."""
    known, measure = run.get("verdict"), Measure(Objective.of(run.get("setting", {})))
    if known is None:
        own = [replace(arm, run=None) for arm in arms]
        return VerdictPlan(default_pairs(own), recorded=False, measure=measure)
    return VerdictPlan(tuple((a, b) for a, b in known["primary"]), float(known["margin"]), measure=measure)
