"""What was left open, chosen, and what contradicts itself or this machine refused, before data are touched."""

import datetime
import re
from pathlib import Path

from console.arguments import shortened
from console.errors import UsageError
from search.executors import ray_environment
from search.executors.nodes import Node, refuse_impossible, refuse_share, share_out
from search.options import SearchOptions
from search.proposers.samplers import Sampler, get_sampler
from search.racing.topk import how_many
from search.schedulers import ASHA, FRONT, NONE, SCHEDULERS, Scheduler, get_scheduler
from trainables.checks import check_random_start, check_split
from trainables.defaults import OPEN, chosen
from trainables.machine import cores
from trainables.networks.engine import gpus_here

LONGEST_NAME = 200  # bytes: file systems take 255, and reports and temporary files add to it


def complete(options: SearchOptions) -> SearchOptions:
    """Every flag that was left open, chosen. Raises UsageError."""
    if options.address == "local":  # Ray's own word for a private one: how a run leaves a cluster on --resume
        options = options.model_copy(update={"address": None})
    refuse_share(options.gpus_per_trial or 0.0)
    here = cores()
    local = options.executor == "local"
    nodes = _nodes(options, here)
    at_once = 1 if local else options.concurrent  # heads that are trained side by side share one process
    gpus, cpus, at_once = share_out(
        nodes, options.gpus_per_trial, options.cpus_per_trial, at_once, bool(options.address)
    )
    made = {
        **chosen(options.space, options.data, {name: getattr(options, name) for name in OPEN}, options.train),
        "scheduler": options.scheduler or _default_scheduler(options),
        "topk": options.topk or how_many(options.samples),
        "exchange_epochs": options.exchange_epochs or max(1, options.epochs // 4),
        "concurrent": options.concurrent or 1 if local else at_once,
        "gpus_per_trial": gpus,
        "cpus_per_trial": cpus,
        "configs": options.configs and str(Path(options.configs).absolute()),
        "name": options.name or default_name(options),
    }
    done = options.model_copy(update=made)
    _check(done, here)
    if options.address:
        refuse_impossible(nodes, cpus, gpus, options.address)
    return done


def _of_heads(options: SearchOptions) -> bool:
    """Whether trials train a head on features, so that several can be trained in one update."""
    return options.train == "head" or (options.train is None and options.space == "transfer")


def _default_scheduler(options: SearchOptions) -> str:
    """A trial that is stopped early has not taken its seconds; under local, every one is run to its end by default."""
    if get_sampler(options.sampler).bounded:
        return FRONT.name
    stops = options.executor == "ray" and get_sampler(options.sampler).objectives == 1
    return ASHA.name if stops else NONE.name


def _nodes(options: SearchOptions, here: int) -> list[Node]:
    """Where trials may run: this machine, or the nodes of the cluster at --address. Raises UsageError."""
    if options.address is None:
        return [Node("this machine", here, gpus_here())]
    if options.executor == "local":
        raise UsageError(f"--executor local runs in this process; drop --address {options.address}.")
    ray_environment.prepare(options.address)
    from search.executors.ray_session import survey  # Ray is slow to load, and not needed without a cluster

    return survey(options.address)


def default_name(options: SearchOptions) -> str:
    """Of a search that was given none: its space, data and time."""
    data = re.sub(r"\W+", "-", Path(options.data).name).strip("-")
    return f"{options.space}-{data}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _check(options: SearchOptions, here: int) -> None:
    gpus, gpus_there = options.gpus_per_trial or 0.0, gpus_here()
    scheduler, sampler = get_scheduler(options.scheduler or NONE.name), get_sampler(options.sampler)
    stops = scheduler.kind != "none" and not scheduler.of_front
    if not options.address and gpus > gpus_there:
        raise UsageError(
            f"--gpus-per-trial {gpus:g}: this machine has {gpus_there} GPUs that torch can use; pass 0 to use the CPU."
        )
    if not options.address and (options.cpus_per_trial or 1) > here:
        raise UsageError(f"--cpus-per-trial {options.cpus_per_trial}: this machine has {here}; ask for at most that.")
    check_random_start(options.space, options.weights)
    if options.executor == "local" and (options.concurrent or 1) > 1 and not _of_heads(options):
        raise UsageError(
            "--executor local runs one trial at a time, unless they are heads on features (--space transfer, --train "
            "head); drop --concurrent, or use --executor ray."
        )
    if options.executor == "local" and stops and scheduler.rule is None:
        own = [each.name for each in SCHEDULERS.values() if each.rule]
        raise UsageError(
            f"--scheduler {options.scheduler} is Ray's; pass --scheduler none, {', '.join(own[:-1])} or {own[-1]} with "
            f"--executor local."
        )
    _check_objectives(sampler, scheduler)
    check_name(options.name or "")
    check_split(options.split, options.data)


def _check_objectives(sampler: Sampler, scheduler: Scheduler) -> None:
    able = f"none{f' or {FRONT.name}' * sampler.bounded}"
    if sampler.objectives == 2 and scheduler.kind != "none" and not (scheduler.of_front and sampler.bounded):
        raise UsageError(
            f"--sampler {sampler.name} weighs accuracy against seconds, and a trial that is stopped early has neither; "
            f"pass --scheduler {able} with it, got {scheduler.name}."
        )
    if scheduler.of_front and sampler.objectives == 1:
        raise UsageError(
            f"--scheduler {scheduler.name} judges accuracy and seconds together; pass --sampler motpe with it, got "
            f"{sampler.name}."
        )


def check_name(name: str) -> None:
    """Raises UsageError for what cannot be the name of a folder, here or where it is copied to."""
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise UsageError(f"--name must be letters, digits, '-', '_' and '.'; got {shortened(repr(name))}.")
    if len(name.encode()) > LONGEST_NAME:
        raise UsageError(f"--name takes at most {LONGEST_NAME} bytes; got one of {len(name.encode())}.")


def parse_duration(text: str | None) -> float | None:
    """'90s', '30m', '2h' or plain seconds -> seconds. Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not match or float(match[1]) <= 0:
        raise UsageError(f"--time-budget wants a time like 90s, 30m or 2h; got '{text}'.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
