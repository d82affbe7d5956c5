"""What a search can run on: this machine, or the nodes of a cluster; how many trials fit there, and whether each node is
fit for them. Pure, but for knocking at an address; search.executors.ray_session asks Ray.
"""

import math
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from console.errors import UsageError

KNOCK_SECONDS = 3.0  # Ray itself waits for two minutes
SMALLEST_SHARE = 0.01  # of a GPU
FORGIVEN = 3  # lost nodes that are not held against a trial; one that outlives more may be what takes them down


@dataclass(frozen=True)
class Node:
    """One machine as Ray sees it."""

    name: str
    cpus: float
    gpus: float
    id: str = ""

    def places(self, cpus: float, gpus: float) -> int:
        """Trials that fit at a time. A share of a GPU is always of one GPU."""
        by_cpu = int(self.cpus // cpus)
        if not gpus:
            return by_cpu
        by_gpu = int(self.gpus) * per_gpu(gpus) if gpus <= 1 else int(self.gpus // gpus)
        return min(by_cpu, by_gpu)

    def __str__(self) -> str:
        return f"{self.name} ({amounts(self.cpus, self.gpus)})"


def per_gpu(share: float) -> int:
    """Trials that share one GPU."""
    return math.floor(1 / share + 1e-9)


def amounts(cpus: float, gpus: float) -> str:
    """'8 CPUs, 0.25 GPU'."""
    return f"{cpus:g} CPU{'s' * (cpus != 1)}, {gpus:g} GPU{'s' * (gpus > 1 or gpus == 0)}"


def places(nodes: Sequence[Node], cpus: float, gpus: float) -> int:
    """Trials that fit on all of these at a time."""
    return sum(node.places(cpus, gpus) for node in nodes)


def threads_for(nodes: Sequence[Node], gpus: float, at_once: int | None) -> int:
    """CPUs of one trial: the most with which `at_once` trials fit; None: as many as fill the GPUs, or one per node."""
    most = max(1, int(max(node.cpus for node in nodes)))
    wanted = at_once or _first_places(nodes, gpus)
    return next((cpus for cpus in range(most, 1, -1) if places(nodes, cpus, gpus) >= wanted), 1)


def share_out(
    nodes: Sequence[Node], gpus: float | None, cpus: int | None, at_once: int | None, fill: bool
) -> tuple[float, int, int]:
    """(GPUs of a trial, its CPU threads, trials at a time): what was asked for, and what was left open chosen.

    One GPU where there is one. `fill`: as many trials as fit; else, without GPUs, one on all cores.
    """
    if gpus is None:
        gpus = 1.0 if any(node.gpus >= 1 for node in nodes) else 0.0
    if not fill and not gpus:
        at_once = at_once or 1
    cpus = cpus or threads_for(nodes, gpus, at_once)
    return gpus, cpus, at_once or max(1, places(nodes, cpus, gpus))


def _first_places(nodes: Sequence[Node], gpus: float) -> int:
    """With GPUs every share of each; without, one on every node that has a CPU."""
    return places(nodes, 1, gpus) if gpus else sum(node.cpus >= 1 for node in nodes)


def refuse_share(gpus: float) -> None:
    """Raises UsageError for a share of GPUs that Ray cannot give; above one it crashes on what is not whole."""
    if gpus > 1 and gpus != int(gpus):
        raise UsageError(f"--gpus-per-trial above 1 must be a whole number; got {gpus:g}.")
    if 0 < gpus < SMALLEST_SHARE:
        raise UsageError(f"--gpus-per-trial must be 0 or at least {SMALLEST_SHARE:g}; got {gpus:g}.")


def refuse_impossible(nodes: Sequence[Node], cpus: float, gpus: float, address: str) -> None:
    """Ray would wait for ever for what the cluster does not have. Raises UsageError with what it has."""
    if places(nodes, cpus, gpus) == 0:
        there = ", ".join(str(node) for node in nodes[:8]) + (f" and {len(nodes) - 8} more" if len(nodes) > 8 else "")
        raise UsageError(
            f"No node of the cluster at {address} has what one trial asks for ({amounts(cpus, gpus)}); it has {there}. "
            f"Ask for less with --cpus-per-trial or --gpus-per-trial."
        )


def explain(nodes: Sequence[Node], cpus: float, gpus: float, at_once: int) -> str:
    """One sentence: why so many trials at a time."""
    fit = places(nodes, cpus, gpus)
    why = "as many as fit" if at_once == fit else f"{fit} would fit"
    total = amounts(sum(node.cpus for node in nodes), sum(node.gpus for node in nodes))
    return f"Cluster of {len(nodes)} node{'s' * (len(nodes) != 1)} ({total}): {at_once} at a time, {why}."


def knock(address: str) -> None:
    """Whether anything listens at HOST:PORT, within seconds. Raises UsageError; 'auto' is left to Ray."""
    if address.startswith("ray://"):
        raise UsageError(
            f"--address {address} is a Ray client's; start the search on a node of the cluster and pass HOST:PORT of its "
            f"head as `ray start --head` prints it (port 6379 unless it says otherwise), or auto."
        )
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "auto")
        if address == "auto":
            return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--address wants HOST:PORT of a Ray head, or auto; got {address!r}.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"No Ray cluster answers at --address {address} ({error}); start one with `ray start --head`, or leave "
            f"--address out for a private Ray on this machine."
        ) from None


def complaints(node: str, wanted: dict[str, Any], came: dict[str, Any]) -> Iterator[str]:
    """A sentence for each thing in which a node is not fit for the run: who, what was wanted, what came, what to do."""
    if "missing" in came:
        yield (
            f"Node {node} cannot import curriculum-tune ({came['missing']}); install it there, or start the search from a "
            f"folder that every node sees under the same path."
        )
        return
    for name, version in wanted["versions"].items():
        if came["versions"].get(name) != version:
            yield (
                f"Node {node} has {name} {came['versions'].get(name) or 'not at all'}, where the search runs with "
                f"{version}; install the same version there."
            )
    if came["code"] != wanted["code"]:
        yield (
            f"Node {node} has another state of curriculum-tune (code {came['code'][:12]}, where {wanted['code'][:12]} was "
            f"wanted); install the same one there."
        )
    if came["seen"] != wanted["seen"] or not came["wrote"]:
        why = "is not seen there" if came["seen"] is None else "is another folder there" if came["wrote"] else ""
        yield (
            f"Node {node}: the run folder {wanted['folder']} {why or 'cannot be written there'}; pass an --out that every "
            f"node sees under the same path and can write."
        )


def refuse_unfit(found: Sequence[str]) -> None:
    """Raises UsageError with the first complaint and the number of others."""
    if found:
        more = f" ({len(found) - 1} more complaint{'s' * (len(found) > 2)} of this kind)" if len(found) > 1 else ""
        raise UsageError(found[0] + more)


def lost_with_its_node(said: str) -> bool:
    """Whether Ray's words for the loss of a worker blame its node."""
    return "node has died" in said or "node was terminated" in said


def cause(said: str) -> str:
    """One line of Ray's many: the one that gives a reason."""
    lines = said.strip().split("\n")
    return next((line for line in lines if " because " in line), lines[0]).strip().split(". ")[0].rstrip(".")
