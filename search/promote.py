"""After a search on small images: the best of it and its anchors on larger ones, and whether the small could be trusted.

Seed and split stay; of the same images only the size differs. What is best on the larger ones is named of those that were
trained on them. Whether others might have been better there is what the rank correlation between the sizes says: the search
has put them aside by the small size alone.
"""

import math
from dataclasses import dataclass, replace

from analysis.rulebook.measure import Measure
from console.errors import UsageError
from console.layout import columns
from console.wording import many
from records.confirmed import TRIAL
from records.epoch import Row
from records.history import TrialHistory
from search.campaign import Campaign
from search.confirm import choose, train_again
from search.fidelity import Agreement, agreement
from search.options import SearchOptions
from search.planning.plan import Plan, at_size
from search.planning.resume import UNDER_OTHER_CODE
from search.running import write_tables
from search.schedulers import NONE, is_population
from search.testing import Judged, difference, open_test
from search.whole import complete_kept
from spaces.setting import Setting
from trainables.metrics import as_text, titled
from trainables.networks.models import check_model

PROMOTED = "promoted"  # the folder, a head-to-head of its own, inside the run's


@dataclass(frozen=True)
class Promotion:
    """What came of it."""

    size: int  # pixels a side
    trials: dict[int, TrialHistory]  # on the larger images, by the search's number, best first
    judged: list[Judged]  # the best of them and the best anchor, on test
    interrupted: bool = False


def check_promote(options: SearchOptions) -> None:
    """Raises UsageError where flags contradict each other."""
    if bool(options.promote) != (options.promote_size is not None):
        given, missing = ("--promote", "--promote-size") if options.promote else ("--promote-size", "--promote")
        raise UsageError(f"{given} trains the best trials again on larger images and wants {missing}; pass both.")
    if options.promote and options.confirm:
        raise UsageError(
            "--promote and --confirm both train the best trials again, one on larger images and one on fresh seeds; pass "
            "one of them."
        )
    if options.promote and is_population(options.scheduler):
        raise UsageError(
            f"--promote trains one config again, and --scheduler {options.scheduler} finds a schedule of several; drop one "
            f"of them."
        )


def check_size(options: SearchOptions, setting: Setting) -> None:
    """Raises UsageError where the larger images are no larger, or not of a size that the network takes."""
    if options.promote_size is None:
        return
    if options.promote_size <= setting.image_size:
        raise UsageError(
            f"--promote-size must be above the {setting.image_size} px that the search has; got {options.promote_size}."
        )
    check_model(setting.model, options.promote_size, setting.weights)


def promote(plan: Plan, searched: Campaign) -> Promotion:
    """Train the best --promote trials and every anchor on larger images, in the folder `promoted` of the run."""
    assert plan.options.promote_size
    own = _plan_of_promotion(plan)
    chosen = choose(searched, plan.options.promote)
    print(f"\nPromoting {many(len(chosen), 'config')} from {plan.setting.image_size} to {own.setting.image_size} px.",
          flush=True)  # fmt: skip
    campaign, interrupted = train_again(own, plan, chosen, [own.setting.seed], searched.deadline,
                                        {"command": searched.history.run["command"]})  # fmt: skip
    ready = not (interrupted or campaign.broken)
    judged = open_test(own, campaign) if ready and own.setting.protocol == "holdout" else []
    campaign.ledger.close()
    if not campaign.broken:
        write_tables(own)
    if ready:
        complete_kept(campaign)
    found = {_number(trial): trial for trial in campaign.history.ranked()}
    return Promotion(own.setting.image_size, found, judged, interrupted)


def _plan_of_promotion(plan: Plan) -> Plan:
    """The same but for the size of the images; nothing is stopped early."""
    assert plan.options.promote_size
    name = f"{plan.options.name}-{PROMOTED}"
    own = at_size(plan, plan.options.promote_size)
    options = own.options.model_copy(
        update={"scheduler": NONE.name, "dashboard": False, "track": (), "name": name} | UNDER_OTHER_CODE
    )
    return replace(own, options=options, folder=plan.folder / PROMOTED)


def _number(trial: TrialHistory) -> int:
    """Of the search's trial."""
    assert trial.arm and trial.arm.config
    return int(trial.arm.config.removeprefix(TRIAL))


def promoted_lines(searched: Campaign, found: Promotion) -> list[str]:
    """The table of what was promoted, whether the small size could be trusted, the best, and its test figures."""
    small = {number: searched.trials[number] for number in found.trials}
    setting: Row = searched.history.run["setting"]
    sizes = f"{setting['image_size']} px", f"{found.size} px"
    rows = [[str(number), small[number].asked.anchor or "-", *map(_figure, (small[number], trial))]
            for number, trial in found.trials.items()]  # fmt: skip
    lines = [f"\nOn larger images (best epochs on {_split(found)}, best first):\n",
             columns([["trial", "anchor", *sizes], *rows])]  # fmt: skip
    if not rows:
        return [*lines, f"None came to the end of an epoch at {sizes[1]}."]
    by = searched.history.objective
    agreed = agreement(*([by.score(t.best) for t in of.values() if t.best] for of in (small, found.trials)))
    return [*lines, trust(agreed, *sizes), *_named(searched, found, agreed), *_on_test(found)]


def _figure(trial: TrialHistory) -> str:
    name = trial.objective.metric
    return as_text(name, trial.best.figure(name) if trial.best else None)


def _split(found: Promotion) -> str:
    return next((trial.best.eval_split for trial in found.trials.values() if trial.best), "validation")


def trust(of: Agreement, small: str, large: str) -> str:
    """Whether the small size ranks as the large one does, in one sentence."""
    figures = f"{of.rho:.2f} (95 % interval {of.low:.2f} to {of.high:.2f})"
    if math.isnan(of.rho):
        figures = "unknown, since one of them has all alike"
    head = f"Spearman's rank correlation between {small} and {large} over these {of.pairs} trials is {figures}: "
    if of.trusted:
        return f"{head}{small} could be trusted to choose among them."
    if of.high < 0:
        return f"{head}{small} ranks them the other way round; search at {large}, or at a size nearer to it."
    return (
        f"{head}that {small} ranks as {large} does is not shown, so what it put aside may be better at {large}; promote "
        f"more trials to know."
    )


def _named(searched: Campaign, found: Promotion, agreed: Agreement) -> list[str]:
    winner, pick = next(iter(found.trials)), searched.history.ranked()[0].number
    of = "Named best" if agreed.trusted else "Best of those promoted"
    whose = "the search's own pick" if winner == pick else f"not trial {pick}, which the search had picked"
    return [f"{of} at {found.size} px: trial {winner} ({whose})."]


def _on_test(found: Promotion) -> list[str]:
    """What the best and the best anchor do on the larger test images, opened for them alone."""
    if not found.judged:
        return []
    lines = [f"On the {len(found.judged[0].correct)} test images at {found.size} px, opened {_times(found)} there:"]
    for one in found.judged:
        more = "".join(f", {name} {value}" for name, value in titled(one.figures.metrics, one.trial.objective.metric))
        name = f"trial {_number(one.trial)}{f' ({one.trial.asked.anchor})' if one.trial.asked.anchor else ''}"
        lines.append(f"  {name}: accuracy {one.figures.accuracy:.3f}, loss {one.figures.loss:.3f}{more}")
    if len(found.judged) == 2:
        by = Measure(found.judged[0].trial.objective)
        gap, half = difference(*found.judged)
        lines.append(f"  a difference of {by.difference(gap)} (95 % interval over these images {by.signed(gap - half)} to "
                     f"{by.signed(gap + half)}; one seed carries no word)")  # fmt: skip
    return lines


def _times(found: Promotion) -> str:
    return "once" if len(found.judged) == 1 else "twice"
