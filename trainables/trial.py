"""One trial from its setting and config: makes the run, keeps its checkpoints, opens test.

Ray's trainable, the local executor and replay all go through here, so the three train alike.
"""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from spaces.setting import Setting
from spaces.trial import TrialConfig
from trainables import loop, models, store
from trainables.engine import Evaluation
from trainables.loop import Run
from trainables.preparation import facts, load_data, make_engine
from trainables.rates import rate_rule
from trainables.records import EpochRecord
from trainables.strategies import make_curriculum


class Trial:
    """A trial that can be stepped, saved, restored and judged on test."""

    def __init__(self, setting: Setting, config: TrialConfig, number: int, folder: Path | None = None):
        """`folder` is the run's; None keeps nothing on disk."""
        torch.set_num_threads(setting.threads)
        self.setting, self.folder, self.number = setting, folder, number
        self.data, self.split = load_data(setting)
        engine, charged = make_engine(setting, config, self.data)
        known, levels, scored = facts(setting)
        report = setting.protocol == "report"
        eval_index = self.split.test if report else self.split.validation
        self.run = Run(
            engine=engine,
            curriculum=make_curriculum(setting.strategy, known, config, setting.sizes),
            rule=rate_rule(config),
            config=config,
            train_index=self.split.train,
            eval_index=eval_index,
            eval_split="test" if report else "validation",
            strategy=setting.arm or setting.strategy,
            trial=number,
            seed=setting.seed,
            epochs=setting.epochs,
            budget=setting.updates,
            eval_levels=None if levels is None else levels[eval_index],
            totals=charged + scored,
        )

    def records(self) -> Iterator[EpochRecord]:
        """One record per epoch; the network and the predictions of the best epoch so far are kept in the run folder."""
        for record in loop.train(self.run):
            if self.folder and record == self.run.best:
                self._keep_best()
            yield record

    def save(self, path: Path) -> None:
        """Everything needed to go on, as one safetensors file."""
        tensors, text = loop.save(self.run)
        store.write_arrays(path, _arrays(tensors), text)

    def restore(self, path: Path) -> None:
        """Go on from a saved file of the same trial."""
        arrays, text = store.read_arrays(path)
        loop.restore(self.run, _tensors(arrays), text)

    def open_test(self, weights: Path) -> Evaluation:
        """Judge a kept network on the test split, once."""
        arrays, _ = store.read_arrays(weights)
        self.run.engine.network.load_torchvision_state(_tensors(arrays))
        return self.run.engine.evaluate(self.split.test)

    def _keep_best(self) -> None:
        assert self.folder and self.run.best
        state = _arrays(self.run.engine.weights())
        store.write_arrays(store.best_weights(self.folder, self.number), state, self.setting.model_dump_json())
        write_predictions(self.folder, self, self.run.eval_split, self.run.best.epoch)


def write_predictions(folder: Path, trial: Trial, on: str, epoch: int, evaluation: Evaluation | None = None) -> None:
    """What the network says of every image of a split, for the predictions table."""
    evaluation = evaluation or trial.run.evaluation
    assert evaluation
    index = trial.split.test if on == "test" else trial.split.validation
    arrays = {
        "image": index,
        "true": evaluation.true,
        "predicted": evaluation.predicted,
        "probabilities": evaluation.probabilities,
    }
    store.write_arrays(store.predictions_file(folder, trial.number, on), arrays, f'{{"epoch": {epoch}}}')


def _arrays(tensors: models.State) -> store.Arrays:
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}


def _tensors(arrays: store.Arrays) -> models.State:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def peak_memory_mb(device: str) -> float:
    """The most memory this process has used so far: resident, or on the GPU where there is one."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def reason_of(error: BaseException) -> str:
    """One line for the table; the traceback goes to the log."""
    return f"{type(error).__name__}: {error}".split("\n")[0]
