"""A run in MLflow: an experiment of its name, in it a run for the search and, below that, one for each trial.

What was sent is asked of MLflow itself, so that a run goes on there whoever sent the beginning. Without a server it all
goes into an SQLite file beside the run folder, since MLflow writes no plain folders any more.
"""

import contextlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console.arguments import shortened
from console.errors import UsageError
from records.epoch import Row
from records.history import RunHistory, TrialHistory
from records.outputs import check_not_of_a_run, written
from search.tracking import told
from search.tracking.sent import alone, identity
from search.tracking.trackers import NotSentError
from search.views.names import name_of

LOCAL, ARTIFACTS = "mlruns", "artifacts"  # the folder beside the run folder, and that for files in it
SQLITE = "sqlite:///"  # an address begins with it that is a file
QUICK = {  # what is set where the person has set nothing: a server that is away is asked again later, by us
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
RUN, TRIAL, STATE, PARENT = "curriculum_tune.run", "curriculum_tune.trial", "state", "mlflow.parentRunId"
EPOCH = "epoch"  # the metric that says how far a trial was sent
SEARCH = "search"  # in place of a trial's number
STATUS = {"running": "RUNNING", "paused": "RUNNING", "complete": "FINISHED", "pruned": "FINISHED",
          "failed": "FAILED", "interrupted": "KILLED"}  # fmt: skip
AT_ONCE, LONGEST = 1000, 5000  # metrics in one call, letters of a value: MLflow takes no more
LIMIT = 100  # parameters and tags in one call


@dataclass
class Known:
    """What MLflow has of a trial, or of the search itself."""

    run_id: str
    status: str = "RUNNING"
    tags: dict[str, str] = field(default_factory=dict)
    params: set[str] = field(default_factory=set)
    metrics: dict[str, float] = field(default_factory=dict)  # the last of each


@contextlib.contextmanager
def opened(folder: Path, run: Row, uri: str | None) -> Iterator["MlflowSender"]:
    """`uri`: MLflow's, or a folder for the SQLite file. Raises UsageError."""
    place = _place(folder, uri)
    with alone(folder, "mlflow"):
        yield MlflowSender(folder, *place)


def _place(folder: Path, uri: str | None) -> tuple[str, Path | None]:
    """MLflow's address, and the folder for artefacts where that is ours to choose.

    Of an SQLite file MLflow itself would put them where the process happens to run.
    """
    asked = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if asked and (uri is None or "://" in asked or asked.startswith(("databricks", "uc"))):
        database = asked.removeprefix(SQLITE)
        return asked, None if database in (asked, "") else Path(database).absolute().parent / ARTIFACTS
    place = Path(asked) if asked else folder.absolute().parent / LOCAL
    check_not_of_a_run(place)
    with written(place):
        place.mkdir(parents=True, exist_ok=True)
    return f"{SQLITE}{place.absolute()}/mlflow.db", place.absolute() / ARTIFACTS


class MlflowSender:
    """Keeps MLflow like a run's history. Needs the package mlflow or mlflow-skinny."""

    def __init__(self, folder: Path, uri: str, artifacts: Path | None):
        """`artifacts`: where files go; None: where the server says. Raises UsageError for what is no address."""
        for name, value in QUICK.items():
            os.environ.setdefault(name, value)
        from mlflow.exceptions import MlflowException  # slow to load

        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.folder, self.uri, self.artifacts = folder, uri, artifacts
        self.client: Any = None
        self.experiment = ""
        self.known: dict[str, Known] | None = None  # by trial number, or SEARCH; None: to be asked for
        try:
            from mlflow.tracking import MlflowClient

            self.client = MlflowClient(tracking_uri=uri)
        except (MlflowException, ImportError) as error:
            raise UsageError(f"MLflow takes no '{uri}' ({_reason(error)}); pass another --uri.") from None

    @property
    def where(self) -> str:
        return f"experiment '{self._name()}' at {_without_password(self.uri)}"

    def send(self, history: RunHistory, numbers: Iterable[int]) -> None:
        with self._faults():
            search = self._search(history)
            for number in numbers:
                self._send(history, history.trials[number], search)
            if any(trial.state == "running" for trial in history.trials.values()):
                self._end(search, "running", None)

    def finish(self, history: RunHistory) -> None:
        with self._faults():
            search = self._search(history)
            self._put(search, metrics=[(name, value, history.last or 0.0, len(history.trials))
                                       for name, value in told.best_values(history).items()
                                       if search.metrics.get(name) != value])  # fmt: skip
            for kind, path in told.files_of(self.folder, history):
                self.client.log_artifact(search.run_id, str(path), None if kind == "run" else kind)
            self._end(search, told.state_of_run(history), history.last)

    def _send(self, history: RunHistory, trial: TrialHistory, search: Known) -> None:
        said = told.about_trial(history.run, trial)
        sent = self._run(
            str(trial.number), history, name_of(history.run, trial), trial.begun, said | {PARENT: search.run_id}
        )
        self._describe(sent, trial.asked.config)
        done = int(sent.metrics.get(EPOCH, 0))
        news = [(name, value, when, epoch)
                for epoch, when, values in told.epochs(trial, done)
                for name, value in {**values, EPOCH: float(epoch)}.items()]  # fmt: skip
        test = {name: value for name, value in told.tested(trial).items() if name not in sent.metrics}
        at = trial.best.epoch if trial.best else 0
        self._put(sent, news + [(name, value, trial.over or trial.begun, at) for name, value in test.items()])
        if trial.state == "failed" and "reason" not in sent.tags:
            self._tag(sent, "reason", trial.reason)
        self._end(sent, told.state_of(trial), trial.over)

    def _put(self, sent: Known, metrics: list[tuple[str, float, float, int]]) -> None:
        """`metrics`: (name, value, seconds since 1970, step), whole epochs in their order; EPOCH is each one's last."""
        from mlflow.entities import Metric

        for start in range(0, len(metrics), AT_ONCE):
            part = metrics[start : start + AT_ONCE]
            self.client.log_batch(sent.run_id, metrics=[Metric(n, v, round(1000 * t), s) for n, v, t, s in part])
            sent.metrics.update({name: value for name, value, _, _ in part})

    def _describe(self, sent: Known, values: Row) -> None:
        """Parameters, which are set once."""
        from mlflow.entities import Param

        new = [Param(name, str(value)[:LONGEST]) for name, value in values.items() if name not in sent.params]
        for start in range(0, len(new), LIMIT):
            self.client.log_batch(sent.run_id, params=new[start : start + LIMIT])
        sent.params.update(values)

    def _tag(self, sent: Known, name: str, value: str) -> None:
        self.client.set_tag(sent.run_id, name, value[:LONGEST])
        sent.tags[name] = value

    def _end(self, sent: Known, state: str, at: float | None) -> None:
        """Say how it stands; `at`: when it ended, in seconds since 1970."""
        if sent.tags.get(STATE) != state:
            self._tag(sent, STATE, state)
        status = STATUS[state]
        if sent.status == status:
            return
        if status == "RUNNING":
            self.client.update_run(sent.run_id, status=status)
        else:
            self.client.set_terminated(sent.run_id, status, end_time=round(1000 * at) if at else None)
        sent.status = status

    def _search(self, history: RunHistory) -> Known:
        """The run of the search itself, under which those of its trials stand."""
        run = history.run
        about = {"kind": history.kind, "command": run["command"], "data_digest": run["data"]["digest"]}
        sent = self._run(SEARCH, history, self._name(), history.first or 0.0, about)
        self._describe(sent, told.about_run(run))
        return sent

    def _run(self, what: str, history: RunHistory, name: str, begun: float, tags: dict[str, str]) -> Known:
        """The run of a trial, or of the search: that which is there, or a new one."""
        if self.known is None:
            self.known = self._ask(identity(history))
        if what not in self.known:
            own = tags | {RUN: identity(history), TRIAL: what}
            made = self.client.create_run(self.experiment, round(1000 * begun) or None,
                                          {key: value[:LONGEST] for key, value in own.items()}, name)  # fmt: skip
            self.known[what] = Known(made.info.run_id, tags=own)
        return self.known[what]

    def _ask(self, run: str) -> dict[str, Known]:
        """What MLflow has of this run."""
        self.experiment, token, known = self._experiment(), None, {}
        while True:
            page = self.client.search_runs([self.experiment], f"tags.`{RUN}` = '{run}'", page_token=token)
            for one in page:
                data = one.data
                known[data.tags.get(TRIAL, "")] = Known(
                    one.info.run_id, one.info.status, dict(data.tags), set(data.params), dict(data.metrics)
                )
            token = page.token
            if not token:
                return known

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self._name())
        if found is not None and found.lifecycle_stage == "active":
            return str(found.experiment_id)
        if found is not None:
            raise UsageError(
                f"The experiment '{self._name()}' has been deleted in MLflow; restore it there, or name another in "
                f"MLFLOW_EXPERIMENT_NAME."
            )
        return str(self.client.create_experiment(self._name(), self.artifacts and self.artifacts.as_uri()))

    def _name(self) -> str:
        return os.environ.get("MLFLOW_EXPERIMENT_NAME") or told.name_of_run(self.folder)

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        from alembic.util import CommandError
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except ImportError as error:
            raise UsageError(f"MLflow cannot use {_without_password(self.uri)} ({_reason(error)}).") from None
        except (MlflowException, SQLAlchemyError, CommandError, OSError) as error:
            self.known = None  # what has arrived is not known
            raise NotSentError(_reason(error)) from None


def _reason(error: Exception) -> str:
    """The first line of what went wrong, without the addresses that it is full of."""
    known = ("Connection refused", "Name or service not known", "timed out", "Max retries exceeded")
    network = next((words for words in known if words in str(error)), "")
    return network or shortened(_without_password((str(error).strip().splitlines() or ["?"])[0]).strip(" ."), 200)


def _without_password(uri: str) -> str:
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:...@", uri)
