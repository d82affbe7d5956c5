"""Trials whose heads share features, trained side by side: each goes through the one loop, their updates are made in one.

Every trial has a thread of its own, and only one of them runs at a time: each up to where it wants its head trained, or has
a record. When all of them have come that far, what they want is trained together, and each goes on with what is its own.
Best networks are written side by side as well, by the threads of trainables.trial.WRITERS, before their records are heard.
So the order of everything is the same in every run, and nothing in the loop knows of it.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from records.epoch import EpochRecord
from trainables.networks.feature_engine import FeatureEngine
from trainables.networks.joined import Request, can_join, train_together
from trainables.networks.outcomes import Trained
from trainables.trial import Trial


class Dropped(BaseException):
    """Ends the thread of a trial that nobody wants any more; no `except Exception` on the way keeps it."""


@dataclass
class Heard:
    """What came of a trial's step: a record, or the error it failed with, or neither where it has come to its end."""

    record: EpochRecord | None = None
    error: BaseException | None = None


@dataclass(eq=False)
class Member:
    """A trial and its thread, which waits at `turn` while others run."""

    trial: Trial
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    request: Request | None = None
    trained: Trained | None = None
    heard: Heard | None = None
    dropped: bool = False
    over: bool = False  # the thread has come to its end

    def begin(self) -> None:
        engine = self.trial.state.engine
        assert isinstance(engine, FeatureEngine)
        engine.joint, self.trial.meanwhile = self.ask, self._wait
        threading.Thread(target=self._live, name=f"trial {self.trial.number}", daemon=True).start()

    def run(self) -> None:
        """Let the trial go on to its next request, record or end."""
        self.turn.release()
        self.back.acquire()

    def ask(self, request: Request) -> Trained:
        """Called in the trial's thread in place of training alone."""
        self.request = request
        self._wait()
        trained, self.trained = self.trained, None
        assert trained
        return trained

    def _wait(self) -> None:
        self.back.release()
        self.turn.acquire()
        if self.dropped:
            raise Dropped

    def _live(self) -> None:
        try:
            self.turn.acquire()
            if not self.dropped:
                for record in self.trial.records():
                    self.heard = Heard(record)
                    self._wait()
            self.heard = Heard()
        except Dropped:
            pass
        except BaseException as error:
            self.heard = Heard(error=error)
        self.over = True
        self.back.release()

    def drop(self) -> None:
        """End the thread, if it has not ended; the trial stays as it is."""
        self.dropped = True
        if not self.over:
            self.run()


class Crew:
    """Trials that are trained side by side; they are called by their numbers."""

    def __init__(self) -> None:
        self.members: dict[int, Member] = {}

    def __len__(self) -> int:
        return len(self.members)

    @staticmethod
    def takes(trial: Trial) -> bool:
        """Whether the trial can be one of them: a linear head on features, and no clock that others would use up."""
        return can_join(trial.state.engine) and trial.state.budget.seconds is None

    def add(self, trial: Trial) -> None:
        member = self.members[trial.number] = Member(trial)
        member.begin()

    def step(self) -> Iterator[tuple[Trial, Heard]]:
        """One epoch of each: what came of it, in the order of their numbers."""
        for member in self.members.values():
            member.run()
        while asking := [member for member in self.members.values() if member.request]:
            requests = [member.request for member in asking if member.request]
            for member, trained in zip(asking, train_together(requests), strict=True):
                member.request, member.trained = None, trained
                member.run()
        for member in self.members.values():
            if not member.heard:  # its best network is being written, along with those of others
                member.run()
        for number in sorted(self.members):
            member = self.members[number]
            heard, member.heard = member.heard, None
            assert heard
            yield member.trial, heard

    def drop(self, number: int) -> None:
        """One that is over, or that nobody wants any more."""
        self.members.pop(number).drop()

    def close(self) -> None:
        for number in list(self.members):
            self.drop(number)
