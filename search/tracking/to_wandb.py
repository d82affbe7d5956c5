"""A run in Weights & Biases: a group of its name, in it one run per trial, gone on with under the same id.

Offline, where there is no key or no network: then `wandb sync` sends it. An offline run cannot be asked what it has, so
that is kept in the run folder, in `tracked/wandb.json`: what is in runs that were finished, since of one whose process was
killed it is not known how much reached the disk. That is sent again, under the same steps, which count once.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from console.arguments import shortened
from console.errors import UsageError
from records.epoch import Row
from records.history import RunHistory, TrialHistory
from search.tracking import told
from search.tracking.sent import alone, identity, read_sent, write_sent
from search.tracking.trackers import NotSentError
from search.views.names import name_of

PROJECT = "curriculum-tune"  # where WANDB_PROJECT says nothing
QUICK = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}  # what is set where the person has set nothing
FIRST_ANSWER_SECONDS = 20  # for a server; after that it is offline
SEARCH = "search"  # in place of a trial's number
GOOD = ("complete", "pruned")


@contextlib.contextmanager
def opened(folder: Path, run: Row, uri: str | None) -> Iterator["WandbSender"]:
    """Raises UsageError, also for a `uri`: WANDB_BASE_URL names the server."""
    if uri is not None:
        raise UsageError(f"Weights & Biases takes its server from WANDB_BASE_URL; drop --uri {uri}.")
    with alone(folder, "wandb"):
        sender = WandbSender(folder)
        try:
            yield sender
        finally:
            sender.close()


class WandbSender:
    """Keeps Weights & Biases like a run's history. Needs the package wandb."""

    def __init__(self, folder: Path):
        for name, value in QUICK.items():
            os.environ.setdefault(name, value)
        os.environ.pop("WANDB_SERVICE", None)  # that of whoever started us would keep our runs open after a kill
        import wandb  # slow to load

        self.wandb: Any = wandb
        self.folder = folder
        self.mode = os.environ.get("WANDB_MODE") or self._mode()
        self.place = Path(os.environ.get("WANDB_DIR") or folder.absolute().parent)
        self.open: dict[str, Any] = {}  # runs of trials that are not over
        self.logged: Row = {}  # {trial: {"epochs", "state", "tested"}} of these
        self.sent: Row | None = None  # the same of those that were finished
        self.run_id = ""

    def _mode(self) -> str:
        """Online where there is a key, which is not asked for and not tried."""
        try:
            return "online" if self.wandb.login(prompt=False, verify=False) else "offline"
        except self.wandb.Error:
            return "offline"

    @property
    def where(self) -> str:
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        into = f", into {self.place / 'wandb'}; `wandb sync` sends it" if self.mode == "offline" else ""
        return f"project '{project}', group '{told.name_of_run(self.folder)}', {self.mode}{into}"

    def send(self, history: RunHistory, numbers: Iterable[int]) -> None:
        with self._faults():
            for number in numbers:
                self._send(history, history.trials[number])

    def finish(self, history: RunHistory) -> None:
        """Tables and the best network, once for each end that the run has come to."""
        sent = self._sent(history)
        if sent.get(SEARCH) == {"last": history.last}:
            return
        with self._faults():
            run = self._open(SEARCH, history, told.name_of_run(self.folder), told.about_run(history.run), {})
            run.summary.update({**told.best_values(history), "state": told.state_of_run(history)})
            for kind in ("run", "tables", "model"):
                files = [path for of, path in told.files_of(self.folder, history) if of == kind]
                artifact = self.wandb.Artifact(f"{identity(history)}-{kind}", type=kind)
                for path in files:
                    artifact.add_file(str(path))
                if files:
                    run.log_artifact(artifact)
            self.logged[SEARCH] = {"last": history.last}
            self._close(SEARCH, 0)

    def close(self) -> None:
        """What is open goes on with the next that sends this run."""
        for what in list(self.open):
            self._close(what, 255)

    def _send(self, history: RunHistory, trial: TrialHistory) -> None:
        what, said = str(trial.number), told.about_trial(history.run, trial)
        known = self.logged.get(what) or self._sent(history).get(what) or {"epochs": 0}
        now = {"epochs": len(trial.records), "state": told.state_of(trial), "tested": trial.test is not None}
        if known == now:
            return
        run = self._open(what, history, name_of(history.run, trial), trial.asked.config, said)
        for epoch, _, values in told.epochs(trial, known["epochs"]):
            run.log(values, step=epoch)
        run.summary.update({**told.tested(trial), "state": now["state"], "reason": trial.reason})
        self.logged[what] = now
        if now["state"] not in ("running", "paused"):
            self._close(what, 0 if now["state"] in GOOD else 1)

    def _open(self, what: str, history: RunHistory, name: str, config: Row, said: dict[str, str]) -> Any:
        if what not in self.open:
            about = {
                "project": os.environ.get("WANDB_PROJECT", PROJECT),
                "group": told.name_of_run(self.folder),
                "id": f"{identity(history)}-{what}",
                "name": name,
                "config": said | config,
                "job_type": "search" if what == SEARCH else said["strategy"],
                "tags": [said[tag][:64] for tag in ("arm", "anchor") if tag in said],
                "dir": str(self.place),
                "resume": "allow",
                "reinit": "create_new",
            }
            self.open[what] = self._begin(about)
        return self.open[what]

    def _begin(self, about: Row) -> Any:
        """An open run; offline from now on where the server does not answer."""
        quiet = {"silent": True, "console": "off", "disable_git": True, "init_timeout": FIRST_ANSWER_SECONDS}
        try:
            return self.wandb.init(mode=self.mode, settings=self.wandb.Settings(**quiet), **about)
        except self.wandb.Error:
            if self.mode != "online":
                raise
        self.mode = "offline"
        print(f"Weights & Biases does not answer; from now on {self.where}", flush=True)
        return self.wandb.init(mode=self.mode, settings=self.wandb.Settings(**quiet), **about)

    def _close(self, what: str, status: int) -> None:
        """All that was logged is on disk, or with the server, once this returns."""
        self.open.pop(what).finish(exit_code=status)
        if self.sent is not None and what in self.logged:
            self.sent[what] = self.logged.pop(what)
            write_sent(self.folder, "wandb", self.run_id, self.sent)

    def _sent(self, history: RunHistory) -> Row:
        if self.sent is None:
            self.run_id = identity(history)
            self.sent = read_sent(self.folder, "wandb", self.run_id)
        return self.sent

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (self.wandb.Error, OSError) as error:
            self.sent = None  # that is read again
            raise NotSentError(shortened((str(error).splitlines() or ["?"])[0].strip(" ."), 200)) from None
