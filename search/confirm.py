"""After a search: the best of it and its anchors once more, on seeds and splits that the search has not seen.

The best of many trials is partly the luckiest of them. What is named best is what holds on fresh seeds, and what the first
pick lost there is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.rulebook.measure import Measure
from analysis.rulebook.pairs import Pair
from analysis.rulebook.plan import VerdictPlan
from analysis.rulebook.sentences import sentence
from console.errors import UsageError
from console.layout import columns
from console.wording import many
from records.confirmed import CONFIRM, Confirmed, confirmed_trials
from records.epoch import ACCURACY, Row
from records.history import TrialHistory
from search.campaign import Campaign
from search.options import SearchOptions
from search.planning.plan import Plan
from search.planning.resume import UNDER_OTHER_CODE
from search.planning.run_json import describe
from search.proposers.contestants import Contestant
from search.proposers.head_to_head import Budget, HeadToHead
from search.rounds import judged_pairs
from search.running import execute, open_campaign, write_tables
from search.schedulers import NONE, is_population
from search.testing import best_of, open_tests
from search.views.terminal import Terminal
from spaces.arm import Arm
from trainables.metrics import as_text, get_metric
from trainables.strategies import get_strategy


@dataclass(frozen=True)
class Confirmation:
    """What came of it: figures by trial of the search, and the planned pairs."""

    figures: dict[int, Confirmed]
    pairs: list[Pair]
    interrupted: bool = False


def check_confirm(options: SearchOptions) -> None:
    """Raises UsageError where nothing could be confirmed."""
    if options.confirm and options.protocol == "report":
        raise UsageError("--confirm needs test images that nothing is picked on; drop it, or --protocol report.")
    if options.confirm and is_population(options.scheduler):
        raise UsageError(
            f"--confirm trains one config again, and --scheduler {options.scheduler} finds a schedule of several; drop one "
            f"of them (search.replay trains a schedule again)."
        )


def confirm(plan: Plan, searched: Campaign) -> Confirmation:
    """Train the best --confirm trials and every anchor again on fresh seeds, in the folder `confirm` of the run."""
    chosen = choose(searched, plan.options.confirm)
    verdict = VerdictPlan(_questions(searched, chosen), measure=Measure(searched.history.objective))
    first = plan.setting.seed + 1
    seeds = range(first, first + plan.options.confirm_seeds)
    own = _plan_of_confirmation(plan)
    print(f"\nConfirming {many(len(chosen), 'config')} on {many(len(seeds), 'fresh seed')}.", flush=True)
    campaign, interrupted = train_again(own, plan, chosen, seeds, searched.deadline,
                                        {"verdict": verdict.row(), "command": searched.history.run["command"]})  # fmt: skip
    if not (interrupted or campaign.broken):
        open_tests(own, campaign)
    campaign.ledger.close()
    if not campaign.broken:
        write_tables(own)
    return Confirmation(confirmed_trials(plan.folder), judged_pairs(campaign, verdict), interrupted)


def train_again(
    own: Plan, plan: Plan, chosen: list[TrialHistory], seeds: Sequence[int], deadline: float | None, more: Row
) -> tuple[Campaign, bool]:
    """The head-to-head of trials of the search `plan` by the plan `own`, and whether it was interrupted.

    `more` goes into its run.json.
    """
    queue = HeadToHead([contestant(trial, plan) for trial in chosen], own.setting, seeds, Budget())
    about = describe(own, kind="head_to_head") | more
    about |= {"compare": {"strategies": ",".join(map(str, queue.arms)), "seeds": len(seeds)}}
    terminal = Terminal(queue.samples, own.setting.epochs)
    campaign = open_campaign(
        own,
        about,
        own.folder.exists(),
        lambda: Campaign(own.folder, about, queue, queue.samples, deadline, terminal),
    )
    with terminal:
        return campaign, execute(own, campaign)


def choose(searched: Campaign, most: int) -> list[TrialHistory]:
    """The best few of the search and its anchors, best first."""
    ranked = searched.history.ranked()
    return [trial for place, trial in enumerate(ranked) if place < most or trial.asked.anchor]


def contestant(trial: TrialHistory, plan: Plan) -> Contestant:
    """A trial of the search as an arm."""
    config = get_strategy(plan.setting.strategy).config(**trial.asked.config)
    return Contestant(arm_of(trial, plan.setting.strategy), config, trial.asked.anchor)


def arm_of(trial: TrialHistory, strategy: str) -> Arm:
    """'self_paced+trial-7', so that the number can be read again."""
    return Arm(strategy, config=f"trial-{trial.number}")


def _questions(searched: Campaign, chosen: list[TrialHistory]) -> tuple[tuple[str, str], ...]:
    """Is each of the chosen draws better than the search's best anchor?"""
    _, anchor = best_of(searched.history)
    if anchor is None:
        return ()
    strategy = searched.history.run["setting"]["strategy"]
    return tuple(
        (str(arm_of(trial, strategy)), str(arm_of(anchor, strategy))) for trial in chosen if not trial.asked.anchor
    )


def _plan_of_confirmation(plan: Plan) -> Plan:
    """The same data, network and machine; nothing is stopped early, and other images are tested."""
    spared = None if plan.setting.split else plan.setting.seed
    options = plan.options.model_copy(
        update={"scheduler": NONE.name, "dashboard": False, "track": (), "name": f"{plan.options.name}-{CONFIRM}"}
        | UNDER_OTHER_CODE
    )
    setting = plan.setting.model_copy(update={"spared_seed": spared})
    return replace(plan, options=options, setting=setting, folder=plan.folder / CONFIRM)


def winner_of(figures: dict[int, Confirmed]) -> int | None:
    """The trial with the best mean on the fresh validation images: its test figures were not picked."""
    judged = {number: of for number, of in figures.items() if of.seeds}
    return max(judged, key=lambda number: (judged[number].score, -number), default=None)


def confirmed_lines(searched: Campaign, found: Confirmation) -> list[str]:
    """The table of what was confirmed, the words, and what the first pick lost."""
    ranked = [trial for trial in searched.history.ranked() if trial.number in found.figures]
    head = ["trial", "anchor", "search", "confirmed", "change", "test", "seeds"]
    rows = [_row(trial, found.figures[trial.number]) for trial in ranked]
    seeds = max((of.seeds for of in found.figures.values()), default=0)
    lines = [
        f"\nConfirmed on {many(seeds, 'fresh seed')} and splits (validation of the search, of the fresh splits, and their "
        f"test images, without those that the search had picked on; mean {_figures(searched)}):\n",
        columns([head, *rows], drop=("seeds", "change")),
        *(f"  {sentence(pair)}" for pair in found.pairs),
    ]
    return [*lines, *_overtuning(searched, found)]


def _figures(searched: Campaign) -> str:
    by = searched.history.objective
    return "accuracies" if by == ACCURACY else get_metric(by.metric).title


def _row(trial: TrialHistory, of: Confirmed) -> list[str]:
    assert trial.best
    measure, name = Measure(of.objective), of.objective.metric
    searched = trial.best.figure(name) or 0.0
    change = measure.signed(of.objective.turned(of.validation - searched))
    spread = f" ± {measure.scaled(of.test_sd):.{measure.digits}f} {measure.unit}" if np.isfinite(of.test_sd) else ""
    return [str(trial.number), trial.asked.anchor or "-", as_text(name, searched), as_text(name, of.validation), change,
            f"{as_text(name, of.test)}{spread}", str(of.seeds)]  # fmt: skip


def _overtuning(searched: Campaign, found: Confirmation) -> list[str]:
    """What the pick of the search lost on fresh seeds, and how often its default would have done."""
    pick, anchor = best_of(searched.history)
    winner = winner_of(found.figures)
    if pick is None or winner is None or pick.number not in found.figures:
        return []
    assert pick.best
    by, fresh = pick.objective, found.figures[pick.number].validation
    then = pick.best.figure(by.metric) or 0.0
    figures = [as_text(by.metric, value) for value in (then, fresh)]
    lines = [
        f"Overtuning: trial {pick.number}, the search's pick, had {figures[0]} on the search's validation "
        f"images and {figures[1]} on fresh ones: {Measure(by).difference(by.turned(fresh - then))}."
    ]
    if anchor is not None and anchor.number in found.figures and anchor.number != pick.number:
        of_pick, of_anchor = found.figures[pick.number].tests, found.figures[anchor.number].tests
        shared = sorted(of_pick.keys() & of_anchor.keys())
        as_good = sum(by.turned(of_anchor[seed]) >= by.turned(of_pick[seed]) for seed in shared)
        lines.append(
            f"On {as_good} of {many(len(shared), 'seed')} the anchor {anchor.asked.anchor} was as good on test as the pick."
        )
    named = (
        "the search's own pick" if winner == pick.number else f"not trial {pick.number}, which the search had picked"
    )
    return [*lines, f"Named best: trial {winner} ({named})."]
