"""Verdicts as sentences, in points (of loss, in nats): the same ones in the terminal, on the page and in a comparison."""

from collections.abc import Iterable

import numpy as np

from analysis.rulebook.forecast import MOST, Forecast
from analysis.rulebook.pairs import Pair
from analysis.rulebook.plan import VerdictPlan
from analysis.rulebook.sequence import ALPHA
from analysis.rulebook.words import DECIDED, TIE, UNDECIDED
from console.wording import many

HOLDS = f"{100 * (1 - ALPHA):g} % confidence sequence"


UNEQUAL_LOOKS = "no word, since epochs were picked on test itself and one was looked at more often than the other"


def sentence(pair: Pair, remark: str = "") -> str:
    """'self_paced against finetune: +2.1 points (+0.4 to +3.8, 14 seeds): better.' `remark` follows the names."""
    names = f"{pair.a} against {pair.b}{remark}"
    if pair.n == 0:
        return f"{names}: no seed has come to its end on both, so nothing is said."
    figures = (
        f"{pair.measure.difference(pair.mean)} ({', '.join([interval(pair), many(pair.n, 'seed'), *failures(pair)])})"
    )
    said = said_of(pair) or UNEQUAL_LOOKS * (pair.planned and not pair.equal_looks)
    return f"{names}: {figures}{f': {said}' if said else ''}."


def interval(pair: Pair) -> str:
    """'+0.4 to +3.8', or why there is none."""
    if not np.isfinite(pair.low):
        return "too few seeds for an interval"
    if pair.low > pair.high:
        return "no interval: early and late seeds contradict each other"
    return f"{pair.measure.signed(pair.low)} to {pair.measure.signed(pair.high)}"


def failures(pair: Pair) -> list[str]:
    """['2 trainings of self_paced failed'], or nothing."""
    both = zip(pair.failed, (pair.a, pair.b), strict=True)
    return [f"{many(count, 'training')} of {arm} failed" for count, arm in both if count]


def said_of(pair: Pair) -> str:
    """The word, and of an undecided pair what it would take; nothing of a pair that was not planned."""
    if pair.word == TIE:
        return f"a tie within {pair.measure.margin(pair.margin)}"
    if pair.word == UNDECIDED:
        return f"undecided; {would_take(pair.forecast, pair.seconds)}"
    return pair.word


def would_take(ahead: Forecast | None, seconds: float = 0.0) -> str:
    """'about 12 more seeds (8 to 30), 40 minutes here'. `seconds`: of wall clock that one more seed takes."""
    if ahead is None:
        return "too few seeds to say how many it would take"
    if ahead.hopeless:
        return f"an effect this small would stay undecided ({MOST} seeds would not settle it, more likely than not)"
    most = f"{ahead.high:.0f}" if np.isfinite(ahead.high) else f"more than {MOST}"
    time = f", {duration(ahead.median * seconds)} here" if seconds else ""
    return f"about {many(ahead.median, 'more seed')} ({ahead.low:.0f} to {most}){time}"


def in_short(pair: Pair) -> str:
    """'better', 'undecided, about 12 more (8 to 30)': what there is room for in a table."""
    ahead = pair.forecast
    if ahead is None:
        return pair.word
    if ahead.hopeless:
        return f"{UNDECIDED}, over {MOST} seeds"
    most = f"{ahead.high:.0f}" if np.isfinite(ahead.high) else f"over {MOST}"
    return f"{UNDECIDED}, about {ahead.median:.0f} more ({ahead.low:.0f} to {most})"


def duration(seconds: float) -> str:
    """'40 seconds', '12 minutes', '3.5 hours'."""
    if seconds < 90:
        return many(max(1, round(seconds)), "second")
    if seconds < 5400:
        return many(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours" if seconds < 360_000 else f"{seconds / 86_400:.0f} days"


def conclusion(pairs: Iterable[Pair], plan: VerdictPlan, conditions: str) -> str:
    """What a reviewer would sign: the planned pairs, under which conditions, by which rule, and what failed."""
    planned = [pair for pair in pairs if pair.planned]
    if not planned:
        return f"No pair of these arms was planned, so no word is given ({conditions})."
    decided = [_clause(pair) for pair in planned if pair.word in DECIDED]
    open_ = [f"{pair.a} against {pair.b} {_figures(pair)}" for pair in planned if pair.word not in DECIDED]
    said = [f"{'; '.join(decided)}."] * bool(decided) + [f"Not decided: {'; '.join(open_)}."] * bool(open_)
    return f"{' '.join(said)} {conditions}; {by_which_rule(plan)}.{_counted(planned)}"


def _clause(pair: Pair) -> str:
    """'self_paced is better than finetune by 2.1 points (+0.4 to +3.8, 14 seeds)'."""
    if pair.word == TIE:
        return f"{pair.a} and {pair.b} are a tie within {pair.measure.margin(pair.margin)} {_figures(pair)}"
    return f"{pair.a} is {pair.word} than {pair.b} by {pair.measure.size(pair.mean)} {_figures(pair)}"


def _figures(pair: Pair) -> str:
    return f"({interval(pair)}, {many(pair.n, 'seed')})"


def by_which_rule(plan: VerdictPlan) -> str:
    """'95 % confidence sequences over the 3 pairs planned beforehand, margin 1 point, valid at every look'."""
    when = "planned beforehand" if plan.recorded else "that are planned by default"
    asked = f"the {len(plan.pairs)} pairs" if len(plan.pairs) > 1 else "the one pair"
    margin = plan.measure.margin(plan.margin)
    return f"{HOLDS}s over {asked} {when}, tie margin {margin}, valid at every look{plan.measure.rule}"


def _counted(pairs: list[Pair]) -> str:
    failed = {arm: count for pair in pairs for arm, count in zip((pair.a, pair.b), pair.failed, strict=True) if count}
    if not failed:
        return ""
    said = ", ".join(f"{many(count, 'training')} of {arm}" for arm, count in failed.items())
    return f" Failed, and counted with the last finite {pairs[0].measure.title} or chance: {said}."
