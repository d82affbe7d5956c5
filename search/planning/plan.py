"""From what was asked to what will run: defaults filled in, everything checked before anything starts."""

import os
from dataclasses import dataclass
from pathlib import Path

from console.errors import UsageError
from records import files
from search.options import SearchOptions
from search.planning.defaults import complete
from search.planning.disk import check_room, peak_bytes
from search.planning.names import check_names, check_network
from search.planning.space import grid_samples, make_space
from search.proposers.samplers import get_sampler
from spaces.setting import KNOWN_DIFFICULTIES, KNOWN_WEIGHTS, Setting, absolute_unless
from spaces.space import Space
from trainables.data.dataset import Dataset
from trainables.data.sources import is_embedded
from trainables.data.splits import Split, official_partition
from trainables.preparation import facts, load_data, make_network, on_this_machine


@dataclass(frozen=True)
class Plan:
    """A search that is ready to start."""

    options: SearchOptions  # with every choice made
    space: Space
    setting: Setting
    data: Dataset
    split: Split
    folder: Path
    dropped: tuple[str, ...]  # anchors that a --set contradicts
    disk_bytes: int  # that the run can need at its peak
    asked: frozenset[str] = frozenset()  # the flags that were not left open

    @property
    def longest(self) -> int:
        """Images that a trial trains on if it takes every image in every epoch."""
        return self.setting.epochs * len(self.split.train)


def make_plan(asked: SearchOptions, resumes: bool = False) -> Plan:
    """Check and complete what was asked; builds the image cache. Raises UsageError before anything else is left behind."""
    check_names(asked)
    space, dropped = make_space(asked)
    options = complete(asked)
    check_network(options, space)
    if get_sampler(options.sampler).points:
        options = options.model_copy(update={"samples": grid_samples(asked, space)})
    folder = Path(options.out).absolute() / (options.name or "") if resumes else run_folder(options)
    setting = make_setting(options)
    data, split = load_data(setting)
    setting = setting.model_copy(update={"data_digest": data.digest})
    load_data(setting)  # the same data under the name that the trials will use
    network, _ = make_network(setting, len(data.classes))
    needed = peak_bytes(options, len(space.anchors), network, len(split.validation) + len(split.test))
    check_room(folder, needed)
    facts(on_this_machine(setting))
    return Plan(options, space, setting, data, split, folder, dropped, needed, frozenset(asked.model_fields_set))


def run_folder(options: SearchOptions) -> Path:
    """Where the run will be; UsageError if it is there already or cannot be written."""
    folder = Path(options.out).absolute() / (options.name or "")
    if folder.exists():
        raise UsageError(
            f"A run '{options.name}' is in {options.out} already; nothing is overwritten. Choose another --name, or pass "
            f"--resume to go on with it."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(folder.parent / f".{os.getpid()}.writable", b"")
        (folder.parent / f".{os.getpid()}.writable").unlink()
    except OSError as error:
        raise UsageError(
            f"The output folder {options.out} cannot be written ({error.strerror}); pass another --out."
        ) from None
    return folder


def make_setting(options: SearchOptions) -> Setting:
    """What all trials share."""
    weights = options.weights or "none"
    assert options.image_size and options.model and options.cpus_per_trial
    return Setting(
        strategy=options.space,
        data=_absolute_if_folder(options.data),
        data_root=options.data_root and str(Path(options.data_root).absolute()),
        split=options.split and _split(options.split),
        task=options.task,
        skip_bad_images=options.skip_bad_images,
        image_size=options.image_size,
        model=options.model,
        weights=absolute_unless(weights, KNOWN_WEIGHTS),
        difficulty=absolute_unless(options.difficulty or "head", KNOWN_DIFFICULTIES),
        protocol=options.protocol,
        seed=options.seed,
        epochs=options.epochs,
        device="cuda" if options.gpus_per_trial else "cpu",
        threads=options.cpus_per_trial,
        precision=options.precision,
    )


def _split(text: str) -> str:
    partition = official_partition(text)
    return str(Path(text).absolute()) if partition is None else f"official:{partition}"


def _absolute_if_folder(data: str) -> str:
    return str(Path(data).absolute()) if Path(data).is_dir() and not is_embedded(data) else data
