"""One head-to-head from its options to its last line: plan, run, open test, table."""

import re
import time
from pathlib import Path

from console.arguments import DONE, INTERRUPTED, TOO_FEW
from console.errors import UsageError
from console.progress import track
from records.epoch import Row
from records.folder import remove_checkpoints
from search.campaign import Campaign
from search.options import CompareOptions, RunOptions, SearchOptions
from search.planning.names import check_weights
from search.planning.plan import Plan, make_plan
from search.planning.run_json import describe
from search.proposers.head_to_head import Contestant, HeadToHead, make_contestants
from search.session import execute, open_campaign, resume_line, write_tables
from search.testing import judge
from search.views.terminal import Terminal
from trainables.preparation import facts, make_network
from trainables.strategies import get_strategy


def compare(options: CompareOptions, resumes: bool = False) -> int:
    """Run the head-to-head and leave its run folder and table. Raises UsageError before anything starts."""
    updates = parse_budget(options.budget)
    contestants = make_contestants(options.strategies, options.anchors, options.twins, _configs(options.configs))
    _check_weights(contestants)
    plan = make_plan(_as_search(options, contestants), resumes)
    _check(plan, contestants)
    seeds = list(range(options.seed, options.seed + options.seeds))
    _warn_of_seen_images(options, seeds)
    queue = HeadToHead(contestants, plan.setting, seeds, options.epochs, options.head_epochs, updates)
    names = ", ".join(str(one.arm) for one in contestants)
    print(f"{len(contestants)} arms on {len(seeds)} seeds: {names}; into {plan.folder}", flush=True)
    started = time.monotonic()
    about = describe(plan, "search.compare", "head_to_head") | {"compare": options.model_dump()}
    terminal = Terminal(queue.samples, options.epochs)
    campaign = open_campaign(
        plan, about, resumes, lambda: Campaign(plan.folder, about, queue, queue.samples, None, terminal)
    )
    with terminal:
        interrupted = execute(plan, campaign)
    return _finish(plan, campaign, queue, interrupted, len(contestants) * len(seeds), started)


def _finish(plan: Plan, campaign: Campaign, queue: HeadToHead, interrupted: bool, wanted: int, started: float) -> int:
    """Test, tables and last lines; `started` in seconds of time.monotonic. Returns the exit status."""
    if plan.setting.protocol == "holdout" and not (interrupted or campaign.broken):
        _open_tests(plan, campaign)
    campaign.ledger.close()
    ended = sum(trial.state == "complete" for trial in campaign.trials.values())
    if not campaign.broken and write_tables(plan) and ended and not interrupted:
        _print_table(plan.folder)
    for name in queue.skipped:
        print(f"Not run: {name}, because an arm that it builds on did not complete.")
    print(f"\n{queue.samples} trials, {time.monotonic() - started:.0f} s. Files: {plan.folder}")
    if interrupted or campaign.broken:
        print(resume_line("search.compare", plan))
    return INTERRUPTED if interrupted else DONE if ended == wanted else TOO_FEW


def parse_budget(text: str | None) -> int | None:
    """'updates=500' -> 500. Raises UsageError."""
    match = re.fullmatch(r"updates=([1-9]\d*)", text or "")
    if text and not match:
        raise UsageError(f"--budget wants updates=N with N at least 1; got '{text}'.")
    return int(match[1]) if match else None


def _configs(path: str | None) -> list[Row] | None:
    if path is None:
        return None
    from records.parquet import read_rows  # not needed, and perhaps not installed, without --configs

    return read_rows(Path(path))


def _warn_of_seen_images(options: CompareOptions, seeds: list[int]) -> None:
    """Configs that were picked on one seed's validation images have seen what another seed tests on."""
    if not options.configs or options.protocol != "holdout" or options.split:
        return
    picked = sorted({row["setting_seed"] for row in _configs(options.configs) or []})
    if set(seeds) - set(picked):
        print(
            f"Note: these configs were picked on the validation images of seed {', '.join(map(str, picked))}, some of "
            f"which other seeds test on, so their figures are optimistic; --split gives all seeds one test part."
        )


def _as_search(options: CompareOptions, contestants: list[Contestant]) -> SearchOptions:
    """What a plan is made of: the data, network and machine are asked for as of a search."""
    pretrained = [one for one in contestants if get_strategy(one.arm.strategy).starts_from == "pretrained"]
    samples = len(contestants) * options.seeds
    shared = options.model_dump(exclude=set(CompareOptions.model_fields) - set(RunOptions.model_fields))
    shared["keep"] = samples  # every network is kept until test has been opened for it
    shared["name"] = options.name or f"compare-{time.strftime('%Y%m%d-%H%M%S')}"
    space = (pretrained or contestants)[0].arm.strategy
    return SearchOptions(**shared, space=space, samples=samples, anchors="none", scheduler="none")


def _check_weights(contestants: list[Contestant]) -> None:
    """Whether there is such a file for each arm that names one, and the arm starts from weights. Raises UsageError."""
    for one in contestants:
        if one.weights and get_strategy(one.arm.strategy).starts_from == "random":
            raise UsageError(f"{one.arm.strategy} starts from random weights; drop @{one.weights}.")
        check_weights(one.weights)


def _check(plan: Plan, contestants: list[Contestant]) -> None:
    """What only shows when an arm is made: its weights, the division, an image size. Raises UsageError."""
    for one in contestants:
        random = get_strategy(one.arm.strategy).starts_from == "random"
        weights = "none" if random else one.weights or plan.setting.weights
        setting = plan.setting.model_copy(update={"strategy": one.arm.strategy, "weights": weights})
        make_network(setting, len(plan.data.classes))
        facts(setting)


def _open_tests(plan: Plan, campaign: Campaign) -> None:
    """Test figures of every arm and seed, each measured once; the networks go afterwards."""
    done = [trial for trial in campaign.trials.values() if trial.state == "complete" and not trial.test]
    for trial in track(done, "opening test", unit="trials"):
        judge(plan, campaign, trial)
        remove_checkpoints(campaign.folder, trial.number)


def _print_table(folder: Path) -> None:
    """Needs pandas and scipy, which a machine that only trains may lack."""
    try:
        from analysis.comparison import write_comparison  # pandas and scipy may not be installed
    except ImportError:
        print("The table needs pandas and scipy: run `python -m analysis.comparison RUN` where they are.")
        return
    print("\n" + write_comparison(folder))
