"""A run as data frames. The only place in analysis that reads run folders; starts no Ray."""

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.rulebook.measure import Measure
from console.errors import UsageError
from console.wording import many, printable
from records.about import PACKAGE, other_version
from records.events import Asked
from records.files import Arrays
from records.folder import ledger_file
from records.history import RunHistory, read_history
from records.places import without_folders
from records.predictions import read_predictions
from records.tables import final_rows, record_rows
from spaces.setting import Setting


@dataclass(frozen=True)
class LoadedRun:
    """One run. `records` has a row per trial and epoch, `finals` and `configs` a row per trial."""

    name: str
    about: dict[str, Any]  # run.json
    records: pd.DataFrame
    finals: pd.DataFrame
    configs: pd.DataFrame  # trial, anchor (None for draws) and every field of the config
    folder: Path
    history: RunHistory
    notes: tuple[str, ...]  # what a reader must know before trusting the figures, a sentence each

    @property
    def eval_split(self) -> str:
        return "test" if self.about["setting"]["protocol"] == "report" else "validation"

    @property
    def command(self) -> str:
        """The command line without the folders of the machine it ran on; run.json has it whole."""
        return without_folders(self.about["command"])

    @property
    def measure(self) -> Measure:
        """What epochs, trials and arms were picked by, and how differences of it are said."""
        return Measure(self.history.objective)

    @property
    def head_to_head(self) -> bool:
        """Whether this is a run of search.compare; else it is a search of one strategy."""
        return self.history.kind == "head_to_head"

    @cached_property
    def setting(self) -> Setting:
        """What all trials share. Raises UsageError where it has fields that are not known here."""
        return setting_of(self)

    @cached_property
    def settings(self) -> dict[int, Setting]:
        """trial -> what it ran with. Raises UsageError as `setting`."""
        return {number: trial.setting or self.setting for number, trial in self.history.trials.items()}

    @property
    def asked(self) -> dict[int, Asked]:
        """trial -> what it was asked to run."""
        return {number: trial.asked for number, trial in self.history.trials.items()}

    @property
    def untested(self) -> frozenset[int]:
        """The complete trials of a head-to-head that test is still closed for, while it was opened for others."""
        return _untested(self.history, self.finals)

    @property
    def classes(self) -> list[str]:
        """Their names as they may be shown."""
        return [printable(name) for name in self.about["data"]["classes"]]

    def on_test(self, trial: int) -> Arrays | None:
        """What the trial's selected network says of the test images; None where that was not kept."""
        return self.predictions.get((trial, "test"))

    @cached_property
    def predictions(self) -> dict[tuple[int, str], Arrays]:
        """(trial, split) -> image (n,), true (n,), predicted (n,), probabilities (n, C) of the selected epoch."""
        return {(trial, split): arrays for trial, split, _, arrays in read_predictions(self.folder)}


def looked(records: pd.DataFrame) -> pd.DataFrame:
    """The epochs with a look that counts: those that a best one is picked of."""
    return records[records["looks"] > 0]


def load_run(folder: Path) -> LoadedRun:
    """Read a run, finished or still running, from its ledger. Raises UsageError naming what is damaged or missing."""
    history = read_history(folder)
    about, finals = history.run, pd.DataFrame(final_rows(history))
    records = pd.DataFrame(record_rows(history))
    if not records.empty:
        records["seconds"] = records["train_seconds"] + records["score_seconds"]
    asked = [trial.asked for trial in history.trials.values()]
    return LoadedRun(
        name=about["options"]["name"],
        about=about,
        records=records,
        finals=finals,
        configs=pd.DataFrame([{"trial": one.trial, "anchor": one.anchor, **one.config} for one in asked]),
        folder=folder,
        history=history,
        notes=(*_damage(folder), *_versions(about), *_other_code(about), *_unfinished(history, finals)),
    )


def load_with_epochs(folder: Path) -> LoadedRun:
    """The same, of a run that has something to show. Raises UsageError."""
    run = load_run(folder)
    if run.records.empty:
        raise UsageError(f"{folder} has no epoch yet; wait for the first one.")
    return run


def _damage(folder: Path) -> list[str]:
    with ledger_file(folder).open("rb") as file:
        file.seek(0, 2)
        if file.tell() == 0:
            return []
        file.seek(-1, 2)
        whole = file.read(1) == b"\n"
    return (
        []
        if whole
        else ["The last line of the ledger is cut off and was left out: the run was killed, or it still runs."]
    )


def _versions(about: dict[str, Any]) -> list[str]:
    made = other_version(about)
    return [f"The run was made by {PACKAGE} {made} and read by {version(PACKAGE)}."] if made else []


def _other_code(about: dict[str, Any]) -> list[str]:
    """What was made by which source and packages, where the run was gone on with under others."""
    notes: list[str] = []
    now: dict[str, Any] = {name: about[name] for name in ("code", "versions") if name in about}
    for change in reversed([each for each in about.get("resumed", []) if "before" in each]):
        then = now | change["before"]
        half = f", the end of {', '.join(map(str, change['under_way']))}" if change["under_way"] else ""
        made = f"trials from {change['trials']} on{half} and tests opened since are of other source or packages"
        notes.insert(0, f"Gone on with by --other-code on {change['time'][:10]}: {made}: {_change(then, now)}.")
        now = then
    return notes


def _change(then: dict[str, Any], now: dict[str, Any]) -> str:
    """'code 3f2a91c then 77b0de4, torch 2.14.0 then 2.15.0'."""
    old, new = ({"code": of.get("code", "unknown")[:7], **of.get("versions", {})} for of in (then, now))
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name, 'none')} then {new.get(name, 'none')}" for name in names)


def untested_note(trials: int) -> str:
    """What is said of complete trials without a test figure."""
    return f"Left out: {many(trials, 'complete trial')} without a test figure yet."


def _untested(history: RunHistory, finals: pd.DataFrame) -> frozenset[int]:
    if history.kind != "head_to_head" or finals.empty:
        return frozenset()
    complete = finals[finals["state"] == "complete"]
    closed = complete["test_accuracy"].isna()
    return frozenset() if closed.all() else frozenset(complete["trial"][closed])


def _unfinished(history: RunHistory, finals: pd.DataFrame) -> list[str]:
    """Trials that are in no comparison, and why: no gap is silent."""
    notes = []
    if untested := _untested(history, finals):
        notes.append(untested_note(len(untested)))
    trials = list(history.trials.values())
    running = sum(trial.state == "running" for trial in trials)
    if running:
        notes.append(f"{many(running, 'trial')} had not ended when this was read.")
    for state in ("failed", "interrupted"):
        reasons = [trial.reason or "no reason given" for trial in trials if trial.state == state]
        if reasons:
            reason = json.dumps(without_folders(reasons[0]), ensure_ascii=False)[1:-1][:120]
            notes.append(f"{many(len(reasons), 'trial')} {state}: {reason}.")
    return notes


def setting_of(run: LoadedRun) -> Setting:
    """The run's setting. Raises UsageError where it has fields that this version does not know."""
    try:
        return Setting(**run.about["setting"])
    except ValueError as error:
        fields = str(error).splitlines()[1:2]
        raise UsageError(
            f"{run.folder} has a setting of another version ({', '.join(fields)}); use that one."
        ) from None
