"""One search from its options to its last line: plan, run, finish."""

import contextlib
import shlex
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from console.arguments import DONE, INTERRUPTED, TOO_FEW
from console.errors import UsageError
from console.progress import amount, track
from console.wording import many, value
from records.epoch import Row
from records.files import write_json
from records.folder import read_run
from records.history import RANKED, SAID
from records.ledger import read_events
from search.campaign import OUT_OF_TIME, Campaign
from search.dashboard import not_installed
from search.executors import ray_environment
from search.executors.local import run_local
from search.finish import next_commands, summary
from search.options import SearchOptions
from search.planning.defaults import parse_duration
from search.planning.plan import Plan, make_plan
from search.planning.resume import check_same, note
from search.planning.run_json import describe
from search.proposers.study import StudyProposer
from search.schedulers import is_population
from search.testing import open_test
from search.views.attached import dashboards
from search.views.terminal import Terminal
from trainables.networks.engine import bf16_is_fast, gpus_here


def search(options: SearchOptions, dry: bool = False, resumes: bool = False) -> int:
    """Run a search and leave its run folder. Returns the exit status; raises UsageError before anything starts."""
    budget = parse_duration(options.time_budget)
    plan = make_plan(options, resumes)
    print(headline(plan), flush=True)
    if dry:
        return DONE
    started = time.monotonic()
    proposer = StudyProposer(plan.space, plan.options.samples, options.seed, options.sampler)
    terminal = Terminal(plan.options.samples, plan.setting.epochs)
    deadline = budget and started + budget
    about = describe(plan)
    campaign = open_campaign(
        plan, about, resumes, lambda: Campaign(plan.folder, about, proposer, options.keep, deadline, terminal)
    )
    with terminal:
        interrupted = execute(plan, campaign)
    return _finish(plan, campaign, interrupted, started)


def open_campaign(plan: Plan, about: Row, resumes: bool, make: Callable[[], Campaign]) -> Campaign:
    """The campaign of a new run folder, or of one that is there, with what its ledger says. Raises UsageError."""
    if plan.options.dashboard:
        not_installed()  # raises where none is
    if not resumes:
        make_folder(plan, about)
        campaign = make()
        campaign.begin()
        return campaign
    read_run(plan.folder)
    campaign = make()  # holds the ledger: no other process is at work on this run
    try:
        check_same(plan.folder, about)
        campaign.restore(track(read_events(plan.folder), "resuming", unit="events"), plan.setting.data_root)
    except BaseException:
        campaign.ledger.close()
        raise
    note(plan.folder, about)
    campaign.begin()
    campaign.resumed()
    print(_taken_up(campaign), flush=True)
    return campaign


def _taken_up(campaign: Campaign) -> str:
    states: Counter[str] = Counter(trial.state for trial in campaign.trials.values())
    done = ", ".join(f"{states[s]} {s}" for s in SAID if states[s]) or "no trial is done"
    going = f"; {many(len(campaign.reopened), 'trial')} gone on with" if campaign.reopened else ""
    left = campaign.proposer.samples - len(campaign.trials)
    tests = len(campaign.history.tests())
    opened = f"; test was opened {many(tests, 'time')} so far" if tests else ""
    return f"Resumed: {done}{going}, {left} still to be asked for{opened}."


def make_folder(plan: Plan, about: Row) -> None:
    """The run folder with its run.json; UsageError where the executor is missing, before anything is left behind."""
    if plan.options.executor == "ray" and find_spec("ray") is None:
        raise UsageError("Ray is not installed here; pass --executor local, or install ray[tune].")
    plan.folder.mkdir(parents=True)
    write_json(plan.folder / "run.json", about)


def nothing_more() -> bool:
    """Whether there is more to run than was asked for at first: of a search, never."""
    return False


def execute(plan: Plan, campaign: Campaign, more: Callable[[], bool] = nothing_more) -> bool:
    """Run the trials; True when Ctrl-C or SIGTERM ended it. Trials still open are closed as interrupted.

    `more` is asked whenever all trials are over, and may add some.
    """
    pages = dashboards(plan.folder, plan.options.dashboard, campaign.watcher.say)
    with _terminated_like_interrupted(), pages:
        try:
            if campaign.unfinished() or more():  # a finished run that is resumed has nothing to do
                _executor(plan)(campaign, more)
            # Tune swallows the first Ctrl-C
            interrupted = campaign.unfinished() and not (campaign.stopped or campaign.over_time())
        except KeyboardInterrupt:
            interrupted = True
        except UsageError:
            if not campaign.trials:  # nothing has run: the name stays free
                campaign.ledger.close()
                shutil.rmtree(plan.folder)
            raise
        finally:
            over = OUT_OF_TIME if campaign.over_time() else "the search was interrupted"
            campaign.close_open_trials(campaign.stopped or over)
    if campaign.stopped and campaign.stopped != OUT_OF_TIME:
        print(f"Stopped early: {campaign.stopped}.")
    return interrupted


def _in_rounds(campaign: Campaign, run_once: Callable[[], None], more: Callable[[], bool]) -> None:
    """What is there to run, and then what there is more of."""
    run_once()
    while not (campaign.unfinished() or campaign.stopped or campaign.over_time()) and more():
        run_once()


def _executor(plan: Plan) -> Callable[[Campaign, Callable[[], bool]], None]:
    if plan.options.executor == "local":
        return lambda campaign, more: _in_rounds(campaign, lambda: run_local(campaign, plan.setting), more)
    ray_environment.prepare(plan.options.address)
    # Ray is slow to load and perhaps not installed, and reads the environment that `prepare` has just set
    from search.executors.ray_session import ray_running
    from search.executors.ray_tune import run_on_ray

    def run(campaign: Campaign, more: Callable[[], bool]) -> None:
        options = plan.options
        at_once = options.concurrent or 1
        cpus, gpus = (options.cpus_per_trial or 1) * at_once, gpus_here() if options.gpus_per_trial else 0
        # inside, because Ray takes SIGTERM for itself when it starts
        announce = campaign.watcher.say if options.dashboard else None
        with ray_running(options.address, cpus, gpus, announce), _terminated_like_interrupted():
            _in_rounds(campaign, lambda: run_on_ray(campaign, plan.space, plan.setting, options, plan.longest), more)

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
    judged = open_test(plan, campaign) if holdout and not (interrupted or campaign.broken) else []
    campaign.ledger.close()
    tables = not campaign.broken and write_tables(plan)
    print(summary(plan, campaign, judged, time.monotonic() - started))
    print(next_commands(campaign, tables))
    if interrupted:
        print("Interrupted: what was finished is kept" + ("; test was not opened." if holdout else "."))
        print(resume_line("search.run", plan))
        return INTERRUPTED
    if campaign.broken:
        print(f"What was finished is kept in the ledger. Make room, then:\n{resume_line('search.run', plan)}")
        return TOO_FEW
    ended = sum(trial.state in RANKED for trial in campaign.trials.values())
    if ended < plan.options.samples:
        print(f"{ended} of {plan.options.samples} trials ended complete or pruned.")
        return TOO_FEW
    return DONE


def resume_line(module: str, plan: Plan) -> str:
    """What to type to go on with a run."""
    out = "" if plan.options.out == "runs" else f" --out {shlex.quote(plan.options.out)}"
    return f"To go on:  python -m {module} --resume --name {plan.options.name}{out}"


def write_tables(plan: Plan) -> bool:
    """False on a machine without pyarrow, where the ledger has it all the same."""
    try:
        from records.parquet import write_tables  # needs pyarrow
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
        f"{many(options.samples, 'trial')} of up to {many(setting.epochs, 'epoch')}, {options.sampler}, "
        f"{options.scheduler}; "
        f"{len(plan.space.search)} fields searched, anchors first: {anchors}; "
        f"seed {setting.seed}, protocol {setting.protocol}",
        f"{options.concurrent} at a time on {options.cpus_per_trial} CPU thread{'s' * (setting.threads > 1)} and "
        f"{value(options.gpus_per_trial)} GPU each, {_precision(plan)}; into {plan.folder}, "
        f"{amount(plan.disk_bytes)} at most",
    ]
    why = "a population changes fields" if is_population(options.scheduler) else "a --set says otherwise"
    for name in plan.dropped:
        lines.append(f"Anchor {name} is left out: {why}.")
    return "\n".join(lines)


def _precision(plan: Plan) -> str:
    if plan.setting.device == "cuda" and not gpus_here():
        return f"precision {plan.setting.precision}"  # the nodes decide
    auto = "bf16" if bf16_is_fast(plan.setting.device) else "fp32"
    return auto if plan.setting.precision == "auto" else plan.setting.precision
