"""The pictures of a listing decoded in order, by threads that run ahead; a picture that takes too long is given up.

S = image size in pixels.
"""

import ctypes
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread, get_ident

import numpy as np

from console.errors import UsageError
from console.progress import say
from trainables.data.dataset import Ints
from trainables.data.folder import Listing
from trainables.data.found import some
from trainables.data.pictures import Picture, Resize, read
from trainables.data.stored import Item, LeftOut

DECODING_THREADS = 4
LOOKAHEAD = 32  # decoded pictures waiting at most
DECODE_SECONDS = 60.0  # for one picture; the largest that are read take some seconds


def decode(listing: Listing, size: int, skip_bad_images: bool, resize: Resize = "squash") -> Iterator[Item | LeftOut]:
    """Every picture of the listing in order, (S, S, 3) uint8, and in the end what was left out.

    Files that are no pictures are collected over the whole pass. Then they are refused together with a UsageError; or,
    with `skip_bad_images`, left out and counted on stderr, with what the listing had to leave out.
    """
    bad = list(listing.left_out)
    kept = np.zeros(len(listing.classes), dtype=np.int64)
    results = decoded((listing.root / path for path in listing.paths), size, resize)
    for path, label, result in zip(listing.paths, listing.labels, results, strict=True):
        if isinstance(result, str):
            bad.append(f"{path} ({result})")
            continue
        kept[label] += 1
        yield Item(result.pixels, int(label), path, notes=result.notes)
    if bad:
        yield _report(listing, bad, kept, skip_bad_images)


def refuse_left_out(listing: Listing) -> None:
    """Raises UsageError where something in the folder cannot be listed, before anything is decoded."""
    if listing.left_out:
        raise _refused(_counted(listing, listing.left_out), listing.left_out)


def _report(listing: Listing, bad: list[str], kept: Ints, skip_bad_images: bool) -> LeftOut:
    counted = _counted(listing, bad)
    if not skip_bad_images:
        raise _refused(counted, bad)
    if not kept.all():
        empty = listing.classes[int(np.argmin(kept))]
        raise UsageError(f"{counted}, and without them class '{empty}' has no images left; mend or remove that folder.")
    what = f"{counted} and are left out: {some(bad)}"
    say(f"{what}.")
    return LeftOut(what)


def _counted(listing: Listing, bad: list[str] | tuple[str, ...]) -> str:
    kinds = "files and folders" if listing.left_out else "files"
    return (
        f"{len(bad)} of {len(listing.paths) + len(listing.left_out)} {kinds} in {listing.root} cannot be read as images"
    )


def _refused(counted: str, bad: list[str] | tuple[str, ...]) -> UsageError:
    return UsageError(
        f"{counted}: {some(list(bad))}; mend or remove them, or pass --skip-bad-images to leave them out."
    )


def decoded(files: Iterable[Path], size: int, resize: Resize) -> Iterator[Picture | str]:
    """Per file, in order: the picture, or the reason why it is none. Decoding runs ahead by LOOKAHEAD pictures."""
    threads, waiting = _Threads(size, resize), deque[_Task]()
    try:
        for file in files:
            waiting.append(threads.begin(_Task(file)))
            if len(waiting) >= LOOKAHEAD:
                yield threads.result(waiting.popleft())
        while waiting:
            yield threads.result(waiting.popleft())
    finally:
        threads.close()


class _Task:
    """One picture that a thread is to decode."""

    def __init__(self, file: Path):
        self.file = file
        self.picture: Future[Picture | str] = Future()
        self.begun: float | None = None  # by the clock of time.monotonic
        self.thread = 0  # its identity
        self.given_up = False


class _Threads:
    """DECODING_THREADS that decode what is begun, and a new one for each that hangs.

    They are daemons: a thread that hangs in a decoder or on a disk must not keep the process from ending.
    """

    def __init__(self, size: int, resize: Resize):
        self.size, self.resize = size, resize
        self.work: SimpleQueue[_Task | None] = SimpleQueue()
        self.changing, self.closed = Lock(), False
        for _ in range(DECODING_THREADS):
            self._start()

    def begin(self, task: _Task) -> _Task:
        """The same task, in the queue."""
        self.work.put(task)
        return task

    def result(self, task: _Task) -> Picture | str:
        """What became of it, at the latest DECODE_SECONDS after a thread took it up."""
        while True:
            try:
                return task.picture.result(timeout=min(1.0, DECODE_SECONDS))
            except TimeoutError:
                if task.begun is not None and time.monotonic() - task.begun > DECODE_SECONDS and self._give_up(task):
                    return f"not decoded after {DECODE_SECONDS:g} s"

    def close(self) -> None:
        """Tell the threads to end, each after the picture that it is at."""
        self.closed = True
        for _ in range(DECODING_THREADS):
            self.work.put(None)

    def _start(self) -> None:
        Thread(target=self._run, name="decode", daemon=True).start()

    def _run(self) -> None:
        while (task := self.work.get()) is not None and not self.closed:
            task.thread, task.begun = get_ident(), time.monotonic()
            try:
                made = read(task.file, self.size, self.resize)
            except MemoryError as error:
                task.picture.set_exception(error)
                continue
            except SystemExit:  # given up
                return
            with self.changing:
                if task.given_up:  # another thread has this one's place
                    return
                task.picture.set_result(made)

    def _give_up(self, task: _Task) -> bool:
        """End the thread of a task as soon as it comes back from its decoder; False where it has just finished."""
        with self.changing:
            if task.picture.done():
                return False
            task.given_up = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(task.thread), ctypes.py_object(SystemExit))
        self._start()
        return True
