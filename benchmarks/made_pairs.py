"""Head-to-heads that were never trained: accuracies drawn from a stated model, judged by the product's own rulebook.

runs = simulated head-to-heads, k = planned pairs, all against one baseline. Effects and deviations are in points, what is
returned is in fractions. The ends of an interval only move inwards, so that what is above zero once stays there: the word
after the last seed is "better" or "worse" where it was so at any look.
"""

import numpy as np
from scipy import stats

from analysis.rulebook.forecast import MOST, Forecast, forecast
from analysis.rulebook.outcomes import Outcome
from analysis.rulebook.pairs import Pair, make_pair
from analysis.rulebook.plan import BASELINE, VerdictPlan, name_of
from analysis.rulebook.sequence import ALPHA, Floats, running
from analysis.rulebook.words import BETTER, MARGIN, TIE, WORSE, first_decided, word
from spaces.arm import Arm

POINT = 0.01
CAP = 60  # seeds of --until-decided
SHARED = 2.0  # points by which a seed moves every arm alike: split, head, order
IMAGES = 560
BETA = (0.83, 0.147)  # an image's chance to be got right: mean 0.85; two alike differ by 1.5 points from 560 of them
SHARE, LOST = 0.1, 5.0  # of seeds that collapse, and points that they lose

Draws = np.random.Generator


def alpha_of(k: int) -> float:
    """What each of k planned pairs may err with."""
    return plan_of_arms(k).alpha


def plan_of_arms(k: int) -> VerdictPlan:
    return VerdictPlan(tuple((name_of(arm), BASELINE) for arm in arms(k)))


def arms(k: int) -> list[Arm]:
    return [Arm(f"arm{number}") for number in range(k)]


def differences(draws: Draws, effects: Floats, sd: float, runs: int, seeds: int = CAP) -> Floats:
    """(runs, k, seeds): arms with these `effects` (k,) minus one baseline, each pair with deviation `sd`.

    A seed moves all arms alike, and each by itself; pairs share the baseline, and so half of their variance.
    """
    shared = draws.normal(0, SHARED, (runs, 1, seeds))
    own = draws.normal(0, sd / np.sqrt(2), (runs, len(effects) + 1, seeds))
    accuracies = POINT * (80 + shared + own)
    accuracies[:, 1:] += POINT * np.asarray(effects)[:, None]
    found: Floats = accuracies[:, 1:] - accuracies[:, :1]
    return found


def last_words(values: Floats, alpha: float, floor: float = 0.0) -> np.ndarray:
    """(...): the word of the differences (..., n) after the last of them."""
    low, high = running(values, floor, alpha)
    return np.vectorize(word)(low[..., -1], high[..., -1], MARGIN)


def first_words(values: Floats, alpha: float) -> np.ndarray:
    """(...): the first word other than undecided that the differences (..., n) get."""
    low, high = running(values, 0.0, alpha)
    at = np.minimum(first_decided(low, high, MARGIN), values.shape[-1]).astype(int)[..., None] - 1
    ends = [np.take_along_axis(end, at, axis=-1)[..., 0] for end in (low, high)]
    return np.vectorize(word)(*ends, MARGIN)


def false_words(draws: Draws, k: int, runs: int) -> float:
    """Share of families of k arms, all as good as the baseline, in which any look says better or worse of any."""
    said = last_words(differences(draws, np.zeros(k), 1.5, runs), alpha_of(k))
    return float(np.isin(said, (BETTER, WORSE)).any(axis=1).mean())


def false_words_of_holm(draws: Draws, k: int, runs: int, fewest: int, most: int) -> float:
    """The same of a rule for a fixed number of seeds that is looked at after each: paired t tests with Holm's correction.

    Where nothing differs, Holm's first step (the smallest p against 5 % / k) is what can go wrong.
    """
    values = differences(draws, np.zeros(k), 1.5, runs, most)
    counts = np.arange(fewest, most + 1)
    means = [values[..., :n].mean(axis=-1) for n in counts]
    errors = [values[..., :n].std(axis=-1, ddof=1) / np.sqrt(n) for n in counts]
    p = 2 * stats.t.sf(np.abs(np.stack(means, -1) / np.stack(errors, -1)), counts - 1)
    return float((p.min(axis=1) <= ALPHA / k).any(axis=1).mean())


def false_words_on_images(draws: Draws, k: int, runs: int) -> tuple[float, float]:
    """The same with what each arm said of IMAGES test images, and the share of looks at which the floor was believed.

    All arms get an image right with the same chance, so that the spread of a pair is that of the test images alone.
    """
    plan, wrong, floored = plan_of_arms(k), 0, []
    for _ in range(runs):
        pairs = pairs_on_images(draws, plan, arms(k))
        wrong += any(pair.word in (BETTER, WORSE) for pair in pairs)
        floored += [floor_is_believed(pair) for pair in pairs]
    return wrong / runs, float(np.mean(floored))


def pairs_on_images(draws: Draws, plan: VerdictPlan, others: list[Arm]) -> list[Pair]:
    chances = draws.beta(*BETA, (CAP, 1, IMAGES)).astype(np.float32)
    right = draws.random((CAP, len(others) + 1, IMAGES), dtype=np.float32) < chances
    images = np.arange(IMAGES)

    def of(arm: int) -> dict[int, Outcome]:
        return {
            seed: Outcome(float(row.mean()), {"image": images, "correct": row}, IMAGES, False, 0.0)
            for seed, row in enumerate(right[:, arm])
        }

    baseline = of(0)
    return [make_pair(arm, Arm(BASELINE), of(number), baseline, plan) for number, arm in enumerate(others, start=1)]


def floor_is_believed(pair: Pair) -> float:
    """The share of the looks, from the second on, at which the seeds vary less than their test images let them."""
    sds = [np.std(pair.differences[:n], ddof=1) for n in range(2, pair.n + 1)]
    return float(np.mean(np.array(sds) < pair.floors[1:]))


def false_ties(draws: Draws, k: int, runs: int) -> float:
    """Share of families of k arms, all better by exactly the margin, in which any look says tie of any."""
    effects = np.full(k, MARGIN / POINT)
    return float((first_words(differences(draws, effects, 1.5, runs), alpha_of(k)) == TIE).any(axis=1).mean())


def seeds_until(draws: Draws, effect: float, sd: float, k: int, runs: int) -> Floats:
    """(runs,) the seeds until one of k planned pairs is decided; infinite where CAP do not decide it."""
    values = differences(draws, np.array([effect]), sd, runs)[:, 0]
    return first_decided(*running(values, 0.0, alpha_of(k)), MARGIN)


def false_exclusions(draws: Draws, sd: float, floors: list[float], runs: int) -> list[float]:
    """By floor, in points: how often MOST looks at one pair ever exclude the true mean, where some seeds collapse.

    The difference is normal with this sd around zero, and SHARE of the seeds lose LOST points of it.
    """
    lost = LOST * (draws.random((runs, MOST)) < SHARE)
    values, mean = POINT * (draws.normal(0, sd, (runs, MOST)) - lost), -POINT * SHARE * LOST
    ends = [running(values, POINT * floor, ALPHA) for floor in floors]
    return [float(((low[:, -1] > mean) | (high[:, -1] < mean)).mean()) for low, high in ends]


def forecasts(
    draws: Draws, sds: tuple[float, float], k: int, n: int, asked: int
) -> tuple[list[Forecast], Floats, Floats]:
    """What was said of `asked` pairs that were undecided after n seeds, and the seeds more that each then took.

    Effects are drawn from a normal with a deviation of 2 points, each pair's spread evenly from `sds`. Third, of all that
    were drawn, the seeds until a word; infinite beyond MOST.
    """
    runs, alpha = 4 * asked, alpha_of(k)
    spread = draws.uniform(*sds, runs)[:, None]
    values = POINT * (draws.normal(0, 2, runs)[:, None] + spread * draws.standard_normal((runs, MOST)))
    until = first_decided(*running(values, 0.0, alpha), MARGIN)
    young = np.flatnonzero(until > n)[:asked]
    said = [forecast(values[i, :n], 0.0, alpha, MARGIN) for i in young]
    return [one for one in said if one is not None], until[young] - n, until


def trainings_of_a_race(draws: Draws, effects: list[float], sd: float, runs: int, first: int = 5) -> Floats:
    """(runs,) trainings until every arm is decided or has CAP seeds, at `first` seeds and then one a round.

    An arm stops when it is decided; the baseline goes on as long as any arm does.
    """
    values = differences(draws, np.array(effects), sd, runs)
    until = np.clip(first_decided(*running(values, 0.0, alpha_of(len(effects))), MARGIN), first, CAP)
    total: Floats = until.sum(axis=1) + until.max(axis=1)
    return total
