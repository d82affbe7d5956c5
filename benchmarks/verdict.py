"""python -m benchmarks.verdict: what the words of a head-to-head are worth, simulated through analysis.rulebook itself.

How often a word is wrong, however often one looks; how many seeds a word takes; what collapsing seeds do; whether the
forecast of more seeds holds; what stopping decided arms saves. Nothing is trained; benchmarks.made_pairs has the models.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.rulebook.forecast import MOST
from benchmarks import made_pairs as made
from console.layout import UNBOUND, columns

Table = list[list[str]]
EFFECTS, SDS, FAMILIES = (0.0, 0.5, 1.0, 2.0, 5.0), (1.0, 1.5, 2.0), (1, 4, 11)
# Medians by effect and deviation, for FAMILIES, of the simulation that the rule was chosen by, before it was written
DESIGNED: dict[tuple[float, float], tuple[float | None, ...]] = {
    (0.0, 1.5): (32, 42, 48),
    (1.0, 1.5): (22, 31, 36),
    (2.0, 1.5): (9, 12, 14),
    (5.0, 2.0): (6, None, 9),
}
RACE = [0.0, 1.0, 2.0, -5.0]
NARROW, WIDE = (1.0, 2.0), (3.0, 6.0)  # points: the spread of pairs on test sets of some hundred images, and of few


@dataclass(frozen=True)
class Size:
    runs: int  # head-to-heads of each figure
    on_images: int  # of them, with predictions
    forecasts: int  # pairs of each row


FULL, SHORT = Size(4000, 1000, 500), Size(1000, 20, 40)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdict", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer draws, in seconds")
    parser.add_argument("--seed", type=int, default=0, help="of the simulation")
    asked = parser.parse_args(words)
    size = SHORT if asked.short else FULL
    print(f"{machine()}; seed {asked.seed}; {size.runs:,} head-to-heads of each figure")
    for title, table in TABLES.items():
        started = time.perf_counter()
        print(f"\n{title}\n{columns(table(np.random.default_rng(asked.seed), size), UNBOUND)}")
        print(f"({time.perf_counter() - started:.0f} s)", flush=True)
    return 0


def machine() -> str:
    cores, kind, load = os.cpu_count(), platform.machine(), os.getloadavg()[0]
    return (
        f"{cores} cores ({kind}), numpy {np.__version__}, Python {platform.python_version()}, load average {load:.1f}"
    )


def wrong_words(draws: made.Draws, size: Size) -> Table:
    interval, every, runs = "interval", looks_of(1, made.CAP), f"{size.runs:,}"
    images, believed = made.false_words_on_images(draws, 7, size.on_images)
    looks = ((5, 60), (9, 20), (20, 20))
    fixed = [[looks_of(first, last), share(holm(draws, size, first, last))] for first, last in looks]
    return [
        ["rule", "looks", "families", "false better or worse", "floor above the seeds' own sd"],
        [interval, every, runs, share(made.false_words(draws, 7, size.runs)), "-"],
        [f"{interval}, {made.IMAGES} test images", every, f"{size.on_images:,}", share(images), share(believed)],
        *(["paired t tests, Holm", when, runs, wrong, "-"] for when, wrong in fixed),
    ]


def looks_of(first: int, last: int) -> str:
    return f"after each seed, {first} to {last}" if first < last else f"one, after {last} seeds"


def holm(draws: made.Draws, size: Size, fewest: int, most: int) -> float:
    return made.false_words_of_holm(draws, 7, size.runs, fewest, most)


def wrong_ties(draws: made.Draws, size: Size) -> Table:
    rows = [[str(k), share(made.false_ties(draws, k, size.runs))] for k in (1, 7)]
    return [["planned pairs", "families with a false tie"], *rows]


def seeds(draws: made.Draws, size: Size) -> Table:
    heads = [f"{what}, k = {k}" for k in FAMILIES for what in ("median", "decided", "designed")]
    rows = [["points apart", "sd", *heads]]
    for effect in EFFECTS:
        for sd in SDS:
            found = [made.seeds_until(draws, effect, sd, k, size.runs) for k in FAMILIES]
            designed = DESIGNED.get((effect, sd), (None,) * len(FAMILIES))
            cells = [cell for pair in zip(found, designed, strict=True) for cell in of_seeds(*pair)]
            rows.append([f"{effect:g}", f"{sd:g}", *cells])
    return rows


def of_seeds(found: made.Floats, designed: float | None) -> list[str]:
    return [count(float(np.median(found))), share(float(np.isfinite(found).mean())), count(designed)]


def collapsing(draws: made.Draws, size: Size) -> Table:
    floors = [0.0, 1.0, 1.5]
    rows = [
        [f"{sd:g}", *map(share, made.false_exclusions(draws, sd, floors, size.runs))] for sd in (0.5, 0.7, 1.0, 1.5)
    ]
    return [["sd of the other seeds", "no floor", *(f"floor {floor:g}" for floor in floors[1:])], *rows]


def forecasting(draws: made.Draws, size: Size) -> Table:
    rows = [
        ["sd", "k", "seeds so far", "undecided", "within", "sooner", "later", "no upper end", "hopeless", "rightly"]
    ]
    for sds in (NARROW, WIDE):
        for k in (1, 7):
            rows += [of_forecasts(draws, sds, k, n, size.forecasts) for n in (5, 8, 12)]
    return rows


def of_forecasts(draws: made.Draws, sds: tuple[float, float], k: int, n: int, asked: int) -> list[str]:
    said, took, until = made.forecasts(draws, sds, k, n, asked)
    low, high = (np.array([getattr(one, end) for one in said]) for end in ("low", "high"))
    hopeless = np.array([one.hopeless for one in said])
    rightly = share(float(np.isinf(took[hopeless]).mean())) if hopeless.any() else "-"
    shares = [(until > n), (low <= took) & (took <= high), took < low, took > high, np.isinf(high), hopeless]
    return [f"{sds[0]:g} to {sds[1]:g}", str(k), str(n), *(share(float(one.mean())) for one in shares), rightly]


def racing(draws: made.Draws, size: Size) -> Table:
    took = made.trainings_of_a_race(draws, RACE, 1.5, size.runs)
    low, high = np.quantile(took, (0.1, 0.9))
    everyone = (len(RACE) + 1) * made.CAP
    arms = ", ".join(f"{effect:+g}" for effect in RACE)
    figures = [f"{took.mean():.0f}", f"{low:.0f} to {high:.0f}", str(everyone), "139"]
    return [["arms", "mean", "8 in 10", "without stopping", "designed"], [arms, *figures]]


def share(of: float) -> str:
    return f"{100 * of:.1f} %"


def count(seeds: float | None) -> str:
    if seeds is None:
        return "-"
    return f"{seeds:g}" if np.isfinite(seeds) else f"more than {made.CAP}"


TABLES: dict[str, Callable[[made.Draws, Size], Table]] = {
    "Eight equal arms, seven planned pairs, sd 1.5 points: families with a false better or worse at any look": wrong_words,
    "Arms exactly one point better, sd 1.5: families with a false tie at any look, 60 seeds": wrong_ties,
    "Seeds until decided: median, and the share decided by 60": seeds,
    f"One seed in ten loses 5 points: how often {MOST} looks exclude the true mean, at 5 %": collapsing,
    f"The forecast of pairs still undecided, effects normal with 2 points: seeds that it took, up to {MOST}": forecasting,
    "Trainings of four arms that race a baseline, sd 1.5, 5 seeds and then one a round, 60 at most": racing,
}

if __name__ == "__main__":
    sys.exit(main())
