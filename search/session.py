"""One search from its options to its last line: plan, run, finish."""

import contextlib
import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from search import ray_environment
from search.arguments import DONE, INTERRUPTED, TOO_FEW
from search.campaign import Campaign
from search.finish import next_commands, open_test, summary
from search.options import SearchOptions
from search.plan import Plan, describe, make_plan, parse_duration
from search.study import Proposer
from search.terminal import Terminal
from search.wording import value
from spaces.errors import UsageError
from trainables import store
from trainables.engine import bf16_is_fast


def search(options: SearchOptions, dry: bool = False) -> int:
    """Run a search and leave its run folder. Returns the exit status; raises UsageError before anything starts."""
    budget = parse_duration(options.time_budget)
    plan = make_plan(options)
    print(headline(plan), flush=True)
    if dry:
        return DONE
    started = time.monotonic()
    make_folder(plan, describe(plan))
    proposer = Proposer(plan.space, options.samples, options.seed, options.sampler)
    terminal = Terminal(plan.space, options.samples, plan.setting.epochs)
    campaign = Campaign(plan.folder, proposer, options.keep, budget and started + budget, terminal)
    with terminal:
        interrupted = execute(plan, campaign)
    return _finish(plan, campaign, interrupted, started)


def make_folder(plan: Plan, about: dict[str, Any]) -> None:
    """The run folder with its run.json; UsageError where the executor is missing, before anything is left behind."""
    if plan.options.executor == "ray" and find_spec("ray") is None:
        raise UsageError("Ray is not installed here; pass --executor local, or install ray[tune].")
    plan.folder.mkdir(parents=True)
    store.write_json(plan.folder / "run.json", about)


def execute(plan: Plan, campaign: Campaign) -> bool:
    """Run the trials; True when Ctrl-C or SIGTERM ended it. Trials still open are closed as interrupted."""
    with _terminated_like_interrupted():
        try:
            _executor(plan)(campaign)
            interrupted = campaign.unfinished() and not campaign.over_time()  # Tune swallows the first Ctrl-C
        except KeyboardInterrupt:
            interrupted = True
        except UsageError:
            if not campaign.books:  # nothing has run: the name stays free
                campaign.ledger.close()
                shutil.rmtree(plan.folder)
            raise
        finally:
            campaign.close_open_trials(
                "the search was interrupted" if not campaign.over_time() else "the time budget is spent"
            )
    return interrupted


def _executor(plan: Plan) -> Callable[[Campaign], None]:
    if plan.options.executor == "local":
        from search.local import run_local

        return lambda campaign: run_local(campaign, plan.setting)
    ray_environment.prepare(plan.options.address)
    from search.cluster import ray_running, run_on_ray

    def run(campaign: Campaign) -> None:
        options = plan.options
        at_once = options.concurrent or 1
        cpus, gpus = (options.cpus_per_trial or 1) * at_once, math.ceil((options.gpus_per_trial or 0) * at_once)
        # inside, because Ray takes SIGTERM for itself when it starts
        with ray_running(options.address, cpus, gpus), _terminated_like_interrupted():
            run_on_ray(campaign, plan.setting, options, plan.longest)

    return run


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends a search as Ctrl-C does: cleanly."""

    def interrupt(number: int, frame: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _finish(plan: Plan, campaign: Campaign, interrupted: bool, started: float) -> int:
    holdout = plan.setting.protocol == "holdout"
    judged = open_test(plan, campaign) if holdout and not interrupted else []
    campaign.ledger.close()
    tables = write_tables(plan)
    print(summary(plan, campaign, judged, time.monotonic() - started))
    print(next_commands(campaign, tables))
    if interrupted:
        print("Interrupted: what was finished is kept" + ("; test was not opened." if holdout else "."))
        return INTERRUPTED
    ended = sum(book.state in ("complete", "pruned") for book in campaign.books.values())
    if ended < plan.options.samples:
        print(f"{ended} of {plan.options.samples} trials ended complete or pruned.")
        return TOO_FEW
    return DONE


def write_tables(plan: Plan) -> bool:
    """False on a machine without pyarrow, where the ledger has it all the same."""
    try:
        from trainables.tables import write_tables
    except ImportError:
        return False
    write_tables(plan.folder)
    return True


def headline(plan: Plan) -> str:
    """What is about to run, in three lines."""
    options, setting, split = plan.options, plan.setting, plan.split
    parts = f"{len(split.train):,} train, {len(split.validation):,} validation, {len(split.test):,} test"
    anchors = ", ".join(anchor.name for anchor in plan.space.anchors) or "none"
    lines = [
        f"{options.space} on {options.data}: {plan.data.count:,} images of {setting.image_size} px, "
        f"{len(plan.data.classes)} classes ({parts}); {setting.model}, weights {setting.weights}",
        f"{_many(options.samples, 'trial')} of up to {_many(setting.epochs, 'epoch')}, {options.sampler}, "
        f"{options.scheduler}; "
        f"{len(plan.space.search)} fields searched, anchors first: {anchors}; "
        f"seed {setting.seed}, protocol {setting.protocol}",
        f"{options.concurrent} at a time on {options.cpus_per_trial} CPU thread{'s' * (setting.threads > 1)} and "
        f"{value(options.gpus_per_trial)} GPU each, {_precision(plan)}; into {plan.folder}",
    ]
    for name in plan.dropped:
        lines.append(f"Anchor {name} is left out: a --set says otherwise.")
    return "\n".join(lines)


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _precision(plan: Plan) -> str:
    auto = "bf16" if bf16_is_fast(plan.setting.device) else "fp32"
    return auto if plan.setting.precision == "auto" else plan.setting.precision
