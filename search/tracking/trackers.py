"""Which trackers there are, and what each must do. Their packages are loaded when one is opened, and not before."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from console.errors import UsageError, unknown
from records.epoch import Row
from records.history import RunHistory


class NotSentError(Exception):
    """The tracker did not take what was sent; it may later. The message says why, without a full stop."""


class Sender(Protocol):
    """One run on its way to one tracker. What was sent before, by another process too, is not sent again."""

    @property
    def where(self) -> str:
        """Where it goes, as a person is told."""

    def send(self, history: RunHistory, numbers: Iterable[int]) -> None:
        """Bring these trials up to date. Raises NotSentError; then, and only then, it is to be told of all again."""

    def finish(self, history: RunHistory) -> None:
        """The run is over: send what stands there only now, its files among it. Raises NotSentError."""


Opened = AbstractContextManager[Sender]


@dataclass(frozen=True)
class Tracker:
    """A tracker by the name that --track and --to take."""

    name: str
    title: str
    needs: tuple[str, ...]  # packages
    extra: str  # of ours that installs them
    module: str  # of search.tracking, with `opened(folder, run, uri)`, which raises UsageError

    def open(self, folder: Path, run: Row, uri: str | None) -> Opened:
        """`uri`: where to, if not where its own settings say. Raises UsageError."""
        opened: Callable[[Path, Row, str | None], Opened] = import_module(f"search.tracking.{self.module}").opened
        return opened(folder, run, uri)


TRACKERS = {
    one.name: one
    for one in (
        Tracker("mlflow", "MLflow", ("mlflow", "sqlalchemy", "alembic"), "mlflow", "to_mlflow"),
        Tracker("wandb", "Weights & Biases", ("wandb",), "wandb", "to_wandb"),
        Tracker("tensorboard", "TensorBoard", ("tensorboard",), "dashboard", "to_tensorboard"),
    )
}


def get_tracker(name: str) -> Tracker:
    """By its name. Raises UsageError where it is unknown, or not installed."""
    if name not in TRACKERS:
        raise unknown("tracker", name, TRACKERS)
    tracker = TRACKERS[name]
    if any(find_spec(package) is None for package in tracker.needs):
        raise UsageError(f"{tracker.title} is not installed here; pip install -e '.[{tracker.extra}]' adds it.")
    return tracker
