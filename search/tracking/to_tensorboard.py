"""A run for TensorBoard: the event files of the dashboards, kept up without a page that shows them."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from console.errors import UsageError
from records.epoch import Row
from records.history import RunHistory
from search.tracking.trackers import NotSentError
from search.views.own_place import own_place
from search.views.tensorboard import EventFiles


@contextlib.contextmanager
def opened(folder: Path, run: Row, uri: str | None) -> Iterator["TensorboardSender"]:
    """Raises UsageError where dashboards keep the files up already, and for a `uri`: they lie in the run folder."""
    if uri is not None:
        raise UsageError(f"TensorBoard's files lie in the run folder; drop --uri {uri}.")
    with own_place(folder) as place:
        if place != folder:
            raise UsageError(
                f"The event files of {folder} are kept up by another process, or may not be written; nothing is to do."
            )
        yield TensorboardSender(run, folder / "tensorboard")


class TensorboardSender:
    """Writes event files: all of them at first, what was there among it, then what is new."""

    def __init__(self, run: Row, place: Path):
        self.files = EventFiles(run, place)

    @property
    def where(self) -> str:
        return f"event files in {self.files.folder} (`tensorboard --logdir {self.files.folder}` shows them)"

    def send(self, history: RunHistory, numbers: Iterable[int]) -> None:
        try:
            self.files.update(history)  # which looks at what has changed by itself
            history.changed.clear()
        except OSError as error:
            self.files.source = None
            raise NotSentError(f"{error.strerror}: {error.filename}") from None

    def finish(self, history: RunHistory) -> None:
        """Nothing stands there only at the end."""
