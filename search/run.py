"""python -m search.run --space self_paced: search one strategy's hyperparameters and schedules."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from search import arguments, ray_environment
from search.campaign import Campaign
from search.finish import next_commands, open_test, summary
from search.options import SearchOptions
from search.plan import Plan, describe, make_plan, parse_duration
from search.study import Proposer
from search.terminal import Terminal
from search.wording import value
from spaces.errors import UsageError
from spaces.registry import SPACES
from trainables import store

DONE, TOO_FEW, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = arguments.parser(SearchOptions, "python -m search.run", __doc__ or "")
    parser.add_argument("--dry-run", action="store_true", help="say what would run, and stop")
    parser.add_argument("--list", action="store_true", help="list the spaces, their fields and anchors, and stop")
    given = vars(parser.parse_args(words))
    listing, dry = given.pop("list"), given.pop("dry_run")
    if listing:
        print(list_spaces())
        return DONE
    return guarded(lambda: search(arguments.read(SearchOptions, given), dry))


def guarded(work: Callable[[], int]) -> int:
    """Exit status of `work`; a mistake of the user's is one sentence on stderr."""
    try:
        return work()
    except UsageError as error:
        print(f"Error: {error}", file=sys.stderr)
        return WRONG_USAGE


def search(options: SearchOptions, dry: bool = False) -> int:
    """Run a search and leave its run folder. Returns the exit status; raises UsageError before anything starts."""
    budget = parse_duration(options.time_budget)
    plan = make_plan(options)
    print(headline(plan), flush=True)
    if dry:
        return DONE
    started = time.monotonic()
    plan.folder.mkdir(parents=True)
    store.write_json(plan.folder / "run.json", describe(plan))
    proposer = Proposer(plan.space, options.samples, options.seed, options.sampler)
    terminal = Terminal(plan.space, options.samples, plan.setting.epochs)
    campaign = Campaign(plan.folder, proposer, options.keep, budget and started + budget, terminal)
    with terminal:
        interrupted = _execute(plan, campaign)
    return _finish(plan, campaign, interrupted, started)


def _execute(plan: Plan, campaign: Campaign) -> bool:
    """Run the trials; True when Ctrl-C or SIGTERM ended it. Trials still open are closed as interrupted."""
    with _terminated_like_interrupted():
        try:
            _executor(plan)(campaign)
        except KeyboardInterrupt:
            campaign.stopped = True
            campaign.interrupted = True
        finally:
            campaign.close_open_trials(
                "the search was interrupted" if not campaign.over_time() else "the time budget is spent"
            )
    return campaign.interrupted


def _executor(plan: Plan) -> Callable[[Campaign], None]:
    if plan.options.executor == "local":
        from search.local import run_local

        return lambda campaign: run_local(campaign, plan.setting)
    ray_environment.prepare(plan.options.address)
    from search.cluster import ray_running, run_on_ray

    def run(campaign: Campaign) -> None:
        options = plan.options
        cpus = (options.cpus_per_trial or 1) * (options.concurrent or 1)
        with ray_running(
            options.address, cpus, int(-(-(options.gpus_per_trial or 0) * (options.concurrent or 1) // 1))
        ):
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
    tables = _write_tables(plan)
    print(summary(plan, campaign, judged, time.monotonic() - started))
    print(next_commands(campaign, tables))
    if interrupted:
        print("Interrupted: what was finished is kept; test was not opened.")
        return INTERRUPTED
    ended = sum(book.state in ("complete", "pruned") for book in campaign.books.values())
    if ended < plan.options.samples:
        print(f"{ended} of {plan.options.samples} trials ended complete or pruned.", file=sys.stderr)
        return TOO_FEW
    return DONE


def _write_tables(plan: Plan) -> bool:
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
        f"{options.samples} trials of up to {setting.epochs} epochs, {options.sampler}, {options.scheduler}; "
        f"{len(plan.space.search)} fields searched, anchors first: {anchors}; "
        f"seed {setting.seed}, protocol {setting.protocol}",
        f"{options.concurrent} at a time on {options.cpus_per_trial} CPU thread{'s' * (setting.threads > 1)} and "
        f"{value(options.gpus_per_trial)} GPU each, {_precision(plan)}; into {plan.folder}",
    ]
    for name in plan.dropped:
        lines.append(f"Anchor {name} is left out: a --set says otherwise.")
    return "\n".join(lines)


def _precision(plan: Plan) -> str:
    from trainables.engine import bf16_is_fast

    auto = "bf16" if bf16_is_fast(plan.setting.device) else "fp32"
    return auto if plan.setting.precision == "auto" else plan.setting.precision


def list_spaces() -> str:
    """Every space with its anchors and fields."""
    lines = []
    for name, space in SPACES.items():
        lines.append(f"{name}: {' '.join((space.config.__doc__ or '').split())}")
        lines += [f"  anchor {anchor.name}: {anchor.says}" for anchor in space.anchors]
        for field, info in space.config.model_fields.items():
            searched = "*" if field in space.search else " "
            lines.append(f"  {searched} {field:<16} {value(info.default):<9} {info.description}")
    return "\n".join([*lines, "* searched by default; --search adds fields, --set fixes them."])


if __name__ == "__main__":
    sys.exit(main())
