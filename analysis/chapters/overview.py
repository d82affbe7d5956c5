"""The chapter of what was run: every run, its data and protocol, and what a reader must know before trusting it."""

from pathlib import Path
from typing import Any

import pandas as pd

from analysis.comparable import Section
from analysis.document.parts import Chapter, Part, Sentences, Table
from analysis.runs import LoadedRun, without_folders
from analysis.tables import arm_summary
from console.wording import many


def what_was_run(sections: list[Section]) -> Chapter:
    """One row per run: command, data, protocol, seeds, versions, machine; and every note. In short: who leads."""
    runs = [run for section in sections for run in section.runs]
    data = pd.DataFrame([_run_row(run) for run in runs])
    columns = ["run", "kind", "data", "images", "pixels", "protocol", "network", "weights", "seeds", "trials", "epochs"]
    parts: list[Part] = [Table("runs", "The runs of this report.", data, data[columns].astype(str))]
    parts.append(Sentences([f"{run.name}: {run.command}" for run in runs], listed=True))
    if len(sections) > 1:
        titles = "; ".join(section.title for section in sections)
        one_metric = len({section.measure for section in sections}) == 1
        what = "data or protocol" if one_metric else "data, protocol or metric"
        parts.append(Sentences([f"These runs differ in {what}, so they stand in separate sections and are never "
                                f"averaged together: {titles}."]))  # fmt: skip
    notes = [f"{run.name}: {note}" for run in runs for note in run.notes]
    if notes:
        parts.append(Sentences(notes, listed=True))
    parts.append(Sentences(_protocols(sections)))
    return Chapter("What was run", parts, summary=[line for section in sections for line in _leader(section)])


def _leader(section: Section) -> list[str]:
    """A sentence on the arm with the best mean figure; none for a section that holds searches only."""
    table = arm_summary(section)
    if table.empty:
        return [f"{section.title}: nothing has come to its end yet."]
    compared = table[~table["arm"].isin(section.arms[section.arms["searched"]]["arm"])]
    if compared.empty:
        return []
    by = section.measure.objective
    best = compared.sort_values(by.metric, ascending=not by.lower_is_better).iloc[-1]
    most = "lowest" if by.lower_is_better else "highest"
    return [
        f"{section.title}: {most} mean {section.measure.title} {best[by.metric]:.3f} ({best['judged_on']}), {best['arm']}, "
        f"on {many(best['seeds'], 'seed')}."
    ]


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
