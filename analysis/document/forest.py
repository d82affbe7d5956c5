"""A forest plot as HTML: a table whose cells draw themselves in percent, so that it fits every width and keeps its text."""

import html
from collections.abc import Iterator

from analysis.figures.differences import Forest, Mark, Row
from console.wording import printable

HEIGHT = 24  # pixels of a row
SHAPES = ("better", "worse", "tie")  # words with a look of their own; whatever is open has another
LEFT = '<path class="end" d="M7 7 1 12 7 17z"/>'
RIGHT = '<svg x="100%" overflow="visible"><path class="end" d="M-7 7 -1 12 -7 17z"/></svg>'


def forest_html(forest: Forest) -> str:
    """The plot: a heading per question, a row per pair, a column per comparison, an axis below.

    One comparison has room for its figures in words beside it; of several each mark has them as its name.
    """
    alone = len(forest.columns) == 1
    heads = "".join(f"<th scope=col>{_escaped(column)}</th>" for column in forest.columns)
    heads += '<th scope=col class="said">difference, interval, word</th>' * alone
    body = []
    for title, rows in forest.groups:
        across = len(forest.columns) + 1 + alone
        body.append(f'<tr class="asked"><th scope=rowgroup colspan={across}>{_escaped(title)}</th></tr>')
        body += [_row(forest, row) for row in rows]
    axes = f"<td>{_axis(forest)}</td>" * len(forest.columns) + "<td></td>" * alone
    body.append(f'<tr class="axis"><th><span class="unseen">axis</span></th>{axes}</tr>')
    head = f'<thead><tr><th scope=col><span class="unseen">pair</span></th>{heads}</tr></thead>'
    return f'<table class="forest{" one" * alone}">{head}<tbody>{"".join(body)}</tbody></table>'


def _row(forest: Forest, row: Row) -> str:
    note = f" <small>{_escaped(row.note)}</small>" if row.note else ""
    both = zip(forest.columns, row.marks, strict=True)
    cells = "".join(f'<td data-column="{_escaped(column)}">{_cell(forest, mark)}</td>' for column, mark in both)
    if len(row.marks) == 1:
        cells += f'<td class="said">{_escaped(row.marks[0].text if row.marks[0] else "–")}</td>'
    return f'<tr data-arm="{_escaped(row.arm)}"><th scope=row>{_escaped(row.label)}{note}</th>{cells}</tr>'


def _cell(forest: Forest, mark: Mark | None) -> str:
    if mark is None:
        return '<span class="none">not compared</span>'
    look, said = mark.word if mark.word in SHAPES else "open", _escaped(mark.text)
    drawn = "".join([*_ground(forest), *_interval(forest, mark), _dot(forest, mark)])
    return (
        f'<svg class="track {look}" height={HEIGHT} role="img" aria-label="{said}"><title>{said}</title>{drawn}</svg>'
    )


def _interval(forest: Forest, mark: Mark) -> Iterator[str]:
    """A line; an arrow at an edge that it passes."""
    if not mark.has_interval:
        return
    low, high = forest.span
    left, right = (_at(forest, min(max(end, low), high)) for end in (mark.low, mark.high))
    yield f'<line class="ci" x1="{left}%" x2="{right}%" y1=12 y2=12 />'
    if mark.low < low:
        yield LEFT
    if mark.high > high:
        yield RIGHT


def _dot(forest: Forest, mark: Mark) -> str:
    """The mean; outside of what is shown it is a number at the edge."""
    low, high = forest.span
    if low <= mark.mean <= high:
        return f'<circle cx="{_at(forest, mark.mean)}%" cy=12 r=4.5 />'
    x, dx, anchor = (1, 10, "start") if mark.mean < low else (99, -10, "end")
    return f'<text x="{x}%" dx={dx} y=16 text-anchor={anchor}>{mark.mean:+.1f}</text>'


def _ground(forest: Forest) -> list[str]:
    """The band of a tie, the grid, and zero."""
    left, right = _at(forest, -forest.margin), _at(forest, forest.margin)
    grid = "".join(_upright(_at(forest, tick)) for tick in forest.ticks if tick)
    band = f'<rect class="band" x="{left}%" width="{max(right - left, 0):.1f}%" height={HEIGHT} />'
    return [band, f'<g class="grid">{grid}</g>', f'<g class="zero">{_upright(_at(forest, 0))}</g>']


def _upright(x: float) -> str:
    return f'<line x1="{x}%" x2="{x}%" y2={HEIGHT} />'


def _axis(forest: Forest) -> str:
    ticks = [(_at(forest, tick), f"{tick:+g}" if tick else "0") for tick in forest.ticks]
    texts = "".join(f'<text x="{x}%" y=14 text-anchor=middle>{text}</text>' for x, text in ticks)
    what = f'<text x="50%" y=31 text-anchor=middle>{_escaped(forest.axis)}</text>'
    return f'<svg class="track" height=36 aria-hidden="true">{texts}{what}</svg>'


def _at(forest: Forest, value: float) -> float:
    """Percent of the width."""
    low, high = forest.span
    return round(100 * (value - low) / (high - low), 1)


def _escaped(text: str) -> str:
    return html.escape(printable(text))
