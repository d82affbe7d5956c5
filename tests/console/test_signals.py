"""Ctrl-C, SIGTERM and SIGHUP: the first ends a command cleanly, the second at once, and nohup is left in peace."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from console.arguments import INTERRUPTED, guarded
from console.signals import ENDING, ended_by_signals, held

ENDLESS = """
import sys, time
from console.arguments import guarded
def work():
    try:
        print("ready", flush=True)
        time.sleep(30)
    finally:
        print("tidied", flush=True)
        time.sleep(float(sys.argv[1]))
sys.exit(guarded(work))
"""


def started(tidying: float, ignored: tuple[int, ...]) -> subprocess.Popen:
    """A command that works until it is told to end, and then tidies for so many seconds."""

    def prepare() -> None:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tidying)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, preexec_fn=prepare)  # fmt: skip
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("ignored", [(), (signal.SIGINT,), (signal.SIGINT, signal.SIGTERM)])
@pytest.mark.parametrize("number", ENDING)
def test_each_ends_a_command_cleanly_whatever_was_ignored(number, ignored):
    process = started(0.0, ignored)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (INTERRUPTED, "tidied\n", "Interrupted.\n")


@pytest.mark.parametrize("number", ENDING)
def test_a_second_one_ends_it_at_once(number):
    process = started(30.0, (signal.SIGINT,))
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "tidied\n"
    process.send_signal(number)  # as `timeout` does: the same wish, said twice
    time.sleep(0.7)
    assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == -number


def test_what_nohup_ignores_stays_ignored():
    process = started(0.0, (signal.SIGHUP,))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == INTERRUPTED


def test_handlers_are_put_back_and_an_earlier_signal_is_forgotten():
    before = [signal.getsignal(number) for number in ENDING]
    for _ in range(2):

        def work() -> int:
            with ended_by_signals():  # as inside a Ray
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            return 0

        assert guarded(work) == INTERRUPTED
        assert [signal.getsignal(number) for number in ENDING] == before


def test_nothing_is_taken_over_outside_the_main_thread():
    came: list[object] = []

    def work() -> int:
        came.append([signal.getsignal(number) for number in ENDING])
        return 7

    thread = threading.Thread(target=lambda: came.append(guarded(work)))
    before = [signal.getsignal(number) for number in ENDING]
    thread.start()
    thread.join()
    assert came == [before, 7]


def test_what_is_held_is_done_before_the_signal_is_heard():
    done = []

    def work() -> int:
        with held(), held():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            done.append("wholly")
        done.append("further")
        return 0

    assert guarded(work) == INTERRUPTED and done == ["wholly"]
    done.clear()
    assert guarded(lambda: done.append("again") or 0) == 0 and done == ["again"]
