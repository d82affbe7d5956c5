"""A private Ray as a process of its own: what a search starts with `start_node` of search.executors.private_ray.

Ray's C++ aborts the process that it cannot serve, with a stack trace and without a chance to say or keep anything; here
that is this process, and not the search. It starts the node, proves it by joining it, prints its address, and stays
until its standard input is closed, which happens however the search ends. When one of the node's own processes is gone
it takes the rest with it: then its end is the news. Run as a script that knows Ray and nothing of ours.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import ray
from ray._private import worker

NEEDED = ("gcs_server", "raylet")  # without these two no trial goes on
LOST = 3  # exit status
ready, leaving = threading.Event(), threading.Event()


def processes() -> dict[str, list[Any]]:
    """Of the node, by kind."""
    node: Any = worker._global_node
    return node.all_processes  # type: ignore[no-any-return]


def end_with(process: subprocess.Popen[bytes]) -> None:
    """When this process of the node is gone, so are all the others, before they have much to say of it."""
    process.wait()
    if leaving.is_set():
        return
    for each in [each for kind in processes().values() for each in kind]:
        each.process.kill()
    os._exit(LOST)


def hear_the_end() -> None:
    """The end of the search. While Ray is still starting, which may take it for ever, all goes at once."""
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: this returns when the other end is closed
    leaving.set()
    if not ready.is_set():
        os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Argument: what `ray.init` is to be told, as JSON. Leads a session of its own."""
    threading.Thread(target=hear_the_end, daemon=True).start()
    ray.init(address="local", log_to_driver=False, **json.loads(sys.argv[1]))
    for name in NEEDED:
        for each in processes()[name]:
            threading.Thread(target=end_with, args=(each.process,), daemon=True).start()
    print(json.dumps({"address": ray.get_runtime_context().gcs_address}), flush=True)
    ready.set()
    leaving.wait()
    ray.shutdown()


if __name__ == "__main__":
    main()
