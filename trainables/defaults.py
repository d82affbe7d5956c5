"""What a setting leaves open, chosen from the rest, and its places made absolute: the same for a command and a class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spaces.setting import KNOWN_DIFFICULTIES, KNOWN_WEIGHTS, absolute_unless
from trainables.data.folder import is_division
from trainables.data.parts import BY_SEED, FOLDERS
from trainables.data.sources import has_parts, is_embedded, is_file_or_folder
from trainables.data.splits import official_partition
from trainables.networks.models import default_size
from trainables.strategies import get_strategy

OPEN = ("image_size", "model", "weights", "difficulty", "split")  # what may be left open; None: not given


def chosen(strategy: str, data: str, given: Mapping[str, Any], train: str | None = None) -> dict[str, Any]:
    """A value for each name in OPEN: the one that was given, else what goes with strategy and data. Raises UsageError.

    `train`: which part of the network is trained, where that is not the strategy's own.
    """
    drawn = is_embedded(data)
    model = given["model"] or ("small_cnn" if drawn else "resnet18")
    return {
        "image_size": given["image_size"] or default_size(model, 64 if drawn else 256),
        "model": model,
        "weights": given["weights"] or _weights(strategy, drawn, train),
        "difficulty": given["difficulty"] or _difficulty(data, drawn),
        "split": given["split"] or (FOLDERS if has_parts(data) else None),
    }


def _weights(strategy: str, drawn: bool, train: str | None) -> str:
    of = get_strategy(strategy)
    if of.starts_from == "random":
        return "none"
    return "imagenet" if not drawn else "textures" if (train or of.trains) == "head" else "none"


def _difficulty(data: str, drawn: bool) -> str:
    """What is known already: how hard drawn images are, or a folder that is divided."""
    return "true" if drawn else data if is_division(Path(data).expanduser()) else "head"


def placed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a setting whose paths are absolute: worker processes have other folders."""
    data, root, split = str(values["data"]), values["data_root"], values["split"]
    return {
        **values,
        "data": str(Path(data).expanduser().absolute()) if is_file_or_folder(data) else data,
        "data_root": root and str(Path(root).absolute()),
        "split": split and _split(str(split)),
        "weights": absolute_unless(values["weights"] or "none", KNOWN_WEIGHTS),
        "difficulty": absolute_unless(values["difficulty"] or "head", KNOWN_DIFFICULTIES),
    }


def _split(text: str) -> str | None:
    if text in (FOLDERS, BY_SEED):
        return text if text == FOLDERS else None
    partition = official_partition(text)
    return str(Path(text).absolute()) if partition is None else f"official:{partition}"
