"""Configs that were picked on images are not tested on them: they are left out, or the run is refused."""

from collections.abc import Collection, Sequence

import numpy as np

from console.errors import UsageError
from console.wording import many
from records.epoch import Row
from records.tables import SETTING
from spaces.setting import Setting
from trainables.data.dataset import Dataset
from trainables.preparation import spared, split_of


def leave_out_seen(rows: Sequence[Row], setting: Setting, data: Dataset, seeds: Collection[int]) -> Setting:
    """The setting under which no seed tests on images that one of these rows was selected on.

    Where all were selected on the validation images of one seed, every test is without those, also of seeds that have
    none: so more seeds go on with the same run. Under protocol report everything is picked on test, and every output
    says so. Raises UsageError where the images cannot be left out.
    """
    if setting.protocol != "holdout" or not data.digest:  # of data that are still to be read nothing is known
        return setting
    rows = [row for row in rows if _of_these(row, setting, data)]
    drawn = [row for row in rows if _by_seed(row)]
    others = [row for row in rows if not _by_seed(row)]
    searches = {row[SETTING + "seed"] for row in drawn}
    sparing = len(searches) == 1 and not setting.split
    for row in others if sparing else [*others, *drawn]:
        _refuse_seen(row, setting, data, seeds)
    if sparing:
        setting = setting.model_copy(update={"spared_seed": searches.pop()})
        _check_left(setting, data, seeds)
    return setting


def _of_these(row: Row, setting: Setting, data: Dataset) -> bool:
    """Whether the row was selected on these images, at whatever size; other data share no image with them."""
    same = row.get(SETTING + "data") == setting.data
    return same or row.get(SETTING + "data_digest") in (None, data.digest)


def _by_seed(row: Row) -> bool:
    """Whether it was selected on the validation images that its seed drew, and on no others."""
    others = row.get(SETTING + "spared_seed") is not None or bool(row.get("confirmed_seeds"))
    return row[SETTING + "protocol"] == "holdout" and not row.get(SETTING + "split") and not others


def _refuse_seen(row: Row, setting: Setting, data: Dataset, seeds: Collection[int]) -> None:
    """Raises UsageError where a seed would test on what the row was selected on."""
    selected = selected_on(row, setting, data)
    for seed in seeds:
        tested = split_of(setting.model_copy(update={"seed": seed}), data).test
        if shared := len(np.intersect1d(selected, tested)):
            raise UsageError(
                f"--configs: trial {row['trial']} of {row['run']} was picked on {many(shared, 'image')} that seed {seed} "
                f"would test on, so its figures would flatter it; {_instead(row, setting)}."
            )


def _instead(row: Row, setting: Setting) -> str:
    """What to do about a row that cannot be tested here."""
    if row.get(SETTING + "split"):
        return "pass the --split that its search had"
    if row[SETTING + "protocol"] == "report":
        return "take configs of a search under --protocol holdout"
    if not _by_seed(row):
        return "it has been tested on fresh seeds in its own run; take configs of searches without --confirm"
    if setting.split:
        return "search with this --split as well, or drop it"
    return "take configs of searches that had one --seed, or let search.run --confirm judge it"


def _check_left(setting: Setting, data: Dataset, seeds: Collection[int]) -> None:
    """Raises UsageError where the images of a class are all left out of a test."""
    if data.targets is not None:
        return
    for seed in seeds:
        of_seed = setting.model_copy(update={"seed": seed})
        parts = split_of(of_seed, data)
        gone = np.setdiff1d(data.labels[parts.test], data.labels[spared(of_seed, data, parts).test])
        if len(gone):
            raise UsageError(
                f"--configs were picked on the validation images of seed {setting.spared_seed}, and without those seed "
                f"{seed} has no test image of {data.classes[gone[0]]}; pass --split FILE.csv to the search and here."
            )


def selected_on(row: Row, setting: Setting, data: Dataset) -> np.ndarray:
    """The images (n,) that epochs and configs of the row's run were picked on."""
    changes = {name: row.get(SETTING + name) for name in ("seed", "protocol", "split")}
    parts = split_of(setting.model_copy(update=changes), data)
    return parts.test if changes["protocol"] == "report" else parts.validation
