"""The run as an Optuna study, for optuna-dashboard and for whoever likes to ask Optuna: `study.journal`.

It is derived from the ledger and never read back: made anew at every start, then followed. The file is what Optuna's
JournalFileBackend reads and writes. That backend takes a lock for every line, and one that a killed process has left makes
the next wait half a minute; nobody but us writes this file, so we lock nothing and wait for nobody.
"""

import json
import math
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from console.progress import track
from records.boundary import open_plain
from records.epoch import Objective, Row
from records.files import write_bytes
from records.folder import best_weights, predictions_file
from records.history import RunHistory, TrialHistory
from search.proposers.samplers import has_two_objectives
from search.proposers.study import STATES, direction, finite, values_of
from search.views import plots
from search.views.arms import Standing, Standings, arm_as_trial
from search.views.names import study_name
from search.views.notes import Notes, arm_note, arms_note, search_note
from spaces.space import within
from trainables.metrics import get_metric

STUDY = 0  # its id: there is one in a journal of ours


class Journal(BaseJournalBackend):
    """The lines of a study journal, in memory and, from `keep` on, in a file as well."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.file: Any = None

    def read_logs(self, log_number_from: int) -> list[Row]:
        return [json.loads(line) for line in self.lines[log_number_from:]]

    def append_logs(self, logs: list[Row]) -> None:
        new = [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
        self.lines += new
        if self.file:
            self.file.write("".join(new).encode())
            self.file.flush()

    def keep(self, path: Path) -> None:
        """Write everything so far in one go, in place of an older file, and go on there."""
        write_bytes(path, "".join(self.lines).encode())
        self.file = open_plain(path, "ab")

    def close(self) -> None:
        if self.file:
            self.file.close()


class StudyMirror:
    """Keeps a study like a run's history. `storage` is another object after `update` has said True.

    A search has a trial for each of its trials, a head-to-head one for each arm: the best of many seeds answers nothing.
    """

    def __init__(self, folder: Path, run: Row, path: Path):
        """`path`: where the journal goes."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder, self.run, self.path = folder, run, path
        self.journal = Journal()
        self.storage: BaseStorage = JournalStorage(self.journal)
        self.study, self.name = STUDY, study_name(folder.name, run)
        self.shown: dict[int, tuple[int, FrozenTrial]] = {}  # by our number: Optuna's id, and what it was told
        self.source: RunHistory | None = None  # what `shown` was made from
        self.made_for: Any = None  # names of objectives and arms: a study of others is another one
        self.notes = Notes(self.storage, STUDY)
        self.standings = Standings(folder)
        self.standing: Standing | None = None  # of a head-to-head

    def update(self, history: RunHistory, live: bool = True) -> bool:
        """Bring the study up to date; whether it had to be made anew, because an ended trial has changed after all.

        `live`: whether anybody is at the run.
        """
        self.standing = self.standings.of(history) if history.kind == "head_to_head" else None
        made_for = (self._objectives()[0], self.standing and self.standing.choices)
        new = history is not self.source or made_for != self.made_for
        self.source, self.made_for = history, made_for
        trials = {} if new else self._trials(history, sorted(history.changed), live)
        if new or any(_rewritten(self.shown[n][1], trial) for n, trial in trials.items() if n in self.shown):
            self._make_anew(history, live)
            return True
        for number, trial in trials.items():
            self._follow(number, trial)
        self._write_notes(history)
        return False

    def close(self) -> None:
        self.journal.close()

    def _objectives(self) -> tuple[list[str], list[StudyDirection]]:
        return (
            objectives(self.run) if self.standing is None else ([self.standing.objective], objectives(self.run)[1][:1])
        )

    def _trials(self, history: RunHistory, numbers: Iterable[int], live: bool) -> dict[int, FrozenTrial]:
        """By our number; of a head-to-head all arms, by their place."""
        if self.standing is None:
            return {n: as_trial(self.run, self.folder, history.trials[n]) for n in numbers}
        return {place: arm_as_trial(one, self.standing, live) for place, one in enumerate(self.standing.arms)}

    def _make_anew(self, history: RunHistory, live: bool) -> None:
        self.journal.close()
        self.journal = Journal()
        self.storage = JournalStorage(self.journal)
        self._fill(history, live)
        self.journal.keep(self.path)

    def _fill(self, history: RunHistory, live: bool) -> None:
        """Make the study, and in it every trial."""
        self.shown = {}
        names, directions = self._objectives()
        self.study = self.storage.create_new_study(directions, self.name)
        self.notes = Notes(self.storage, self.study)
        self.storage.set_study_system_attr(self.study, "study:metric_names", names)
        numbers = track(sorted(history.trials), "preparing the study", unit="trials")
        for number, trial in self._trials(history, numbers, live).items():
            self._add(number, trial)
        self._write_notes(history)

    def _write_notes(self, history: RunHistory) -> None:
        if self.standing is None:
            return self.notes.put(search_note(history, self.study))
        self.notes.put(arms_note(history, self.standing, self.study))
        for place, one in enumerate(self.standing.arms):
            self.notes.put(arm_note(one, self.standing), self.shown[place][0])
        self.notes.plot("differences", plots.differences(self.standing))
        self.notes.plot("arms", plots.arms(self.standing))

    def _add(self, number: int, trial: FrozenTrial) -> None:
        self.shown[number] = (self.storage.create_new_trial(self.study, trial), trial)

    def _follow(self, number: int, trial: FrozenTrial) -> None:
        """Add what is new of one trial that still ran when it was last looked at."""
        if number not in self.shown:
            return self._add(number, trial)
        id, before = self.shown[number]
        for step, value in trial.intermediate_values.items():
            if before.intermediate_values.get(step) != value:
                self.storage.set_trial_intermediate_value(id, step, value)
        for name, value in trial.user_attrs.items():
            if before.user_attrs.get(name) != value:
                self.storage.set_trial_user_attr(id, name, value)
        if trial.state != before.state:
            self.storage.set_trial_state_values(id, trial.state, trial.values)
        self.shown[number] = (id, trial)


class SharedStudy(StudyMirror):
    """One of several runs in one storage, which is kept in no file; `update` never makes that anew."""

    def __init__(self, folder: Path, run: Row, name: str, storage: BaseStorage):
        """`name`: of its run, beside the others."""
        super().__init__(folder, run, folder)
        self.name, self.storage = study_name(name, run), storage

    def update(self, history: RunHistory, live: bool = True) -> bool:
        super().update(history, live)
        return False

    def _make_anew(self, history: RunHistory, live: bool) -> None:
        if self.shown:
            self.storage.delete_study(self.study)
        self._fill(history, live)


def shared_storage() -> BaseStorage:
    """A storage for several studies, in memory."""
    return JournalStorage(Journal())


def _rewritten(before: FrozenTrial, now: FrozenTrial) -> bool:
    """Whether the change cannot be added to a study: an ended trial takes none, and no trial other parameters or less."""
    if before.state.is_finished():
        return before != now
    if (
        before.intermediate_values.keys() - now.intermediate_values.keys()
        or before.user_attrs.keys() - now.user_attrs.keys()
    ):
        return True
    return (before.params, before.distributions) != (now.params, now.distributions)


def objectives(run: Row) -> tuple[list[str], list[StudyDirection]]:
    """The names and directions of what the trials are valued by."""
    by = Objective.of(run["setting"])
    title, report = get_metric(by.metric).title, run["setting"]["protocol"] == "report"
    split = f"test {title} (picked on test)" if report else f"validation {title}"
    if has_two_objectives(run["options"]["sampler"]):
        return [split, "seconds"], [direction(by), StudyDirection.MINIMIZE]
    return [split], [direction(by)]


def as_trial(run: Row, folder: Path, of: TrialHistory) -> FrozenTrial:
    """One trial as Optuna keeps it: numbered, valued by its best epoch, with a value per epoch."""
    params, distributions, outside = parameters(run, of)
    state = TrialState.RUNNING if of.state == "running" else STATES[of.state]
    values = values_of(of, has_two_objectives(run["options"]["sampler"]))
    if state == TrialState.COMPLETE and values is None:
        state = TrialState.FAIL
    trial = create_trial(
        state=state,
        values=values if state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        params=params,
        distributions=distributions,
        user_attrs=attributes(run, folder, of) | outside,
        intermediate_values={
            one.epoch: value for one in of.records if (value := finite(one.figure(of.objective.metric))) is not None
        },
    )
    trial.datetime_start = datetime.fromtimestamp(of.begun)
    trial.datetime_complete = None if of.over is None else datetime.fromtimestamp(of.over)
    return trial


def parameters(run: Row, of: TrialHistory) -> tuple[Row, dict[str, BaseDistribution], Row]:
    """The searched values with their distributions, and those that lie outside their distribution: an anchor's may."""
    space = {name: json_to_distribution(text) for name, text in run["space"]["search"].items()}
    values = of.asked.values
    inside = {name: value for name, value in values.items() if name in space and within(space[name], value)}
    outside = {f"{name} (outside the space)": value for name, value in values.items() if name not in inside}
    return inside, {name: space[name] for name in inside}, outside


def attributes(run: Row, folder: Path, of: TrialHistory) -> Row:
    """What a person wants to know of a trial beside its parameters, under the names of the parquet columns."""
    asked, best = of.asked, of.best
    row: Row = {"strategy": run["setting"]["strategy"]}
    if asked.anchor:
        row["anchor"] = asked.anchor + (" (the sampler is not told)" if asked.withheld else "")
    if best is not None:
        last = of.records[-1]
        row |= {"epochs": last.epoch, "best_epoch": best.epoch, "best_accuracy": best.eval_accuracy,
                "best_loss": _number(best.eval_loss), "best_knn": best.eval_knn, "seconds": round(last.seconds, 3),
                "images_trained": last.images_trained, "class_counts": _counts(run, last.class_counts)}  # fmt: skip
        row |= {f"best_{name}": value for name, value in best.metrics.items() if value is not None}
    if of.fields:
        row |= {"schedule": schedule(of.fields), "donors": donors(of.donors)}
    if of.test is not None:
        row["test_accuracy"] = of.test.accuracy
        row |= {f"test_{name}": of.test.figure(name) for name in {of.objective.metric} - {"accuracy"}}
    if of.reason:
        row["reason"] = of.reason
    if of.state != "running":
        row["files"] = ", ".join(files(folder, of.number)) or "none"
    return row


def schedule(fields: dict[int, dict[str, float]]) -> str:
    """'gate 0.8, 0.96 from epoch 5; ...': what each changing field was, and from when on."""
    lines = []
    for name in next(iter(fields.values())):
        steps: list[tuple[int, float]] = []
        for epoch, values in fields.items():
            if not steps or steps[-1][1] != values[name]:
                steps.append((epoch, values[name]))
        later = [f"{of:.3g} from epoch {epoch}" for epoch, of in steps[1:]]
        lines.append(f"{name} " + ", ".join([f"{steps[0][1]:.3g}", *later]))
    return "; ".join(lines)


def donors(of: dict[int, int]) -> str:
    """'trial 3 before epoch 5': whose network and fields a member went on with."""
    return ", ".join(f"trial {trial} before epoch {epoch}" for epoch, trial in of.items()) or "none"


def files(folder: Path, trial: int) -> list[str]:
    """What the run folder holds of a trial just now, relative to it. Only the best few keep their network."""
    predictions = [predictions_file(folder, trial, split) for split in ("validation", "test")]
    paths = [best_weights(folder, trial), *predictions, folder / "log" / f"trial-{trial:04d}.txt"]
    return [path.relative_to(folder).as_posix() for path in paths if path.exists()]


def _number(of: float) -> float | str:
    return of if math.isfinite(of) else str(of)


def _counts(run: Row, counts: tuple[int, ...]) -> str:
    """'aGrass 256, bField 0, ...': images of each class that the last epoch trained on."""
    return ", ".join(f"{name} {count}" for name, count in zip(run["data"]["classes"], counts, strict=False))
