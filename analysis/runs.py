"""A run as data frames. The only place in analysis that reads run folders; starts no Ray."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from trainables import store, tables


@dataclass(frozen=True)
class LoadedRun:
    """One run. `records` has a row per trial and epoch, `finals` and `configs` a row per trial."""

    name: str
    about: dict[str, Any]  # run.json
    records: pd.DataFrame
    finals: pd.DataFrame
    configs: pd.DataFrame  # trial, anchor (None for draws) and every field of the config

    @property
    def eval_split(self) -> str:
        return "test" if self.about["setting"]["protocol"] == "report" else "validation"


def load_run(folder: Path) -> LoadedRun:
    """Read a run, finished or still running, from its ledger. Raises UsageError naming what is damaged or missing."""
    about, events = store.read_run(folder), store.read_events(folder)
    records = pd.DataFrame(tables.record_rows(events))
    if not records.empty:
        records["seconds"] = records["train_seconds"] + records["score_seconds"]
    asked = [event for event in events if event["event"] == "asked"]
    return LoadedRun(
        name=about["options"]["name"],
        about=about,
        records=records,
        finals=pd.DataFrame(tables.final_rows(about, events)),
        configs=pd.DataFrame([{"trial": e["trial"], "anchor": e["anchor"], **e["config"]} for e in asked]),
    )
