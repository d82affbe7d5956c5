"""Configs that were picked on images are not tested on them: they are left out, or the run is refused."""

from collections.abc import Collection

import numpy as np

from console.errors import UsageError
from console.wording import many
from records.epoch import Row
from records.tables import SETTING
from spaces.setting import Setting
from trainables.data.dataset import Dataset
from trainables.preparation import split_of


def leave_out_seen(configs: list[Row] | None, setting: Setting, data: Dataset, seeds: Collection[int]) -> Setting:
    """The setting under which no seed tests on images that one of these rows was selected on.

    Where they were selected on the validation images of one seed, each test is without those. Under protocol report
    everything is picked on test, and every output says so. Raises UsageError where the images cannot be left out.
    """
    if setting.protocol != "holdout" or not data.digest:  # of data that are still to be read nothing is known
        return setting
    seen = [found for row in _selections(configs or [], data) if (found := _seen(row, setting, data, seeds))]
    if not seen:
        return setting
    of_seeds = {row[SETTING + "seed"] for row, *_ in seen if _by_seed(row)}
    if len(of_seeds) == 1 and not setting.split and all(_by_seed(row) for row, *_ in seen):
        return setting.model_copy(update={"spared_seed": of_seeds.pop()})
    row, seed, shared = seen[0]
    raise UsageError(
        f"--configs: trial {row['trial']} of {row['run']} was picked on {many(shared, 'image')} that seed {seed} would "
        f"test on, so its figures would flatter it; {_instead(seen)}, or let search.run --confirm judge it."
    )


def _seen(row: Row, setting: Setting, data: Dataset, seeds: Collection[int]) -> tuple[Row, int, int] | None:
    """The row, the first seed that would test on what it was selected on, and how many images those are."""
    selected = selected_on(row, setting, data)
    for seed in seeds:
        tested = split_of(setting.model_copy(update={"seed": seed}), data).test
        if shared := len(np.intersect1d(selected, tested)):
            return row, seed, shared
    return None


def _by_seed(row: Row) -> bool:
    """Whether it was selected on validation images that its seed drew."""
    return row[SETTING + "protocol"] == "holdout" and not row.get(SETTING + "split")


def _instead(seen: list[tuple[Row, int, int]]) -> str:
    if len(seen) > 1:
        return "pass configs of searches that had one --seed and one --split"
    return "pass the --split that its search had"


def _selections(configs: list[Row], data: Dataset) -> list[Row]:
    """One row for each way in which these configs were selected on these data; other data share no image with them."""
    of = {
        (row[SETTING + "seed"], row[SETTING + "protocol"], row.get(SETTING + "split")): row
        for row in configs
        if row.get(SETTING + "data_digest") in (None, data.digest)
    }
    return list(of.values())


def selected_on(row: Row, setting: Setting, data: Dataset) -> np.ndarray:
    """The images (n,) that epochs and configs of the row's run were picked on."""
    changes = {name: row.get(SETTING + name) for name in ("seed", "protocol", "split")}
    parts = split_of(setting.model_copy(update=changes), data)
    return parts.test if changes["protocol"] == "report" else parts.validation
