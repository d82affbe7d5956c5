"""The dashboards as processes: what they print, what they answer, and that nothing is left when they end."""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import optuna
import psutil
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from console.arguments import DONE, WRONG_USAGE
from records import files, ledger
from records.files import write_json
from search import dashboard, run
from tests import made_runs
from tests.made_runs import about, append

ROOT = Path(__file__).parents[2]
WORDS = "--data scenes:count=105 --image-size 16 --executor local --epochs 3 --cpus-per-trial 1 --precision fp32"
TINY = WORDS.split()
installed = pytest.mark.skipif(
    any(dashboard.find_spec(package) is None for package in dashboard.NEEDED),
    reason="the extra 'dashboard' is not installed here, so its pages are not tested",
)


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}


@contextlib.contextmanager
def started(*words: str, cwd: Path) -> Iterator[subprocess.Popen]:
    """A command of ours; killed if the test leaves it running."""
    command = [sys.executable, "-m", *words]
    with subprocess.Popen(command, cwd=cwd, env=environment(cwd), text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def addresses(process: subprocess.Popen) -> list[str]:
    """The addresses that it prints first: optuna-dashboard's and TensorBoard's."""
    found: list[str] = []
    for line in process.stdout:
        found += [word for word in line.split() if word.startswith("http://")]
        if len(found) == 2:
            return found
    raise AssertionError("it ended before it had printed two addresses")


def get(url: str, method: str = "GET", host: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, method=method, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def family(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=15)[1]


def base(page: str) -> str:
    """Without path and query: what the pages ask their figures of."""
    return "{0.scheme}://{0.netloc}".format(urlsplit(page))


@pytest.fixture
def finished(tmp_path) -> Path:
    return made_runs.write(tmp_path / "made", about(60, 4), made_runs.made_events(60, 4))


@installed
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_finished_run_is_served_and_nothing_is_left_when_it_ends(finished, tmp_path, number):
    with started("search.dashboard", str(finished), cwd=tmp_path) as process:
        page, board = addresses(process)
        assert get(page)[0] == 200
        study = json.loads(get(base(page) + "/api/studies/0")[1])
        assert len(study["trials"]) == 60 and study["trials"][0]["intermediate_values"][3]["step"] == 4
        assert "python -m search.run" in study["note"]["body"]
        for method in ("DELETE", "POST", "PUT"):
            code, answer = get(base(page) + "/api/studies/0", method)
            assert code == 403 and "nothing can be changed or deleted" in json.loads(answer)["reason"]
        assert get(page, host="evil.example")[0] == get(board, host="evil.example")[0] == 403
        names = json.loads(get(base(board) + "/data/runs")[1])
        assert "0000 as_run" in names and any(name.startswith("0002 lr ") for name in names) and len(names) == 60
        assert page.endswith("/dashboard/studies/0/note") and "/?smoothing=0&pinnedCards=" in board
        assert json.loads(get(base(page) + "/api/studies/0/param_importances")[1])["param_importances"][0]
        processes = family(process)
        process.send_signal(number)
        assert process.wait(20) == (DONE if number != signal.SIGKILL else -signal.SIGKILL)
        assert gone(processes)
    assert (finished / "study.journal").is_file() and (finished / "tensorboard").is_dir()


@installed
def test_a_live_run_is_followed(finished, tmp_path):
    with (finished / "ledger.jsonl").open("a") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        with started("search.dashboard", str(finished), cwd=tmp_path) as process:
            page, _ = addresses(process)
            trials = len(json.loads(get(base(page) + "/api/studies/0")[1])["trials"])
            append(
                finished,
                *made_runs.whole_trial(
                    made_runs.get_space("self_paced"), 60, 4, made_runs.np.random.default_rng(1), True
                ),
            )
            seen = wait_for(
                lambda: json.loads(get(base(page) + "/api/studies/0")[1])["trials"], lambda now: len(now) > trials
            )
    assert seen[60]["number"] == 60


def wait_for(what, enough, seconds: float = 30.0):
    """Ask until it is enough; the last answer if it never is."""
    end = time.monotonic() + seconds
    while not enough(answer := what()) and time.monotonic() < end:
        time.sleep(0.3)
    return answer


@installed
def test_a_second_one_steps_over_the_ports_and_leaves_the_files_of_the_first_alone(finished, tmp_path):
    with started("search.dashboard", str(finished), cwd=tmp_path) as first:
        pages = addresses(first)
        journal = (finished / "study.journal").stat().st_ino
        with started("search.dashboard", str(finished), cwd=tmp_path) as second:
            others = addresses(second)
            assert not set(pages) & set(others)
            assert get(others[0])[0] == get(others[1])[0] == 200
            assert (finished / "study.journal").stat().st_ino == journal
            second.send_signal(signal.SIGTERM)
            assert second.wait(20) == DONE
    assert not list(tmp_path.glob("curriculum-tune-*")), "its temporary folder is still there"


@installed
def test_several_runs_stand_side_by_side_and_nothing_is_written_into_them(finished, tmp_path):
    other = made_runs.write(tmp_path / "more" / "made", about(3, 4), made_runs.made_events(3, 4))
    before = {path for folder in (finished, other) for path in folder.rglob("*")}
    with (other / "ledger.jsonl").open("a") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        with started("search.dashboard", str(finished), f"{other.parent}/*", cwd=tmp_path) as process:
            page, board = addresses(process)
            studies = json.loads(get(base(page) + "/api/studies")[1])["study_summaries"]
            named = [study["study_name"] for study in studies]
            assert named == [f"{name}: search of self_paced on scenes at 64 px" for name in ("made", "made-2")]
            runs = json.loads(get(base(board) + "/data/runs")[1])
            assert "made/0000 as_run" in runs and sum(name.startswith("made-2/") for name in runs) == 3

            def trials() -> list:
                url = f"{base(page)}/api/studies/{studies[1]['study_id']}"
                return json.loads(get(url)[1])["trials"]

            assert len(trials()) == 3
            rng = made_runs.np.random.default_rng(1)
            append(other, *made_runs.whole_trial(made_runs.get_space("self_paced"), 3, 4, rng, False))
            assert len(wait_for(trials, lambda now: len(now) > 3)) == 4
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == DONE
    assert {path for folder in (finished, other) for path in folder.rglob("*")} == before
    assert not list(tmp_path.glob("curriculum-tune-*")), "its temporary folder is still there"


@installed
def test_of_several_runs_one_that_cannot_be_read_is_left_out(finished, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text("{")
    with started("search.dashboard", str(tmp_path), cwd=tmp_path) as process:
        assert process.stdout.readline().startswith("bad is left out: ")
        assert "(with 1 run)" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == DONE


@installed
def test_a_search_that_is_killed_takes_its_dashboards_along(tmp_path):
    with started("search.run", *TINY, "--dashboard", "--name", "live", "--samples", "500", cwd=tmp_path) as process:
        pages = addresses(process)
        assert get(pages[0])[0] == 200
        processes = family(process)
        assert any("search.dashboard" in " ".join(one.cmdline()) for one in processes)
        process.kill()
        process.wait(20)
        assert gone(processes)


@installed
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_search_closes_its_dashboards_and_says_how_to_open_them_again(tmp_path, number):
    with started("search.run", *TINY, "--dashboard", "--name", "live", "--samples", "500", cwd=tmp_path) as process:
        addresses(process)
        processes = family(process)
        os.killpg(process.pid, number)  # as Ctrl-C in a terminal: the whole group is told
        rest = process.stdout.read()
        assert process.wait(60) == run.INTERRUPTED, rest
        assert gone(processes)
    assert "`python -m search.dashboard " in rest and "Interrupted" in rest
    backend = JournalFileBackend(str(tmp_path / "runs" / "live" / "study.journal"))
    trials = optuna.load_study(study_name=None, storage=JournalStorage(backend)).trials
    asked = [event for event in ledger.read_lines(tmp_path / "runs" / "live") if event["event"] == "asked"]
    assert len(trials) == len(asked) and all(trial.state.is_finished() for trial in trials)


@pytest.mark.slow
@pytest.mark.ray
def test_rays_own_dashboard_is_on_loopback_and_wants_the_token_that_only_we_can_read(tmp_path):
    pytest.importorskip("aiohttp_cors", reason="ray[default] is not installed here")
    words = [word for word in TINY if word not in ("--executor", "local")]
    with started("search.run", *words, "--dashboard", "--epochs", "200", "--samples", "50", cwd=tmp_path) as process:
        said = next(line for line in process.stdout if line.startswith("Ray's dashboard:"))
        url, token = re.search(r"(http://127\.0\.0\.1:\d+) .* in (\S+)\)", said).groups()
        assert Path(token).stat().st_mode & 0o077 == 0 and Path(token).parent.stat().st_mode & 0o077 == 0
        assert get(url + "/api/cluster_status")[0] == 401
        headers = {"Authorization": f"Bearer {Path(token).read_text()}"}
        with urllib.request.urlopen(
            urllib.request.Request(url + "/api/cluster_status", headers=headers), timeout=30
        ) as answer:
            assert answer.status == 200
        processes = family(process)
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(60) == run.INTERRUPTED
        assert gone(processes) and not Path(token).exists()


def test_without_the_extra_one_sentence_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    assert dashboard.main([str(tmp_path)]) == WRONG_USAGE
    said = "Error: The dashboards are not installed here; pip install -e '.[dashboard]' adds them."
    assert capsys.readouterr().err.strip() == said
    assert run.main([*TINY, "--dashboard", "--name", "live", "--samples", "1", "--out", str(tmp_path)]) == WRONG_USAGE
    assert capsys.readouterr().err.strip() == said and not (tmp_path / "live").exists()


@installed
def test_with_one_of_the_two_the_other_is_named(finished, capsys, monkeypatch):
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None if name == "tensorboard" else True)
    stopped = threading.Event()
    stopped.set()
    assert dashboard.show(finished, 8080, stopped) == DONE
    page, other = capsys.readouterr().out.splitlines()
    assert page.startswith("optuna-dashboard: http://127.0.0.1:")
    assert other == "TensorBoard is not installed here; pip install -e '.[dashboard]' adds it."


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "run.json").unlink(), "is no run folder"),
        (
            lambda folder: write_json(folder / "run.json", about(1, 1) | {"format": 99}),
            "has run format 99",
        ),
        (lambda folder: (folder / "ledger.jsonl").write_text('{"event": \n{"event": "x"}\n'), "line 1 is damaged"),
    ],
)
@installed
def test_a_folder_that_cannot_be_shown_is_answered_in_one_sentence(finished, capsys, spoil, said):
    spoil(finished)
    assert dashboard.main([str(finished)]) == WRONG_USAGE
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error


@installed
def test_a_full_disk_is_one_sentence_and_the_ledger_as_it_was(finished, capsys, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    before = (finished / "ledger.jsonl").read_bytes()
    monkeypatch.setattr(files, "_put", full)
    assert dashboard.main([str(finished)]) == WRONG_USAGE
    said = capsys.readouterr().err.strip()
    assert "cannot be kept up (No space left on device: " in said and "\n" not in said
    assert (finished / "ledger.jsonl").read_bytes() == before


@pytest.mark.parametrize("port", ["0", "70000", "many"])
def test_a_port_that_cannot_be_is_refused(finished, capsys, port):
    try:
        assert dashboard.main([str(finished), "--port", port]) == WRONG_USAGE
    except SystemExit as stop:
        assert stop.code == WRONG_USAGE
    assert "port" in capsys.readouterr().err


@installed
def test_when_all_ports_are_taken_it_says_so_and_ends(finished, capsys, monkeypatch):
    from search.views import serving

    with socket.socket() as taken:
        taken.bind((serving.HOST, 0))
        taken.listen()
        monkeypatch.setattr(serving, "PORTS_TRIED", 1)
        port = taken.getsockname()[1]
        assert dashboard.main([str(finished), "--port", str(port)]) == WRONG_USAGE
    assert f"The ports {port} to {port} are all taken" in capsys.readouterr().err


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """`dashboard.main` takes the signals of the process that it runs in."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
