"""A panel as inline SVG: text that is text, colours that follow the page's theme, names that are its own.

matplotlib's SVG says much that an element inside a page need not: what is kept is what is seen.
"""

import html
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.drawing import Panel
from console.wording import printable

GIDS = ("arm:", "trial:")  # what the gid of an artist of one arm, or of one trial, begins with
DIGITS = re.compile(r"-?\d+\.\d+")
FONT = re.compile(r"font: ((?:bold )?)(?:\d+ )?([\d.]+)px [^;]*")
FAMILY = re.compile(r"font-family: [^;]*;? ?")
COORDINATES = {"d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "points", "transform"}
UNSEEN = {"metadata", "style", "title"}
DEFAULTS = {
    "stroke-linecap: square",
    "stroke-linejoin: miter",
    "fill-opacity: 1",
    "stroke-opacity: 1",
    "text-anchor: start",
}


def inline(panel: Panel, name: str) -> str:
    """The panel as an <svg> element; `name` must be its own on the page."""
    root, title = _drawn(panel, name)
    referred = dict.fromkeys(re.findall(r'#([^")]+)', ElementTree.tostring(root, encoding="unicode")))
    ids = {known: f"{name}-{number}" for number, known in enumerate(referred)}
    body = "".join(_written(child, ids) for child in root)
    size = f"{100 * panel.width:.0f}px"
    return (
        f'<svg class="panel" width="{size}" viewBox="{root.get("viewBox")}" role="img" '
        f'aria-label="{html.escape(printable(title))}">{body}</svg>'
    )


def _drawn(panel: Panel, name: str) -> tuple[Element, str]:
    """matplotlib's own SVG of the panel, and the panel's title in words."""
    wanted: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": name, "savefig.bbox": None}
    with style.styled(), matplotlib.rc_context(wanted):
        figure, axes = style.panels(figsize=(panel.width, panel.height), layout="constrained")
        panel.draw(axes)
        for artist in axes.findobj(lambda one: one.get_gid() is not None):
            artist.set_gid(printable(artist.get_gid()))  # XML has no control character
        content = BytesIO()
        Figure.savefig(figure, content, format="svg", transparent=True, metadata={"Date": None})
    titles = [axes.get_title(loc=place) for place in ("left", "center", "right")]
    title = next((text for text in titles if text), "") or axes.get_ylabel() or "chart"
    return ElementTree.fromstring(content.getvalue().decode()), title.replace("\n", " ")


def _written(element: Element, ids: dict[str, str]) -> str:
    """The element without what is not seen: namespaces, empty groups, ids that nothing refers to."""
    tag = element.tag.rpartition("}")[2]
    if tag in UNSEEN or _is_invisible(element):
        return ""
    inside = html.escape(printable((element.text or "").strip()), quote=False)
    inside += "".join(_written(child, ids) for child in element)
    attributes = "".join(_attributes(element, ids))
    if tag in ("g", "defs") and not inside:
        return ""
    if tag == "g" and not attributes:
        return inside
    return f"<{tag}{attributes}>{inside}</{tag}>" if inside else f"<{tag}{attributes}/>"


def _is_invisible(element: Element) -> bool:
    return element.tag.endswith("path") and element.get("style", "") in ("fill: none", "opacity: 0")


def _attributes(element: Element, ids: dict[str, str]) -> Iterator[str]:
    for key, value in element.attrib.items():
        key = key.rpartition("}")[2]
        if key == "id" and value.startswith(GIDS):
            yield f' data-arm="{html.escape(printable(value.removeprefix("arm:")))}"'
        elif key == "id" and value in ids:
            yield f' id="{ids[value]}"'
        elif key == "style":
            yield f' style="{_style(value)}"'
        elif key in COORDINATES and not value.startswith("rotate(-0 "):
            yield f' {key}="{_rounded(value)}"'
        elif key != "id" and key not in COORDINATES:
            yield f' {key}="{re.sub(r"#([^)]+)", lambda found: "#" + ids[found[1]], value)}"'


def _rounded(coordinates: str) -> str:
    """To a tenth of a point, without the spaces that a path can do without."""
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", DIGITS.sub(_short, " ".join(coordinates.split())))


def _style(text: str) -> str:
    """Colours by their names, the page's own font."""
    text = FONT.sub(lambda found: f"{'font-weight: bold; ' * bool(found[1])}font-size: {found[2]}px", text)
    for key, colour in style.THEME.items():
        text = re.sub(colour, f"var(--{key})", text, flags=re.I)
    said = [each for each in FAMILY.sub("", text).split("; ") if each not in DEFAULTS]
    return ";".join(each.replace(": ", ":") for each in said)


def _short(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def with_classes(body: str) -> tuple[str, str]:
    """The panels of a page with each style said once, and the rules that say it."""
    known: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        return f' class="{known.setdefault(found[1], f"i{len(known)}")}"'

    body = re.sub(r' style="([^"]*)"', named, body)
    return body, "\n".join(f".panel .{name}{{{style}}}" for style, name in known.items()) + "\n"
