"""Starts a private local Ray, or joins one, and runs a campaign's trials on it.

Import search.ray_environment and call `prepare` first: Ray reads those variables while it is imported.
"""

import contextlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from search.campaign import OUT_OF_TIME, Campaign
from search.disk import PAUSING, RAY_KEEPS
from search.options import POPULATIONS, SearchOptions
from search.population import make_population
from search.schedulers import make_scheduler
from spaces.errors import UsageError
from spaces.setting import Setting
from spaces.space import Space
from trainables import store
from trainables.records import EpochRecord
from trainables.trial import reason_of
from trainables.tune import StrategyTrainable

OBJECT_STORE_BYTES = 100_000_000  # images reach the trials through the memory map, not through Ray


@contextlib.contextmanager
def ray_running(
    address: str | None, cpus: int, gpus: int, announce: Callable[[str], None] | None = None
) -> Iterator[None]:
    """A private Ray on this machine, gone afterwards with its files; or the cluster at `address`, left as it was.

    `announce` is told where Ray's own dashboard is; without it a private Ray has none.
    """
    if address:
        try:
            joined = ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            first = str(error).strip().split("\n")[0]
            raise UsageError(f"No Ray cluster answers at --address {address} ({first}).") from None
        if announce:
            announce(f"Ray's dashboard:  http://{joined.dashboard_url} (the cluster's own)")
        try:
            yield
        finally:
            ray.shutdown()
        return
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp" if os.path.isdir("/tmp") else None)  # sockets want short paths
    # one below, because Ray opens the folder that it is given to every user of the machine
    try:
        started = ray.init(address="local", num_cpus=cpus, num_gpus=gpus, log_to_driver=False,
                           include_dashboard=announce is not None and _has_dashboard(), dashboard_host="127.0.0.1",
                           logging_level=logging.ERROR, object_store_memory=OBJECT_STORE_BYTES,
                           _temp_dir=os.path.join(folder, "r"))  # fmt: skip
        if announce:
            announce(_where(started.dashboard_url, Path(folder)))
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _has_dashboard() -> bool:
    try:
        import ray.dashboard.optional_deps  # noqa: F401
    except ImportError:
        return False
    return True


def _where(url: str | None, folder: Path) -> str:
    """The address of a private Ray's dashboard, and how to get the token that it asks for. `folder` is ours alone."""
    if not url:
        return "Ray's dashboard is not installed here; pip install 'ray[default]' adds it."
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(os.environ.get("RAY_AUTH_TOKEN", ""))
    return f"Ray's dashboard:  http://{url} (while it runs; it asks for the token that is in {token})"


def run_on_ray(campaign: Campaign, space: Space, setting: Setting, options: SearchOptions, longest: int) -> None:
    """Run every trial that the campaign asks for on the Ray that is running; Ctrl-C ends it with trials still open."""
    assert options.cpus_per_trial and options.concurrent and options.gpus_per_trial is not None
    resources = {"cpu": options.cpus_per_trial, "gpu": options.gpus_per_trial}
    _refuse_impossible(resources)
    store.wait_for_workers(campaign.folder)
    population = options.scheduler in POPULATIONS
    if population:
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(options.samples)  # all members are there from the start
    kept = RAY_KEEPS if options.scheduler in PAUSING else None
    storage = campaign.folder / ".ray"
    shutil.rmtree(storage, ignore_errors=True)  # of a search that was killed
    tuner = tune.Tuner(
        tune.with_resources(StrategyTrainable, resources),
        tune_config=tune.TuneConfig(
            num_samples=options.samples,
            metric="accuracy" if population else "best_accuracy",
            mode="max",
            search_alg=_Asker(campaign, setting, space.mutable if population else ()),
            scheduler=_scheduler(campaign, space, setting, options, longest),
            # a paused trial counts as one at a time, so that those it waits for could never start
            max_concurrent_trials=None if population or options.scheduler == "hyperband" else options.concurrent,
            reuse_actors=True,
            time_budget_s=campaign.seconds_left(),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage.absolute()),
            verbose=0,
            callbacks=[_Recorder(campaign)],
            stop=_StopAll(campaign),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, checkpoint_frequency=0, num_to_keep=kept),
            failure_config=tune.FailureConfig(max_failures=options.max_failures),
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(storage, ignore_errors=True)


def _scheduler(
    campaign: Campaign, space: Space, setting: Setting, options: SearchOptions, longest: int
) -> TrialScheduler:
    if options.scheduler in POPULATIONS:
        furthest = max((len(book.records) for book in campaign.books.values()), default=0)
        return make_population(options.scheduler, space, setting.seed, options.exchange_epochs or 1, furthest)
    return make_scheduler(options.scheduler or "asha", longest, setting.epochs, campaign.past())


def _refuse_impossible(wanted: dict[str, float]) -> None:
    """Ray would wait for ever for what the cluster does not have."""
    there = ray.cluster_resources()
    for kind, amount in wanted.items():
        if amount > there.get(kind.upper(), 0):
            raise UsageError(
                f"A trial wants {amount:g} {kind.upper()}s and this Ray has {there.get(kind.upper(), 0):g}; "
                f"ask for fewer with --{kind}s-per-trial."
            )


class _NotKept:
    """Ray pickles its searcher and callbacks to restore them; ours are made anew from the ledger instead."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Asker(_NotKept, Searcher):
    """Gives Ray the campaign's proposals."""

    def __init__(self, campaign: Campaign, setting: Setting, fields: tuple[str, ...]):
        """`fields` change while a trial runs, in a population."""
        super().__init__(metric="best_accuracy", mode="max")
        self.campaign, self.setting, self.fields = campaign, setting, fields

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        proposal = self.campaign.ask()
        if proposal is None:
            return None if self.campaign.waiting() else Searcher.FINISHED  # None: ask again later
        member = store.read_text(store.last_checkpoint(self.campaign.folder, proposal.number), "member")
        now = json.loads(member) if member else {"config": proposal.config, "donor": None}
        return {
            "number": proposal.number,
            "anchor": proposal.anchor or "",
            "config": json.dumps(now["config"]),
            "setting": (proposal.setting or self.setting).model_dump_json(),
            "folder": str(self.campaign.folder.absolute()),
            "fields": list(self.fields),
            "donor": now["donor"],
            **{name: now["config"][name] for name in self.fields},
        }

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Heard by the recorder, which also learns of errors."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is what a search is resumed from."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a search is resumed from its ledger")


class _StopAll(_NotKept, tune.Stopper):
    """Ends the search where nothing more can come of it: no room to write, or the same failure every time."""

    def __init__(self, campaign: Campaign):
        self.campaign = campaign

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return bool(self.campaign.stopped) and self.campaign.stopped != OUT_OF_TIME


class _Recorder(_NotKept, tune.Callback):
    """Tells the campaign what Ray reports. Runs in the driver's loop."""

    def __init__(self, campaign: Campaign):
        self.campaign = campaign

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "no_room" in result:
            self.campaign.out_of_room(trial.config["number"], result["no_room"])
        elif "failed" in result:
            self.campaign.failed(trial.config["number"], result["failed"], result["traceback"])
        elif "record" in result:
            self.campaign.epoch(EpochRecord.from_row(result["record"]), result.get("member"))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The planned end is `finished`; whoever ends before it without our stopping the run was pruned."""
        result = trial.last_result or {}
        finished = result.get("record", {}).get("finished", False)
        if not finished and (self.campaign.stopped or self.campaign.over_time()):
            return self.campaign.ended(trial.config["number"], "interrupted", self.campaign.stopped or OUT_OF_TIME)
        state = "complete" if finished else "pruned"
        self.campaign.ended(trial.config["number"], state, peak_memory_mb=result.get("peak_memory_mb", 0.0))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        error = trial.get_error() or RuntimeError("its worker was lost")
        self.campaign.failed(trial.config["number"], reason_of(error), str(error))
