"""Which Ray a search runs on: a private one here, gone afterwards, or a cluster that is joined and left as it was.

Import search.executors.ray_environment and call `prepare` first: Ray reads those variables while it is imported.
"""

import contextlib
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray.exceptions import RayError

from console import signals
from console.errors import UsageError
from search.executors import ray_environment
from search.executors.nodes import Node, knock
from search.executors.private_ray import start_node, watched
from search.executors.ray_internals import ask_in_time

OBJECT_STORE_BYTES = 100_000_000  # images reach the trials through the memory map, not through Ray
JOIN_VARIABLE, JOIN_SECONDS = "RAY_gcs_server_port_wait_time_s", "4"  # in which a cluster that answers takes us in
PASSED_ON = ("RSSCN7_ROOT", "DTD_ROOT", "OMP_WAIT_POLICY", "CURRICULUM_TUNE_PLUGINS")  # to every process of a cluster


@contextlib.contextmanager
def ray_running(
    address: str | None, cpus: int, gpus: int, announce: Callable[[str], None] | None = None
) -> Iterator[None]:
    """A private Ray on this machine, gone afterwards with its files; or the cluster at `address`, left as it was.

    `announce` is told where Ray's own dashboard is; without it a private Ray has none.
    """
    if address:
        joined = _join(address)
        if announce:
            announce(f"Ray's dashboard:  http://{joined.dashboard_url} (the cluster's own)")
        try:
            yield
        finally:
            ray.shutdown()
        return
    with _private(cpus, gpus, announce is not None and _has_dashboard()) as started:
        if announce:
            announce(_where(started.dashboard_url))
        yield


@contextlib.contextmanager
def _private(cpus: int, gpus: int, dashboard: bool) -> Iterator[Any]:
    """What Ray says of a private node that was started and joined; raises RayLost in the block when it is gone."""
    folder = ray_environment.private_folder() / secrets.token_hex(2)
    try:
        node = start_node(folder, num_cpus=cpus, num_gpus=gpus, include_dashboard=dashboard, dashboard_host="127.0.0.1",
                          logging_level=logging.ERROR, object_store_memory=OBJECT_STORE_BYTES)  # fmt: skip
        try:
            with watched(node):
                with signals.kept():  # a second Ray is started under our handlers, should this one be lost
                    joined = ray.init(address=node.address, log_to_driver=False, logging_level=logging.ERROR)
                    ask_in_time()  # else Tune waits in it for a head that is gone, where no loss can be told
                yield joined
        finally:
            with signals.kept():
                ray.shutdown()
            node.close()
    finally:
        for left in folder.parent.glob(f"{folder.name}*"):
            shutil.rmtree(left, ignore_errors=True)


def _has_dashboard() -> bool:
    try:
        import ray.dashboard.optional_deps  # noqa: F401  # what ray[default] adds: may not be installed
    except ImportError:
        return False
    return True


def _where(url: str | None) -> str:
    """The address of a private Ray's dashboard, and where the token is that it asks for."""
    if not url:
        return "Ray's dashboard is not installed here; pip install 'ray[default]' adds it."
    token = os.environ["RAY_AUTH_TOKEN_PATH"]
    return f"Ray's dashboard:  http://{url} (while it runs; it asks for the token that is in {token})"


def _join(address: str) -> Any:
    """What Ray says of the cluster that has taken us in. Raises UsageError where none does."""
    knock(address)
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    patience = os.environ.setdefault(JOIN_VARIABLE, JOIN_SECONDS)
    try:
        joined = ray.init(
            address=address,
            runtime_env={"env_vars": passed},
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        first = str(error).strip().split("\n")[0].rstrip(". ")
        raise UsageError(
            f"The Ray cluster at --address {address} cannot be joined ({first}); it takes in who has its token "
            f"(RAY_AUTH_TOKEN_PATH) and its versions of Ray and Python: see docs/cluster.md."
        ) from None
    finally:
        if patience == JOIN_SECONDS:
            del os.environ[JOIN_VARIABLE]
    if os.environ.get("RAY_AUTH_MODE") != "token":
        print(
            f"The cluster at {address} is used without a token: whoever reaches its ports can run programs as its owner; "
            f"see docs/cluster.md.",
            flush=True,
        )
    return joined


def survey(address: str) -> list[Node]:
    """The nodes of a cluster. Raises UsageError where it cannot be joined."""
    with ray_running(address, 0, 0):
        return live_nodes()


def live_nodes() -> list[Node]:
    """What the Ray that is running has now."""
    return [
        Node(f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
             node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0), node["NodeID"])
        for node in ray.nodes() if node["Alive"]
    ]  # fmt: skip
