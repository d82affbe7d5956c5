"""One trial from its setting and config: makes its training state, keeps its checkpoints, opens test.

Ray's trainable, the local executor and replay all go through here, so the three train alike.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch

import trainables.checkpoint as checkpoint
import trainables.loop as loop
import trainables.preparation as preparation
from console.errors import UsageError
from console.progress import say
from records.epoch import EpochRecord, Objective
from records.files import Arrays, as_bytes, read_arrays, read_text, write_arrays, write_bytes
from records.folder import best_weights, last_checkpoint, predictions_file, remove_checkpoints
from records.tables import recorded_epochs
from spaces.setting import Setting
from spaces.trial import TrialConfig, check_task
from trainables.budget import Budget, Totals
from trainables.data.dataset import Ints
from trainables.loop import TrainState
from trainables.machine import reset_peak_memory, use_threads
from trainables.networks.architecture import State
from trainables.networks.outcomes import Evaluation
from trainables.portable.describe import about_kept
from trainables.preparation import load_data, make_engine
from trainables.rates import rate_rule
from trainables.strategies import make_curriculum

DAMAGED = (ValueError, KeyError, TypeError, RuntimeError, AttributeError)  # what other tensors or texts end in
CHECKPOINT_SECONDS = 30.0  # the most training that a lost process costs, about
WRITERS = ThreadPoolExecutor(8)  # of trials side by side: a disk flushes eight files in little more time than one


class Trial:
    """A trial that can be stepped, saved, restored and judged on test."""

    def __init__(self, setting: Setting, config: TrialConfig, number: int, folder: Path | None = None):
        """`folder` is the run's; None keeps nothing on disk."""
        check_task(config, setting.task)
        use_threads(setting.threads)
        reset_peak_memory(setting.device)
        self.setting, self.folder, self.number = setting, folder, number
        self.recorded: dict[int, EpochRecord] = {}  # by epoch, also of processes that had the trial before
        self.member = ""  # what a population's member is at, as JSON; part of every checkpoint
        self.saved_at = time.monotonic()
        self.meanwhile: Callable[[], None] | None = None  # lets others go on while this one's best network is written
        self.writing: Future[None] | None = None
        self.data, self.split = load_data(setting)
        self.config = config
        self.state = self._beginning()

    def _beginning(self) -> TrainState:
        """The state before the first epoch."""
        setting, config = self.setting, self.config
        engine, charged = make_engine(setting, config, self.data)
        facts, levels, scored = preparation.facts(setting)
        report = setting.protocol == "report"
        eval_index = self.split.test if report else self.split.validation
        return TrainState(
            engine=engine,
            curriculum=make_curriculum(setting.strategy, facts, config, setting.sizes),
            rule=rate_rule(config),
            config=config,
            train_index=self.split.train,
            eval_index=eval_index,
            eval_split="test" if report else "validation",
            strategy=str(setting.contestant),
            trial=self.number,
            seed=setting.seed,
            epochs=setting.epochs,
            budget=Budget(setting.max_updates, setting.max_seconds, setting.marks),
            objective=Objective(setting.metric, setting.lower_is_better),
            eval_levels=None if levels is None else levels[eval_index],
            totals=charged + scored,
        )

    def records(self) -> Iterator[EpochRecord]:
        """One record per epoch; the network and the predictions of the best look so far are kept in the run folder.

        They are on disk before the record is told, so that no ledger is ahead of them. A checkpoint is written before the
        next epoch where one is due. After `resume`, epochs that are trained again give what was recorded first.
        """
        best = self.state.best
        for record in loop.train(self.state):
            settled = self._settled(record, best)
            self._wait_for_writer()
            yield settled
            best = self.state.best
            if self.folder and not self.state.finished and time.monotonic() - self.saved_at > CHECKPOINT_SECONDS:
                self.save(last_checkpoint(self.folder, self.number))
                self.saved_at = time.monotonic()

    def _settled(self, record: EpochRecord, best: EpochRecord | None) -> EpochRecord:
        """The record that counts for this epoch. In bf16 or on a GPU a second training differs in the last digits."""
        first, by = self.recorded.get(record.epoch), self.state.objective
        if first is None:
            # a machine that went down may have taken this epoch and left a later, better one: that one's network stays
            outdone = any(other.better_than(record, by) for other in self.recorded.values())
            if self.folder and record == self.state.best and not outdone:
                self._keep_best()
            self.recorded[record.epoch] = record
            return record
        self.state.best = first if first.better_than(best, by) else best
        self.state.last, self.state.totals = first, Totals.of(first)
        if self.state.best is first and self._lacks_the_network_of(first):
            self._keep_best()
        return first

    def _lacks_the_network_of(self, record: EpochRecord) -> bool:
        """Whether the best of the recorded epochs is this one, and its network is not kept: its file was lost."""
        by = self.state.objective
        if not self.folder or any(other.better_than(record, by) for other in self.recorded.values()):
            return False
        kept = read_text(best_weights(self.folder, self.number), "record")
        return kept is None or json.loads(kept)["epoch"] != record.epoch

    def resume(self) -> list[EpochRecord]:
        """Go on with a trial that was started before: from its last checkpoint, or from its beginning where it has none.

        Returns the checkpoint's own record, if any, to be told again: a worker can be one epoch ahead of the ledger.
        One whose files are damaged begins again, which is said; its recorded epochs count as they were recorded first.
        """
        assert self.folder
        self.recorded = recorded_epochs(self.folder, self.number)
        try:
            return self._taken_up(self.folder)
        except (UsageError, *DAMAGED) as error:
            why = str(error).rstrip(".") if isinstance(error, UsageError) else f"its checkpoint is damaged ({error!r})"
            say(f"Trial {self.number} starts again from its beginning: {why}.")
            remove_checkpoints(self.folder, self.number)
            self.state = self._beginning()
            return []

    def _taken_up(self, folder: Path) -> list[EpochRecord]:
        kept = read_text(best_weights(folder, self.number), "record")
        if kept:
            best = EpochRecord.from_row(json.loads(kept))
            self.recorded.setdefault(best.epoch, best)
            self._mend_predictions(best.epoch)
        last = last_checkpoint(folder, self.number)
        saved = read_text(last)
        # a machine that went down may have taken epochs with it: a checkpoint from beyond them would leave a gap
        if saved is None or not self.recorded.keys() >= set(range(1, json.loads(saved)["epoch"])):
            return []
        self._refuse_a_lost_network(json.loads(kept)["epoch"] if kept else None, json.loads(saved)["epoch"])
        self.restore(last)
        assert self.state.last
        return [self.recorded.setdefault(self.state.last.epoch, self.state.last)]

    def _refuse_a_lost_network(self, kept: int | None, saved: int) -> None:
        """Raises UsageError where the network of the best epoch is lost, and training on from here would not make it."""
        best: EpochRecord | None = None
        for epoch in sorted(self.recorded):
            best = self.recorded[epoch] if self.recorded[epoch].better_than(best, self.state.objective) else best
        if best and best.epoch != kept and best.epoch <= saved:
            raise UsageError(f"the network of its best epoch, {best.epoch}, is lost")

    def _mend_predictions(self, epoch: int) -> None:
        """A process that was killed between the two files of the best epoch leaves the predictions of an earlier one."""
        assert self.folder
        said = read_text(predictions_file(self.folder, self.number, self.state.eval_split))
        if said and json.loads(said)["epoch"] == epoch:
            return
        as_it_is = {name: tensor.clone() for name, tensor in self.state.engine.state().items()}
        evaluation = self._judge(best_weights(self.folder, self.number), self.state.eval_index)
        write_predictions(self.folder, self, self.state.eval_split, epoch, evaluation)
        self.state.engine.restore(as_it_is)

    def save(self, path: Path) -> None:
        """Everything needed to go on, as one safetensors file."""
        tensors, text = checkpoint.save(self.state)
        write_arrays(path, _arrays(tensors), text, member=self.member)

    def take_over(self, path: Path) -> None:
        """Go on from a checkpoint of this trial or, in a population, of another one at the same epoch.

        What this trial has recorded and kept stays its own.
        """
        self.restore(path)
        best: EpochRecord | None = None
        by = self.state.objective
        for epoch in sorted(self.recorded):
            best = self.recorded[epoch] if self.recorded[epoch].better_than(best, by) else best
        self.state.best, self.state.last = best, self.recorded.get(self.state.epoch, self.state.last)
        if self.folder:
            self.save(last_checkpoint(self.folder, self.number))
            self.saved_at = time.monotonic()

    def reconfigure(self, config: TrialConfig) -> None:
        """Other values for fields that may change while a trial runs; its state stays."""
        facts, _, _ = preparation.facts(self.setting)
        self.state.config = self.state.engine.config = config
        self.state.rule = rate_rule(config)
        self.state.curriculum = make_curriculum(self.setting.strategy, facts, config, self.setting.sizes)

    def restore(self, path: Path) -> None:
        """Go on from a saved file of the same trial."""
        arrays, text = read_arrays(path)
        checkpoint.restore(self.state, _tensors(arrays), text)

    def open_test(self, weights: Path) -> Evaluation:
        """Judge a kept network on the test split, once."""
        return self._judge(weights, self.split.test)

    def _judge(self, weights: Path, index: Ints) -> Evaluation:
        arrays, _ = read_arrays(weights)
        self.state.engine.network.load_torchvision_state(_tensors(arrays))
        return self.state.engine.evaluate(index)

    def _keep_best(self) -> None:
        assert self.folder and self.state.best
        weights = _arrays(self.state.engine.weights() if self.state.kept is None else self.state.kept)
        best, setting, record = best_weights(self.folder, self.number), self.setting, self.state.best
        config, engine = self.state.config, self.state.engine
        about = about_kept(self.folder, self.number, setting, config, self.data, engine, record)
        texts = {"record": json.dumps(record.row()), "model": about.text()}
        network = best, as_bytes(weights, setting.model_dump_json(), **texts)
        files = [network, _predictions(self.folder, self, self.state.eval_split, record.epoch)]
        if self.meanwhile is None:
            return _write(files)
        self.writing = WRITERS.submit(_write, files)

    def _wait_for_writer(self) -> None:
        """Until what is kept is on disk, while others go on. Raises what the writer failed with."""
        if self.writing and self.meanwhile:
            writing, self.writing = self.writing, None
            self.meanwhile()
            writing.result()


def _write(files: list[tuple[Path, bytes]]) -> None:
    for path, content in files:
        write_bytes(path, content)


def write_predictions(folder: Path, trial: Trial, on: str, epoch: int, evaluation: Evaluation | None = None) -> None:
    """What the network says of every image of a split, for the predictions table."""
    _write([_predictions(folder, trial, on, epoch, evaluation)])


def _predictions(
    folder: Path, trial: Trial, on: str, epoch: int, evaluation: Evaluation | None = None
) -> tuple[Path, bytes]:
    evaluation = evaluation or trial.state.evaluation
    assert evaluation
    index = trial.split.test if on == "test" else trial.split.validation
    arrays: Arrays = {
        "image": index,
        "true": evaluation.true,
        "predicted": evaluation.predicted,
        "probabilities": evaluation.probabilities,
        "correct": evaluation.correct,
    }
    if evaluation.targets is not None:
        arrays["targets"] = evaluation.targets
    return predictions_file(folder, trial.number, on), as_bytes(arrays, f'{{"epoch": {epoch}}}')


def _arrays(tensors: State) -> Arrays:
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}


def _tensors(arrays: Arrays) -> State:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def reason_of(error: BaseException) -> str:
    """One line for the table; the traceback goes to the log."""
    return f"{type(error).__name__}: {error}".split("\n")[0]
