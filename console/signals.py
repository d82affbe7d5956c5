"""Ctrl-C, SIGTERM and SIGHUP end a command in one way: cleanly the first time, at once the second."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
ONE_ACT_SECONDS = 0.5  # `timeout` sends its signal twice, a closed terminal more than once: that is one wish, not two


class _Heard:
    """What this process has been told so far."""

    blocks = 0  # that are open, one inside another
    at: float | None = None  # seconds of time.monotonic, of the first signal
    holds = 0  # blocks of the main thread that must not be cut short
    late: Callable[[], None] | None = None  # what is to be called when the last of them is over


def _interrupt() -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def ended_by_signals(end: Callable[[], None] = _interrupt) -> Iterator[None]:
    """While the block runs, the first of these signals calls `end`, and a second one ends the process as if untouched.

    What was ignored at the start is heard all the same: in what a script starts with `&` that is SIGINT. But SIGHUP stays
    ignored where it is, since that is what nohup is for. Handlers are put back afterwards; outside the main thread
    nothing is taken over. Blocks may lie in each other, as where a library takes a signal for itself in between.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hear(number: int, frame: Any) -> None:
        now = time.monotonic()
        if _Heard.at is None:
            _Heard.at = now
            if _Heard.holds:
                _Heard.late = end
            else:
                end()
        elif now - _Heard.at >= ONE_ACT_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    before = {number: signal.getsignal(number) for number in ENDING if not _under_nohup(number)}
    _Heard.blocks += 1
    try:
        for number in before:
            signal.signal(number, hear)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: it was set by no Python
        _Heard.blocks -= 1
        if not _Heard.blocks:
            _Heard.at = None


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Whatever the block does to the handlers of these signals is undone: a library may take them for good."""
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """A first signal that comes while the block runs is heard when that is over: all of it is done, or nothing."""
    if threading.current_thread() is not threading.main_thread():  # signals are heard in the main thread alone
        yield
        return
    _Heard.holds += 1
    try:
        yield
    finally:
        _Heard.holds -= 1
        late = _Heard.late
        if late and not _Heard.holds:
            _Heard.late = None
            late()


def _under_nohup(number: int) -> bool:
    return signal.Signals(number).name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN
