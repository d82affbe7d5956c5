"""The anytime-valid interval of a mean: valid however often one looks, and whoever decides when to stop.

The t confidence sequence of Wang and Ramdas 2023 (arXiv 2310.03722, the Gaussian mixture over a t martingale), for n
differences with mean m and standard deviation s (ddof 1). The martingale, at a candidate mean mu, is

    e_n(mu) = sqrt(g / (n + g)) * (V / (V - S^2 / (n + g)))^(n / 2),    S = sum(x - mu),  V = sum((x - mu)^2)

and mu is excluded for good once e_n(mu) >= 1 / alpha. numpy only: a run decides with it where nothing else is installed.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ALPHA = 0.05  # for all planned pairs of a run together
SPREAD = 1.0  # g above: how the mixture weighs effects against the noise; the seeds until a word are flat around it


def half_widths(counts: Floats, sds: Floats, alpha: float) -> Floats:
    """Half of the interval's width after so many values; both (..., n). Infinite where too few say nothing at all."""
    counts = np.asarray(counts, float)
    edge = (np.sqrt((counts + SPREAD) / SPREAD) / alpha) ** (2 / counts)
    room = 1 - SPREAD * edge / (counts + SPREAD)
    with np.errstate(divide="ignore", invalid="ignore"):
        widths = sds * np.sqrt((counts - 1) / counts) * np.sqrt((edge - 1) / room)
    found: Floats = np.where((room > 0) & (counts >= 2), widths, np.inf)
    return found


def running(values: Floats, floors: Floats | float, alpha: float) -> tuple[Floats, Floats]:
    """(low, high), each (..., n): the interval after each of the values (..., n), every earlier one taken into account.

    `floors`: the least standard deviation that is believed after so many values; seeds that happen to agree know less
    than they seem to. An interval can be empty (low above high): then both ends have been passed, each with its own risk.
    """
    values = np.asarray(values, float)
    counts = np.arange(1, values.shape[-1] + 1, dtype=float)
    means = np.cumsum(values, axis=-1) / counts
    centred = values - values[..., :1]  # sums of squares of what lies close together lose no digits
    squares = np.cumsum(centred**2, axis=-1) - counts * (means - values[..., :1]) ** 2
    sds = np.sqrt(np.maximum(squares, 0) / np.maximum(counts - 1, 1))
    half = half_widths(counts, np.maximum(sds, floors), alpha)
    with np.errstate(invalid="ignore"):
        low: Floats = np.maximum.accumulate(means - half, axis=-1)
        high: Floats = np.minimum.accumulate(means + half, axis=-1)
    return low, high


def sampling_sd(discordant: float, difference: float, images: int) -> float:
    """Standard deviation that a difference of two accuracies has from its test images alone, as a fraction.

    `discordant`: the share of the images that exactly one of the two gets right (McNemar's cells), `difference` of the
    accuracies. A set of seeds that varies less than this does so by luck.
    """
    return float(np.sqrt(max(0.0, discordant - difference**2) / images))
