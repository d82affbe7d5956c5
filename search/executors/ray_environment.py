"""The environment variables that Ray reads while it is imported, and the private folder of our own Ray; no Ray here."""

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, which keeps temporary folders to their user by itself
    fcntl = None  # type: ignore[assignment]

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # our own terminal takes the place of Ray's boxes,
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # our ledger the place of its three log files per trial,
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # and log/ the place of its tracebacks
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # and the ledger that of its snapshots, which grow with every trial
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without GPUs sees none
}
LATE = {
    # a worker that is lost with its node is told apart from one that died of itself, which takes the head some seconds
    "RAY_timeout_ms_task_wait_for_death_info": "60000",
}
PREFIX = "tune-"  # short: Ray's sockets lie below and their paths may have 107 characters


def prepare(address: str | None) -> None:
    """Call before ray is imported. A private Ray gets a token of its own; a cluster at `address` keeps its settings.

    The token lies in a file that its owner alone can read. Its path is in the environment, not the token itself: an
    environment is inherited by every process below, and ends up in crash reports and bug reports.
    """
    for name, value in (QUIET | LATE).items():
        os.environ.setdefault(name, value)
    # without a token any user of this machine could run code as us; a Ray that is loaded already keeps its own ways
    if address is None and "ray" not in sys.modules:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.pop("RAY_AUTH_TOKEN", None)  # it would win over the file
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(private_folder() / "token")


@functools.cache
def private_folder() -> Path:
    """This process's folder for its own Ray, with a new token in it; closed to all others, gone when the process ends."""
    above = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    _sweep(above)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))  # mode 0700
    number = os.open(folder / "token", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(number, secrets.token_hex(32).encode())
    if fcntl:
        fcntl.flock(number, fcntl.LOCK_EX)  # until this process ends, however it ends
    atexit.register(_remove, folder, number, os.getpid())
    return folder


def _remove(folder: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(above: Path) -> None:
    """Remove the folders of our own processes that were killed: nobody holds their tokens any more."""
    if fcntl is None:
        return
    for token in above.glob(f"{PREFIX}*/token"):
        with contextlib.suppress(OSError), token.open("rb") as file:
            if os.fstat(file.fileno()).st_uid == os.getuid() and _let_go(file):
                shutil.rmtree(token.parent, ignore_errors=True)


def _let_go(file: BinaryIO) -> bool:
    """Whether no process holds the lock on this file any more."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
