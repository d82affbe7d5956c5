"""Starting, watching and ending the private Ray of a search (search/executors/ray_node.py is the process); no Ray here."""

import contextlib
import ctypes
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from console.errors import UsageError
from search.executors.ray_environment import OF_A_PRIVATE_ONE

SCRIPT = Path(__file__).with_name("ray_node.py")
START_SECONDS = 150.0  # Ray's own patience is 60 s at each of its steps; after this a start is given up
STARTS = 2  # a machine that was starved at the first may not be at the second
STOP_SECONDS = 15.0
QUIET = {"RAY_enable_pipe_based_agent_to_parent_health_check": "0"}  # else a lost raylet's log lands in the terminal
AGAIN_SECONDS = 5.0  # after which the news of a loss is sent again: Python drops what is raised in some of its corners


class RayLost(KeyboardInterrupt):
    """The private Ray is gone. No Exception: Ray's own code would take it for a trial's."""


class NotStarted(Exception):
    """The node did not come up: why, in some words."""


class Node:
    """The process of a private Ray."""

    def __init__(self, folder: Path, **wanted: Any):
        """`wanted`: what `ray.init` is told. Raises NotStarted."""
        folder.mkdir()
        self.words = folder / "said.txt"  # on its standard error, stack traces included
        with self.words.open("wb") as said:
            # -P: the folder of the script is none to import from; a session of its own: Ctrl-C is for the search
            self.process = subprocess.Popen(
                [sys.executable, "-P", str(SCRIPT), json.dumps(wanted | {"_temp_dir": str(folder)})],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True, env=_environment(),
            )  # fmt: skip
        try:
            self.address = self._address()
        except BaseException:
            self.close()
            raise

    def _address(self) -> str:
        lines: queue.Queue[bytes] = queue.Queue()
        assert self.process.stdout
        threading.Thread(target=lambda out: lines.put(out.readline()), args=(self.process.stdout,), daemon=True).start()
        try:
            line = lines.get(timeout=START_SECONDS)
        except queue.Empty:
            raise NotStarted(f"it was not ready after {START_SECONDS:g} s") from None
        if not line:
            raise NotStarted(self._last_words())
        return str(json.loads(line)["address"])

    def _last_words(self) -> str:
        """The line that gives the reason: the error of Python's, else the first that Ray wrote."""
        lines = [line.strip() for line in self.words.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)(: |$)", line) or "Failed to" in line]
        return (errors or lines or ["it ended without a word"])[-1 if errors else 0][:300].rstrip(".")

    def close(self) -> None:
        """End it: it leaves when its standard input is closed, and is killed where it does not."""
        assert self.process.stdin and self.process.stdout
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        with contextlib.suppress(OSError):  # its processes go with it; on a system without that, by their session
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def _environment() -> dict[str, str]:
    """Of the node, whose workers are not to outlive its head."""
    return {name: value for name, value in os.environ.items() if name not in OF_A_PRIVATE_ONE} | QUIET


def start_node(folder: Path, **wanted: Any) -> Node:
    """A node that has proved to answer. Raises UsageError where none comes up, twice."""
    why = ""
    for attempt in range(STARTS):
        try:
            return Node(folder.with_name(f"{folder.name}{attempt}"), **wanted)
        except NotStarted as error:
            why = str(error)
        except OSError as error:
            why = f"{error.strerror}: {error.filename}"
    raise UsageError(
        f"No private Ray can be started on this machine, tried {STARTS} times ({why}); pass --executor local to train the "
        f"trials one after another without Ray, or try again when the machine has room and time."
    )


@contextlib.contextmanager
def watched(node: Node) -> Iterator[None]:
    """While the block runs, raises RayLost in it as soon as the node's process is gone."""
    left, lost, caller = threading.Event(), threading.Event(), threading.current_thread()
    in_main = caller is threading.main_thread()

    def raise_it(number: int, frame: Any) -> None:
        if not left.is_set():
            raise RayLost

    def watch() -> None:
        node.process.wait()
        lost.set()
        while not left.is_set():
            if in_main:
                signal.pthread_kill(caller.ident or 0, signal.SIGUSR2)  # ends what waits in the system, too
            else:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(caller.ident or 0), ctypes.py_object(RayLost))
            left.wait(AGAIN_SECONDS)

    before = signal.signal(signal.SIGUSR2, raise_it) if in_main else None
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:  # what is raised while Ray waits arrives as this
        if lost.is_set():
            raise RayLost from None
        raise
    finally:
        left.set()
        if in_main:
            signal.signal(signal.SIGUSR2, before or signal.SIG_DFL)
