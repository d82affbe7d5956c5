"""A forest plot as HTML: a table whose cells draw themselves in percent, so that it fits every width and keeps its text."""

import html

from analysis.figures.differences import Forest, Mark, Row
from console.wording import printable

HEIGHT = 24  # pixels of a row


def forest_html(forest: Forest) -> str:
    """The plot: a heading per question, a row per pair, a column per comparison, an axis below."""
    wide = len(forest.columns)
    heads = "".join(f"<th scope=col>{_escaped(column)}</th>" for column in forest.columns)
    said = '<th scope=col class="said">difference, interval, word</th>' if wide == 1 else ""
    body = []
    for title, rows in forest.groups:
        body.append(f'<tr class="asked"><th scope=rowgroup colspan={wide + 1 + (wide == 1)}>{_escaped(title)}</th></tr>')
        body += [_row(forest, row) for row in rows]
    axis = "".join(f"<td>{_axis(forest)}</td>" for _ in forest.columns)
    body.append(f'<tr class="axis"><th><span class="unseen">axis</span></th>{axis}{"<td></td>" * (wide == 1)}</tr>')
    head = f'<thead><tr><th scope=col><span class="unseen">pair</span></th>{heads}{said}</tr></thead>'
    return f'<table class="forest{" one" * (wide == 1)}">{head}<tbody>{"".join(body)}</tbody></table>'


def _row(forest: Forest, row: Row) -> str:
    note = f" <small>{_escaped(row.note)}</small>" if row.note else ""
    cells = "".join(
        f'<td data-column="{_escaped(column)}">{_cell(forest, mark)}</td>'
        for column, mark in zip(forest.columns, row.marks, strict=True)
    )
    said = f'<td class="said">{_escaped(row.marks[0].text if row.marks[0] else "–")}</td>' if len(row.marks) == 1 else ""
    return f'<tr data-arm="{_escaped(row.arm)}"><th scope=row>{_escaped(row.label)}{note}</th>{cells}{said}</tr>'


def _cell(forest: Forest, mark: Mark | None) -> str:
    if mark is None:
        return '<span class="none">not compared</span>'
    low, high = forest.span
    drawn = [*_ground(forest)]
    if mark.has_interval:
        left, right = (_at(forest, min(max(end, low), high)) for end in (mark.low, mark.high))
        drawn.append(f'<line class="ci" x1="{left}%" x2="{right}%" y1=12 y2=12 />')
        drawn += ['<path class="end" d="M7 7 1 12 7 17z" />'] * (mark.low < low)
        drawn += ['<svg x="100%" overflow=visible><path class="end" d="M-7 7 -1 12 -7 17z" /></svg>'] * (mark.high > high)
    drawn.append(_dot(forest, mark))
    word = mark.word if mark.word in ("better", "worse", "tie") else "open"
    label = f"{mark.text}"
    return f'<svg class="track {word}" height={HEIGHT} role="img" aria-label="{_escaped(label)}"><title>{_escaped(label)}</title>{"".join(drawn)}</svg>'


def _dot(forest: Forest, mark: Mark) -> str:
    """The mean; outside of what is shown it is a number at the edge."""
    low, high = forest.span
    if low <= mark.mean <= high:
        return f'<circle cx="{_at(forest, mark.mean)}%" cy=12 r=4.5 />'
    left = mark.mean < low
    return f'<text x="{1 if left else 99}%" dx={10 if left else -10} y=16 text-anchor={"start" if left else "end"}>{mark.mean:+.1f}</text>'


def _ground(forest: Forest) -> list[str]:
    left, right = _at(forest, -forest.margin), _at(forest, forest.margin)
    grid = "".join(f'<line x1="{_at(forest, tick)}%" x2="{_at(forest, tick)}%" y2={HEIGHT} />' for tick in forest.ticks if tick)
    zero = _at(forest, 0)
    return [
        f'<rect class="band" x="{left}%" width="{max(right - left, 0):.1f}%" height={HEIGHT} />',
        f'<g class="grid">{grid}</g>',
        f'<line class="zero" x1="{zero}%" x2="{zero}%" y2={HEIGHT} />',
    ]


def _axis(forest: Forest) -> str:
    ticks = "".join(f'<text x="{_at(forest, tick)}%" y=14 text-anchor=middle>{_number(tick)}</text>' for tick in forest.ticks)
    return f'<svg class="track" height=36 aria-hidden="true">{ticks}<text x="50%" y=31 text-anchor=middle class="what">{_escaped(forest.axis)}</text></svg>'


def _number(tick: float) -> str:
    return f"{tick:+g}" if tick else "0"


def _at(forest: Forest, value: float) -> float:
    """Percent of the width."""
    low, high = forest.span
    return round(100 * (value - low) / (high - low), 1)


def _escaped(text: str) -> str:
    return html.escape(printable(text))
