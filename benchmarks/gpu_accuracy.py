"""Seconds of fine-tuning until validation accuracy first reaches a target: real trials, for benchmarks.gpu."""

import time
from collections.abc import Iterator

import torch

from benchmarks.gpu_work import FAULTS, RATE, Job, Row, first_line
from benchmarks.work import finish
from spaces.finetune import FinetuneConfig
from spaces.setting import Setting
from trainables.trial import Trial


def accuracy(job: Job) -> Iterator[Row]:
    """Seconds of fine-tuning until validation accuracy first reaches the target, a training for each seed."""
    for way in ("none", *job.accelerations):
        row: Row = {"way": f"to {job.target:.3f}, {'ours' if way == 'none' else way}"}
        try:
            yield row | _to_target(job, way)
        except FAULTS as error:
            yield row | {"skipped": first_line(error)}


def _to_target(job: Job, way: str) -> Row:
    found: list[Row] = []
    for seed in job.seeds:
        if found and job.left < 1.5 * found[-1]["wall_s"] + 2:
            break
        found.append(_trained(job, way, seed))
    reached = [each["wall_s"] for each in found if each["reached"]]
    missed = len(found) - len(reached)
    best = max(each["best"] for each in found)
    note = f"{missed} of {len(found)} seeds did not reach it in {job.epochs} epochs (best {best:.3f})" if missed else ""
    return {"seconds": reached, "trainings": found, "note": note}


def _trained(job: Job, way: str, seed: int) -> Row:
    """One training. Apart from its seconds stand those of what is ready before: images, network, copy to the device."""
    known = {} if way == "none" else {"accelerate": way}
    if known and "accelerate" not in Setting.model_fields:
        raise ValueError("this Setting has no accelerate")
    setting = Setting(strategy="finetune", data=job.data, data_root=job.data_root, image_size=job.size, model=job.network,
                      weights=job.weights, epochs=job.epochs, seed=seed, device=job.device, precision=job.precision,
                      threads=torch.get_num_threads(), **known)  # fmt: skip
    config = FinetuneConfig(learning_rate=RATE, rate="cosine", augment="flips", batch_size=job.batch)
    before = time.perf_counter()
    trial = Trial(setting, config, 0)
    finish(job.device)
    started = time.perf_counter()
    curve = []
    for record in trial.records():
        curve.append(record.eval_accuracy)
        if record.eval_accuracy >= job.target or job.left < 2:
            break
    return {"seed": seed, "reached": curve[-1] >= job.target, "best": max(curve), "accuracies": curve,
            "wall_s": time.perf_counter() - started, "train_s": record.train_seconds, "eval_s": record.eval_seconds,
            "ready_s": started - before}  # fmt: skip
