"""Configs that were picked on images are not tested on them."""

from collections.abc import Collection

import numpy as np

from console.errors import UsageError
from console.wording import many
from records.epoch import Row
from records.tables import SETTING
from spaces.setting import Setting
from trainables.data.dataset import Dataset
from trainables.preparation import split_of


def refuse_seen_images(configs: list[Row] | None, setting: Setting, data: Dataset, seeds: Collection[int]) -> None:
    """Raises UsageError where a seed would test on images that one of these rows was selected on.

    Under protocol report everything is picked on test, and every output says so.
    """
    if setting.protocol != "holdout" or not data.digest:  # of data that are still to be read nothing is known
        return
    for row in _selections(configs or [], data):
        selected = selected_on(row, setting, data)
        for seed in seeds:
            tested = split_of(setting.model_copy(update={"seed": seed}), data).test
            shared = np.intersect1d(selected, tested)
            if len(shared):
                raise UsageError(
                    f"--configs: trial {row['trial']} of {row['run']} was picked on {many(len(shared), 'image')} that seed "
                    f"{seed} would test on, so its figures would flatter it; pass the --split that its search had, or let "
                    f"search.run --confirm judge it."
                )


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
