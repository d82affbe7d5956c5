"""Every name that was asked for exists, or is refused before data are touched: all of them in one place."""

from pathlib import Path

from console.errors import UsageError
from search.options import SearchOptions
from search.planning.space import choose_anchors
from search.proposers.samplers import get_sampler
from search.schedulers import get_scheduler
from spaces.registry import get_space
from spaces.setting import KNOWN_DIFFICULTIES, KNOWN_WEIGHTS
from spaces.space import Space, ends
from trainables.data.sources import KNOWN, SMALLEST_SIZE, is_embedded, load
from trainables.networks.kept import Kept, check_kept
from trainables.networks.models import check_model, get_architecture, read_state


def check_names(options: SearchOptions) -> None:
    """Raises UsageError for the first name that means nothing; what was left open is not looked at."""
    choose_anchors(get_space(options.space), options.anchors)
    get_sampler(options.sampler)
    if options.scheduler is not None:
        get_scheduler(options.scheduler)
    check_data(options.data)
    if options.model is not None:
        get_architecture(options.model)
    check_weights(options.weights)
    check_difficulty(options.difficulty)


def check_network(options: SearchOptions, space: Space) -> None:
    """Raises UsageError where the network takes no images of this size, has no such weights, or not what is to be kept.

    All are chosen by now.
    """
    assert options.model and options.image_size and options.weights
    check_model(options.model, options.image_size, options.weights)
    configs = [space.build({}), *[space.build(anchor.values) for anchor in space.anchors]]
    configs += [space.build({name: value}) for name in space.search for value in ends(space.search[name])]
    for kept in dict.fromkeys(Kept.of(config) for config in configs):
        check_kept(options.model, options.image_size, kept)


def check_data(source: str) -> None:
    """Raises UsageError for what is neither a known data set nor a folder; whether its images are there shows later."""
    if not is_embedded(source) and source not in KNOWN and not Path(source).expanduser().is_dir():
        load(source, SMALLEST_SIZE)  # knows what to say of it, and has nothing to read


def check_weights(weights: str | None) -> None:
    """Raises UsageError for what is neither a known word nor a file; what is in the file shows later."""
    if weights is None or weights in KNOWN_WEIGHTS:
        return
    path = Path(weights).absolute()
    if not path.is_file():
        read_state(path)  # knows what to say of it, and has nothing to read


def check_difficulty(difficulty: str | None) -> None:
    """Raises UsageError for what is neither a known word nor a file or folder."""
    if difficulty is None or difficulty in KNOWN_DIFFICULTIES or Path(difficulty).exists():
        return
    raise UsageError(
        f"No difficulty file at {Path(difficulty).absolute()}; --difficulty wants {', '.join(KNOWN_DIFFICULTIES)}, a CSV "
        f"with columns path,difficulty, or a folder with easy/, medium/ and hard/."
    )
