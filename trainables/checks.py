"""What a setting names exists, or is refused before data are touched."""

from pathlib import Path

from console.errors import UsageError, unknown
from spaces.setting import KNOWN_DIFFICULTIES, KNOWN_WEIGHTS, Setting
from trainables.data.parts import BY_SEED, FOLDERS
from trainables.data.sources import check_official, has_parts
from trainables.data.splits import official_partition
from trainables.metrics import OBJECTIVES, has_figure
from trainables.networks.accelerate import check_accelerate
from trainables.networks.models import read_state
from trainables.networks.precision import check_precision
from trainables.strategies import get_strategy


def check_computing(setting: Setting) -> None:
    """Raises UsageError where the device of the setting cannot compute as it says."""
    check_precision(setting.device, setting.precision)
    check_accelerate(setting.device, setting.accelerate)


def check_weights(weights: str | None) -> None:
    """Raises UsageError for what is neither a known word nor a file; what is in the file shows later."""
    if weights is None or weights in KNOWN_WEIGHTS:
        return
    path = Path(weights).absolute()
    if not path.is_file():
        read_state(path)  # knows what to say of it, and has nothing to read


def check_difficulty(difficulty: str | None) -> None:
    """Raises UsageError for what is neither a known word nor a file or folder."""
    if difficulty is None or difficulty in KNOWN_DIFFICULTIES:
        return
    if Path(difficulty).is_file() or Path(difficulty).is_dir():  # neither a pipe nor a device
        return
    raise UsageError(
        f"No difficulty file at {Path(difficulty).absolute()}; --difficulty wants {', '.join(KNOWN_DIFFICULTIES)}, a CSV "
        f"with columns path,difficulty, or a folder with easy/, medium/ and hard/."
    )


def check_metric(metric: str, task: str) -> None:
    """Raises UsageError where the task has no such figure."""
    several = task == "multi_label"
    if metric not in OBJECTIVES:
        raise unknown("metric", metric, OBJECTIVES)
    if not has_figure(metric, several):
        known = ", ".join(name for name in OBJECTIVES if has_figure(name, several))
        raise UsageError(f"--metric {metric} is no figure of --task {task}; take one of {known}.")


def check_split(split: str | None, data: str) -> None:
    """Raises UsageError for a --split that these data cannot have; what is in a file shows later."""
    if split is None or split == BY_SEED:
        return
    if split == FOLDERS:
        if not has_parts(data):
            raise UsageError(
                f"--split folders is for data that come as train/ and test/, and {data} do not; leave it out."
            )
    elif official_partition(split) is not None:
        check_official(data)
    elif not Path(split).is_file():
        raise UsageError(
            f"No split file at {split}; --split wants a CSV with columns path,split, or official:1 to official:10, folders "
            f"or seed."
        )


def check_random_start(strategy: str, weights: str | None) -> None:
    """Raises UsageError for weights of a strategy that starts from random ones."""
    if get_strategy(strategy).starts_from == "random" and weights != "none":
        raise UsageError(f"{strategy} starts from random weights; drop --weights {weights}, or take finetune.")
