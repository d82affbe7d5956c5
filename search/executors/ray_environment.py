"""The environment variables that Ray reads while it is imported, and the private folder of our own Ray; no Ray here."""

import atexit
import contextlib
import errno
import functools
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from console.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows, which keeps temporary folders to their user by itself
    fcntl = None  # type: ignore[assignment]

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # our own terminal takes the place of Ray's boxes,
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # console.signals that of its way to end, which would swallow the first Ctrl-C,
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
OF_A_PRIVATE_ONE = {  # of the process that has joined it: when its head is gone,
    "RAY_gcs_server_request_timeout_seconds": "20",  # what is asked of it comes back, as an error,
    "RAY_gcs_rpc_server_reconnect_timeout_s": "300",  # long before Ray's C++ ends the process that asks
}
MARK, OURS = "private-ray-of-curriculum-tune", b"This folder goes with the process that made it.\n"
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
        for name, value in OF_A_PRIVATE_ONE.items():
            os.environ.setdefault(name, value)
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.pop("RAY_AUTH_TOKEN", None)  # it would win over the file
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(private_folder() / "token")


@functools.cache
def private_folder() -> Path:
    """This process's folder for its own Ray, with a new token in it; closed to all others, gone when the process ends.

    Raises UsageError where it cannot be made.
    """
    above = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    _sweep(above)
    folder, lock = None, None
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))  # mode 0700
        lock = os.open(folder / "token", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until this process ends, however it ends
        _write(lock, secrets.token_hex(32).encode())
        mark = os.open(folder / MARK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write(mark, OURS)
        os.close(mark)
    except OSError as error:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        raise UsageError(f"The folder of a private Ray cannot be made in {above} ({error.strerror}); make room there, or "
                         f"pass --executor local, which needs none.") from None  # fmt: skip
    atexit.register(_remove, folder, lock, os.getpid())
    return folder


def _write(number: int, content: bytes) -> None:
    if os.write(number, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _remove(folder: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(above: Path) -> None:
    """Remove the folders of our own processes that were killed: nobody holds their tokens any more."""
    if fcntl is None:
        return
    for folder in above.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if _is_ours_alone(folder.lstat(), stat.S_ISDIR) and _left_behind(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _left_behind(folder: Path) -> bool:
    """Whether a process of ours made this folder, and lives no more. Raises OSError where one lives, and for links."""
    with _opened(folder / MARK) as mark, _opened(folder / "token") as token:
        if not all(_is_ours_alone(os.fstat(file.fileno()), stat.S_ISREG) for file in (mark, token)):
            return False
        fcntl.flock(token, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return mark.read(len(OURS) + 1) == OURS


def _opened(path: Path) -> BinaryIO:
    """A file that is neither a link nor waits for whoever writes."""
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def _is_ours_alone(of: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Whether it is of this kind, this user's, and closed to all others."""
    return is_kind(of.st_mode) and of.st_uid == os.getuid() and not of.st_mode & 0o077
