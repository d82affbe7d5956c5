"""From what was asked to what will run: defaults filled in, everything checked before anything starts."""

import datetime
import os
import re
from dataclasses import dataclass
from pathlib import Path

from search import ray_environment
from search.disk import check_room, peak_bytes
from search.nodes import Node, refuse_impossible, refuse_share, share_out
from search.options import POPULATIONS, SearchOptions
from search.replay import SETTING, read_rows
from search.samplers import grid
from spaces.errors import UsageError, unknown
from spaces.registry import get_space
from spaces.setting import KNOWN_DIFFICULTIES, KNOWN_WEIGHTS, Setting, absolute_unless
from spaces.space import Anchor, Space, parse_search, parse_set
from trainables import store
from trainables.data.dataset import Dataset
from trainables.data.folder import is_division
from trainables.data.sources import is_embedded
from trainables.data.splits import Split, official_partition
from trainables.engine import gpus_here
from trainables.preparation import facts, load_data, make_network, on_this_machine
from trainables.strategies import get_strategy

SMALLEST_POPULATION = 4  # of which one is replaced at a time


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
    space, dropped = make_space(asked)
    options = complete(asked)
    if options.sampler == "grid":
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


def grid_samples(asked: SearchOptions, space: Space) -> int:
    """Anchors and the whole grid; UsageError where --samples says otherwise."""
    whole = len(space.anchors) + len(grid(space))
    if "samples" in asked.model_fields_set and asked.samples != whole:
        raise UsageError(
            f"--sampler grid runs {len(grid(space))} points and {len(space.anchors)} anchors; leave out --samples "
            f"{asked.samples}, or make the grid another one with --set and --search."
        )
    return whole


def make_space(options: SearchOptions) -> tuple[Space, tuple[str, ...]]:
    """The space with --search, --set and --anchors applied, and the anchors that a --set contradicts."""
    space = _choose_anchors(get_space(options.space), options.anchors)
    if options.configs:
        space = space.with_anchors((*configs_as_anchors(space, Path(options.configs)), *space.anchors))
    space = space.with_search(dict(parse_search(space, text) for text in options.search))
    narrowed = space.with_fixed(dict(parse_set(space, text) for text in options.set))
    if options.scheduler in POPULATIONS:
        _check_population(options, narrowed)
        narrowed = narrowed.with_anchors(())  # a member's fields change, so it would not stay an anchor
    left = {anchor.name for anchor in narrowed.anchors}
    return narrowed, tuple(anchor.name for anchor in space.anchors if anchor.name not in left)


def configs_as_anchors(space: Space, table: Path) -> list[Anchor]:
    """The configs of this strategy in a best.parquet, best first, named by run and trial. Raises UsageError."""
    found: dict[str, Anchor] = {}
    for row in read_rows(table):
        if row[SETTING + "strategy"] == space.strategy and not row.get(SETTING + "sizes"):
            values = {name: row[name] for name in space.config.model_fields if name in row}
            name = f"{row['run']}:{row['trial']}"
            found.setdefault(name, Anchor(name, f"from {table.name}", space.build(values).model_dump()))
    if not found:
        raise UsageError(
            f"--configs {table} has no config of {space.strategy}; pass one of its own runs' best.parquet."
        )
    return list(found.values())


def _check_population(options: SearchOptions, space: Space) -> None:
    if not space.mutable:
        raise UsageError(
            f"--scheduler {options.scheduler} changes fields while trials run, and --set fixes all of them."
        )
    if options.samples < SMALLEST_POPULATION:
        raise UsageError(
            f"--scheduler {options.scheduler} wants a population of {SMALLEST_POPULATION} at least; got --samples "
            f"{options.samples}."
        )


def _choose_anchors(space: Space, wanted: str | None) -> Space:
    if wanted is None:
        return space
    known = {anchor.name: anchor for anchor in space.anchors}
    names = [] if wanted == "none" else wanted.split(",")
    for name in names:
        if name not in known:
            raise unknown(f"anchor of {space.strategy}", name, known)
    return space.with_anchors(tuple(known[name] for name in names))


def complete(options: SearchOptions) -> SearchOptions:
    """Every flag that was left open, chosen. Raises UsageError."""
    if options.address == "local":  # Ray's own word for a private one: how a run leaves a cluster on --resume
        options = options.model_copy(update={"address": None})
    refuse_share(options.gpus_per_trial or 0.0)
    drawn = is_embedded(options.data)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    local = options.executor == "local"
    nodes = _nodes(options, cores)
    at_once = 1 if local and not options.concurrent else options.concurrent
    gpus, cpus, at_once = share_out(
        nodes, options.gpus_per_trial, options.cpus_per_trial, at_once, bool(options.address)
    )
    chosen = {
        "image_size": options.image_size or (64 if drawn else 256),
        "model": options.model or ("small_cnn" if drawn else "resnet18"),
        "weights": options.weights or _default_weights(options.space, drawn),
        "difficulty": options.difficulty or _default_difficulty(options.data, drawn),
        "scheduler": options.scheduler or ("none" if local or options.sampler == "nsga2" else "asha"),
        "exchange_epochs": options.exchange_epochs or max(1, options.epochs // 4),
        "concurrent": at_once,
        "gpus_per_trial": gpus,
        "cpus_per_trial": cpus,
        "configs": options.configs and str(Path(options.configs).absolute()),
        "name": options.name or _default_name(options),
    }
    done = options.model_copy(update=chosen)
    _check(done, cores)
    if options.address:
        refuse_impossible(nodes, cpus, gpus, options.address)
    return done


def _default_weights(space: str, drawn: bool) -> str:
    strategy = get_strategy(space)
    if strategy.starts_from == "random":
        return "none"
    return "imagenet" if not drawn else "textures" if strategy.trains == "head" else "none"


def _default_difficulty(data: str, drawn: bool) -> str:
    """What is known already: how hard drawn images are, or a folder that is divided."""
    return "true" if drawn else data if is_division(Path(data).expanduser()) else "head"


def _nodes(options: SearchOptions, cores: int) -> list[Node]:
    """Where trials may run: this machine, or the nodes of the cluster at --address. Raises UsageError."""
    if options.address is None:
        return [Node("this machine", cores, gpus_here())]
    if options.executor == "local":
        raise UsageError(f"--executor local runs in this process; drop --address {options.address}.")
    ray_environment.prepare(options.address)  # Ray is slow to load, and not needed without it
    from search.joining import survey

    return survey(options.address)


def _default_name(options: SearchOptions) -> str:
    data = re.sub(r"\W+", "-", Path(options.data).name).strip("-")
    return f"{options.space}-{data}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _check(options: SearchOptions, cores: int) -> None:
    gpus, here = options.gpus_per_trial or 0.0, gpus_here()
    if not options.address and gpus > here:
        raise UsageError(
            f"--gpus-per-trial {gpus:g}: this machine has {here} GPUs that torch can use; pass 0 to use the CPU."
        )
    if not options.address and (options.cpus_per_trial or 1) > cores:
        raise UsageError(f"--cpus-per-trial {options.cpus_per_trial}: this machine has {cores}; ask for at most that.")
    if get_strategy(options.space).starts_from == "random" and options.weights != "none":
        raise UsageError(
            f"{options.space} starts from random weights; drop --weights {options.weights}, or take finetune."
        )
    if options.executor == "local" and (options.concurrent or 1) > 1:
        raise UsageError("--executor local runs one trial at a time; drop --concurrent, or use --executor ray.")
    if options.executor == "local" and options.scheduler != "none":
        raise UsageError(f"--scheduler {options.scheduler} is Ray's; pass --scheduler none with --executor local.")
    if options.sampler == "nsga2" and options.scheduler != "none":
        raise UsageError(
            f"--sampler nsga2 weighs accuracy against seconds, and a trial that is stopped early has neither; pass "
            f"--scheduler none with it, got {options.scheduler}."
        )
    if not re.fullmatch(r"[\w.-]+", options.name or "") or (options.name or "").startswith("."):
        raise UsageError(f"--name must be letters, digits, '-', '_' and '.'; got {options.name!r}.")
    if options.split and official_partition(options.split) is None and not Path(options.split).is_file():
        raise UsageError(
            f"No split file at {options.split}; --split wants a CSV with columns path,split, or official:1 to official:10."
        )


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
        store.write_bytes(folder.parent / f".{os.getpid()}.writable", b"")
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


def parse_duration(text: str | None) -> float | None:
    """'90s', '30m', '2h' or plain seconds -> seconds. Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not match or float(match[1]) <= 0:
        raise UsageError(f"--time-budget wants a time like 90s, 30m or 2h; got '{text}'.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
