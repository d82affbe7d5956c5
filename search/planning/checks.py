"""What can be known to be wrong before data are downloaded, decoded or cached: beyond names, files and what is in them."""

from importlib.util import find_spec
from pathlib import Path

from console.errors import UsageError
from search.dashboard import not_installed
from search.shared_options import RunOptions
from search.tracking.trackers import get_tracker
from spaces.setting import KNOWN_DIFFICULTIES, KNOWN_WEIGHTS, Setting
from trainables.data.sources import Survey, is_embedded, survey
from trainables.data.splits import check_split_file
from trainables.difficulty.scorers import check_scores_file, read_scores
from trainables.networks.models import check_model
from trainables.preparation import asked_of, make_network, split_of
from trainables.strategies import get_strategy


def check_installed(options: RunOptions) -> None:
    """Raises UsageError where Ray, the dashboards or a tracker were asked for and are not there."""
    if options.executor == "ray" and find_spec("ray") is None:
        raise UsageError("Ray is not installed here; pass --executor local, or install ray[tune].")
    if options.dashboard:
        not_installed()  # raises where none is
    for name in options.track:
        get_tracker(name)


def check_weights_of(setting: Setting) -> None:
    """Raises UsageError for weights that the network cannot take; downloads none."""
    if setting.weights == "imagenet":
        check_model(setting.model, setting.image_size, setting.weights)
    elif setting.weights not in KNOWN_WEIGHTS:
        make_network(setting, 2)  # as many classes as any data have at least; only the head depends on them


def check_data(setting: Setting, difficulty_asked: bool) -> Survey:
    """What is known of the data; UsageError where split or difficulty cannot be theirs. Touches nothing."""
    if setting.split and Path(setting.split).is_file():
        check_split_file(Path(setting.split))
    wanted = difficulty_asked or get_strategy(setting.strategy).needs in ("difficulty", "levels")
    scored = wanted and setting.difficulty not in KNOWN_DIFFICULTIES
    if scored:
        check_scores_file(Path(setting.difficulty))
    if wanted and setting.difficulty == "true" and not is_embedded(setting.data):
        raise UsageError(
            f"The images of '{setting.data}' have no true difficulty; pass --difficulty head or a CSV file."
        )
    found = survey(asked_of(setting))
    if found.data is not None and not setting.skip_bad_images:  # else nobody knows yet which images there are
        split_of(setting, found.data)
        if scored:
            read_scores(Path(setting.difficulty), found.data)
    return found
