"""One head-to-head from its options to its last line: plan, run, open test, judge, table."""

import re
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from analysis.rulebook.measure import measure_of
from analysis.rulebook.plan import VerdictPlan
from analysis.rulebook.plan import make_plan as plan_verdict
from console.arguments import DONE, INTERRUPTED, TOO_FEW, shortened
from console.errors import UsageError
from console.layout import ending, fitted, shown_path
from console.wording import clock, many
from records.epoch import Row
from records.folder import SHOWN
from search.advice import told_of_heads, told_of_rates
from search.campaign import Campaign
from search.options import CompareOptions, SearchOptions
from search.planning.about_data import describe_data
from search.planning.checks import check_weights_of
from search.planning.defaults import parse_duration
from search.planning.plan import Draft, Plan, make_draft, make_plan, nothing_made, preview
from search.planning.run_json import describe
from search.planning.seen_images import leave_out_seen
from search.proposers.contestants import Contestant, make_contestants, rows_taken
from search.proposers.head_to_head import Budget, HeadToHead
from search.rounds import Rounds, conclude
from search.running import execute, open_campaign, resume_line, write_tables
from search.shared_options import RunOptions
from search.testing import open_tests
from search.views.attached import trackers
from search.views.terminal import Terminal
from spaces.arm import Arm
from spaces.setting import MOST_MARKS, MOST_SECONDS, MOST_UPDATES, Setting
from spaces.trial import check_task
from trainables.checks import check_weights
from trainables.curricula.batches import updates_of
from trainables.networks.sides import check_sides
from trainables.preparation import facts, make_network, on_this_machine, spared
from trainables.strategies import get_strategy


def compare(options: CompareOptions, resumes: bool = False, command: str = "", dry: bool = False) -> int:
    """Run the head-to-head and leave its run folder and table. Raises UsageError before anything starts.

    `command`: what repeats it; else that of this process. `dry`: say what would run, and make nothing.
    """
    started, limit = time.monotonic(), parse_duration(options.time_budget)
    asked_budget = parse_budget(options.budget)
    configs = _configs(options.configs)
    contestants = make_contestants(
        options.strategies, options.anchors, options.twins, configs, options.train, options.set
    )
    verdict = _asked(options, [one.arm for one in contestants])
    _check_words(options, asked_budget, contestants, verdict)
    if not resumes:  # what a run has recorded was asked for once
        _refuse_idle(options, asked_budget, contestants)
    _check_weights(contestants)
    for one in contestants:
        check_task(one.config, options.task)
    seeds = range(options.seed, options.seed + options.seeds)
    may_come = range(options.seed, options.seed + most_seeds(options))
    taken = rows_taken(contestants, configs)
    if dry:
        draft = make_draft(_as_search(options, contestants), resumes, lambda of: _check_networks(of, contestants))
        shown = preview(draft)
        if shown is not None:
            shown = _unseen(shown, taken, may_come)
        return _say(draft, shown, options, contestants, asked_budget, verdict, seeds)
    plan = make_plan(_as_search(options, contestants), resumes, lambda of: _check_networks(of, contestants))
    _check(plan, contestants)
    plan = _unseen(plan, taken, may_come)
    budget = make_budget(options, asked_budget, contestants, len(plan.split.train))
    queue = HeadToHead(contestants, plan.setting, seeds, budget)
    print(fitted(_headline(plan, queue, verdict, seeds)), flush=True)
    about = describe(plan, command, "head_to_head")
    about |= {"compare": options.model_dump(), "verdict": verdict.row(), "budget": budget.row()}
    keep = len(contestants) * most_seeds(options)  # every network, until test has been opened for it
    terminal = Terminal(queue.samples, options.epochs)
    deadline = limit and started + limit
    campaign = open_campaign(
        plan, about, resumes, lambda: Campaign(plan.folder, about, queue, keep, deadline, terminal)
    )
    rounds = Rounds(
        campaign,
        queue,
        verdict,
        options.until_decided,
        most_seeds(options),
        plan.options.concurrent or 1,
        lambda: open_tests(plan, campaign),
    )
    with trackers(plan.folder, options.track, terminal.say):
        with terminal:
            interrupted = execute(plan, campaign, rounds.more)
        return _finish(plan, campaign, queue, verdict, interrupted, started)


def _say(
    draft: Draft,
    plan: Plan | None,
    options: CompareOptions,
    contestants: list[Contestant],
    asked: Budget,
    verdict: VerdictPlan,
    seeds: Collection[int],
) -> int:
    """What would run, and what would be made first; the plan is None where the data are still to be made."""
    if plan is None:
        names = ", ".join(str(one.arm) for one in contestants)
        pairs = ", ".join(f"{a} : {b}" for a, b in verdict.pairs) or "no pair"
        print(fitted(f"{names} on {many(len(seeds), 'seed')} of {options.data}, of which nothing is here yet; planned: "
                     f"{pairs}; into {shown_path(draft.folder)}"))  # fmt: skip
    else:
        budget = make_budget(options, asked, contestants, len(plan.split.train))
        print(fitted(_headline(plan, HeadToHead(contestants, plan.setting, seeds, budget), verdict, seeds)))
    print(fitted(nothing_made(draft)), flush=True)
    return DONE


def _unseen(plan: Plan, taken: list[Row], seeds: Collection[int]) -> Plan:
    """The plan whose tests are without the images that configs were picked on. Raises UsageError where they cannot be."""
    setting = leave_out_seen(taken, plan.setting, plan.data, seeds)
    return replace(plan, setting=setting, split=spared(setting, plan.data, plan.split))


def _asked(options: CompareOptions, arms: list[Arm]) -> VerdictPlan:
    """The pairs and the margin, before anything runs. Raises UsageError."""
    return plan_verdict(arms, options.primary, options.margin / 100, measure_of(options.metric))


def most_seeds(options: CompareOptions) -> int:
    """Seeds that the run may come to."""
    return max(options.seeds, options.max_seeds) if options.until_decided else options.seeds


def _headline(plan: Plan, queue: HeadToHead, verdict: VerdictPlan, seeds: Collection[int]) -> str:
    """What is about to run and what it is asked, before it runs."""
    names = ", ".join(map(str, queue.arms))
    asked = ", ".join(f"{a} : {b}" for a, b in verdict.pairs) or "no pair, so no word will be given"
    budget = queue.budget
    each = (
        f"{budget.seconds:g} charged seconds each"
        if budget.seconds
        else f"{many(budget.updates or budget.head_updates or 0, 'update')} each"
    )
    about, *notes = describe_data(plan)
    configs = [one.config for one in queue.contestants]
    rates = [one.config.learning_rate for one in queue.contestants if one.whole_network and not one.from_random]
    data = "\n".join(
        [f"{plan.options.data}: {about}.", *notes, *told_of_heads(plan, configs), *told_of_rates(plan, rates)]
    )
    return (
        f"{many(len(queue.arms), 'arm')} on {many(len(seeds), 'seed')}: {names}; {each}, judged at "
        f"{many(budget.marks or 0, 'common mark')}; into {shown_path(plan.folder)}\n"
        f"{data}\n"
        f"Planned beforehand, with a margin of {verdict.measure.margin(verdict.margin)}: {asked}"
    )


def _finish(
    plan: Plan, campaign: Campaign, queue: HeadToHead, verdict: VerdictPlan, interrupted: bool, started: float
) -> int:
    """Test, tables and last lines; `started` in seconds of time.monotonic. Returns the exit status."""
    if not (interrupted or campaign.broken):
        open_tests(plan, campaign)
    campaign.ledger.close()
    ended = sum(trial.state == "complete" for trial in campaign.trials.values())
    tables = not campaign.broken and write_tables(plan)
    print(f"\n{many(len(campaign.trials), 'trial')}, {clock(time.monotonic() - started)} in all.")
    if not (tables and ended and not interrupted and _print_table(plan.folder)):
        print(f"\n{fitted(conclude(campaign, verdict))}\n{ending(plan.folder, SHOWN, ())}")
    if interrupted or campaign.broken or queue.todo:
        print(resume_line("search.compare", plan))
    return INTERRUPTED if interrupted else DONE if ended == queue.samples else TOO_FEW


def parse_budget(text: str | None) -> Budget:
    """'updates=500' or 'seconds=300'. Raises UsageError."""
    if text is None:
        return Budget()
    match = re.fullmatch(r"(updates=([1-9]\d*)|seconds=(\d+(?:\.\d+)?))", text)
    if not match or (match[3] and float(match[3]) <= 0):
        raise UsageError(f"--budget wants updates=N with N at least 1, or seconds=S with S above 0; got '{text}'.")
    most = MOST_UPDATES if match[2] else MOST_SECONDS
    if float(match[2] or match[3]) > most:
        raise UsageError(f"--budget takes at most {most:,.0f} {text.split('=')[0]}; got '{shortened(text)}'.")
    return Budget(updates=int(match[2])) if match[2] else Budget(seconds=float(match[3]))


def make_budget(options: CompareOptions, asked: Budget, contestants: list[Contestant], train: int) -> Budget:
    """The budget of every arm, known before anything runs. `train`: images of the training split."""
    marks = options.marks or min(options.epochs, MOST_MARKS)
    if asked.seconds is not None:
        return Budget(seconds=asked.seconds, marks=marks)
    whole = [one.config.batch_size for one in contestants if one.whole_network]
    heads = [one.config.batch_size for one in contestants if not one.whole_network]
    of_heads = options.head_epochs * updates_of(train, heads[0]) if heads else None
    if not whole:
        return Budget(None, asked.updates or of_heads, None, marks)
    return Budget(asked.updates or options.epochs * updates_of(train, whole[0]), of_heads, None, marks)


def _check_words(options: CompareOptions, budget: Budget, contestants: list[Contestant], verdict: VerdictPlan) -> None:
    """What contradicts itself, before data are touched. Raises UsageError."""
    if options.until_decided and not verdict.pairs:
        names = ", ".join(str(one.arm) for one in contestants)
        raise UsageError(
            f"--until-decided has no pair to decide: name one with --primary a:b of {names}, or add finetune to a "
            f"curriculum."
        )
    if options.until_decided and options.max_seeds < options.seeds:
        raise UsageError(f"--max-seeds {options.max_seeds} is below --seeds {options.seeds}; it counts them all.")
    if budget.seconds is not None and options.address:
        raise UsageError(
            f"--budget seconds compares the clocks of one machine; drop --address {options.address}, or take "
            f"--budget updates=N."
        )


def _refuse_idle(options: CompareOptions, budget: Budget, contestants: list[Contestant]) -> None:
    """Raises UsageError for a flag that these arms leave without effect."""
    if options.twins and not any(one.arm.is_twin for one in contestants):
        raise UsageError("--twins runs each curriculum in another order, and none of these arms has one; leave it out.")
    heads = any(not one.whole_network for one in contestants)
    if "head_epochs" in options.model_fields_set and (budget.seconds is not None or not heads):
        why = "none of these arms does" if not heads else "--budget seconds ends each by its clock"
        raise UsageError(f"--head-epochs is of arms that train the head alone, and {why}; leave it out.")


def _configs(path: str | None) -> list[Row] | None:
    if path is None:
        return None
    from records.parquet import read_rows  # not needed, and perhaps not installed, without --configs

    return read_rows(Path(path))


def _as_search(options: CompareOptions, contestants: list[Contestant]) -> SearchOptions:
    """What a plan is made of: the data, network and machine are asked for as of a search."""
    pretrained = [one for one in contestants if get_strategy(one.arm.strategy).starts_from == "pretrained"]
    samples = len(contestants) * options.seeds
    shared = options.model_dump(exclude=set(CompareOptions.model_fields) - set(RunOptions.model_fields))
    shared["keep"] = samples  # every network of a round is kept until test has been opened for it
    shared["name"] = options.name or default_name()
    space = (pretrained or contestants)[0].arm.strategy
    return SearchOptions(**shared, space=space, samples=samples, anchors="none", scheduler="none")


def default_name() -> str:
    """Of a head-to-head that was given none."""
    return f"compare-{time.strftime('%Y%m%d-%H%M%S')}"


def _check_weights(contestants: list[Contestant]) -> None:
    """Whether there is such a file for each arm that names one, and the arm starts from weights. Raises UsageError."""
    for one in contestants:
        if one.weights and one.from_random:
            raise UsageError(f"{one.arm.strategy} starts from random weights; drop @{one.weights}.")
        check_weights(one.weights)


def _check_networks(shared: Setting, contestants: list[Contestant]) -> None:
    """Whether each arm's network can take its weights, before data are touched. Raises UsageError."""
    for one in contestants:
        check_weights_of(_setting_of(one, shared))
    check_sides(shared.model, shared.image_size, min(one.config.resolution_start for one in contestants))


def _check(plan: Plan, contestants: list[Contestant]) -> None:
    """What only shows when an arm is made: its weights, the division. Raises UsageError."""
    for one in contestants:
        setting = on_this_machine(_setting_of(one, plan.setting))
        make_network(setting, len(plan.data.classes), one.config)
        facts(setting)


def _setting_of(one: Contestant, shared: Setting) -> Setting:
    random = get_strategy(one.arm.strategy).starts_from == "random"
    weights = "none" if random else one.weights or shared.weights
    return shared.model_copy(update={"strategy": one.arm.strategy, "weights": weights})


def _print_table(folder: Path) -> bool:
    """Whether it could: it needs pandas and scipy, which a machine that only trains may lack."""
    try:
        from analysis.comparison import compared, in_terminal, write  # pandas and scipy may not be installed
    except ImportError:
        print(fitted("The table needs pandas and scipy: run `python -m analysis.comparison RUN` where they are."))
        return False
    found = compared(folder)
    write(folder, found)
    print(f"\n{in_terminal(folder, found)}")
    return True
