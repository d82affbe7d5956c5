"""The arms of a head-to-head as its figures need them: what each is called, its colour, its dash, what it is shown with.

Records carry an `arm` column. A curriculum's twins have its colour and a thinner line; the baseline is grey.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.comparable import Section
from analysis.figures.curves import Look
from analysis.figures.style import DASHES, strategy_colours
from analysis.rulebook.plan import BASELINE
from spaces.arm import Arm

MOST_PANELS = 12
LONGEST = 26  # letters of a label at a line
TWINS = {"random": "random order", "hard_first": "hard first"}


@dataclass(frozen=True)
class Arms:
    """The arms of a head-to-head; twins stand beside their curricula."""

    section: Section
    names: list[str]  # of every arm, twins too
    reference: pd.DataFrame | None = None  # a curve to draw beside ours, per epoch
    strategies: Sequence[str] = ()  # of the whole report, so that each has one colour throughout; else the section's

    @property
    def words(self) -> dict[str, str]:
        return {"split": self.split}

    @property
    def split(self) -> str:
        return self.section.eval_split

    @property
    def records(self) -> pd.DataFrame:
        return self.section.records

    @property
    def metric(self) -> str:
        """The column that arms are judged by, epoch by epoch."""
        return f"eval_{self.section.measure.objective.metric}"

    @cached_property
    def who(self) -> dict[str, Arm]:
        return {name: self.section.who[name] for name in self.names}

    @property
    def without_twins(self) -> list[str]:
        return [name for name in self.names if not self.who[name].is_twin]

    @property
    def shown(self) -> list[str]:
        """The arms that figures have room for."""
        return self.without_twins[:MOST_PANELS]

    @property
    def others(self) -> list[str]:
        """The shown arms that are no plain fine-tuning; all of them where nothing else is there."""
        found = [name for name in self.shown if self.who[name].strategy != BASELINE]
        return found or self.shown

    def rows(self, name: str) -> pd.DataFrame:
        """The epochs of an arm, all seeds."""
        return self.records[self.records["arm"] == name]

    def first_seed(self, name: str) -> pd.DataFrame:
        """The epochs of its first seed, in their order."""
        rows = self.rows(name)
        return rows[rows["seed"] == rows["seed"].min()].sort_values("epoch")

    def baseline(self, name: str) -> str | None:
        """Plain fine-tuning from the same weights in the same run; None where it is not there, or is the arm itself."""
        wanted = self.who[name].of(BASELINE)
        found = next((str(one) for one in (wanted, replace(wanted, run=None)) if str(one) in self.who), None)
        return None if found == name else found

    def twins(self, name: str) -> list[str]:
        """The same in other orders."""
        return [other for other, arm in self.who.items() if arm.is_twin and arm.partner == self.who[name]]

    @cached_property
    def colours(self) -> dict[str, str]:
        found = strategy_colours([*self.strategies, *(arm.strategy for arm in self.section.who.values())])
        return {name: found[arm.strategy] for name, arm in self.section.who.items()}

    @cached_property
    def dashes(self) -> dict[str, Any]:
        """By the weights that an arm starts from; those of the first arm are solid."""
        starts = self.starts
        order = list(dict.fromkeys(starts.values()))
        return {name: DASHES[order.index(start) % len(DASHES)] for name, start in starts.items()}

    @cached_property
    def starts(self) -> dict[str, str]:
        """What each arm's weights are called."""
        first = self.section.arms.drop_duplicates("arm").set_index("arm")["init"]
        return {name: str(first.get(name, "")) for name in self.section.who}

    def look(self, name: str) -> Look:
        """How its lines are drawn."""
        thin = self.section.who[name].is_twin
        return Look(self.colours[name], self.dashes[name], 0.9 if thin else 1.8, gid_of(name), band=not thin)

    def label(self, name: str) -> str:
        """The strategy, and what else is needed to tell the arm from the others here; at most LONGEST letters."""
        return shortened(self.labels[name])

    @cached_property
    def labels(self) -> dict[str, str]:
        """The strategy; its weights where arms differ in them; the run where nothing else tells two arms apart."""
        who = self.section.who
        several = len({start for start in self.starts.values() if start}) > 1
        plain = {name: _called(arm, self.starts[name] if several else "") for name, arm in who.items()}
        shared = Counter(plain.values())
        return {name: f"{text} [{who[name].run}]" if shared[text] > 1 and who[name].run else text
                for name, text in plain.items()}  # fmt: skip


def _called(arm: Arm, start: str) -> str:
    text = arm.strategy + (f"+{arm.config}" if arm.config else "") + (f" {start}" if start else "")
    return f"{text}, {TWINS.get(arm.order, arm.order)}" if arm.order else text


def shortened(text: str, longest: int = LONGEST) -> str:
    """'self_paced_of_many_…': the beginning, where a label would be longer than so many letters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def gid_of(arm: str) -> str:
    """By which a page finds what belongs to the arm."""
    return f"arm:{arm}"


def listed(names: Iterable[str], most: int = 3) -> str:
    """'a', 'a and b', 'a, b and 4 more'."""
    found = list(names)
    if len(found) > most + 1:
        return f"{', '.join(found[:most])} and {len(found) - most} more"
    return " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else "".join(found)


def counted(rows: pd.DataFrame) -> str:
    """How many seeds the arms of a figure have, and what its bands are."""
    seeds = rows.groupby("arm")["seed"].nunique()
    few, most = int(seeds.min()), int(seeds.max())
    said = f"{few} to {most}" if few < most else f"{most}"
    return f"{said} seeds: mean, lowest and highest" if most > 1 else "1 seed, so no interval"
