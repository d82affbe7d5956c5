"""The figures of a search, in the order in which a reader asks: when it found what, at what price, and what mattered."""

from analysis.figures.drawing import Drawing
from analysis.figures.front import front_caption, front_panels, pareto
from analysis.figures.history import expected_caption, expected_panels, history_caption, history_panels
from analysis.figures.searched import Searched, drawn_values
from analysis.figures.slices import (
    FEWEST_TRIALS,
    fields,
    importance_caption,
    importance_panels,
    slices_caption,
    slices_panels,
)

__all__ = ["OF_A_SEARCH", "Searched", "drawn_values", "pareto"]

OF_A_SEARCH: tuple[Drawing[Searched], ...] = (
    Drawing("search_history", history_caption, history_panels, wants=lambda of: len(of.table) > 1),
    Drawing("search_front", front_caption, front_panels, wants=lambda of: len(of.table) > 1),
    Drawing(
        "search_expected",
        expected_caption,
        expected_panels,
        wants=lambda of: of.exchangeable and len(drawn_values(of.run)) >= FEWEST_TRIALS,
    ),
    Drawing("search_importance", importance_caption, importance_panels, wants=lambda of: any(of.weights.values())),
    Drawing("search_slices", slices_caption, slices_panels, wants=lambda of: len(fields(of)) > 0),
)
