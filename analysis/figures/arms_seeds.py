"""Paired seeds: what each planned pair's two arms reached on every seed, one line a seed."""

import textwrap
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from analysis.figures.axes import covering, fitted, limits, mark_outside, say_outside
from analysis.figures.drawing import Panel
from analysis.figures.side_by_side import MOST_PANELS, Arms, gid_of
from analysis.figures.style import PLAIN, SMALL
from analysis.rulebook.outcomes import Outcome
from analysis.rulebook.pairs import Pair
from analysis.verdict import all_pairs
from console.wording import many

WIDE = 1.75  # inches: two stand side by side on a telephone
WIDTH = 13  # letters under a column of dots
LINE = 1.3 * SMALL  # points
ROOM = 15  # letters that both have beside each other; else the second stands lower


@dataclass(frozen=True)
class Paired:
    """A pair with what its two sides reached, seed by seed."""

    pair: Pair
    a: list[Outcome]
    b: list[Outcome]


def planned(arms: Arms) -> list[Paired]:
    """Every planned pair, in the plan's order."""
    sides = arms.section.sides
    found = []
    for pair in all_pairs(arms.section):
        if pair.planned:
            both = [[sides[str(arm)].outcomes[seed] for seed in pair.seeds] for arm in (pair.a, pair.b)]
            found.append(Paired(pair, *both))
    return found


def seeds_panels(arms: Arms) -> list[Panel]:
    """One panel a pair, all with the same axis."""
    pairs = planned(arms)[:MOST_PANELS]
    reached = [outcome.figure for one in pairs for outcome in (*one.a, *one.b)]
    shared = limits(reached)
    return [Panel(partial(_draw, arms, one, shared), width=WIDE, height=2.3) for one in pairs]


def _draw(arms: Arms, one: Paired, shared: tuple[float, float], axes: Axes) -> None:
    a, b = str(one.pair.a), str(one.pair.b)
    left, right = (np.array([outcome.figure for outcome in side], float) for side in (one.b, one.a))
    reaches = covering(fitted(shared, [*left, *right]), [float(left.mean()), float(right.mean())])
    axes.set(ylim=reaches, xlim=(-0.45, 1.45), ylabel=axis_title(arms))
    name_sides(axes, wrapped(arms.labels[b]), wrapped(arms.labels[a]))
    axes.grid(False, axis="x")
    for pair in zip(left, right, strict=True):
        axes.plot([0, 1], pair, color=PLAIN, lw=0.7, alpha=0.6, zorder=1, gid=gid_of(a))
    outside = 0
    for place, name, values, side in ((0, b, left, one.b), (1, a, right, one.a)):
        failed = np.array([outcome.failed for outcome in side])
        at, colour = np.full(len(values), float(place)), arms.colours[name]
        for there, face in ((~failed, colour), (failed, "none")):
            if there.any():
                axes.plot(at[there], values[there], "o", ms=4, color=colour, mfc=face, gid=gid_of(name), zorder=2)
        mean = float(values.mean())
        axes.plot([place - 0.22, place + 0.22], [mean] * 2, color=colour, lw=3, solid_capstyle="butt", gid=gid_of(name))
        outside += mark_outside(axes, at, values, colour, gid_of(name))
    say_outside(axes, outside)
    axes.set_title(f"{one.pair.measure.signed(one.pair.mean)} {one.pair.measure.unit}")


def wrapped(label: str) -> str:
    """In lines of WIDTH letters, broken where it says something else."""
    return "\n".join(textwrap.wrap(label, WIDTH, break_long_words=False, break_on_hyphens=False))


def name_sides(axes: Axes, left: str, right: str) -> None:
    """Both below the axis, the second lower where they would stand on each other."""
    axes.set_xticks([0, 1], [left, right], fontsize=SMALL)
    if sum(max(map(len, text.splitlines())) for text in (left, right)) > ROOM:
        second = axes.xaxis.get_major_ticks()[1]
        second.set_pad(3.5 + LINE * len(left.splitlines()))


def axis_title(arms: Arms) -> str:
    """What the pairs are judged by, on which images."""
    measure = arms.section.measure
    on = "test" if arms.section.judged_on == "test" else arms.split
    return f"{on} {measure.title}{' (less is the aim)' * measure.objective.lower_is_better}"


def seeds_caption(arms: Arms) -> str:
    """How many seeds the first pair's arm is ahead on, and by how much; how far all pairs go."""
    pairs = planned(arms)
    first, measure = pairs[0].pair, arms.section.measure
    names = arms.label(str(first.a)), arms.label(str(first.b))
    ahead, behind = int(np.sum(first.differences > 0)), int(np.sum(first.differences < 0))
    if not ahead + behind:
        said = f"{names[0]} equals {names[1]} on {many(first.n, 'seed')}"
    elif ahead >= behind:
        said = f"{names[0]} leads {names[1]} on {ahead} of {many(first.n, 'seed')}"
    else:
        said = f"{names[0]} trails {names[1]} on {behind} of {many(first.n, 'seed')}"
    said += f", {measure.difference(first.mean)}{' on average' * (first.n > 1)}"
    if first.n > 1:
        said += (
            f"; no seed differs by more than {abs(measure.scaled(np.abs(first.differences).max())):.{measure.digits}f}"
        )
    if len(pairs) > 1:
        means = sorted(pairs, key=lambda one: one.pair.mean)
        ends = [f"{measure.signed(one.pair.mean)} ({arms.label(str(one.pair.a))} against {arms.label(str(one.pair.b))})"
                for one in (means[0], means[-1])]  # fmt: skip
        said += f". Over {len(pairs)} pairs the mean goes from {ends[0]} to {ends[1]}"
    return f"{said}. {_read(pairs)}"


def _read(pairs: list[Paired]) -> str:
    hollow = " (hollow: its training failed)" * any(out.failed for one in pairs for out in (*one.a, *one.b))
    left = len(pairs) - MOST_PANELS
    more = f" The first {MOST_PANELS} planned pairs; {many(left, 'further one')} left out." if left > 0 else ""
    return f"A line is a seed{hollow}, the bar the mean.{more}"
