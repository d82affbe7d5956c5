"""What the runs at hand can say to a sentence of the report: the arms it speaks of, and how their runs were shortened."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
import pandas as pd

from analysis.comparable import Section
from analysis.original import published
from analysis.rulebook.outcomes import Outcome
from analysis.runs import LoadedRun
from analysis.statistics import Floats
from console.wording import many
from records.epoch import Row
from spaces.trial import HeadConfig

DEFAULTS = HeadConfig()  # of fields that a recorded config can lack


@dataclass(frozen=True)
class Evidence:
    """One arm that stands for one of the report's: its section and its rows, one per seed that came to its end."""

    section: Section
    name: str
    rows: pd.DataFrame

    @property
    def records(self) -> pd.DataFrame:
        return self.section.records[self.section.records["arm"] == self.name]

    @property
    def base(self) -> str:
        """The report's strategy that it stands for."""
        return str(self.rows["trains_as"].iloc[0])

    @property
    def run(self) -> LoadedRun:
        return self.section.run(self.rows["run"].iloc[0])

    @property
    def configs(self) -> list[Row]:
        """As each of its trials was asked to run."""
        return [self.run.asked[trial].config for trial in self.rows["trial"]]

    @cached_property
    def outcomes(self) -> dict[int, Outcome]:
        """By seed, in ascending order, failed trainings included; of a search, what it chose."""
        side = self.section.sides.get(self.name)
        known = side.outcomes if side is not None and side.outcomes else self._without_failures()
        return dict(sorted(known.items()))

    def _without_failures(self) -> dict[int, Outcome]:
        """From the table of arms: a search has no sides, and of a head-to-head test may not be open yet."""
        on = "test" if self.rows["test_accuracy"].notna().all() else "selection"
        images = self.judged_images("test" if on == "test" else self.section.eval_split)
        reached = zip(self.rows["seed"], self.rows[f"{on}_accuracy"], strict=True)
        return {int(seed): Outcome(float(accuracy), None, images, False, 0.0) for seed, accuracy in reached}

    def judged_images(self, split: str) -> int:
        return int(self.run.about["data"][split])

    @property
    def failed(self) -> dict[int, float]:
        """By seed: what the failed trainings count with."""
        return {seed: outcome.figure for seed, outcome in self.outcomes.items() if outcome.failed}

    @property
    def seeds(self) -> str:
        return many(len(self.outcomes), "seed")

    @property
    def frozen_features(self) -> bool:
        """Whether training cannot move the features that its head is given: no layer, and no BatchNorm statistics."""
        kept = {"batchnorm": "frozen", "unfreeze": "head"}
        asked = [{name: config.get(name, getattr(DEFAULTS, name)) for name in kept} for config in self.configs]
        return self.base == "transfer" and all(fields == kept for fields in asked)

    @property
    def shortened(self) -> list[str]:
        """What makes the report's figures another question than ours: pixels, images, protocol, length of training."""
        pixels, images = self.section.image_size, int(self.run.about["data"]["train"])
        said = [f"{pixels} px of {published.IMAGE_SIZE}"] * (pixels < published.IMAGE_SIZE)
        said += [f"{images:,} training images of {published.TRAINING_IMAGES:,}"] * (images < published.TRAINING_IMAGES)
        said += ["judged on validation until the end"] * (self.section.protocol == "holdout")
        return said + self._trained_less()

    def _trained_less(self) -> list[str]:
        """By updates where they end the training; by epochs where these do."""
        used, planned, unit = int(self.rows["epochs"].max()), published.EPOCHS.get(self.base, 0), "epochs"
        if any(self.run.settings[trial].max_updates for trial in self.rows["trial"]):
            batch = min(config.get("batch_size", DEFAULTS.batch_size) for config in self.configs)
            planned *= ceil(published.TRAINING_IMAGES / batch)
            used, unit = int(self.rows["updates"].max()), "updates"
        return [f"{self.base}: {used:,} {unit} of {planned:,}"] * (used < planned)

    @property
    def conditions(self) -> list[str]:
        """What was not as in the report, whether or not it shortens."""
        anchor = self.rows["anchor"].iloc[0]
        config = anchor if isinstance(anchor, str) else "of its own"  # a column that is empty in places has nan there
        return self.shortened + [f"{self.base}: config {config}"] * (config not in published.CONFIG)

    def at_epoch(self, epoch: int, column: str) -> Floats:
        rows = self.records
        found: Floats = rows[rows["epoch"] == epoch].sort_values("seed")[column].to_numpy(float)
        return found

    def accuracy_at(self, epoch: int) -> Floats:
        """By seed; a failed training counts with its last finite accuracy, or with chance."""
        rows = self.records[self.records["epoch"] == epoch]
        reached = dict(zip(rows["seed"], rows["eval_accuracy"], strict=True)) | self.failed
        return np.array([reached[seed] for seed in sorted(reached)], float)

    def curves(self) -> list[pd.DataFrame]:
        """The epochs of each seed."""
        return [rows for _, rows in self.records.groupby("seed")]


def find(sections: list[Section], base: str, init: str) -> Evidence | None:
    """The arm that stands for the report's `base` from `init` on RSSCN7.

    One that is not shortened, before the most seeds, the report's config, the most pixels.
    """
    found = []
    for section in sections:
        if section.data != "rsscn7":
            continue
        arms = section.arms
        fits = (arms["trains_as"] == base) & (arms["init"] == init) & (arms["model"] == "resnet18")
        fits &= arms["arm_order"].isna()
        found += [Evidence(section, name, rows) for name, rows in arms[fits].groupby("arm", sort=False)]
    return max(found, key=_weight, default=None)


def _weight(arm: Evidence) -> tuple[object, ...]:
    as_theirs = arm.rows["anchor"].iloc[0] in published.CONFIG
    return not arm.shortened, len(arm.rows), as_theirs, arm.section.image_size, arm.rows["epochs"].max()


Two = tuple[Evidence, Evidence]


def find_pair(sections: list[Section], a: tuple[str, str], b: tuple[str, str]) -> Two | None:
    """Both arms in one section; None where no section has both."""
    pairs = [(first, second) for section in sections
             if (first := find([section], *a)) is not None and (second := find([section], *b)) is not None]  # fmt: skip
    return max(pairs, key=_shared, default=None)


def _shared(pair: Two) -> tuple[bool, int]:
    a, b = pair
    return not a.shortened and not b.shortened, len(a.outcomes.keys() & b.outcomes.keys())
