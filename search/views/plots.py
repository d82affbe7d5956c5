"""Two plots of a head-to-head for optuna-dashboard's first page, as plotly's JSON: it draws them, and we need no plotly."""

import math

from analysis.rulebook.pairs import Pair
from analysis.rulebook.words import DECIDED
from console.wording import many
from records.epoch import Row
from search.views.arms import Standing

GREY, BLUE, BAND = "#888888", "#1f77b4", "rgba(128,128,128,0.18)"  # seen on a light page and on a dark one
CLEAR = "rgba(0,0,0,0)"


def differences(standing: Standing) -> Row:
    """The planned pairs as a forest: means and intervals in the measure's unit, hollow if undecided; a band for ties."""
    measure = standing.plan.measure
    pairs = [pair for pair in standing.pairs if pair.n][::-1]  # plotly's first row is the lowest
    margin = measure.scaled(standing.plan.margin)
    points = {
        "type": "scatter", "mode": "markers", "x": [measure.scaled(pair.mean) for pair in pairs],
        "y": [f"{pair.a} : {pair.b}" for pair in pairs], "text": [f"{many(pair.n, 'seed')}, {pair.word}" for pair in pairs],
        "marker": {"size": 10, "color": BLUE,
                   "symbol": ["circle" if pair.word in DECIDED else "circle-open" for pair in pairs]},
        "error_x": {"type": "data", "symmetric": False, "color": BLUE,
                    "array": [_arm_of(pair, pair.high) for pair in pairs],
                    "arrayminus": [_arm_of(pair, pair.low) for pair in pairs]},
    }  # fmt: skip
    band = {"type": "rect", "xref": "x", "yref": "paper", "x0": -margin, "x1": margin, "y0": 0, "y1": 1, "fillcolor": BAND,
            "line": {"width": 0}, "layer": "below"}  # fmt: skip
    title = f"Paired differences{measure.of} on {standing.split}: filled where decided, the band is a tie"
    return {
        "data": [points],
        "layout": _layout(title, f"{measure.unit}; to the right, the first is better") | {"shapes": [band]},
    }


def _arm_of(pair: Pair, end: float) -> float | None:
    """How far an end of the interval is from the mean; None where there is no interval."""
    if not math.isfinite(end) or pair.low > pair.high:
        return None
    return abs(pair.measure.scaled(end - pair.mean))


def arms(standing: Standing) -> Row:
    """Every seed of every arm as a dot, and their mean as a bar."""
    shown = [one for one in standing.arms if one.figures][::-1]
    seeds = [(figure, str(one.arm), f"seed {seed}") for one in shown for seed, figure in one.figures.items()]
    dots = {"type": "scatter", "mode": "markers", "name": "a seed", "x": [x for x, _, _ in seeds],
            "y": [y for _, y, _ in seeds], "text": [text for _, _, text in seeds], "marker": {"size": 7, "color": GREY,
            "opacity": 0.7}}  # fmt: skip
    means = {"type": "scatter", "mode": "markers", "name": "mean", "x": [one.mean for one in shown],
             "y": [str(one.arm) for one in shown], "text": [one.seeds for one in shown],
             "marker": {"size": 20, "symbol": "line-ns-open", "color": BLUE, "line": {"width": 3}}}  # fmt: skip
    title = f"Every arm over its seeds: {standing.objective.partition(',')[0]}"
    return {"data": [dots, means], "layout": _layout(title, standing.objective.partition(",")[0])}


def _layout(title: str, below: str) -> Row:
    return {"title": {"text": title, "font": {"size": 14}, "x": 0.02}, "showlegend": False, "uirevision": "true",
            "paper_bgcolor": CLEAR, "plot_bgcolor": CLEAR, "modebar": {"bgcolor": CLEAR}, "font": {"color": GREY},
            "margin": {"l": 20, "r": 20, "t": 60, "b": 50},
            "xaxis": {"title": {"text": below}, "gridcolor": BAND, "zerolinecolor": GREY},
            "yaxis": {"automargin": True, "gridcolor": BAND, "type": "category"}}  # fmt: skip
