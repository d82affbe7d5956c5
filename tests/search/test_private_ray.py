"""Starting, watching and losing a private Ray, with a stand-in for its process: no Ray is started here."""

import os
import signal
import threading
import time

import pytest

from console.errors import UsageError
from search.executors import private_ray

FAILS = "import sys; print('some stack trace', file=sys.stderr); raise RuntimeError('Failed to start: no room')"
STARTS = (
    "import sys, threading, time\n"
    'print(\'{"address": "127.0.0.1:5"}\', flush=True)\n'
    "sys.stdin.read()\n"  # until the other end is closed
)
FIRST_FAILS = f"import sys, json\nif json.loads(sys.argv[1])['_temp_dir'].endswith('0'):\n    {FAILS}\n{STARTS}"
SILENT = "import time; time.sleep(60)"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Makes a script that takes the place of Ray's process; gives the folder that it is started for."""

    def make(script: str):
        (tmp_path / "node.py").write_text(script)
        monkeypatch.setattr(private_ray, "SCRIPT", tmp_path / "node.py")
        return tmp_path / "ray"

    return make


def test_a_start_that_fails_is_tried_once_more(stand_in):
    node = private_ray.start_node(stand_in(FIRST_FAILS), num_cpus=1)
    assert node.address == "127.0.0.1:5" and node.process.poll() is None
    node.close()
    assert node.process.poll() == 0  # it left by itself


@pytest.mark.parametrize(
    ("script", "reason"),
    [(FAILS, "RuntimeError: Failed to start: no room"), ("raise Exception('it timed out')", "Exception: it timed out")],
)
def test_a_second_failure_is_one_sentence_with_the_reason(stand_in, script, reason):
    """Of a plain Exception, which is what Ray raises of a start that takes too long, it said "Traceback"."""
    with pytest.raises(UsageError) as raised:
        private_ray.start_node(stand_in(script))
    said = str(raised.value)
    assert f"tried 2 times ({reason}); pass --executor local" in said and "\n" not in said


def test_a_start_that_never_comes_to_an_end_is_given_up(stand_in, monkeypatch):
    monkeypatch.setattr(private_ray, "START_SECONDS", 0.5)
    monkeypatch.setattr(private_ray, "STOP_SECONDS", 0.2)
    nodes = []
    close = private_ray.Node.close
    monkeypatch.setattr(private_ray.Node, "close", lambda node: (nodes.append(node), close(node)))
    with pytest.raises(UsageError, match=r"it was not ready after 0\.5 s"):
        private_ray.start_node(stand_in(SILENT))
    assert [node.process.returncode for node in nodes] == [-signal.SIGKILL] * 2


def test_a_place_that_cannot_be_written_is_said(stand_in):
    folder = stand_in(STARTS)
    folder.with_name("ray0").touch()
    folder.with_name("ray1").touch()
    with pytest.raises(UsageError, match="File exists"):
        private_ray.start_node(folder)


def lose(node: private_ray.Node) -> str:
    """What becomes of a block that works while the node is killed."""
    try:
        with private_ray.watched(node):
            os.killpg(node.process.pid, signal.SIGKILL)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                time.sleep(0.01)
        return "nothing was heard"
    except private_ray.RayLost:
        return "lost"


def test_its_loss_is_heard_in_the_main_thread_and_in_another(stand_in):
    before = signal.getsignal(signal.SIGUSR2)
    first, second = (private_ray.start_node(stand_in(STARTS).with_name(name)) for name in ("a", "b"))
    assert lose(first) == "lost"
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(lose(second)))
    thread.start()
    thread.join()
    assert said == ["lost"] and signal.getsignal(signal.SIGUSR2) == before
    first.close(), second.close()


def test_ctrl_c_while_it_lives_is_no_loss(stand_in):
    node = private_ray.start_node(stand_in(STARTS))
    with pytest.raises(KeyboardInterrupt) as raised, private_ray.watched(node):
        raise KeyboardInterrupt
    assert not isinstance(raised.value, private_ray.RayLost)
    node.close()
