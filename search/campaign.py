"""The search as the driver sees it: one history of its trials, written to the ledger as it happens.

Executors only call `ask`, `epoch` and `ended`; whoever watches (the terminal) is told of the same three.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from console.signals import held
from records import folder as paths
from records.epoch import EpochRecord, Row
from records.events import (
    Asked,
    Ended,
    Ending,
    Enough,
    Epoch,
    Event,
    Lost,
    Member,
    Paused,
    Placed,
    Resumed,
    Round,
    Started,
    Tested,
)
from records.files import write_bytes
from records.history import SAID, RunHistory, TrialHistory, best_first
from records.ledger import Ledger
from search.proposers.proposer import Endable, Hears, InRounds, Proposer, Prunes

SAME_FAILURES = 3  # after so many trials that fail alike, and none that does not, the rest would too
OUT_OF_TIME = "the time budget is spent"


class Watcher(Protocol):
    """Who is told what happens."""

    def expects(self, samples: int) -> None: ...
    def asked(self, trial: TrialHistory) -> None: ...
    def epoch(self, trial: TrialHistory) -> None: ...
    def ended(self, trial: TrialHistory) -> None: ...
    def say(self, text: str) -> None: ...


class Stop(Protocol):
    """Who says that a search has seen enough."""

    def judge(self, history: RunHistory, asked: int, samples: int) -> Enough | None: ...


class Campaign:
    """Asks, records and ends trials; keeps the networks of the best few and of the anchors."""

    def __init__(self, folder: Path, run: Row, proposer: Proposer, keep: int, deadline: float | None, watcher: Watcher):
        """`run`: what run.json says; `deadline` is in seconds of time.monotonic: from then on no trial is asked for."""
        self.folder, self.proposer, self.keep, self.deadline, self.watcher = folder, proposer, keep, deadline, watcher
        self.history = RunHistory(run)
        self.ledger = Ledger(folder)
        self.reopened: list[int] = []  # trials of an earlier process that are to be gone on with
        self.kept: set[int] = set()  # trials whose networks are kept for being among the best
        self.stopped = ""  # why no more trials are wanted
        self.broken = ""  # why nothing more can be written
        self.prunes = False  # whether the proposer says which trials are not worth going on with
        self.stop: Stop | None = None  # who says that enough has been asked for, where somebody does

    @property
    def trials(self) -> dict[int, TrialHistory]:
        return self.history.trials

    def begin(self) -> None:
        """The first line of a ledger that has none."""
        if self.ledger.is_empty():
            self._write(Started(self.history.kind, time=time.time()))

    def restore(self, events: Iterable[Event], data_root: str | None, moved: Mapping[str, str]) -> None:
        """Take the run up where its ledger ends: what was ended stays, what was interrupted is open again.

        `data_root`: where the data are now; `moved`: where files lie now, by where they lay.
        """
        for event in events:
            if isinstance(event, Asked) and event.setting:
                there = {
                    name: moved[place] for name, place in event.setting if isinstance(place, str) and place in moved
                }
                event = replace(event, setting=event.setting.model_copy(update=there | {"data_root": data_root}))
            again = isinstance(event, Asked) and event.trial in self.trials
            self.history.apply(event)
            if not again:
                self._tell_proposer(event)
        for trial in self.trials.values():
            if trial.state == "interrupted":
                trial.run_again()
        if self.history.satisfied:
            self._ask_no_more()
        self.kept = {number for number, trial in self.trials.items() if trial.state != "running"}
        self.reopened = [number for number, trial in self.trials.items() if trial.runs]

    def resumed(self) -> None:
        """The run is gone on with by this process."""
        self._write(Resumed(self.proposer.samples, time=time.time()))

    def _tell_proposer(self, event: Event) -> None:
        """What has happened, to whoever proposes; of an interrupted trial it still waits to hear."""
        if isinstance(event, Round) and isinstance(self.proposer, InRounds):
            self.proposer.adopt_round(event)
            self.watcher.expects(self.proposer.samples)
        elif isinstance(event, Asked):
            self.proposer.adopt(event)
            self.watcher.asked(self.trials[event.trial])
        elif isinstance(event, Epoch):
            self.proposer.report(event.record)
        elif isinstance(event, Paused) and isinstance(self.proposer, Hears):
            self.proposer.paused(self.trials[event.trial])
        elif isinstance(event, Ended) and event.state in SAID:
            self.proposer.tell(self.trials[event.trial])

    def begin_round(self, event: Round) -> bool:
        """Go on with further seeds; whether that could be written."""
        assert isinstance(self.proposer, InRounds)
        if not self._write(replace(event, time=time.time())):
            return False
        self.proposer.adopt_round(event)
        self.watcher.expects(self.proposer.samples)
        return True

    def ask(self) -> Asked | None:
        """The next trial to run, or None when there is none."""
        if self.over_time():
            self.stopped = self.stopped or OUT_OF_TIME
        if self.stopped:
            return None
        if self.reopened:
            return self.trials[self.reopened.pop(0)].asked
        self._judge()
        if (proposal := self.proposer.ask()) is None:
            return None
        asked = replace(proposal, time=time.time())
        self._write(asked)
        self.watcher.asked(self.trials[asked.trial])
        return asked

    def _judge(self) -> None:
        """Before a trial is asked for: whether it is wanted at all. What runs already runs to its end."""
        asked, samples = self.proposer.asked, self.proposer.samples
        event = self.stop.judge(self.history, asked, samples) if self.stop and asked < samples else None
        if event is not None and self._write(replace(event, time=time.time())):
            self._ask_no_more()

    def _ask_no_more(self) -> None:
        assert isinstance(self.proposer, Endable)
        self.proposer.enough()
        self.watcher.expects(self.proposer.samples)

    def epoch(self, record: EpochRecord, member: Member | None = None) -> None:
        """An epoch has been trained; one that a restarted trial repeats replaces nothing and is not written twice.

        `member`, in a population: what the epoch was trained with.
        """
        trial = self.trials[record.trial]
        if trial.last and record.epoch <= trial.last.epoch:
            return
        if not self._write(Epoch(record, member, time=time.time())):  # it will be trained again
            return
        self.proposer.report(record)
        self.watcher.epoch(trial)

    def hopeless(self, record: EpochRecord) -> bool:
        """Whether a trial is to be stopped after this epoch, by whoever proposes."""
        return self.prunes and isinstance(self.proposer, Prunes) and self.proposer.hopeless(record)

    def placed(self, number: int, where: Row) -> None:
        """A process has taken a trial up: the node it is on, its GPUs as Ray counts them, its threads."""
        self._write(Placed(number, **where | {"gpus": tuple(where["gpus"])}, time=time.time()))

    def lost(self, number: int, reason: str, failures: int) -> None:
        """A trial has lost its process, and is started again from its last checkpoint."""
        self._write(Lost(number, reason, failures, time=time.time()))

    def lost_all(self, reason: str) -> None:
        """Every trial that runs has lost its process, and is to be gone on with."""
        for number, trial in self.trials.items():
            if trial.runs:
                self.lost(number, reason, 0)
                self.reopen(number)

    def paused(self, number: int) -> None:
        """A trial waits to be promoted; its checkpoint is written, or will be made again by training as before."""
        trial = self.trials[number]
        if not self._write(Paused(number, time=time.time())):
            return
        self.reopened = [other for other in self.reopened if other != number]
        if isinstance(self.proposer, Hears):
            self.proposer.paused(trial)

    def promoted(self, number: int) -> Asked:
        """A paused trial goes on. Its next epoch is what is recorded of that."""
        self.trials[number].waits = False
        return self.trials[number].asked

    def at_work(self) -> int:
        """Trials that run."""
        return sum(trial.runs for trial in self.trials.values())

    def reopen(self, number: int) -> None:
        """A trial is to be given to a process again."""
        if self.trials[number].state == "running" and number not in self.reopened:
            self.reopened.append(number)

    def running(self) -> bool:
        """Whether a trial still runs, or waits to be given to a process again."""
        return not self.stopped and any(trial.state == "running" for trial in self.trials.values())

    def ended(self, number: int, state: Ending, reason: str = "", peak_memory_mb: float = 0.0) -> None:
        """A trial is over. Only the first word counts."""
        trial = self.trials[number]
        if trial.state != "running":
            return
        event = Ended(number, state, reason, peak_memory_mb, time=time.time())
        if not self._write(event):
            return trial.end(event)
        self.proposer.tell(trial)
        self._tidy(number)
        self.watcher.ended(trial)

    def failed(self, number: int, reason: str, trace: str) -> None:
        """A trial has failed: one line for the table, the traceback for the log."""
        write_bytes(self.folder / "log" / f"trial-{number:04d}.txt", trace.encode())
        self.ended(number, "failed", reason)
        if self._all_fail_alike():
            self.stopped = f"the first {SAME_FAILURES} trials all failed the same way ({reason})"

    def out_of_room(self, number: int, reason: str) -> None:
        """A trial could not write its network: not its own failure, so it is to be gone on with when there is room."""
        self.stopped = self.stopped or f"{self.folder} cannot be written any more ({reason})"
        self.ended(number, "interrupted", self.stopped)
        self.broken = self.stopped

    @held()  # an end that only the ledger knew of would be written a second time
    def _write(self, event: Event) -> bool:
        """Into ledger and history; a disk that is full, or read-only by now, ends the run and not the process."""
        if self.broken:
            return False
        try:
            self.ledger.append(event)
        except OSError as error:
            self.broken = f"{self.folder} cannot be written any more ({error.strerror or error})"
            self.stopped = self.stopped or self.broken
            if not isinstance(event, Asked | Tested):  # of these, others have heard already
                return False
        self.history.apply(event)
        return not self.broken

    def _all_fail_alike(self) -> bool:
        """Whether nothing but one and the same failure has come of this run so far; numbers in its reason may differ."""
        ended = [trial for trial in self.trials.values() if trial.state in SAID]
        if len(ended) < SAME_FAILURES or any(trial.state != "failed" or trial.records for trial in ended):
            return False
        return len({re.sub(r"[-+.\d]+", "#", trial.reason) for trial in ended}) == 1

    def over_time(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def past(self) -> dict[int, list[tuple[int, float]]]:
        """{trial: [(images that its updates so far saw, best score so far) by epoch]}: what a scheduler judges by."""
        return {number: trial.progress() for number, trial in self.trials.items() if trial.records}

    def seconds_left(self) -> float | None:
        return None if self.deadline is None else max(1.0, self.deadline - time.monotonic())

    def waiting(self) -> bool:
        """Whether a trial that is still to be asked for waits for one that runs."""
        return not self.stopped and (bool(self.reopened) or self.proposer.asked < self.proposer.samples)

    def unfinished(self) -> bool:
        """Whether trials still run, or are still to be asked for."""
        return len(self.trials) < self.proposer.samples or any(t.state == "running" for t in self.trials.values())

    def close_open_trials(self, reason: str) -> None:
        """What still runs when the executor has stopped is interrupted."""
        for number, trial in self.trials.items():
            if trial.state == "running":
                self.ended(number, "interrupted", reason)

    def tested(self, figures: Tested) -> None:
        """Test has been opened for a trial."""
        self._write(replace(figures, time=time.time()))

    def _tidy(self, number: int) -> None:
        """Remove the networks that nothing will ask for; what was interrupted may be gone on with."""
        if self.trials[number].state in SAID:
            paths.remove_last_checkpoint(self.folder, number)
        rivals = self.kept | {number}  # whoever dropped out stays out: ranking all would cost more with each trial
        kept = {trial.number for trial in best_first(self.trials[rival] for rival in rivals)[: self.keep]}
        for gone in rivals - kept:
            if self.trials[gone].state in SAID and self.trials[gone].asked.anchor is None:
                paths.remove_checkpoints(self.folder, gone)
        self.kept = kept
