"""A head-to-head that goes on until every planned pair is decided: rounds of seeds, for the arms that are still needed."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.rulebook.conditions import conditions
from analysis.rulebook.measure import Measure
from analysis.rulebook.outcomes import kept_predictions, outcomes
from analysis.rulebook.pairs import Pair, planned_pairs
from analysis.rulebook.plan import VerdictPlan
from analysis.rulebook.sentences import conclusion, in_short, interval, sentence
from analysis.rulebook.words import DECIDED
from console.layout import columns
from console.wording import many
from records.events import Round
from search.campaign import Campaign
from search.proposers.head_to_head import HeadToHead
from spaces.arm import Arm

BAR = 31  # characters of a drawn interval
REACH = 0.1  # on either side of zero: ten points, or a tenth of a nat


@dataclass
class Rounds:
    """Decides, whenever all trials are over, whether there is another round."""

    campaign: Campaign
    queue: HeadToHead
    plan: VerdictPlan
    goes_on: bool  # whether there is to be another round while a pair is undecided
    most: int  # seeds
    at_once: int
    open_tests: Callable[[], None]

    def more(self) -> bool:
        """Open test for what has ended, say where the pairs stand, and begin another round where one is wanted."""
        self.open_tests()
        if not self.goes_on:
            return False
        pairs = judged_pairs(self.campaign, self.plan)
        arms = needed_arms(pairs, self.queue.arms)
        seeds = self._next_seeds(len(arms))
        if pairs:
            self.campaign.watcher.say(standing(pairs))
        if not arms or not seeds or self.campaign.over_time():
            return False
        self.campaign.watcher.say(f"Next: seed {', '.join(map(str, seeds))} of {', '.join(map(str, arms))}.")
        return self.campaign.begin_round(Round(tuple(seeds), tuple(map(str, arms))))

    def _next_seeds(self, arms: int) -> list[int]:
        """One, or two where otherwise some of what may run at once would stand idle."""
        used = {seed for _, seed in self.queue.running.values()}
        left = self.most - len(used)
        first = max(used, default=-1) + 1
        return list(range(first, first + min(left, 1 if arms >= self.at_once else 2)))


def judged_pairs(campaign: Campaign, plan: VerdictPlan) -> list[Pair]:
    """The planned pairs by what has ended and was tested so far."""
    return planned_pairs(outcomes(campaign.history, kept_predictions(campaign.folder)), plan)


def needed_arms(pairs: Collection[Pair], arms: Collection[Arm]) -> list[Arm]:
    """Those of a pair that is not decided yet, and the partners whose sizes their twins replay."""
    wanted = {arm for pair in pairs if pair.word not in DECIDED for arm in (pair.a, pair.b)}
    wanted |= {arm.partner for arm in wanted}
    return [arm for arm in arms if arm in wanted]


def standing(pairs: Sequence[Pair]) -> str:
    """A line per pair: the interval as a drawing and in numbers, and the word."""
    done = sum(pair.word in DECIDED for pair in pairs)
    seeds = max(pair.n for pair in pairs)
    measure = pairs[0].measure
    reach = measure.scaled(REACH)
    ends = f"{-reach:g} {measure.unit} 0 {reach:+g}".center(BAR)
    head = ["pair", ends, "mean", "interval", "seeds", "word"]
    rows = [
        [f"{pair.a} : {pair.b}", drawn(pair), measure.signed(pair.mean), _interval(pair), str(pair.n), in_short(pair)]
        for pair in pairs
    ]
    said = f"After {many(seeds, 'seed')}, {done} of {many(len(pairs), 'pair')} decided{_of(measure)}"
    return f"\n{said}:\n\n{columns([head, *rows], drop=('seeds', ends, 'interval', 'mean'))}\n"


def _of(measure: Measure) -> str:
    """What the differences are of, where that is not accuracy."""
    return f" (differences{measure.of}, {measure.unit})" if measure.of else ""


def _interval(pair: Pair) -> str:
    return "none yet" if not np.isfinite(pair.low) else "none" if pair.low > pair.high else interval(pair)


def drawn(pair: Pair) -> str:
    """'·······├────●──┤··│···········': the interval between -REACH and +REACH; an arrow where it goes on."""
    line = ["·"] * BAR
    low, mean, high = (_place(value) for value in (pair.low, pair.mean, pair.high))
    line[low : high + 1] = ["─"] * (high + 1 - low)
    line[low], line[high] = "◄├"[pair.low >= -REACH], "►┤"[pair.high <= REACH]
    line[_place(0.0)] = "│"
    line[mean] = "●"
    return "".join(line)


def _place(difference: float) -> int:
    return round((float(np.clip(difference, -REACH, REACH)) + REACH) / (2 * REACH) * (BAR - 1))


def conclude(campaign: Campaign, plan: VerdictPlan) -> str:
    """The last words: each planned pair in a sentence of its own, and one that holds it all."""
    pairs = judged_pairs(campaign, plan)
    if not pairs:
        return "No pair was planned, so no word is given." if not plan.pairs else "No planned pair has been judged yet."
    return "\n".join(
        [*(sentence(pair) for pair in pairs), "", conclusion(pairs, plan, conditions(campaign.history.run))]
    )
