"""A panel as inline SVG: text that is text, colours that follow the page's theme, nothing that another panel could clash with."""

import re
from io import BytesIO

import matplotlib

from analysis.figures import style
from analysis.figures.drawing import Panel
from console.wording import printable

COORDINATES = re.compile(r'(?<= )(d|x|y|x1|x2|y1|y2|width|height|points|transform|viewBox)="([^"]*)"')
DIGITS = re.compile(r"-?\d+\.\d{2,}")
FONT = re.compile(r"font: ((?:bold )?)(?:\d+ )?([\d.]+)px [^;\"]*")
ID = re.compile(r' id="([^"]*)"')
CLASHING = (re.compile(r"<metadata>.*?</metadata>", re.S), re.compile(r"<style[^>]*>.*?</style>", re.S),
            re.compile(r"<!--.*?-->", re.S))  # fmt: skip
GID = "arm:"


def inline(panel: Panel, name: str) -> str:
    """The panel as an <svg> element; `name` must be its own on the page."""
    wanted = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": ["sans-serif"]}
    with style.styled(), matplotlib.rc_context(wanted):
        figure, axes = style.panels(figsize=(panel.width, panel.height), layout="constrained")
        panel.draw(axes)
        content = BytesIO()
        figure.savefig(content, format="svg", transparent=True, bbox_inches=None, metadata={"Date": None})
    svg = content.getvalue().decode()
    return _named(_slim(svg[svg.index("<svg") :]), name, _title(axes.get_title()), panel.width)


def _slim(svg: str) -> str:
    for what in CLASHING:
        svg = what.sub("", svg)
    svg = COORDINATES.sub(lambda found: f'{found[1]}="{DIGITS.sub(_short, found[2])}"', svg)
    svg = FONT.sub(lambda found: f"{'font-weight:bold;' * bool(found[1])}font-size:{found[2]}px", svg)
    svg = svg.replace("xlink:href", "href")
    for key, colour in style.THEME.items():
        svg = re.sub(colour, f"var(--{key})", svg, flags=re.I)
    return re.sub(r"\s*\n\s*", "\n", svg).strip()


def _short(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _named(svg: str, name: str, title: str, width: float) -> str:
    """Ids that something refers to begin with the panel's name, those of an arm are data, all others go."""
    referred = set(re.findall(r'#([^")]+)["\)]', svg))

    def of(found: re.Match[str]) -> str:
        if found[1].startswith(GID):
            return f' data-arm="{found[1].removeprefix(GID)}"'
        return f' id="{name}-{found[1]}"' if found[1] in referred else ""

    svg = ID.sub(of, svg)
    for each in referred:
        svg = svg.replace(f"#{each}", f"#{name}-{each}")
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None  # matplotlib writes one
    body = svg[svg.index(">") + 1 :]
    head = f'<svg class="panel" style="max-width:{100 * width:.0f}px" {box[0]} role="img" aria-label="{title}">'
    return head + body


def _title(text: str) -> str:
    """As an attribute's value."""
    shown = printable(text).replace("\n", " ")
    return shown.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;") or "chart"
