"""Ray Tune without us: its floor, and the usual way to use it. Workers import this module, so no torch here."""

import contextlib
import os
import tempfile
import time
from typing import Any
from unittest import mock

from ray import tune

DEFAULTS = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "0", "RAY_AIR_NEW_OUTPUT": "1"}  # Ray's own, read by each fit()


class Bare(tune.Trainable):
    """Reports so many results and does nothing else; its process is used again."""

    def setup(self, config: dict[str, Any]) -> None:
        self.epochs, self.epoch = config["epochs"], 0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        self.epoch += 1
        return {"accuracy": 0.5, "done": self.epoch == self.epochs}


class BareTorch(Bare):
    """As every process that is to train: it has loaded torch."""

    def setup(self, config: dict[str, Any]) -> None:
        import torch  # noqa: F401

        super().setup(config)


def usual(config: dict[str, Any]) -> None:
    """As Ray's tutorials write a trainable."""
    for _ in range(config["epochs"]):
        tune.report({"accuracy": 0.5})


def run_bare(trials: int, epochs: int, at_once: int, trainable: type[Bare] = Bare) -> float:
    """Seconds of Ray's floor: a class, processes used again, no loggers, nothing printed."""
    keeps = tune.CheckpointConfig(checkpoint_at_end=False)
    more = {"verbose": 0, "checkpoint_config": keeps}
    return _fit(trainable, trials, epochs, at_once, {"reuse_actors": True}, more)


def run_usual(trials: int, epochs: int, at_once: int) -> float:
    """Seconds of the usual way: a function, a process for each trial, Ray's own loggers and tables."""
    with mock.patch.dict(os.environ, DEFAULTS):
        return _fit(usual, trials, epochs, at_once, {}, {})


def _fit(trainable: Any, trials: int, epochs: int, at_once: int, tuning: Any, running: Any) -> float:
    """Raises AssertionError where not all was reported."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space={"epochs": epochs},
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=at_once, **tuning),
            run_config=tune.RunConfig(name="tune", storage_path=folder, **running),
        )
        started = time.perf_counter()
        with contextlib.redirect_stdout(nowhere):
            results = tuner.fit()
        seconds = time.perf_counter() - started
    reported = [result.metrics["training_iteration"] for result in results if result.metrics]
    assert reported == [epochs] * trials, f"Ray reported {sum(reported)} of {trials} times {epochs} results"
    return seconds
