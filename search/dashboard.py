"""python -m search.dashboard RUN ...: look at runs in the browser, live or finished; nothing can be changed there."""

import argparse
import contextlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from optuna.storages import BaseStorage

from console.arguments import DONE, Parser, guarded
from console.errors import UsageError
from console.signals import ended_by_signals
from console.wording import many
from records.follow import LedgerFollower, read_all
from records.found_runs import distinct_names, find_runs
from search.views import serving
from search.views.attached import asked_to_stop
from search.views.importances import Importances
from search.views.optuna_study import SharedStudy, StudyMirror, shared_storage
from search.views.own_place import own_folder, own_place
from search.views.tensorboard import EventFiles, launch

STUDY_PORT, TENSORBOARD_PORT = 8080, 6006  # the first that are tried
LOOK_SECONDS = 1.0  # between two looks at the ledger
INSTALL = "pip install -e '.[dashboard]'"  # in a clone: the package is on no index
Updates = dict[str, list[Callable[[], None]]]  # by the name of a run: what brings its pages up to date
NEEDED = {"optuna_dashboard": "optuna-dashboard", "tensorboard": "TensorBoard"}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m search.dashboard", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+",
                        help="a run folder, live or finished; several, a folder of runs or a pattern, 'runs/*', stand side "
                             "by side")  # fmt: skip
    parser.add_argument("--port", type=int, default=STUDY_PORT, metavar="N",
                        help=f"first port to try for optuna-dashboard; TensorBoard's is tried from {TENSORBOARD_PORT} on "
                             f"({STUDY_PORT})")  # fmt: skip
    parser.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)  # what starts us: we end with it
    asked = parser.parse_args(words)
    if asked.attached:
        with contextlib.suppress(AttributeError, OSError):
            os.nice(5)  # the trials come first
    return guarded(lambda: _show(asked.runs, asked.port, asked_to_stop(asked.attached)))


def _show(words: list[str], port: int, stopped: threading.Event) -> int:
    not_installed()  # raises where nothing could be shown
    folders = find_runs(words)
    try:
        with ended_by_signals(stopped.set):
            if folders == [Path(words[0])]:
                return show(folders[0], port, stopped)
            return show_all(folders, port, stopped)
    except OSError as error:  # a disk that is full, a folder that is gone
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        raise UsageError(
            f"The dashboards of {', '.join(words)} cannot be kept up ({what}); the run itself is not touched."
        ) from None


def not_installed() -> list[str]:
    """The dashboards that are not installed. UsageError where none is."""
    absent = [title for package, title in NEEDED.items() if find_spec(package) is None]
    if len(absent) == len(NEEDED):
        raise UsageError(f"The dashboards are not installed here; {INSTALL} adds them.")
    return absent


def show(folder: Path, port: int, stopped: threading.Event) -> int:
    """Serve the dashboards of a run until `stopped`. Raises UsageError before anything is served."""
    absent = _absent(port)
    follower = LedgerFollower(folder)
    with own_place(folder) as place:
        follower.read()
        with contextlib.ExitStack() as open_pages:
            updates = []
            if NEEDED["optuna_dashboard"] not in absent:
                updates.append(open_study(follower, place, port, open_pages))
            if NEEDED["tensorboard"] not in absent and not stopped.is_set():
                updates.append(open_tensorboard(follower, place))
            _say_absent(absent)
            follower.history.changed.clear()
            while not stopped.wait(LOOK_SECONDS):
                follow(follower, updates)
            follow(follower, updates)  # what the search wrote last, for whoever opens the files later
    return DONE


def show_all(folders: list[Path], port: int, stopped: threading.Event) -> int:
    """Serve the dashboards of several runs side by side until `stopped`. Nothing is written into any of them.

    Raises UsageError before anything is served; a run that cannot be read is said and left out.
    """
    absent = _absent(port)
    followers, unread = read_all(folders)
    for name, error in unread.items():
        _say(f"{name} is left out: {error}")
    if not followers:
        raise UsageError(f"None of these {len(folders)} runs can be read, so there is nothing to show.")
    with own_folder() as place, contextlib.ExitStack() as open_pages:
        updates: Updates = {name: [] for name in distinct_names(_folders(followers))}
        named = dict(zip(updates, followers, strict=True))
        if NEEDED["optuna_dashboard"] not in absent:
            open_studies(named, updates, port, open_pages)
        if NEEDED["tensorboard"] not in absent and not stopped.is_set():
            open_boards(named, updates, place)
        _say_absent(absent)
        for follower in followers:
            follower.history.changed.clear()
        while not stopped.wait(LOOK_SECONDS):
            for name, follower in named.items():
                if follower.live:
                    follow(follower, updates[name])
    return DONE


def _folders(followers: list[LedgerFollower]) -> list[Path]:
    return [follower.folder for follower in followers]


def open_studies(
    named: dict[str, LedgerFollower], updates: Updates, port: int, open_pages: contextlib.ExitStack
) -> None:
    """Serve optuna-dashboard on a study for each of these runs."""
    storage = shared_storage()
    for name, follower in named.items():
        mirror = SharedStudy(follower.folder, follower.run, name, storage)
        _update_study(mirror, follower)
        updates[name].append(partial(_update_study, mirror, follower))
    server = serving.serve(serving.ReadOnly(_optuna_dashboard(storage)), port)
    open_pages.callback(serving.stop, server)
    _say(f"optuna-dashboard: {serving.address(server)}/dashboard (with {many(len(named), 'run')})")


def open_boards(named: dict[str, LedgerFollower], updates: Updates, place: Path) -> None:
    """Serve TensorBoard on a folder for each of these runs."""
    for name, follower in named.items():
        files = EventFiles(follower.run, place / "tensorboard" / name, alone=False)
        files.update(follower.history)
        updates[name].append(partial(_update_files, files, follower))
    first = next(iter(named.values())).run
    _say(f"TensorBoard:      {launch(place / 'tensorboard', TENSORBOARD_PORT, first)}")


def _update_study(mirror: StudyMirror, follower: LedgerFollower) -> None:
    mirror.update(follower.history, follower.live)


def _update_files(files: EventFiles, follower: LedgerFollower) -> None:
    files.update(follower.history)


def _absent(port: int) -> list[str]:
    """What is not installed of the dashboards. Raises UsageError."""
    if not 1 <= port <= 65535:
        raise UsageError(f"--port must lie in 1 to 65535; got {port}.")
    return not_installed()


def _say_absent(titles: list[str]) -> None:
    for title in titles:
        _say(f"{title} is not installed here; {INSTALL} adds it.")


def follow(follower: LedgerFollower, updates: list[Callable[[], None]]) -> None:
    """One look at the ledger."""
    live = follower.live
    if follower.read() or follower.live != live:
        for update in updates:
            update()
        follower.history.changed.clear()


def open_study(
    follower: LedgerFollower, place: Path, port: int, open_pages: contextlib.ExitStack
) -> Callable[[], None]:
    """Serve optuna-dashboard on the run's study; returns what brings it up to date."""
    mirror = StudyMirror(follower.folder, follower.run, place / "study.journal")
    _update_study(mirror, follower)
    open_pages.callback(mirror.close)
    gate = serving.ReadOnly(_optuna_dashboard(mirror.storage))
    server = serving.serve(gate, port)
    open_pages.callback(serving.stop, server)
    _say(f"optuna-dashboard: {serving.address(server)}/dashboard/studies/{mirror.study}/note")

    def update() -> None:
        if mirror.update(follower.history, follower.live):
            gate.app = _optuna_dashboard(mirror.storage)

    return update


def _optuna_dashboard(storage: BaseStorage) -> serving.Application:
    # how well importances can be told is said to nobody who could do something about it
    warnings.filterwarnings("ignore", module="optuna")
    logging.getLogger("optuna_dashboard").setLevel(logging.ERROR)
    import optuna_dashboard  # may not be installed, and then TensorBoard alone is served

    return Importances(optuna_dashboard.wsgi(storage), storage)


def open_tensorboard(follower: LedgerFollower, place: Path) -> Callable[[], None]:
    """Serve TensorBoard on the run; returns what brings it up to date."""
    files = EventFiles(follower.run, place / "tensorboard")
    files.update(follower.history)
    _say(f"TensorBoard:      {launch(files.folder, TENSORBOARD_PORT, follower.run)}")
    return lambda: files.update(follower.history)


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
