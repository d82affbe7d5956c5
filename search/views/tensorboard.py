"""The run for TensorBoard: one event file per trial, with scalars per epoch and its hyperparameters.

Derived, like the study. Needs the package tensorboard, which is imported where it is used: it may not be installed, and
is slow to load.
"""

import logging
import math
import re
from itertools import islice
from pathlib import Path
from typing import Any

from optuna.distributions import CategoricalDistribution, json_to_distribution

from console.progress import bar
from records.boundary import checked, open_plain, remove, remove_empty
from records.epoch import ACCURACY, WORST, EpochRecord, Objective
from records.history import RANKED, RunHistory, TrialHistory
from search.views.names import name_of
from search.views.opening import Prepared, query
from search.views.serving import Application, ReadOnly, address, serve
from search.views.tfrecords import framed
from trainables.metrics import get_metric

# read by POST, because what is asked for may be longer than an address
POSTS = r"(/experiment/\w+)?/data/plugin/(hparams|timeseries|scalars)/\w+"
HEAD = b"\x1a\rbrain.Event:2"  # Event(file_version="brain.Event:2"), the first of every file
OURS = re.compile(r"events\.out\.tfevents\.\d{4,}")  # the file of a trial; other writers put a time and a host there
AT_ONCE = 100  # trials whose events are framed together
Row = dict[str, Any]


def best_tag(by: Objective) -> str:
    """'best/accuracy'."""
    return f"best/{by.metric}"


def scalars(
    record: EpochRecord, best: float, fields: dict[str, float] | None = None, by: Objective = ACCURACY
) -> dict[str, float]:
    """Tag -> value of one epoch; what is missing or not finite is left out.

    `best`: of what is picked by, so far. `fields`: those that change while the trial runs, in a population.
    """
    on = record.eval_split
    values = {
        f"accuracy/{on}": record.eval_accuracy,
        "accuracy/train": record.train_accuracy,
        "accuracy/stage": record.stage_accuracy,
        best_tag(by): best,
        f"loss/{on}": record.eval_loss,
        "loss/train": record.train_loss,
        f"knn/{on}": record.eval_knn,
        **{f"{name}/{on}": value for name, value in record.metrics.items()},
        "curriculum/share": record.share,
        "curriculum/images": record.images,
        "curriculum/learning_rate": record.learning_rate,
        "cost/updates": record.updates,
        "cost/seconds": record.seconds,
        **{f"schedule/{name}": value for name, value in (fields or {}).items()},
    }
    return {tag: value for tag, value in values.items() if value is not None and math.isfinite(value)}


def hyperparameters(run: Row, trial: TrialHistory) -> dict[str, float | str | bool]:
    """What distinguishes the trial: its searched values, or in a head-to-head its arm and seed."""
    if trial.setting is not None:
        return {"arm": str(trial.arm), "seed": trial.setting.seed}
    anchor = {"anchor": trial.asked.anchor} if trial.asked.anchor else {}
    values = trial.asked.values
    return {name: values[name] for name in run["space"]["search"] if name in values} | anchor


class EventFiles:
    """Keeps a folder of event files like a run's history."""

    def __init__(self, run: Row, folder: Path, alone: bool = True):
        """`folder`: where the event files go. Those of ours that are not of this run are removed, and nothing else.

        `alone`: TensorBoard shows no other run beside it, whose hyperparameters would not be those of this one.
        """
        self.run, self.folder, self.alone = run, folder, alone
        self.source: RunHistory | None = None
        self.written: dict[int, int] = {}  # epochs of each trial
        self.closed: dict[int, tuple[str, float | None]] = {}  # how and when those ended that have

    def update(self, history: RunHistory) -> None:
        """Add what is new to the files; write them all where they show another history, or none."""
        numbers = sorted(history.changed)
        if history is not self.source:
            self.source, self.written, self.closed = history, {}, {}
            self._clear({name_of(self.run, trial) for trial in history.trials.values()})
            numbers = sorted(history.trials)
        with bar("writing for TensorBoard", len(numbers), "trials") as advance:
            for start in range(0, len(numbers), AT_ONCE):
                some = [history.trials[number] for number in numbers[start : start + AT_ONCE]]
                _append({self._path(trial): self._news(trial) for trial in some}, self.folder.parent)
                advance(len(some))

    def _clear(self, names: set[str]) -> None:
        """Remove the event files of other trials; those of these names are written over, which is quicker.

        What we have not written is left alone, and so is whatever is a link. Raises UsageError where the folder is one.
        """
        checked(self.folder / "any", self.folder.parent)
        self.folder.mkdir(parents=True, exist_ok=True)
        for place in self.folder.iterdir():
            if place.name not in names and place.is_dir() and not place.is_symlink():
                for made in place.iterdir():
                    if OURS.fullmatch(made.name) and made.is_file() and not made.is_symlink():
                        remove(made, self.folder.parent)
                remove_empty(place, self.folder.parent)

    def _path(self, trial: TrialHistory) -> Path:
        return self.folder / name_of(self.run, trial) / _file(f"{trial.number:04d}")

    def _news(self, trial: TrialHistory) -> list[bytes]:
        """The events of one trial that are not yet in its file; the file's head among them if it is to be new.

        A trial that has been taken up again after its end gets a new file: the first end of a file counts.
        """
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        number, end, events = trial.number, (trial.state, trial.over), []
        if self.closed.get(number, end) != end:
            del self.closed[number], self.written[number]
        if number not in self.written:
            events.append(HEAD)
            if (
                not self.written and self.alone and self.run["kind"] == "search"
            ):  # there, arms and seeds speak for themselves
                events.append(_event(trial.begun, experiment(self.run)))
            events.append(
                _event(trial.begun, hparams_pb(hyperparameters(self.run, trial), name_of(self.run, trial), trial.begun))
            )
        done = self.written.get(number, 0)
        by = trial.objective
        best = max((by.score(record) for record in trial.records[:done] if record.looks), default=by.before_any)
        for record in trial.records[done:]:
            best = max(best, by.score(record)) if record.looks else best
            shown = math.nan if best == WORST else by.turned(best)
            values = scalars(record, shown, trial.fields.get(record.epoch), by)
            events.append(_event(_moment(trial, record), _summary(values), record.epoch))
        if trial.over is not None and number not in self.closed:
            self.closed[number] = end
            events.append(_event(trial.over, _session_end(trial)))
        self.written[number] = len(trial.records)
        return events


def _file(name: str) -> str:
    return f"events.out.tfevents.{name}"


def _append(events: dict[Path, list[bytes]], place: Path) -> None:
    """Write the events of several files in a folder of `place`; their checksums are computed together."""
    lines = iter(framed([event for new in events.values() for event in new]))
    for path, new in events.items():
        checked(path, place)
        path.parent.mkdir(exist_ok=True)
        with open_plain(path, "wb" if new[:1] == [HEAD] else "ab", place) as file:
            file.write(b"".join(islice(lines, len(new))))


def experiment(run: Row) -> Any:
    """What may vary and what counts, for the table of hyperparameters."""
    from tensorboard.plugins.hparams import summary_v2 as hp

    by = Objective.of(run["setting"])
    infos = [hp.HParam(name, _domain(json_to_distribution(text))) for name, text in run["space"]["search"].items()]
    if run["space"]["anchors"]:
        infos.append(hp.HParam("anchor", hp.Discrete(list(run["space"]["anchors"]))))
    return hp.hparams_config_pb(infos, [hp.Metric(best_tag(by), display_name=f"best {get_metric(by.metric).title}")])


def _domain(distribution: Any) -> Any:
    from tensorboard.plugins.hparams import summary_v2 as hp

    if isinstance(distribution, CategoricalDistribution):
        return hp.Discrete(list(distribution.choices))
    return hp.RealInterval(float(distribution.low), float(distribution.high))


def _moment(trial: TrialHistory, record: EpochRecord) -> float:
    """When the epoch was over, as near as its seconds tell; seconds since 1970."""
    return trial.begun + record.seconds + record.eval_seconds


def _session_end(trial: TrialHistory) -> Any:
    """How the trial ended; tensorboard's own function for it wants TensorFlow."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    good = trial.state in RANKED
    end = SessionEndInfo(status=api_pb2.STATUS_SUCCESS if good else api_pb2.STATUS_FAILURE, end_time_secs=trial.over)
    about = metadata.create_summary_metadata(HParamsPluginData(session_end_info=end))
    tag = metadata.SESSION_END_INFO_TAG
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])


def _summary(values: dict[str, float]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def _event(at: float, summary: Any, step: int = 0) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event

    made: bytes = Event(wall_time=at, step=step, summary=summary).SerializeToString()
    return made


def launch(folder: Path, port: int, run: Row) -> str:
    """Serve TensorBoard on this folder for as long as this process lives; returns its address, opened as suits `run`.

    Its reader of files is a process of its own that ends when our end of its pipe is closed, however we end.
    """
    from tensorboard import program
    from tensorboard.data.server_ingester import NoDataServerError, get_server_binary

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    try:
        get_server_binary()
        fast = "true"
    except NoDataServerError:
        fast = "false"
    board = program.TensorBoard(plugins=_plugins(), server_class=lambda app, flags: _Loopback(Prepared(app, run), port))
    board.configure(
        argv=["tensorboard"], logdir=str(folder), load_fast=fast, reload_interval=2.0, window_title=folder.parent.name
    )
    served_at: str = board.launch()
    return served_at.rstrip("/") + "/" + query(run)


def _plugins() -> list[Any]:
    """The pages that have something to show here."""
    from tensorboard.plugins.core.core_plugin import CorePluginLoader
    from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin
    from tensorboard.plugins.metrics.metrics_plugin import MetricsPlugin
    from tensorboard.plugins.scalar.scalars_plugin import ScalarsPlugin

    return [CorePluginLoader(include_debug_info=False), MetricsPlugin, ScalarsPlugin, HParamsPlugin]


class _Loopback:
    """The server that TensorBoard asks for: ours."""

    def __init__(self, app: Application, port: int):
        self.server = serve(ReadOnly(app, POSTS), port)

    def serve_forever(self) -> None:
        """It is being served already."""

    def get_url(self) -> str:
        return address(self.server)
