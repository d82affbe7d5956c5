"""Pacing functions: the share of the images that is offered, by how far training has come.

b = share at the start, in (0, 1]; d = training done on the way to the whole set, in [0, 1]. Each is b at 0 and 1 at 1.
"""

import math
from collections.abc import Callable

from spaces.paced import PacedConfig

DIGITS = 9  # in which a part of the training is compared: 50/230 of 230 epochs is 50 epochs


def pace(config: PacedConfig, progress: float) -> float:
    """The share at this progress in [0, 1]: `share_start` at 0, 1 from `full_at` on.

    Departure: where rounding or a formula's own constants leave [b, 1] (Wu's logarithm ends at 1 + 4.5e-6), the share is
    the nearer end.
    """
    start, exact = config.share_start, progress / config.full_at
    done = round(exact, DIGITS)
    if done >= 1:
        return 1.0
    share = stepped(start, exact, config.growth) if config.pacing == "stepped" else PACES[config.pacing](start, done)
    return min(1.0, max(start, share))


def linear(b: float, d: float) -> float:
    """Wu, Dyer and Neyshabur 2021, table 1, polynomial with p = 1, as all of theirs here with aT = full_at."""
    return b + (1 - b) * d


def square_root(b: float, d: float) -> float:
    """Wu et al. 2021, p = 1/2; their `root`."""
    return b + (1 - b) * math.sqrt(d)


def quadratic(b: float, d: float) -> float:
    """Wu et al. 2021, p = 2."""
    return b + (1 - b) * d**2


def exponential(b: float, d: float) -> float:
    """Wu et al. 2021: most images come at the end."""
    return b + (1 - b) * math.expm1(10 * d) / math.expm1(10)


def logarithmic(b: float, d: float) -> float:
    """Wu et al. 2021: most images come at once."""
    return b + (1 - b) * (1 + 0.1 * math.log(d + math.exp(-10)))


def step(b: float, d: float) -> float:
    """Wu et al. 2021: the start's share until all at once."""
    return b if d < 1 else 1.0


def competence(b: float, d: float) -> float:
    """Platanios et al. 2019, equation 7 with p = 2: the square of the share grows linearly."""
    return math.sqrt(b**2 + (1 - b**2) * d)


def geometric(b: float, d: float) -> float:
    """Penha and Hauff 2020, geometric progression: the logarithm of the share grows linearly."""
    return math.pow(b, 1 - d)


def stepped(b: float, d: float, growth: float) -> float:
    """Hacohen and Weinshall 2019, fixed exponential pacing: b grows by a factor in as many equal intervals as it takes.

    Departure: the length of an interval follows from `full_at`, where theirs is a number of updates.
    """
    steps = math.ceil(round(-math.log(b) / math.log(growth), DIGITS))
    return b * math.pow(growth, math.floor(round(d * steps, DIGITS)))


PACES: dict[str, Callable[[float, float], float]] = {
    each.__name__: each
    for each in (linear, square_root, quadratic, exponential, logarithmic, step, competence, geometric)
}
