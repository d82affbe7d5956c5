"""What benchmarks.gpu has found, as a table and in words, and the machine that it was found on."""

import argparse
import os
import platform
import subprocess
from contextlib import suppress
from pathlib import Path
from statistics import median

import torch

from benchmarks.gpu_work import Row
from trainables.machine import processor

PROMISED = 0.85  # of the floor
QUERIED = ("name", "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit", "temperature.gpu")


def as_ratios(rows: list[Row]) -> None:
    """Add to each row its ratio to the floor: of its own rounds, or of the floor beside ours where it has none."""
    beside = {(row["network"], row["size"]): row["floor"] for row in rows if row["way"] == "ours" and "floor" in row}
    for row in rows:
        floor = row.get("floor") or beside.get((row["network"], row["size"]))
        if row.get("ours") and floor:
            own = "floor" in row
            row["of_floor"] = (
                median(a / b for a, b in zip(row["ours"], floor, strict=True))
                if own
                else median(row["ours"]) / median(floor)
            )


def said(row: Row) -> str:
    """A row as it comes."""
    return f"{row['network']} {row['size']} px, {row['way']}: {figure(row)}"


def figure(row: Row) -> str:
    if "skipped" in row:
        return f"skipped: {row['skipped']}"
    unit, figures = ("s", row["seconds"]) if "seconds" in row else ("images/s", row["ours"])
    if not figures:
        return row["note"]
    note = f"; {row['note']}" if row.get("note") else ""
    return f"{median(figures):.4g} ({min(figures):.4g} to {max(figures):.4g}) {unit}{note}"


def table(rows: list[Row]) -> str:
    """Markdown. Images/s are of all trials together."""
    lines = [f"| network | px | what | median (range) | floor | of the floor ({PROMISED} promised) | peak, MB |",
             "| --- | ---: | --- | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for row in rows:
        floor, ratio, peak = row.get("floor"), row.get("of_floor"), row.get("peak_mb")
        cells = (row["network"], row["size"], row["way"], figure(row), f"{median(floor):.4g}" if floor else "",
                 "" if ratio is None else f"{ratio:.2f}", "" if peak is None else f"{peak:,.0f}")  # fmt: skip
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def machine(asked: argparse.Namespace) -> Row:
    """What the figures are of."""
    told = nvidia_smi() if asked.device == "cuda" else None
    card = (told or {}).get("name") or torch.cuda.get_device_name() if asked.device == "cuda" else "no GPU"
    return {
        "card": card,
        "processor": processor(),
        "clock_before": told,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "mps": "CUDA_MPS_PIPE_DIRECTORY" in os.environ or Path("/tmp/nvidia-mps/control").exists(),
        "commit": asked.commit or _commit(),
        "load": os.getloadavg()[0],
        "asked": {name: str(value) for name, value in vars(asked).items()},
        "says_nothing_of_speed": asked.smoke,
    }


def nvidia_smi() -> Row | None:
    """Driver, clocks, power limit and temperature as the driver says; None where it is not there."""
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERIED)}", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        return dict(zip(QUERIED, (word.strip() for word in answer.splitlines()[0].split(",")), strict=False))
    return None


def _commit() -> str:
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    return "unknown"


def headline(about: Row) -> str:
    told = about["clock_before"] or {}
    clock = ", ".join(
        f"{name} {told[name]}" for name in ("driver_version", "clocks.sm", "clocks.max.sm") if name in told
    )
    tiny = "; tiny, which says nothing of speed" if about["says_nothing_of_speed"] else ""
    versions = f"torch {about['torch']}, CUDA {about['cuda']}, cuDNN {about['cudnn']}; commit {about['commit']}"
    return (
        f"{about['card']}, {about['processor']}; {clock or 'no nvidia-smi'}; {versions}"
        f"{'; under MPS' if about['mps'] else ''}{tiny}"
    )
