"""What a run's events add up to. The one reader: resume, status, dashboards, tables and analysis all ask a RunHistory."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from console.errors import UsageError
from records.about import PACKAGE, other_version
from records.epoch import ACCURACY, EpochRecord, Objective, Row
from records.events import Asked, Ended, Ending, Enough, Epoch, Event, Kind, Paused, Resumed, Round, Started, Tested
from records.folder import ledger_file, read_run, trained
from records.ledger import read_events
from spaces.arm import Arm
from spaces.setting import Setting

LOST = "its search is no longer running"
RANKED = ("complete", "pruned")  # states of trials that have a result
SAID = ("complete", "pruned", "failed")  # states that a trial does not leave again


@dataclass
class TrialHistory:
    """One trial, from the moment it was asked for."""

    asked: Asked
    objective: Objective = ACCURACY  # of its run
    records: list[EpochRecord] = field(default_factory=list)
    best: EpochRecord | None = None
    state: Ending | Literal["running"] = "running"
    waits: bool = False  # paused until it is promoted
    reason: str = ""
    peak_memory_mb: float = 0.0
    over: float | None = None  # seconds since 1970
    test: Tested | None = None
    # of a population's member, by epoch: the values of the fields that change, and whom it took them over from
    fields: dict[int, dict[str, float]] = field(default_factory=dict)
    donors: dict[int, int] = field(default_factory=dict)

    @property
    def number(self) -> int:
        return self.asked.trial

    @property
    def begun(self) -> float:
        """When it was asked for, in seconds since 1970."""
        return self.asked.time or 0.0

    @property
    def setting(self) -> Setting | None:
        """Its own, where it is not the run's."""
        return self.asked.setting

    @property
    def arm(self) -> Arm | None:
        """Of a head-to-head; None in a search."""
        return None if self.setting is None else self.setting.contestant

    @property
    def runs(self) -> bool:
        """Whether a process is at it, or soon will be: it is neither over nor paused."""
        return self.state == "running" and not self.waits

    @property
    def last(self) -> EpochRecord | None:
        return self.records[-1] if self.records else None

    def enter(self, event: Epoch) -> bool:
        """Whether the epoch is new; one that was trained a second time counts as first recorded.

        Raises ValueError for a copy of an epoch: two trainings never take the same time to the last digit.
        """
        record = event.record
        if self.last and record.epoch <= self.last.epoch:
            if record in self.records:
                raise ValueError(f"epoch {record.epoch} of trial {self.number} stands there twice")
            return False
        if record.epoch != len(self.records) + 1:
            raise ValueError(
                f"epoch {len(self.records) + 1} of trial {self.number} is missing before epoch {record.epoch}"
            )
        self.records.append(record)
        self.waits = False
        if record.better_than(self.best, self.objective):
            self.best = record
        if event.member:
            self.fields[record.epoch] = event.member.fields
            if event.member.donor:
                self.donors[record.epoch] = event.member.donor[0]
        return True

    def end(self, event: Ended) -> None:
        self.state, self.reason, self.over = event.state, event.reason, event.time
        self.peak_memory_mb = event.peak_memory_mb

    def open_test(self, event: Tested) -> None:
        """Raises ValueError where test has been opened for the trial before: that is done once."""
        if self.test:
            raise ValueError(f"test is opened twice for trial {self.number}")
        self.test = event

    def run_again(self) -> None:
        """An interrupted trial is gone on with."""
        self.state, self.reason, self.over, self.peak_memory_mb = "running", "", None, 0.0

    def progress(self) -> list[tuple[int, float]]:
        """By epoch: work done, scoring included, and the best score so far, as a scheduler is told of it."""
        by = self.objective
        best = itertools.accumulate((by.score(one) if one.looks else by.before_any for one in self.records), max)
        config = self.asked.config
        return [(record.work(config), top) for record, top in zip(self.records, best, strict=True)]

    def worth(self) -> EpochRecord | None:
        """The epoch that the trial is valued by: of a complete one its best, of a pruned one its last."""
        return {"complete": self.best, "pruned": self.last}.get(self.state)


class RunHistory:
    """Every trial of a run as its events have it."""

    def __init__(self, run: Row):
        """`run`: what run.json says."""
        self.run = run
        self.objective = Objective.of(run.get("setting", {}))
        self.trials: dict[int, TrialHistory] = {}
        self.rounds: list[Round] = []  # of a head-to-head, those after the first
        self.enough: Enough | None = None  # the last time that a search wanted no further trials
        self.changed: set[int] = set()  # trials that something has happened to; whoever has seen to them clears it
        self.started = False  # whether an event has said so
        self.first: float | None = None  # time of the first event, seconds since 1970
        self.last: float | None = None
        self.away = 0.0  # seconds between an interruption and the resumption after it

    @classmethod
    def of(cls, run: Row, events: Iterable[Event]) -> "RunHistory":
        """The history that these events make."""
        made = cls(run)
        for event in events:
            made.apply(event)
        return made

    @property
    def kind(self) -> Kind:
        return "head_to_head" if self.run["kind"] == "head_to_head" else "search"

    def apply(self, event: Event) -> None:
        """Enter one event. Raises ValueError for one of a trial that was never asked for, and for a copy of another."""
        self._tell_time(event)
        if isinstance(event, Started):
            self._start()
        elif isinstance(event, Asked):
            self._ask(event)
        elif isinstance(event, Epoch):
            self._enter(event)
        elif isinstance(event, Paused):
            self._of(event.trial).waits = True
        elif isinstance(event, Ended):
            self._end(event)
        elif isinstance(event, Tested):
            self._of(event.trial).open_test(event)
        elif isinstance(event, Round):
            self.rounds.append(event)
        elif isinstance(event, Enough):
            self.enough = event

    @property
    def further(self) -> int:
        """Trials that later rounds have added to what was asked for at first."""
        return sum(len(each.arms) * len(each.seeds) for each in self.rounds)

    @property
    def satisfied(self) -> Enough | None:
        """Why the run wants no further trials; None where it does, also since it was asked for more afterwards."""
        options = self.run.get("options", {})
        ends = options.get("stop_when", "never") != "never"
        return self.enough if self.enough and ends and options["samples"] <= self.enough.samples else None

    @property
    def samples(self) -> int:
        """Trials in all, as far as is known by now."""
        wanted: int = self.run["options"]["samples"] + self.further
        return wanted if self.satisfied is None else min(wanted, max(self.satisfied.trials, len(self.trials)))

    def lose(self) -> None:
        """Nobody writes this ledger any more: what still runs in it does not."""
        for number, trial in self.trials.items():
            if trial.state == "running":
                trial.state, trial.reason, trial.over = "interrupted", LOST, self.last
                self.changed.add(number)

    def seconds(self, now: float) -> float:
        """Time that was spent on the run until `now`, in seconds."""
        return 0.0 if self.first is None else max(0.0, now - self.first - self.away)

    def ranked(self) -> list[TrialHistory]:
        """Trials with a result, best first."""
        return best_first(self.trials.values())

    def tests(self) -> dict[int, Tested]:
        """The trials that test has been opened for, with their figures."""
        return {number: trial.test for number, trial in self.trials.items() if trial.test}

    def _tell_time(self, event: Event) -> None:
        now = self.last if event.time is None else event.time
        if now is None:
            return
        self.first = now if self.first is None else self.first
        if isinstance(event, Resumed) and self.last is not None:
            self.away += max(0.0, now - self.last)
        self.last = now

    def _start(self) -> None:
        if self.started:
            raise ValueError("the run begins there twice: lines have been copied")
        self.started = True

    def _ask(self, event: Asked) -> None:
        """A trial, or the same trial again after the search was resumed: its records stay."""
        if event.trial in self.trials:
            trial = self.trials[event.trial]
            trial.asked = replace(event, time=trial.asked.time)
            trial.run_again()
        else:
            self.trials[event.trial] = TrialHistory(event, self.objective)
        self.changed.add(event.trial)

    def _enter(self, event: Epoch) -> None:
        trial = self._of(event.record.trial)
        seed = self.run.get("setting", {}).get("seed", event.record.seed)
        if trial.setting is None and event.record.seed != seed:
            raise ValueError(f"an epoch of trial {trial.number} has seed {event.record.seed}, where the run has {seed}")
        if trial.enter(event) and trial.state == "interrupted":
            trial.run_again()

    def _end(self, event: Ended) -> None:
        trial = self._of(event.trial)
        if trial.state not in ("running", "interrupted"):  # an interrupted one may end once more
            raise ValueError(f"trial {trial.number} ends there twice")
        trial.end(event)

    def _of(self, number: int) -> TrialHistory:
        """The trial that something has happened to."""
        if number not in self.trials:
            raise ValueError(f"trial {number} was never asked for")
        self.changed.add(number)
        return self.trials[number]


def read_history(folder: Path) -> RunHistory:
    """What a run folder says. Raises UsageError naming what is damaged, lost or of another version."""
    run = read_run(folder)
    try:
        history = RunHistory.of(run, read_events(folder))
    except UsageError as error:
        if not (made := other_version(run)):
            raise
        raise UsageError(f"{folder} was made by {PACKAGE} {made} and may have other fields than this version knows: "
                         f"{str(error).rstrip('.')}; read it with that version.") from None  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{ledger_file(folder)} is damaged ({error}); the run cannot be trusted.") from None
    refuse_lost(folder, history)
    return history


def check_ledger(folder: Path) -> None:
    """Raises UsageError where a run cannot be gone on with: its ledger is damaged, or was lost. Opens nothing to write.

    A run that was killed before its first event has none, and no trial has left anything.
    """
    if ledger_file(folder).exists():
        read_history(folder)
    else:
        refuse_lost(folder, RunHistory(read_run(folder)))


def refuse_lost(folder: Path, history: RunHistory) -> None:
    """Raises UsageError where trials have left files, or tables were made, of which the ledger knows nothing.

    A trial is in the ledger, and on disk, before it begins.
    """
    unknown = sorted(trained(folder) - history.trials.keys())
    tables = history.first is None and not history.trials and (folder / "finals.parquet").exists()
    if unknown or tables:
        what = f"files of trial {unknown[0]}" if unknown else "tables of what was run"
        raise UsageError(f"The ledger {ledger_file(folder)} was lost, in whole or in part: {folder} holds {what}, and the "
                         f"ledger knows nothing of that; put a copy of it back, since without it nothing that this run "
                         f"says can be trusted.")  # fmt: skip


def best_first(trials: Iterable[TrialHistory]) -> list[TrialHistory]:
    """Those with a result, in the one order in which trials are ranked."""
    return sorted((trial for trial in trials if trial.best and trial.state in RANKED), key=rank)


def rank(trial: TrialHistory) -> tuple[float, float, int]:
    """Sorts the best first: by the objective, then loss, then the earlier trial; the same on every machine."""
    assert trial.best
    score, less = trial.objective.standing(trial.best)
    return -score, -less, trial.number
