"""What the runs at hand can say to a sentence of the report: the arms it speaks of, and how their runs were shortened."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.comparable import Section
from analysis.original import published
from analysis.statistics import FEWEST_SEEDS, Floats, paired, t_interval
from console.wording import many, signed

CONFIRMED, CONTRADICTED, UNDECIDED, NOT_RUN = "confirmed", "contradicted", "undecided", "not run"


@dataclass(frozen=True)
class Judgement:
    """What is said of one sentence of the report: one of the four words above, and why."""

    status: str
    figure: str  # what was found, in words
    conditions: str = ""  # what was not as in the report


@dataclass(frozen=True)
class Evidence:
    """One arm that stands for one of the report's: its section, its rows (one per seed) and its epochs."""

    section: Section
    name: str
    rows: pd.DataFrame

    @property
    def records(self) -> pd.DataFrame:
        return self.section.records[self.section.records["arm"] == self.name]

    @property
    def enough(self) -> bool:
        return len(self.rows) >= FEWEST_SEEDS

    @property
    def base(self) -> str:
        return str(self.rows["base"].iloc[0])

    @property
    def seeds(self) -> str:
        return many(len(self.rows), "seed")

    @property
    def shortened(self) -> list[str]:
        """Pixels and epochs that are fewer than the report's."""
        pixels, longest = self.section.image_size, int(self.rows["epochs"].max())
        said = [f"{pixels} px of {published.IMAGE_SIZE}"] * (pixels < published.IMAGE_SIZE)
        planned = published.EPOCHS.get(self.base, 0)
        return said + [f"{self.base}: {longest} epochs of {planned}"] * (longest < planned)

    @property
    def conditions(self) -> str:
        other = self.rows["anchor"].iloc[0]
        said = list(self.shortened)
        said += [f"{self.base}: config {other or 'searched'}"] * (other not in published.CONFIG)
        said += ["judged on validation until the end"] * (self.section.protocol == "holdout")
        return "; ".join(said)

    def values(self, column: str = "accuracy") -> pd.Series:
        """By seed: the figure of the selected epoch, of test where it is known."""
        on = "test" if self.rows["test_accuracy"].notna().all() else "selection"
        return self.rows.set_index("seed")[f"{on}_{column}"]

    def at_epoch(self, epoch: int, column: str = "eval_accuracy") -> Floats:
        rows = self.records
        found: Floats = rows[rows["epoch"] == epoch][column].to_numpy(float)
        return found

    def curves(self) -> list[pd.DataFrame]:
        """The epochs of each seed."""
        return [rows for _, rows in self.records.groupby("seed")]


def find(sections: list[Section], base: str, init: str) -> Evidence | None:
    """The arm that stands for the report's `base` from `init` on RSSCN7: most seeds, the report's config, most pixels."""
    found = []
    for section in sections:
        if section.data != "rsscn7":
            continue
        arms = section.arms
        fits = (arms["base"] == base) & (arms["init"] == init) & (arms["model"] == "resnet18")
        fits &= arms["arm_order"].isna()
        found += [Evidence(section, name, rows) for name, rows in arms[fits].groupby("arm", sort=False)]
    return max(found, key=_weight, default=None)


def _weight(arm: Evidence) -> tuple[object, ...]:
    as_theirs = arm.rows["anchor"].iloc[0] in published.CONFIG
    return len(arm.rows), as_theirs, arm.section.image_size, arm.rows["epochs"].max()


def find_pair(sections: list[Section], a: tuple[str, str], b: tuple[str, str]) -> tuple[Evidence, Evidence] | None:
    """Both arms in one section; None where no section has both."""
    pairs = [(first, second) for section in sections
             if (first := find([section], *a)) is not None and (second := find([section], *b)) is not None]  # fmt: skip
    return max(pairs, key=lambda pair: len(pair[0].rows.merge(pair[1].rows, on="seed")), default=None)


def interval(values: Floats) -> str:
    """'0.913 (0.901 to 0.925)', without an interval below three seeds."""
    mean = f"{np.mean(values):.3f}"
    if len(values) < FEWEST_SEEDS:
        return mean
    low, high = t_interval(values)
    return f"{mean} ({low:.3f} to {high:.3f})"


def of_level(arm: Evidence, values: Floats, level: float, what: str) -> Judgement:
    """Whether the mean reaches a level of the report's, as an interval says.

    A shorter training or smaller images may confirm a level, but never contradict it.
    """
    figure = f"{what} {interval(values)} on {arm.seeds}; the report: {level:.3f}"
    if not arm.enough or len(values) < FEWEST_SEEDS:
        return Judgement(UNDECIDED, figure + "; fewer than three seeds", arm.conditions)
    low, high = t_interval(values)
    if low >= level or (high >= level and np.mean(values) >= level - 0.005):
        return Judgement(CONFIRMED, figure, arm.conditions)
    if high < level and not arm.shortened:
        return Judgement(CONTRADICTED, figure, arm.conditions)
    return Judgement(UNDECIDED, figure + (", shortened" if arm.shortened else ""), arm.conditions)


def of_difference(a: Evidence, b: Evidence, column: str = "accuracy") -> Judgement:
    """Whether a is ahead of b on the same seeds: an interval on one side of zero decides."""
    differences = (a.values(column) - b.values(column)).dropna().to_numpy()
    found = paired(differences) if len(differences) else None
    conditions = "; ".join(dict.fromkeys([*a.conditions.split("; "), *b.conditions.split("; ")]))
    if found is None or found.n < FEWEST_SEEDS:
        n = 0 if found is None else found.n
        figure = f"{a.name} and {b.name} share {many(n, 'seed')}; three are needed"
        return Judgement(UNDECIDED, figure, conditions)
    figure = (
        f"{a.name} minus {b.name}: {signed(100 * found.mean)} points "
        f"({signed(100 * found.low)} to {signed(100 * found.high)}, {found.n} seeds, exact p {found.p:.2g})"
    )
    status = CONFIRMED if found.low > 0 else CONTRADICTED if found.high < 0 else UNDECIDED
    return Judgement(status, figure, conditions)


def all_of(parts: list[Judgement]) -> Judgement:
    """A sentence with several parts: contradicted by one, confirmed only by all that could be run."""
    if not parts:
        return Judgement(NOT_RUN, "no run has both arms")
    states = {part.status for part in parts}
    worst = next(state for state in (CONTRADICTED, UNDECIDED, NOT_RUN, CONFIRMED) if state in states)
    conditions = dict.fromkeys(word for part in parts for word in part.conditions.split("; ") if word)
    return Judgement(worst, "; ".join(part.figure for part in parts), "; ".join(conditions))
