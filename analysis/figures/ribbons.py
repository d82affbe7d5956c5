"""What was trained on, epoch by epoch: the share of the training set, class by class, as a stacked area."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.axes import END, End, label_ends, whole_span
from analysis.figures.side_by_side import shortened
from analysis.statistics import Floats

MOST_EPOCHS = 30  # of a ribbon; a longer one shows as many, evenly spread
MOST_CLASSES = 10  # with a band of their own; of more, those whose part changes most
CHANGES = 0.02  # of the training set, or of a factor: less is constant
CUT = 0.9  # of the images of an epoch: fewer are an epoch that was cut short
MIX = 0.08  # of what is trained on, that a class has more at one time than at another
Ints = npt.NDArray[np.intp]


def varies(values: Floats, by: float = CHANGES) -> bool:
    """Whether a schedule has changed by so much of its largest value."""
    known = values[np.isfinite(values)]
    return len(known) > 1 and float(np.ptp(known)) > by * max(float(np.abs(known).max()), 1e-12)


def shares(rows: pd.DataFrame) -> Floats:
    """(epochs, C) the share of the training set that each class was offered with."""
    counts = np.array(rows["class_counts"].tolist(), float)
    mix = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    found: Floats = mix * rows["share"].to_numpy(float)[:, None]
    return found


def whole_epochs(rows: pd.DataFrame) -> pd.DataFrame:
    """Without a last epoch that the budget has cut short: the classes of a few batches are no schedule."""
    offered = rows["images"].to_numpy(float) / np.maximum(rows["share"].to_numpy(float), 1e-12)
    cut = len(rows) > 1 and offered[-1] < CUT * np.median(offered[:-1])
    return rows[:-1] if cut else rows


def changes(rows: pd.DataFrame) -> bool:
    """Whether there is a schedule to show: another share, or other classes, at another time."""
    rows = whole_epochs(rows)
    of_class = shares(rows)
    mix = of_class / np.maximum(of_class.sum(axis=1, keepdims=True), 1e-12)
    return varies(rows["share"].to_numpy(float)) or float(np.ptp(mix, axis=0).max(initial=0.0)) > MIX


def ribbon(axes: Axes, rows: pd.DataFrame, classes: Sequence[str], colour: str, gid: str = END) -> None:
    """The stacked area of one trial, in one colour; classes are named at the right."""
    rows = whole_epochs(rows)
    kept = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_EPOCHS)).astype(int))
    of_class, epochs = shares(rows)[kept], rows["epoch"].to_numpy(float)[kept]
    bands, names = grouped(of_class, classes)
    at = np.repeat(_edges(epochs), 2)[1:-1]
    tops = np.cumsum(np.vstack([np.zeros(len(epochs)), bands.T]), axis=0)
    ends = []
    for i, name in enumerate(names):
        low, high = (np.repeat(tops[place], 2) for place in (i, i + 1))
        alpha = 0.25 + 0.6 * (i % 2) if len(names) < 3 else (0.3, 0.75, 0.5)[i % 3]
        axes.fill_between(at, low, high, color=colour, alpha=alpha, lw=0, gid=gid, label=name)
        ends.append(End(float(at[-1]), float((low[-1] + high[-1]) / 2), shortened(name), colour, gid))
    axes.set(xlabel="epoch", ylabel="share of the training set", ylim=(0, max(1.02 * float(tops[-1].max()), 0.02)))
    axes.grid(False, axis="x")
    whole_span(axes, float(epochs[0]), float(epochs[-1]))
    axes.set_xlim(at[0], at[-1])
    label_ends(axes, ends)


def grouped(of_class: Floats, classes: Sequence[str]) -> tuple[Floats, list[str]]:
    """The bands and what they are called: all classes, or those that change most and the rest together."""
    if len(classes) <= MOST_CLASSES:
        return of_class, list(classes)
    total = np.maximum(of_class.sum(axis=1, keepdims=True), 1e-12)
    most: Ints = np.sort(np.argsort(-np.ptp(of_class / total, axis=0), kind="stable")[: MOST_CLASSES - 1])
    rest = np.delete(of_class, most, axis=1).sum(axis=1, keepdims=True)
    names = [*(classes[i] for i in most), f"{len(classes) - len(most)} other classes"]
    return np.hstack([of_class[:, most], rest]), names


def _edges(epochs: Floats) -> Floats:
    """Where the epochs begin and end: an epoch lies around its number."""
    between = (epochs[1:] + epochs[:-1]) / 2
    found: Floats = np.concatenate([[epochs[0] - 0.5], between, [epochs[-1] + 0.5]])
    return found


def in_words(rows: pd.DataFrame) -> str:
    """'grew from 0.18 to 1.00 by epoch 7', 'stayed at 0.30', 'changed between 0.10 and 0.90'."""
    share, epochs = rows["share"].to_numpy(float), rows["epoch"].to_numpy(int)
    if not varies(share):
        return "stayed at everything" if share[0] > 1 - CHANGES else f"stayed at {share[0]:.2f}"
    steps = np.diff(share)
    if np.all(steps >= -CHANGES) or np.all(steps <= CHANGES):
        done = epochs[int(np.argmax(np.abs(share - share[-1]) <= CHANGES * abs(share[-1])))]
        return f"{'grew' if share[-1] > share[0] else 'shrank'} from {share[0]:.2f} to {share[-1]:.2f} by epoch {done}"
    return f"moved between {share.min():.2f} and {share.max():.2f}"
