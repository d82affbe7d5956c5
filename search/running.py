"""Running a plan: its folder, its campaign, its executor, its tables. A search and a head-to-head both go through here."""

import itertools
from collections import Counter
from collections.abc import Callable

from console.arguments import command_line
from console.errors import UsageError
from console.layout import fitted, typed
from console.progress import track
from console.signals import ended_by_signals
from console.wording import many
from records.boundary import remove_run
from records.epoch import Row
from records.files import write_json
from records.folder import read_run
from records.history import SAID, check_ledger
from records.images import write_image_paths
from records.ledger import read_events
from search.campaign import OUT_OF_TIME, Campaign
from search.executors import ray_environment
from search.executors.local import TOGETHER, run_local
from search.executors.nodes import FORGIVEN
from search.executors.private_ray import RayLost
from search.planning.plan import Plan
from search.planning.resume import check_same, moved, note
from search.proposers.samplers import get_sampler
from search.racing.topk import TOP
from search.referee import Referee, make_referee
from search.schedulers import NONE, Race, get_scheduler
from search.testing import check_networks
from search.views.attached import dashboards
from trainables.networks.engine import gpus_here


def open_campaign(plan: Plan, about: Row, resumes: bool, make: Callable[[], Campaign]) -> Campaign:
    """The campaign of a new run folder, or of one that is there, with what its ledger says. Raises UsageError."""
    if not resumes:
        make_folder(plan, about)
        campaign = make()
        campaign.begin()
        return campaign
    check_ledger(plan.folder)
    campaign = make()  # holds the ledger: no other process is at work on this run
    try:
        check_same(plan.folder, about)
        places = moved(read_run(plan.folder), plan.setting.model_dump())
        events = track(read_events(plan.folder), "resuming", unit="events")
        campaign.restore(events, plan.setting.data_root, places)
        check_networks(plan, campaign)
    except BaseException:
        campaign.ledger.close()
        raise
    under_way = [number for number, trial in campaign.trials.items() if trial.state == "running"]
    note(plan.folder, about, len(campaign.trials), under_way)
    campaign.begin()
    campaign.resumed()
    print(fitted(_taken_up(campaign)), flush=True)
    return campaign


def _taken_up(campaign: Campaign) -> str:
    states: Counter[str] = Counter(trial.state for trial in campaign.trials.values())
    done = ", ".join(f"{states[s]} {s}" for s in SAID if states[s]) or "no trial is done"
    going = f"; {many(len(campaign.reopened), 'trial')} gone on with" if campaign.reopened else ""
    waiting = sum(trial.waits and trial.state == "running" for trial in campaign.trials.values())
    going += f"; {many(waiting, 'trial')} paused" if waiting else ""
    left = campaign.proposer.samples - len(campaign.trials)
    tests = len(campaign.history.tests())
    opened = f"; test was opened {many(tests, 'time')} so far" if tests else ""
    return f"Resumed: {done}{going}, {left} still to be asked for{opened}."


def make_folder(plan: Plan, about: Row) -> None:
    """The run folder with its run.json; UsageError where it cannot be made after all."""
    try:
        plan.folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(
            f"{plan.folder} has just been made by another start, or is a link; pass another --name."
        ) from None
    except OSError as error:
        raise UsageError(
            f"The run folder {plan.folder} cannot be made ({error.strerror}); pass another --out."
        ) from None
    write_json(plan.folder / "run.json", about)
    write_image_paths(plan.folder, plan.data.paths)


def nothing_more() -> bool:
    """Whether there is more to run than was asked for at first: of a search, never."""
    return False


def execute(plan: Plan, campaign: Campaign, more: Callable[[], bool] = nothing_more) -> bool:
    """Run the trials; True when a signal ended it. Trials still open are closed as interrupted.

    `more` is asked whenever all trials are over, and may add some.
    """
    pages = dashboards(plan.folder, plan.options.dashboard, campaign.watcher.say)
    with ended_by_signals(), pages:
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
                remove_run(plan.folder)
            raise
        finally:
            over = OUT_OF_TIME if campaign.over_time() else "the search was interrupted"
            campaign.close_open_trials(campaign.stopped or over)
    if campaign.stopped and campaign.stopped != OUT_OF_TIME:
        print(fitted(f"Stopped early: {campaign.stopped}."))
    return interrupted


def _in_rounds(campaign: Campaign, run_once: Callable[[], None], more: Callable[[], bool]) -> None:
    """What is there to run, and then what there is more of."""
    run_once()
    while not (campaign.unfinished() or campaign.stopped or campaign.over_time()) and more():
        run_once()


def _executor(plan: Plan) -> Callable[[Campaign, Callable[[], bool]], None]:
    if plan.options.executor == "local":
        return lambda campaign, more: _in_rounds(
            campaign,
            lambda: run_local(campaign, plan.setting, _referee(plan, campaign), heads_at_once(plan, campaign)),
            more,
        )
    ray_environment.prepare(plan.options.address)
    # Ray is slow to load and perhaps not installed, and reads the environment that `prepare` has just set
    from search.executors.ray_session import ray_running
    from search.executors.ray_tune import run_on_ray

    def run(campaign: Campaign, more: Callable[[], bool]) -> None:
        options = plan.options
        at_once = options.concurrent or 1
        cpus, gpus = (options.cpus_per_trial or 1) * at_once, gpus_here() if options.gpus_per_trial else 0
        announce = campaign.watcher.say if options.dashboard else None

        def once() -> None:
            run_on_ray(campaign, plan.space, plan.setting, options, plan.longest, len(plan.split.train))

        def on_a_ray() -> None:
            # inside, because Ray takes SIGTERM for itself when it starts
            with ray_running(options.address, cpus, gpus, announce), ended_by_signals():
                _in_rounds(campaign, once, more)

        _again_when_lost(campaign, on_a_ray)

    return run


def heads_at_once(plan: Plan, campaign: Campaign) -> int:
    """Heads that may be trained side by side in this process: many where no proposal waits for what came of others.

    Else as many as --concurrent says: a sampler that has seen fewer results draws other trials.
    """
    asked = plan.options.concurrent or 1
    free = campaign.history.kind == "head_to_head" or waits_for_nothing(plan)
    return max(asked, TOGETHER) if free else asked


def waits_for_nothing(plan: Plan) -> bool:
    """Whether no trial of a search depends on what came of another."""
    stops = (plan.options.scheduler or NONE.name) != NONE.name or plan.options.stop_when != "never"
    return get_sampler(plan.options.sampler).free and not stops


def _again_when_lost(campaign: Campaign, run: Callable[[], None]) -> None:
    """Run on another private Ray where one was lost; whoever outlives more than a few may be what takes them down."""
    for lost in itertools.count(1):
        try:
            return run()
        except RayLost:
            if lost > FORGIVEN:
                print(f"The private Ray was lost {lost} times; --executor local does without.", flush=True)
                raise
            print("The private Ray is lost; the trials go on from their last checkpoints on a new one.", flush=True)
            campaign.lost_all("the private Ray was lost")


def _referee(plan: Plan, campaign: Campaign) -> Referee:
    options, setting = plan.options, plan.setting
    race = Race(plan.space, setting.seed, setting.epochs, plan.longest, len(plan.split.train), interval=1,
                past=campaign.past(), furthest=0, topk=options.topk or TOP)  # fmt: skip
    make_rule = get_scheduler(options.scheduler or NONE.name).rule
    return make_referee(campaign, make_rule and make_rule(race))


def resume_line(module: str, plan: Plan) -> str:
    """What to type to go on with a run; its plugins are to be named each time."""
    options = plan.options
    words = ["--resume", "--name", options.name or "", *([] if options.out == "runs" else ["--out", options.out])]
    words += [word for name in options.plugin for word in ("--plugin", name)]
    return typed("To go on:  ", command_line(module, words))


def write_tables(plan: Plan) -> bool:
    """False on a machine without pyarrow, where the ledger has it all the same."""
    try:
        from records.parquet import write_tables  # needs pyarrow
    except ImportError:
        return False
    write_tables(plan.folder)
    return True
