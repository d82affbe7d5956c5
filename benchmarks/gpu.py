"""python -m benchmarks.gpu --root RSSCN7 --weights FILE: how fast training is on a GPU, in one call of under ten minutes.

Wants torch, torchvision, numpy, pydantic, safetensors, optuna and Pillow: no Ray, no pandas. Each network at each size: the
floor (forward, backward and step in plain PyTorch on images that lie on the device), ours, ours with CUDA graphs and
compiled, several trials at once in threads on streams of their own (one copy of the images; the backward passes of all
share the one thread that autograd has for a device) and in processes (a copy each; under MPS where it runs). Then the
seconds to a validation accuracy of 0.950 on RSSCN7. Prints Markdown and writes JSON. What no longer fits into --minutes is
named as skipped, and so is what fails. With --device cpu --smoke all of it is tiny: it shows that it runs, and says
nothing of speed.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import torch

from benchmarks.gpu_table import as_ratios, headline, machine, nvidia_smi, said, table
from benchmarks.gpu_work import Job, Row

MOST = {"ways": 110.0, "processes": 45.0, "accuracy": 110.0, "compile": 100.0}  # seconds of a part; unused ones pass on
Part = tuple[str, Job]  # its name in MOST, and what is run


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    if asked.device == "cuda" and not torch.cuda.is_available():
        print(
            "Error: --device cuda wants a GPU, and torch sees none here; --device cpu --smoke shows that it runs.",
            file=sys.stderr,
        )
        return 2
    if asked.smoke:
        asked.networks, asked.sizes, asked.images, asked.batch = ["small_cnn"], [16], 40, 16
    ends = time.monotonic() + 60 * asked.minutes - 5
    about = machine(asked)
    print(headline(about), flush=True)
    rows: list[Row] = []
    for row in measured(parts(asked), ends):
        rows.append(row)
        print(said(row), flush=True)
    about["clock_after"] = nvidia_smi() if asked.device == "cuda" else None
    as_ratios(rows)
    asked.out.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")
    print(f"\n{headline(about)}\n\n{table(rows)}\n\nwrote {asked.out}")
    return 0


def parts(asked: argparse.Namespace) -> list[Part]:
    """What is measured, what is most wanted first: compiling takes longest and comes last."""
    base = Job("ways", "", 0, asked.device, asked.precision, batch=asked.batch, images=asked.images)
    if asked.smoke:
        base = replace(base, rounds=2, at_once=(1, 2))
    scenes = [
        replace(base, network=network, size=side(network, size)) for network in asked.networks for size in asked.sizes
    ]
    return [
        *(("ways", scene) for scene in scenes),
        *([("accuracy", _accuracy(asked, base))] if (asked.root and asked.weights) or asked.smoke else []),
        *(("processes", replace(scene, kind="process")) for scene in scenes),
        *(("compile", replace(scene, accelerations=("compile",), at_once=())) for scene in scenes),
    ]  # fmt: skip


def _accuracy(asked: argparse.Namespace, base: Job) -> Job:
    own: Row = {"kind": "accuracy", "epochs": asked.epochs}
    if asked.smoke:
        own |= {"data": "scenes:count=70", "target": 0.1, "epochs": 2, "seeds": (0,)}
        return replace(base, network=asked.networks[0], size=asked.sizes[0], **own)
    return replace(base, network="resnet18", size=256, data_root=str(asked.root), weights=asked.weights, **own)


def side(network: str, size: int) -> int:
    """Pixels: a vision transformer of patches of 14 wants a multiple of it."""
    return size - size % 14 if network.endswith("_14") else size


def measured(todo: list[Part], ends: float) -> Iterator[Row]:
    """The rows of all parts. What a part leaves of its time is the next one's; which rows are missing is said."""
    if not any(name == "accuracy" for name, _ in todo):
        yield {"network": "resnet18", "size": 256, "way": "to 0.950", "skipped": "no --root and --weights were given"}
    for place, (name, job) in enumerate(todo):
        left = ends - time.monotonic()
        share = left * MOST[name] / sum(MOST[other] for other, _ in todo[place:])
        own = replace(
            job, ends=time.monotonic() + min(left, max(share, 15.0), MOST[name] if job.device == "cuda" else left)
        )
        whose: Row = {"network": job.network, "size": job.size}
        found: set[str] = set()
        why = ["its part's time was over"]
        for row in several_processes(own, why) if job.kind == "process" else one_process(own, why):
            found.add(row["way"])
            if name != "compile" or row["way"] != "ours":  # measured already
                yield whose | row
        for way in own.expected:
            if way not in found and not (name == "compile" and way == "ours"):
                yield whose | {"way": way, "skipped": why[0]}


class Worker:
    """A process of benchmarks.gpu_work, its rows as they come, killed when its time is over."""

    def __init__(self, job: Job):
        self.job, self.lines = job, queue.Queue[str]()
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        command = [sys.executable, "-m", "benchmarks.gpu_work", job.text]
        threads = {"OMP_WAIT_POLICY": "PASSIVE"} | ({"OMP_NUM_THREADS": "1"} if job.device == "cpu" else {})
        pipes: Row = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, **pipes, text=True, env=os.environ | threads)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def row(self) -> Row | None:
        """The next one; None where there is none, or not in time."""
        with suppress(queue.Empty):
            line = self.lines.get(timeout=max(0.0, self.job.left))
            return json.loads(line) if line else None
        return None

    def go(self) -> None:
        """Have a process of the kind "process" train once more."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write("go\n")
            self.process.stdin.flush()

    def close(self) -> str:
        """End it; what it died of in a line, or nothing."""
        died = self.process.poll()
        self.process.kill()
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        self.errors.close()
        return f"the process ended with {died}: {lines[-1][:200] if lines else ''}" if died else ""


def one_process(job: Job, why: list[str]) -> Iterator[Row]:
    """The rows of one process; `why` is told what it died of."""
    worker = Worker(job)
    try:
        while (row := worker.row()) is not None:
            yield row
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(1)
    finally:
        why[0] = worker.close() or why[0]


def several_processes(job: Job, why: list[str]) -> Iterator[Row]:
    """Images/s of 1, 2, 4, ... processes at a time, of which the most are started once and as many told to go."""
    workers = [Worker(job) for _ in range(max(job.at_once))]
    try:
        if all(worker.row() is not None for worker in workers):
            for count in job.at_once:
                if (row := _processes_row(job, workers[:count])) is None:
                    break
                yield {"way": f"{count} at once, processes"} | row
        else:
            with suppress(subprocess.TimeoutExpired):
                workers[0].process.wait(1)
    finally:
        why[0] = next((died for died in [worker.close() for worker in workers] if died), why[0])


def _processes_row(job: Job, workers: list[Worker]) -> Row | None:
    figures, peak = [], []
    for _ in range(job.rounds):
        if figures and job.left < 2 * len(workers) * job.images / figures[-1] + 1:
            break
        for worker in workers:
            worker.go()
        rows = [row for worker in workers if (row := worker.row()) is not None]
        if len(rows) < len(workers):
            return None
        seconds = max(row["ended"] for row in rows) - min(row["started"] for row in rows)
        figures.append(len(workers) * job.images / seconds)
        peak = [row["peak_mb"] for row in rows if row["peak_mb"] is not None]
    return {"ours": figures, "peak_mb": sum(peak) if peak else None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=9, help="for all of it (9)")
    parser.add_argument("--root", type=Path, help="folder that holds rsscn7, for the seconds to 0.950")
    parser.add_argument("--weights", help="of a ResNet18, for the same: imagenet, or a file")
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="auto", help="auto, bf16, fp16, tf32 or fp32 (auto)")
    parser.add_argument("--networks", type=lambda text: text.split(","), default=["resnet18", "vit_s_14"])
    parser.add_argument("--sizes", type=lambda text: [int(word) for word in text.split(",")], default=[128, 256])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, default=2048, help="of a pass (2048)")
    parser.add_argument("--epochs", type=int, default=15, help="at most, to 0.950 (15)")
    parser.add_argument("--commit", help="where there is no git: what the figures are of")
    parser.add_argument("--smoke", action="store_true", help="tiny; says nothing of speed")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
