"""Every name that was asked for exists, or is refused before data are touched: all of them in one place."""

from search.options import SearchOptions
from search.planning.space import choose_anchors
from search.proposers.samplers import get_sampler
from search.schedulers import get_scheduler
from spaces.registry import get_space
from spaces.space import Space, ends
from trainables.checks import check_difficulty, check_metric, check_weights
from trainables.data.sources import SMALLEST_SIZE, Asked, check
from trainables.networks.kept import Kept, check_kept
from trainables.networks.models import check_model, get_architecture
from trainables.networks.sides import check_sides


def check_names(options: SearchOptions) -> None:
    """Raises UsageError for the first name that means nothing; what was left open is not looked at."""
    choose_anchors(get_space(options.space), options.anchors)
    get_sampler(options.sampler)
    if options.scheduler is not None:
        get_scheduler(options.scheduler)
    check_data(options)
    if options.model is not None:
        get_architecture(options.model)
    check_weights(options.weights)
    check_difficulty(options.difficulty)
    check_metric(options.metric, options.task)


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
    check_sides(options.model, options.image_size, min(config.resolution_start for config in configs))


def check_data(options: SearchOptions) -> None:
    """Raises UsageError for data that cannot be: a name, an option of one, or a flag beside it that means nothing."""
    size = SMALLEST_SIZE if options.image_size is None else options.image_size
    several = options.task == "multi_label"
    check(Asked(options.data, size, options.data_root, options.skip_bad_images, several, options.resize))
