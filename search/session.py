"""One search from its options to its last line: plan, run, finish."""

import time

from console.arguments import DONE, INTERRUPTED, TOO_FEW
from console.layout import fitted, shown_path
from console.progress import amount
from console.wording import many, value
from records.epoch import Objective
from records.history import RANKED
from search.advice import searched_rates, told_of_heads, told_of_rates
from search.campaign import Campaign
from search.confirm import check_confirm, confirm
from search.finish import next_commands, summary
from search.options import SearchOptions
from search.planning.about_data import describe_data
from search.planning.defaults import parse_duration
from search.planning.earlier import Earlier, about_earlier, read_earlier, recorded
from search.planning.plan import Plan, make_draft, make_plan, nothing_made, preview
from search.planning.run_json import describe
from search.promote import check_promote, check_size, promote, promoted_lines
from search.proposers.study import StudyProposer
from search.running import execute, open_campaign, resume_line, waits_for_nothing, write_tables
from search.schedulers import NONE, get_scheduler, is_population
from search.stopping import NoiseStop, check_stop
from search.testing import open_test
from search.views.attached import trackers
from search.views.terminal import Terminal
from search.whole import complete_kept
from trainables.metrics import get_metric
from trainables.networks.engine import gpus_here
from trainables.networks.precision import numbers_of


def search(options: SearchOptions, dry: bool = False, resumes: bool = False, command: str = "") -> int:
    """Run a search and leave its run folder. Returns the exit status; raises UsageError before anything starts.

    `command`: what repeats it; else that of this process.
    """
    budget = parse_duration(options.time_budget)
    check_confirm(options)
    check_promote(options)
    check_stop(options)
    earlier = Earlier() if resumes else read_earlier(options)
    if dry:
        return dry_run(options, resumes)
    plan = make_plan(options, resumes, lambda setting: check_size(options, setting))
    earlier = recorded(plan.folder) if resumes else earlier
    print(fitted("\n".join([headline(plan), *about_earlier(earlier, plan.setting, plan.space)])), flush=True)
    started = time.monotonic()
    objective = Objective(plan.setting.metric, plan.setting.lower_is_better)
    proposer = StudyProposer(
        plan.space,
        plan.options.samples,
        options.seed,
        options.sampler,
        objective,
        earlier.observations,
        earlier.first(plan.space),
    )
    terminal = Terminal(plan.options.samples, plan.setting.epochs)
    deadline = budget and started + budget
    about = describe(plan, command) | earlier.row()
    campaign = open_campaign(
        plan, about, resumes, lambda: Campaign(plan.folder, about, proposer, options.keep, deadline, terminal)
    )
    campaign.prunes = get_scheduler(plan.options.scheduler or NONE.name).of_front
    campaign.stop = NoiseStop(plan.folder, plan.options.samples) if options.stop_when == "noise" else None
    with trackers(plan.folder, options.track, terminal.say):
        with terminal:
            interrupted = execute(plan, campaign)
        return _finish(plan, campaign, interrupted, started)


def _finish(plan: Plan, campaign: Campaign, interrupted: bool, started: float) -> int:
    holdout, whole = plan.setting.protocol == "holdout", not (interrupted or campaign.broken)
    found = confirm(plan, campaign) if plan.options.confirm and whole and campaign.history.ranked() else None
    promoted = promote(plan, campaign) if plan.options.promote and whole and campaign.history.ranked() else None
    interrupted = interrupted or any(again.interrupted for again in (found, promoted) if again)
    judged = open_test(plan, campaign) if holdout and whole and not (interrupted or promoted) else []
    campaign.ledger.close()
    tables = not campaign.broken and write_tables(plan)
    if whole and not interrupted:
        complete_kept(campaign)
    print(fitted(summary(plan, campaign, judged, time.monotonic() - started, found)))
    if promoted:
        print(fitted("\n".join(promoted_lines(campaign, promoted))))
    if enough := campaign.history.satisfied:
        print(fitted(f"{enough.reason[0].upper()}{enough.reason[1:]}."))
    print(next_commands(campaign.folder, tables))
    if interrupted:
        print("Interrupted: what was finished is kept" + ("; test was not opened." if holdout else "."))
        print(resume_line("search.run", plan))
        return INTERRUPTED
    if campaign.broken:
        print(f"What was finished is kept in the ledger. Make room, then:\n{resume_line('search.run', plan)}")
        return TOO_FEW
    ended = sum(trial.state in RANKED for trial in campaign.trials.values())
    if ended < campaign.proposer.samples:
        print(f"{ended} of {campaign.proposer.samples} trials ended complete or pruned.")
        return TOO_FEW
    return DONE


def dry_run(options: SearchOptions, resumes: bool) -> int:
    """Say what would run, and what would be made first; make nothing."""
    draft = make_draft(options, resumes, lambda setting: check_size(options, setting))
    plan = preview(draft)
    if plan is not None:
        print(fitted(headline(plan)))
    else:
        setting = draft.setting
        said = (
            f"{setting.strategy} on {draft.options.data}, of which nothing is here yet: {setting.image_size} px; "
            f"{setting.model}, weights {setting.weights}; {many(draft.options.samples, 'trial')} of up to "
            f"{many(setting.epochs, 'epoch')}; into {shown_path(draft.folder)}"
        )
        print(fitted(said))
    print(fitted(nothing_made(draft)), flush=True)
    return DONE


def headline(plan: Plan) -> str:
    """What is about to run, in a few lines."""
    options, setting = plan.options, plan.setting
    anchors = ", ".join(anchor.name for anchor in plan.space.anchors) or "none"
    about, *notes = describe_data(plan)
    lines = [
        f"{options.space} on {options.data}: {about}; {setting.model}, weights {setting.weights}",
        *notes,
        f"{many(options.samples, 'trial')} of up to {many(setting.epochs, 'epoch')}, {options.sampler}, "
        f"{options.scheduler}; "
        f"{len(plan.space.search)} fields searched, anchors first: {anchors}; "
        f"seed {setting.seed}, protocol {setting.protocol}{_picked_by(plan)}",
        f"{options.concurrent} at a time on {options.cpus_per_trial} CPU thread{'s' * (setting.threads > 1)} and "
        f"{value(options.gpus_per_trial)} GPU each, {_precision(plan)}{_accelerated(plan)}; into "
        f"{shown_path(plan.folder)}, {amount(plan.disk_bytes)} at most",
    ]
    why = "a population changes fields" if is_population(options.scheduler) else "a --set says otherwise"
    for name in plan.dropped:
        lines.append(f"Anchor {name} is left out: {why}.")
    if waits_for_nothing(plan):
        lines += told_of_heads(
            plan, [plan.space.build(values) for values in ({}, *(each.values for each in plan.space.anchors))]
        )
    return "\n".join(lines + told_of_rates(plan, searched_rates(plan.space)))


def _picked_by(plan: Plan) -> str:
    """Nothing of accuracy."""
    metric = plan.setting.metric
    return "" if metric == "accuracy" else f", picked by {get_metric(metric).title}"


def _precision(plan: Plan) -> str:
    if plan.setting.device == "cuda" and not gpus_here():
        return f"precision {plan.setting.precision}"  # the nodes decide
    return numbers_of(plan.setting.device, plan.setting.precision)


ACCELERATED = {"graph": ", updates as CUDA graphs", "compile": ", networks compiled",
               "auto": ", accelerate none (auto: not measured on a GPU yet)"}  # fmt: skip


def _accelerated(plan: Plan) -> str:
    """Where it was asked for."""
    return ACCELERATED.get(plan.setting.accelerate, "") if "accelerate" in plan.asked else ""
