"""The chapter of what was run: every run, its data and protocol, and what a reader must know before trusting it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.comparable import Section
from analysis.document.parts import Chapter, Folded, Part, Sentences, Table
from analysis.runs import LoadedRun
from records.places import without_folders


def what_was_run(sections: list[Section], named: Sequence[str]) -> Chapter:
    """One row per run: data, protocol, seeds, versions, machine; its command; and every note. `named`: the sections."""
    runs = [run for section in sections for run in section.runs]
    data = pd.DataFrame([_run_row(run) for run in runs])
    shown = data[["run", "kind", "data", "images", "protocol", "trials", "epochs"]].astype(str)
    parts: list[Part] = [Sentences([f"{run.name}: {note}" for run in runs for note in run.notes], listed=True)]
    if len(sections) > 1:
        apart = "These runs differ, so they stand in separate sections and are never averaged together"
        parts.append(Sentences([f"{apart}: {'; '.join(named)}."]))
    details: list[Part] = [
        Sentences([f"{run.name}: {run.command}" for run in runs], listed=True),
        Sentences(_protocols(sections)),
    ]
    table = Table("runs", "The runs of this report; parquet has versions, machine and the data's digest.", data, shown)
    kept = [part for part in parts if not isinstance(part, Sentences) or part.lines]
    return Chapter("What was run", [table, *kept, Folded("Commands and protocol", details)])


def _run_row(run: LoadedRun) -> dict[str, Any]:
    setting, data = run.about["setting"], run.about["data"]
    machine, versions = run.about.get("machine", {}), run.about.get("versions", {})
    splits = [f"{data[name]:,} {name}" for name in ("train", "validation", "test") if data.get(name)]
    return {
        "run": run.name, "kind": "head-to-head" if run.head_to_head else "search", "data": without_folders(data["name"]),
        "images": ", ".join(splits) or "–", "pixels": setting["image_size"], "protocol": setting["protocol"],
        "network": setting["model"], "weights": Path(setting["weights"]).name,
        "seeds": run.records["seed"].nunique(), "trials": len(run.asked), "epochs": int(run.records["epoch"].max()),
        "data_digest": data["digest"], "command": run.command, "processor": machine.get("processor", "–"),
        "threads": setting.get("threads", 0), "versions": ", ".join(f"{k} {v}" for k, v in versions.items()),
    }  # fmt: skip


def _protocols(sections: list[Section]) -> list[str]:
    said = {
        "holdout": "Protocol holdout: epochs and configs are picked on validation; test is opened once per trial that is "
        "reported, so its figures are not optimistic.",
        "report": "Protocol report: epochs are judged and picked on the test split, as the report did; its figures are "
        "optimistic and can be compared with the report's only.",
    }
    return [said[protocol] for protocol in dict.fromkeys(section.protocol for section in sections)]
