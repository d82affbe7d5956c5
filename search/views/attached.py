"""What looks on beside a search, each as a process of its own that is gone when the search is: dashboards and trackers.

A process of its own, so that pages are served and servers waited for while this one trains, and a fault there harms no
search. It watches its standard input, whose other end is held here alone: that end closes however this process ends, by
kill -9 too, and it leaves.
"""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from console.arguments import DONE, WRONG_USAGE

STOP_SECONDS = 10.0  # what dashboards get to close their pages
REST_SECONDS, PATIENT_SECONDS = 60.0, 3.0  # what a tracker gets to send the rest; after the second, that is said
Say = Callable[[str], None]


@contextlib.contextmanager
def dashboards(folder: Path, wanted: bool, say: Say) -> Iterator[None]:
    """Serve the dashboards of a run while the block runs; what they have to say, their addresses first, goes to `say`."""
    if not wanted:
        yield
        return
    with _beside(["search.dashboard", str(folder)], say) as child:
        try:
            yield
        finally:
            _close(child)
            _ended(child, STOP_SECONDS)
    say(f"The dashboards are closed; `python -m search.dashboard {folder}` opens them again.")


@contextlib.contextmanager
def trackers(folder: Path, names: Sequence[str], say: Say) -> Iterator[None]:
    """Send a run to these trackers while the block runs and, for a minute at most, what is left when it is over."""
    with contextlib.ExitStack() as open_ones:
        for name in dict.fromkeys(names):
            open_ones.enter_context(_tracker(folder, name, say))
        yield


@contextlib.contextmanager
def _tracker(folder: Path, name: str, say: Say) -> Iterator[None]:
    again = f"`python -m search.track {folder} --to {name}` sends the rest"
    with _beside(["search.track", str(folder), "--to", name], say) as child:
        try:
            yield
        finally:
            _close(child)
            if not _ended(child, PATIENT_SECONDS):
                say(f"Sending the rest to {name} ...")
                if not _ended(child, REST_SECONDS):
                    say(f"{name} has not taken everything yet; {again}.")
            if child.poll() not in (None, DONE, WRONG_USAGE):
                say(f"Sending to {name} has failed ({folder}/log/track-{name}.txt says why); {again}.")


@contextlib.contextmanager
def _beside(words: list[str], say: Say) -> Iterator[subprocess.Popen[str]]:
    """One of our commands, attached; every line of it goes to `say`. It is ended with the block at the latest."""
    # a session of its own: Ctrl-C in this terminal is for the search, which ends what is beside it itself
    with subprocess.Popen(
        [sys.executable, "-m", *words, "--attached"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as child:
        reader = threading.Thread(target=_pass_on, args=(child, say), daemon=True)
        reader.start()
        try:
            yield child
        finally:
            _close(child)
            child.kill()
            reader.join(1.0)


def _close(child: subprocess.Popen[str]) -> None:
    """Tell it to end. It may be gone already."""
    assert child.stdin
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()


def _ended(child: subprocess.Popen[str], seconds: float) -> bool:
    """Whether it has ended within so long."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
        return True
    return False


def _pass_on(child: subprocess.Popen[str], say: Say) -> None:
    assert child.stdout
    for line in child.stdout:
        say(line.rstrip())


def asked_to_stop(attached: bool) -> threading.Event:
    """An event for whoever wants the view closed; when attached, for the end of the process that started us."""
    stopped = threading.Event()
    if attached:

        def wait() -> None:
            with contextlib.suppress(OSError, ValueError):
                os.read(sys.stdin.fileno(), 1)  # nothing is ever written: this returns when the other end is closed
            stopped.set()

        threading.Thread(target=wait, daemon=True).start()
    return stopped
