"""Runs a campaign's trials on the Ray that is running.

Import search.executors.ray_environment and call `prepare` first: Ray reads those variables while it is imported.
"""

import contextlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.exceptions import RayError
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from console.errors import UsageError
from records.epoch import Row
from records.events import Ending
from records.files import read_text
from records.folder import last_checkpoint
from records.locks import wait_for_workers
from search.campaign import OUT_OF_TIME, Campaign
from search.executors.node_checks import check_nodes
from search.executors.nodes import FORGIVEN, Node, cause, explain, lost_with_its_node, refuse_impossible
from search.executors.ray_session import live_nodes
from search.executors.schedulers import NotKept, Refereed, TrialScheduler
from search.options import SearchOptions
from search.racing.topk import TOP
from search.referee import Referee, make_referee
from search.schedulers import ASHA, RAY_KEEPS, Race, Scheduler, get_scheduler
from spaces.setting import Setting
from spaces.space import Space
from trainables.tune import StrategyTrainable


def _on_each(
    nodes: Sequence[Node], work: Callable[..., Any], arguments: Any, tick: Callable[[], None]
) -> dict[Node, Any]:
    """What `work` gives on each node, or the error that came instead; `arguments` are for all, or a dict by node."""
    task = ray.remote(num_cpus=0, max_retries=0)(work)
    waiting = {}
    for node in nodes:
        there = task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False))
        waiting[there.remote(*(arguments[node] if isinstance(arguments, dict) else arguments))] = node
    came: dict[Node, Any] = {}
    while len(came) < len(waiting):
        ready, _ = ray.wait([ref for ref, node in waiting.items() if node not in came], timeout=1.0)
        tick()
        for ref in ready:
            try:
                came[waiting[ref]] = ray.get(ref)
            except RayError as error:
                came[waiting[ref]] = error
    return {node: came[node] for node in nodes}


def run_on_ray(
    campaign: Campaign, space: Space, setting: Setting, options: SearchOptions, longest: int, images: int
) -> None:
    """Run every trial that the campaign asks for on the Ray that is running; Ctrl-C ends it with trials still open."""
    assert options.cpus_per_trial and options.concurrent and options.gpus_per_trial is not None
    cpus, gpus = options.cpus_per_trial, options.gpus_per_trial
    if options.address:
        nodes = live_nodes()
        refuse_impossible(nodes, cpus, gpus, options.address)
        print(explain(nodes, cpus, gpus, options.concurrent), flush=True)
        check_nodes([node for node in nodes if node.places(cpus, gpus)], campaign.folder, setting, _on_each)
    wait_for_workers(campaign.folder)
    scheduler = get_scheduler(options.scheduler or ASHA.name)
    population = scheduler.kind == "population"
    # all members of a population are there from the start; of other trials, those that run at once are started at once
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(options.samples if population else options.concurrent)
    race = _race(campaign, space, setting, options, longest, images)
    rule = scheduler.rule and scheduler.rule(race)
    by_rule = Refereed(make_referee(campaign, rule), options.concurrent) if rule else None
    kept = 1 if by_rule else RAY_KEEPS if scheduler.pauses else None
    storage = campaign.folder / ".ray"
    shutil.rmtree(storage, ignore_errors=True)  # of a search that was killed
    tuner = tune.Tuner(
        tune.with_resources(StrategyTrainable, {"cpu": cpus, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            num_samples=options.samples * (1 + FORGIVEN + options.max_failures),  # the searcher says when it is done
            metric="score" if population else "best_score",
            mode="max",
            search_alg=CampaignSearcher(campaign, setting, space.mutable if population else (), by_rule),
            scheduler=by_rule or _rays_own(scheduler, race),
            # Ray counts a paused trial as one at a time, so that those it waits for could never start
            max_concurrent_trials=None if scheduler.pauses or by_rule else options.concurrent,
            reuse_actors=True,
            time_budget_s=campaign.seconds_left(),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage.absolute()),
            verbose=0,
            callbacks=[
                LedgerCallback(
                    campaign, options.max_failures, by_rule.referee if by_rule else None, bool(options.address)
                )
            ],
            stop=CampaignStopper(campaign),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, checkpoint_frequency=0, num_to_keep=kept),
            failure_config=tune.FailureConfig(max_failures=-1),  # the recorder counts: a lost node is no failure
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(storage, ignore_errors=True)


def _rays_own(scheduler: Scheduler, race: Race) -> TrialScheduler:
    assert scheduler.make, f"{scheduler.name} has neither a rule nor one of Ray's"
    return scheduler.make(race)


def _race(
    campaign: Campaign, space: Space, setting: Setting, options: SearchOptions, longest: int, images: int
) -> Race:
    """What is known to the scheduler when it begins."""
    furthest = max((len(trial.records) for trial in campaign.trials.values()), default=0)
    exchange, past = options.exchange_epochs or 1, campaign.past()
    return Race(space, setting.seed, setting.epochs, longest, images, exchange, past, furthest, options.topk or TOP)


class CampaignSearcher(NotKept, Searcher):
    """Gives Ray the campaign's proposals."""

    def __init__(self, campaign: Campaign, setting: Setting, fields: tuple[str, ...], by_rule: Refereed | None = None):
        """`fields` change while a trial runs, in a population; `by_rule` says which paused trials go on."""
        super().__init__(metric="best_score", mode="max")
        self.campaign, self.setting, self.fields, self.by_rule = campaign, setting, fields, by_rule

    # Ray's own annotation leaves out FINISHED, the text that its documentation asks for when there is nothing more
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        if self.by_rule and not self._has_place(self.by_rule):
            return None
        asked = self.campaign.ask()
        if asked is None:
            # None: ask again later; a trial that runs may lose its worker in a way that Ray does not start it again from
            return None if self.campaign.waiting() or self.campaign.running() else Searcher.FINISHED
        member = None
        with contextlib.suppress(UsageError):  # a damaged checkpoint: the trial will begin again, and say so
            member = read_text(last_checkpoint(self.campaign.folder, asked.trial), "member")
        now: Row = json.loads(member) if member else {"config": asked.config, "donor": None}
        return {
            "number": asked.trial,
            "anchor": asked.anchor or "",
            "config": json.dumps(now["config"]),
            "setting": (asked.setting or self.setting).model_dump_json(),
            "folder": str(self.campaign.folder.absolute()),
            "pauses": self.by_rule is not None,
            "fields": list(self.fields),
            "donor": now["donor"],
            **{name: now["config"][name] for name in self.fields},
        }

    def _has_place(self, by_rule: Refereed) -> bool:
        """Whether a trial may begin now: fewer run than may, and none that Ray has paused goes before it.

        One that was paused in an earlier process is opened again here, so that it is the next to be asked for.
        """
        if self.campaign.at_work() - len(self.campaign.reopened) >= by_rule.at_once:
            return False
        number = by_rule.promoted()
        if number is not None and number not in by_rule.known:
            by_rule.referee.take(number)
            self.campaign.reopen(number)
            return True
        return number is None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Heard by the recorder, which also learns of errors."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is what a search is resumed from."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a search is resumed from its ledger")


class CampaignStopper(NotKept, tune.Stopper):
    """Ends the search where nothing more can come of it: no room to write, or the same failure every time. Ends a trial
    that whoever proposes has no more hope of.
    """

    def __init__(self, campaign: Campaign):
        self.campaign = campaign

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return "record" in result and self.campaign.hopeless(result["record"])

    def stop_all(self) -> bool:
        return bool(self.campaign.stopped) and self.campaign.stopped != OUT_OF_TIME


class LedgerCallback(NotKept, tune.Callback):
    """Tells the campaign what Ray reports. Runs in the driver's loop."""

    def __init__(self, campaign: Campaign, max_failures: int, referee: Referee | None = None, elsewhere: bool = False):
        """`elsewhere`: whether there are nodes beside the one that is lost."""
        self.elsewhere = elsewhere
        self.campaign, self.max_failures, self.referee = campaign, max_failures, referee
        self.where: dict[int, str] = {}  # the node of each trial, by its number
        self.failures: Counter[int] = Counter()  # workers that a trial has lost, by its number
        self.lost_nodes: Counter[int] = Counter()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "placed" in result:
            self.where[trial.config["number"]] = result["placed"]["node"]
            self.campaign.placed(trial.config["number"], result["placed"])
        if "no_room" in result:
            self.campaign.out_of_room(trial.config["number"], result["no_room"])
        elif "failed" in result:
            self.campaign.failed(trial.config["number"], result["failed"], result["traceback"])
        elif "record" in result:
            self.campaign.epoch(result["record"], result.get("member"))
            if self.referee and trial.config["number"] in self.referee.rule.waiting:
                self.campaign.paused(trial.config["number"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The planned end is `finished`; whoever ends before it without our stopping the run was pruned."""
        result = trial.last_result or {}
        finished = "record" in result and result["record"].finished
        if not finished and (self.campaign.stopped or self.campaign.over_time()):
            return self.campaign.ended(trial.config["number"], "interrupted", self.campaign.stopped or OUT_OF_TIME)
        state: Ending = "complete" if finished else "pruned"
        self.campaign.ended(trial.config["number"], state, peak_memory_mb=result.get("peak_memory_mb", 0.0))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker is lost, and Ray is about to start the trial again. Whether that is the last time is counted here."""
        number, said = trial.config["number"], _last_words(trial)
        blameless = self.lost_nodes[number] < FORGIVEN and self._lost_its_node(number, said)
        self.lost_nodes[number] += blameless
        self.failures[number] += not blameless
        self.campaign.lost(number, cause(said), self.failures[number])
        if blameless and self.elsewhere:
            print(
                f"The node of trial {number} is lost; the trial goes on elsewhere from its last checkpoint.", flush=True
            )
        if self.failures[number] > self.max_failures:
            trial.config["failed"] = cause(said)  # its next worker has nothing to do but to say so,
            trial.max_failures = 0  # and Ray gives up if even that is lost

    def _lost_its_node(self, number: int, said: str) -> bool:
        """Whether the node is gone, and not the process alone."""
        return lost_with_its_node(said) or self.where.get(number, "") not in {"", *(n.id for n in live_nodes())}

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        number, said = trial.config["number"], _last_words(trial)
        if self.failures[number] <= self.max_failures and "failed" not in trial.config and not self.campaign.stopped:
            # Ray can report one death twice, and takes the second report for the end of a trial that waits its turn
            return self.campaign.reopen(number)
        self.campaign.failed(number, cause(said), said)


def _last_words(trial: Any) -> str:
    """What Ray has written down of a trial's last failure; the text, not the pickle beside it."""
    try:
        text = Path(trial.error_file or "").read_text()
    except OSError:
        return "its worker was lost"
    return text.split("Failure # ")[-1].partition("\n")[2].strip() or "its worker was lost"
