"""The dashboards beside a search: `python -m search.dashboard` as a process of its own, gone when the search is.

Its own process, so that pages are served while this one trains, and a fault there harms no search. It watches its standard
input, whose other end is held here alone: that end closes however this process ends, by kill -9 too, and it leaves.
"""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

STOP_SECONDS = 10.0  # what it gets to close its pages
Say = Callable[[str], None]


@contextlib.contextmanager
def dashboards(folder: Path, wanted: bool, say: Say) -> Iterator[None]:
    """Serve the dashboards of a run while the block runs; what they have to say, their addresses first, goes to `say`."""
    if not wanted:
        yield
        return
    command = [sys.executable, "-m", "search.dashboard", str(folder), "--attached"]
    # a session of its own: Ctrl-C in this terminal is for the search, which ends its dashboards itself
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as child:
        reader = threading.Thread(target=_pass_on, args=(child, say), daemon=True)
        reader.start()
        try:
            yield
        finally:
            assert child.stdin
            child.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOP_SECONDS)
            child.kill()
            reader.join(1.0)
    say(f"The dashboards are closed; `python -m search.dashboard {folder}` opens them again.")


def _pass_on(child: subprocess.Popen[str], say: Say) -> None:
    assert child.stdout
    for line in child.stdout:
        say(line.rstrip())
