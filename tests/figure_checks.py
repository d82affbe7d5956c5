"""What every figure must keep, whatever the run: each check gives the faults it finds in a drawn figure, in words."""

import re
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

WHOLE = {
    "epoch",
    "trial",
    "trials",
    "updates",
    "seed",
    "drawn trials",
}  # axes on which nothing lies between two numbers
OPTUNAS = (
    "Optimization History",
    "Slice Plot",
    "Parallel Coordinate",
    "Objective Value",
    "Hyperparameter",
    "Best Value",
)
VERDICT = re.compile(r"\b(better|worse|ties?|tied|undecided)\b", re.I)
PIXEL = 1.0
SAME = 0.01  # pixels: points that are no further apart are of one value, and no axis parts them
SQUASHED = 0.1  # of an axis: the least that three quarters of many points may have


def faults(figure: Figure) -> list[str]:
    """Of a figure as matplotlib has drawn it."""
    figure.draw_without_rendering()
    checks = (ink_for_every_label, whole_ticks, unmarked, squashed, overlapping, empty, optunas, legends)
    return [f"{check.__name__}: {fault}" for check in checks for fault in check(figure)]


def shown(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_visible()]


def drawn(axes: Axes) -> list[Line2D | Collection | Patch]:
    """What has ink of data: not ticks, spines or grid."""
    found = [*axes.lines, *axes.collections, *(p for p in axes.patches if p is not axes.patch)]
    return [artist for artist in found if artist.get_visible()]


def points(artist: Line2D | Collection | Patch) -> np.ndarray:
    """(n, 2) where it is drawn, in pixels."""
    if isinstance(artist, Line2D):
        data = [np.asarray(values, float) for values in artist.get_data(orig=False)]
        return artist.get_transform().transform(np.column_stack(data))
    if isinstance(artist, Patch):
        return artist.get_transform().transform(artist.get_path().vertices)
    offsets = artist.get_offsets()
    if len(offsets) and np.any(np.asarray(offsets)):
        return artist.get_offset_transform().transform(np.asarray(offsets))
    paths = [artist.get_transform().transform(path.vertices) for path in artist.get_paths()]
    return np.concatenate(paths) if paths else np.empty((0, 2))


def inside(axes: Axes, at: np.ndarray) -> np.ndarray:
    """(n,) which of these pixels lie on the axes."""
    box = axes.bbox
    return ((at[:, 0] >= box.x0 - PIXEL) & (at[:, 0] <= box.x1 + PIXEL)
            & (at[:, 1] >= box.y0 - PIXEL) & (at[:, 1] <= box.y1 + PIXEL))  # fmt: skip


def has_ink(axes: Axes, artist: Line2D | Collection | Patch) -> bool:
    """Whether two different points of it, or a marker, are to be seen."""
    at = points(artist)
    at = at[np.isfinite(at).all(axis=1)]
    if isinstance(artist, Line2D):
        marker = artist.get_marker() not in ("None", None, "", " ")
    else:
        marker = isinstance(artist, Collection) and bool(np.any(np.asarray(artist.get_offsets())))
    if marker:
        return bool(inside(axes, at).any())
    at = at[inside(axes, at)] if artist.get_clip_on() else at
    return len(at) > 1 and float(np.ptp(at, axis=0).max()) > PIXEL


def ink_for_every_label(figure: Figure) -> Iterator[str]:
    for axes in shown(figure):
        for artist in drawn(axes):
            label = str(artist.get_label())
            if not label.startswith("_") and not has_ink(axes, artist):
                yield f"'{label}' has a label and no ink"


def whole_ticks(figure: Figure) -> Iterator[str]:
    for axes in shown(figure):
        if axes.get_xlabel().split(" (")[0] not in WHOLE:
            continue
        said = [text.get_text() for text in ticks(axes.xaxis) if text.get_text()]
        broken = [text for text in said if not re.fullmatch(r"[\d,]+", text) or said.count(text) > 1]
        if broken or (not said and axes.get_shared_x_axes().get_siblings(axes) == [axes]):
            yield f"ticks of {axes.get_xlabel()}: {broken or 'none'}"


def unmarked(figure: Figure) -> Iterator[str]:
    """Points that the axes leave out, and no triangle says so."""
    for axes in shown(figure):
        marks = [line.get_gid() for line in axes.lines if line.get_label() == "_outside"]
        count = sum(len(line.get_xdata()) for line in axes.lines if line.get_label() == "_outside")
        found = re.search(r"(\d+) outside", axes.get_xlabel())
        if count != (int(found[1]) if found else 0):
            yield f"{count} triangles, and '{axes.get_xlabel()}' says otherwise"
        for artist in drawn(axes):
            if not artist.get_clip_on() or str(artist.get_label()) == "_outside":
                continue
            at = points(artist)
            at = at[np.isfinite(at).all(axis=1)]
            if len(at) and not inside(axes, at).all() and not _is_across(artist) and artist.get_gid() not in marks:
                yield f"{artist.get_label()}: {int((~inside(axes, at)).sum())} points outside, unmarked"


def _is_across(artist: Line2D | Collection | Patch) -> bool:
    """Whether it is a line from edge to edge."""
    return (
        isinstance(artist, Line2D) and len(artist.get_xdata()) == 2 and artist.get_transform() != artist.axes.transData
    )


def squashed(figure: Figure) -> Iterator[str]:
    """Many points, and three quarters of them share a small part of the axis."""
    for axes in shown(figure):
        dots = [points(a) for a in drawn(axes) if isinstance(a, Collection | Line2D) and _is_dots(a)]
        at = np.concatenate(dots) if dots else np.empty((0, 2))
        at = at[np.isfinite(at).all(axis=1)]
        heights = at[inside(axes, at)][:, 1] if len(at) else np.empty(0)
        if len(heights) < 8 or np.ptp(heights) < PIXEL:
            continue
        ordered = np.sort(heights)
        part = int(np.ceil(0.75 * len(ordered)))
        least = min(ordered[i + part - 1] - ordered[i] for i in range(len(ordered) - part + 1))
        if SAME < least < SQUASHED * axes.bbox.height:
            yield f"three quarters of {len(heights)} points have {least / axes.bbox.height:.0%} of the axis"


def _is_dots(artist: Collection | Line2D) -> bool:
    if isinstance(artist, Line2D):
        return artist.get_linestyle() in ("None", "") and artist.get_clip_on()
    return bool(len(artist.get_offsets()) > 1)


def ticks(axis: Axis) -> list[Text]:
    """The labels of the ticks that are on the axis."""
    low, high = sorted(axis.get_view_interval())
    near = 1e-6 * (high - low)
    return [tick.label1 for tick in axis.get_major_ticks() if low - near <= tick.get_loc() <= high + near]


def texts(axes: Axes) -> list[Text]:
    found = [*axes.texts, axes.title, axes._left_title, *ticks(axes.xaxis), *ticks(axes.yaxis),
             axes.xaxis.label, axes.yaxis.label]  # fmt: skip
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def overlapping(figure: Figure) -> Iterator[str]:
    """Texts that stand on each other; of slanted ones only the boxes are known."""
    for axes in shown(figure):
        boxes = [(text, text.get_window_extent()) for text in texts(axes) if text.get_rotation() in (0, 90)]
        for (a, box), (b, other) in combinations(boxes, 2):
            wide = min(box.x1, other.x1) - max(box.x0, other.x0)
            high = min(box.y1, other.y1) - max(box.y0, other.y0)
            if wide > PIXEL and high > 2 * PIXEL:
                yield f"'{a.get_text()}' on '{b.get_text()}'"


def empty(figure: Figure) -> Iterator[str]:
    for axes in shown(figure):
        if not any(has_ink(axes, artist) for artist in drawn(axes)) and not axes.images:
            yield f"nothing is drawn on '{axes._left_title.get_text() or axes.get_title() or axes.get_xlabel()}'"


def optunas(figure: Figure) -> Iterator[str]:
    for text in figure.findobj(Text):
        if any(theirs in text.get_text() for theirs in OPTUNAS):
            yield text.get_text()


def legends(figure: Figure) -> Iterator[str]:
    if figure.legends or any(axes.get_legend() for axes in figure.axes):
        yield "a legend stands apart from its lines"


def of_arms(figure: Figure, colours: set[str]) -> Iterator[str]:
    """What has the colour of a strategy, and no gid that says of which arm it is."""
    from matplotlib.colors import to_hex

    for axes in shown(figure):
        for artist in drawn(axes):
            found = artist.get_color() if isinstance(artist, Line2D) else artist.get_facecolor()
            hexes = {to_hex(each).upper() for each in np.atleast_2d(np.asarray(found, object))} if not isinstance(
                found, str) else {to_hex(found).upper()}  # fmt: skip
            if hexes & colours and not str(artist.get_gid() or "").startswith("arm:"):
                yield f"{artist} is of no arm"


def caption_faults(caption: str) -> list[str]:
    found = [] if len(caption) > 20 and caption.endswith((".", ")")) else [f"caption is no sentence: '{caption}'"]
    found += [f"verdict word in '{caption}'"] * bool(VERDICT.search(caption))
    found += [f"not a number in '{caption}'"] * bool(re.search(r"\b(nan|inf|None)\b", caption))
    return found


def flat(figure: Figure) -> Iterator[str]:
    """Panels on which nothing changes; for figures of what changes."""
    for axes in shown(figure):
        lines = [np.asarray(line.get_ydata(), float) for line in axes.lines if len(line.get_ydata()) > 1]
        moved = [line for line in lines if np.ptp(line) > 1e-9 * max(1e-9, float(np.abs(line).max()))]
        if not moved and not axes.collections:
            yield f"nothing changes on '{axes._left_title.get_text() or axes.get_ylabel()}'"
