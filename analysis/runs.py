"""A run as data frames. The only place in analysis that reads run folders; starts no Ray."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from console.errors import UsageError
from console.wording import many
from records.files import Arrays
from records.folder import ledger_file, read_predictions, read_run
from records.history import record_rows
from records.ledger import read_events
from records.tables import final_rows
from spaces.setting import Setting

PACKAGE = "curriculum-tune"


@dataclass(frozen=True)
class LoadedRun:
    """One run. `records` has a row per trial and epoch, `finals` and `configs` a row per trial."""

    name: str
    about: dict[str, Any]  # run.json
    records: pd.DataFrame
    finals: pd.DataFrame
    configs: pd.DataFrame  # trial, anchor (None for draws) and every field of the config
    folder: Path
    asked: dict[int, dict[str, Any]]  # trial -> its "asked" event, whose setting is filled in
    notes: tuple[str, ...]  # what a reader must know before trusting the figures, a sentence each

    @property
    def eval_split(self) -> str:
        return "test" if self.about["setting"]["protocol"] == "report" else "validation"

    @property
    def command(self) -> str:
        """The command line without the folders of the machine it ran on; run.json has it whole."""
        return without_folders(self.about["command"])

    @property
    def head_to_head(self) -> bool:
        """Whether this is a run of search.compare; else it is a search of one strategy."""
        return "compare" in self.about

    @property
    def classes(self) -> list[str]:
        return list(self.about["data"]["classes"])

    @cached_property
    def predictions(self) -> dict[tuple[int, str], Arrays]:
        """(trial, split) -> image (n,), true (n,), predicted (n,), probabilities (n, C) of the selected epoch."""
        return {(trial, split): arrays for trial, split, _, arrays in read_predictions(self.folder)}


def without_folders(text: str) -> str:
    """'--data-root /home/me/data/rsscn7' -> '--data-root …/rsscn7': a report is meant to be shown to others."""
    return re.sub(r"(?<![\w.…/])/(?:[^\s/'\"]+/)+(?=[^\s/'\"])", "…/", text)


def right(said: Arrays) -> np.ndarray:
    """(n,) bool, whether each image was predicted right: of the multi-label task, whether any of its labels was."""
    return said["correct"] if "correct" in said else said["predicted"] == said["true"]


def load_run(folder: Path) -> LoadedRun:
    """Read a run, finished or still running, from its ledger. Raises UsageError naming what is damaged or missing."""
    about, events = read_run(folder), read_events(folder)
    try:
        finals = pd.DataFrame(final_rows(about, events))
    except (TypeError, KeyError) as error:  # fields that EpochRecord lacks, or wants
        made = about.get("versions", {}).get(PACKAGE, "another version")
        raise UsageError(f"{folder} was made by {PACKAGE} {made} and has other fields than this version knows "
                         f"({error}); read it with that version.") from None  # fmt: skip
    records = pd.DataFrame(record_rows(events))
    if not records.empty:
        records["seconds"] = records["train_seconds"] + records["score_seconds"]
    asked = {
        e["trial"]: {**e, "setting": e.get("setting") or about["setting"]} for e in events if e["event"] == "asked"
    }
    return LoadedRun(
        name=about["options"]["name"],
        about=about,
        records=records,
        finals=finals,
        configs=pd.DataFrame([{"trial": n, "anchor": e["anchor"], **e["config"]} for n, e in asked.items()]),
        folder=folder,
        asked=asked,
        notes=(*_damage(folder), *_versions(about), *_unfinished(events, finals)),
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
    made = about.get("versions", {}).get(PACKAGE)
    try:
        here = version(PACKAGE)
    except PackageNotFoundError:
        return []
    if made in (None, here):
        return []
    return [f"The run was made by {PACKAGE} {made} and read by {here}."]


def _unfinished(events: list[dict[str, Any]], finals: pd.DataFrame) -> list[str]:
    """Trials that are in no comparison, and why: no gap is silent."""
    if finals.empty:
        return []
    ended = {event["trial"] for event in events if event["event"] == "ended"}
    notes = []
    for state, rows in finals.groupby("state"):
        running = [trial for trial in rows["trial"] if trial not in ended]
        over = len(rows) - len(running)
        if running:
            notes.append(f"{many(len(running), 'trial')} had not ended when this was read.")
        if state in ("failed", "interrupted") and over:
            reasons = rows[rows["trial"].isin(ended)]["reason"].replace("", "no reason given")
            reason = json.dumps(without_folders(reasons.iloc[0]), ensure_ascii=False)[1:-1][:120]
            notes.append(f"{many(over, 'trial')} {state}: {reason}.")
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
