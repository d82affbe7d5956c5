"""Declared figures as pictures of a chapter."""

from collections.abc import Iterable
from functools import partial

from analysis.document.parts import Picture
from analysis.figures.drawing import Drawing, Of


def pictures(drawings: Iterable[Drawing[Of]], of: Of, suffix: str) -> list[Picture]:
    """Every figure that there is enough data for, in the order of their declarations; `suffix` ends their names."""
    words = of.words
    return [
        Picture(drawing.name.format(**words) + suffix, drawing.caption(of), partial(drawing.panels, of))
        for drawing in drawings
        if drawing.wants(of)
    ]
