"""The Ray Tune trainable: a trial stepped epoch by epoch in a process of its own. Thin on purpose."""

import gc
import json
import socket
import traceback
import weakref
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from console.errors import UsageError
from console.plugins import load_plugins
from records.epoch import EpochRecord, Objective
from records.events import Member
from records.files import is_full_or_readonly
from records.folder import last_checkpoint, trial_folder
from records.locks import hold_as_worker
from spaces.setting import Setting
from spaces.space import make_config
from trainables.machine import peak_memory_mb
from trainables.networks.engine import gpus_here
from trainables.strategies import get_strategy
from trainables.trial import Trial, reason_of

CHECKPOINT = "trial.safetensors"
IN_RUN_FOLDER = "in_run_folder"  # says that a paused trial's checkpoint is its own in the run folder


@lru_cache(maxsize=1)
def _hold(folder: Path) -> Any:
    """This process is a worker of the run until it ends."""
    return hold_as_worker(folder)


class LostWorker(Exception):
    """A trial's worker was lost once more than --max-failures allows."""


def placement() -> dict[str, Any]:
    """The node that this process is on, the GPUs that Ray assigned to it, by Ray's ids, and the threads of torch."""
    node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
    gpus = [str(gpu) for gpu in ray.get_gpu_ids()] if ray.is_initialized() else []
    return {"host": socket.gethostname(), "node": node, "gpus": gpus, "threads": torch.get_num_threads()}


class TrialTrainable(tune.Trainable):
    """A trial as Ray steps, saves and loads it. What is below says what it is set up with and what a result holds."""

    trial: Trial
    records: Iterator[EpochRecord]  # what `step` has still to tell

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """A reused process starts its next trial."""
        self.setup(new_config)
        return True

    def begin(self, setting: Setting, values: dict[str, Any], number: int, folder: Path) -> None:
        """Make the trial `number` of the run in `folder`, before its first epoch; the one before it, if any, is let go
        first, with its network and optimiser. Raises UsageError.
        """
        self._let_go()
        load_plugins(setting.plugins)
        if setting.device == "cuda" and not gpus_here():
            raise UsageError(
                f"Ray gave this trial GPU {','.join(placement()['gpus']) or 'none'} of {socket.gethostname()}, and torch "
                f"{torch.__version__} there sees none; install a torch with CUDA there, or pass --gpus-per-trial 0."
            )
        config = make_config(get_strategy(setting.strategy).config, values)
        self.trial = Trial(setting, config, number, folder)
        self.records = self.trial.records()

    def _let_go(self) -> None:
        """Of the trial so far, if there is one."""
        old = vars(self).pop("trial", None)
        vars(self).pop("records", None)
        engine = weakref.ref(old.state.engine) if old else None
        del old
        if engine and engine():
            gc.collect()  # it is in a circle, or in the traceback of its failure

    def step(self) -> dict[str, Any]:
        """Train an epoch."""
        return self.result(self.next_record())

    def next_record(self) -> EpochRecord | None:
        """The record of the next epoch; None where the trial is over."""
        return next(self.records, None)

    def result(self, record: EpochRecord | None) -> dict[str, Any]:
        """What Ray is told of an epoch."""
        raise NotImplementedError

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Everything that is needed to go on."""
        self.trial.save(Path(checkpoint_dir) / CHECKPOINT)

    def load_checkpoint(self, checkpoint_dir: Any) -> None:
        """Go on from what was saved. Ray declares a dict and passes the path of the folder that was saved into."""
        self.take_up(Path(checkpoint_dir) / CHECKPOINT)
        self.records = self.trial.records()

    def take_up(self, checkpoint: Path) -> None:
        """Put a saved state into the trial."""
        raise NotImplementedError


class StrategyTrainable(TrialTrainable):
    """A trial of our own searches. Config: `number`, `folder` (the run's), `setting` and `config` as JSON texts.

    `pauses`: its checkpoints are those of the run folder, so that a paused trial outlives its search.

    A member of a population also has `fields`, the names of those that change while it runs, a value under each of these
    names, and `donor`, the member and the epoch that its state comes from.

    A failure of the trial itself is a result (`failed`, `traceback`), not an exception: it would fail again, so Ray
    must not retry it. What Ray sees fail is a lost worker.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self.number, self.folder = config["number"], Path(config["folder"])
        self.pauses = config.get("pauses", False)
        self.failure: dict[str, Any] | None = None
        self.objective = Objective.of(json.loads(config["setting"]))
        _hold(self.folder)
        self.fields = {name: config[name] for name in config.get("fields", ())}
        self.donor = config.get("donor")
        try:
            if "failed" in config:  # by losing its workers, more often than it may
                raise LostWorker(config["failed"])
            values = json.loads(config["config"]) | self.fields
            self._take_place(Setting.model_validate_json(config["setting"]), values)
        except Exception as error:
            self._fail(error)
        self.placed: dict[str, Any] = {"placed": placement()}

    def result(self, record: EpochRecord | None) -> dict[str, Any]:
        if record is None:  # Ray wants its metrics in every result
            scores = dict.fromkeys(("best_score", "score"), self.objective.before_any)
            nothing = {"images": 0, "passes": 0.0, "epoch": 0}
            return {"done": True, **scores, **nothing, **(self.failure or {}), **self._placed()}
        state, by = self.trial.state, self.objective
        work = record.work(state.config.model_dump())
        return {
            "record": record,  # whole: Ray would keep statistics of every number in a dict
            "epoch": record.epoch,
            "score": by.score(record),
            **self._membership(record.epoch),
            **self._placed(),
            "best_score": by.score(state.best) if state.best else by.before_any,
            "images": work,
            "passes": work / len(state.train_index),
            "peak_memory_mb": peak_memory_mb(self.trial.setting.device),
            "done": record.finished,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Of a trial that pauses, a file that says where its checkpoint is: Ray wants one in its own folder."""
        if self.pauses:
            self.trial.save(last_checkpoint(self.folder, self.number))
            return (Path(checkpoint_dir) / IN_RUN_FOLDER).touch()
        super().save_checkpoint(checkpoint_dir)

    def load_checkpoint(self, checkpoint_dir: Any) -> None:
        """A trial that pauses has taken up its checkpoint in the run folder already, when it was set up."""
        if not self.pauses:
            super().load_checkpoint(checkpoint_dir)

    def take_up(self, checkpoint: Path) -> None:
        self.trial.take_over(checkpoint)

    def _take_place(self, setting: Setting, values: dict[str, Any]) -> None:
        """Begin, or go on where an earlier process of the same trial came to."""
        started_before = trial_folder(self.folder, self.number).exists()
        self.begin(setting, values, self.number, self.folder)
        if self.fields:
            self.trial.member = json.dumps({"config": values, "donor": self.donor})
        told_again = self.trial.resume() if started_before else []  # by a lost worker, or in a search that was killed
        self.records = chain(told_again, self.trial.records())

    def _placed(self) -> dict[str, Any]:
        """Where the trial is, told once."""
        placed, self.placed = self.placed, {}
        return placed

    def _membership(self, epoch: int) -> dict[str, Any]:
        """Of a population's member: the values of the fields that change, and the donor if this epoch was its first."""
        if not self.fields:
            return {}
        fresh = self.donor is not None and epoch == self.donor[1] + 1
        return {"member": Member(self.fields, (self.donor[0], self.donor[1]) if self.donor and fresh else None)}

    def next_record(self) -> EpochRecord | None:
        """None also where the trial has failed: that is a result."""
        try:
            return None if self.failure else super().next_record()
        except Exception as error:
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        if is_full_or_readonly(error):
            self.failure = {"no_room": reason_of(error)}
        else:
            self.failure = {"failed": reason_of(error), "traceback": traceback.format_exc()}
