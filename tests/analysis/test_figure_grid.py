"""Every declared figure, of every odd run: looked at as a reader would, panel by panel."""

import re
from dataclasses import dataclass

import pytest
from matplotlib.figure import Figure

from analysis.comparable import sections
from analysis.document.svg import inline
from analysis.figures import style
from analysis.figures.arms import OF_ARMS, Arms
from analysis.figures.drawing import compose
from analysis.figures.errors import OF_ERRORS, Errors
from analysis.figures.search import OF_A_SEARCH, Searched
from analysis.figures.trials import OF_ONE_TRIAL, OF_TRIALS, OneTrial, Trials
from analysis.runs import load_run
from tests import figure_checks, odd_runs

LARGEST = 24_000  # letters of one panel on the page
MOST_PANELS = 3  # of a figure that are looked at: they are alike


@dataclass
class Seen:
    """A figure that was drawn: each panel alone, and its first as the page has it."""

    caption: str
    panels: list[Figure]
    svg: str


def look(drawings, of) -> dict[str, Seen]:
    """Every figure of the declaration that is wanted."""
    found = {}
    for drawing in drawings:
        if drawing.wants(of):
            name = drawing.name.format(**of.words)
            panels = drawing.panels(of)
            assert panels, f"{name} is wanted and has no panel"
            drawn = [compose([panel]) for panel in panels[:MOST_PANELS]]
            found[name] = Seen(drawing.caption(of), drawn, inline(panels[0], name))
    return found


def arms_of(*folders) -> Arms:
    (section,) = sections([load_run(folder) for folder in folders])
    return Arms(section, list(section.arms["arm"].unique()))


def of_search(folder) -> dict[str, Seen]:
    run = load_run(folder)
    order = run.finals.sort_values(f"selection_{run.measure.objective.metric}", ascending=False)["trial"].tolist()
    names = {trial: f"trial {trial}" + " (plain)" * (trial == 0) for trial in dict.fromkeys([*order[:3], 0])}
    seen = look(OF_TRIALS, Trials(run, names)) | look(OF_A_SEARCH, Searched(run))
    return seen | look(OF_ONE_TRIAL, OneTrial(run, order[0], names[order[0]]))


@pytest.fixture(scope="module", params=odd_runs.HEAD_TO_HEADS, ids=lambda make: make.__name__)
def compared(request, tmp_path_factory):
    made = request.param(tmp_path_factory.mktemp("runs"))
    arms = arms_of(*(made if isinstance(made, list) else [made]))
    return request.param.__name__, look(OF_ARMS, arms) | look(OF_ERRORS, Errors(arms))


@pytest.fixture(scope="module", params=odd_runs.SEARCHES, ids=lambda make: make.__name__)
def searched(request, tmp_path_factory):
    return request.param.__name__, of_search(request.param(tmp_path_factory.mktemp("runs")))


def faults(seen: dict[str, Seen]) -> list[str]:
    found = []
    for name, each in seen.items():
        checks = (figure_checks.faults, figure_checks.flat) if "schedule" in name else (figure_checks.faults,)
        in_panels = [
            f"{i}: {fault}" for i, panel in enumerate(each.panels) for check in checks for fault in check(panel)
        ]
        around = [*figure_checks.caption_faults(each.caption), *on_the_page(each.svg)]
        found += [f"{name} {fault}" for fault in (*in_panels, *around)]
    return found


def on_the_page(svg: str) -> list[str]:
    """Colours that do not follow the theme, and panels that are large."""
    fixed = sorted(set(re.findall(r"#[0-9a-fA-F]{6}\b", svg)))
    return [f"fixed colours {fixed}"] * bool(fixed) + [f"{len(svg)} letters"] * (len(svg) > LARGEST)


def test_a_head_to_head(compared):
    _, seen = compared
    assert not faults(seen)
    colours = {colour.upper() for colour in (*style.COLOURS, style.PLAIN)}
    assert not [f"{figure}: {fault}" for figure, each in seen.items() for panel in each.panels
                for fault in figure_checks.of_arms(panel, colours)]  # fmt: skip
    assert {"arms_updates", "arms_seconds", "arms_costs"} <= seen.keys() and ("arms_seeds" in seen)


def test_a_search(searched):
    name, seen = searched
    assert not faults(seen)
    assert {"curves", "accuracy_seconds"} <= seen.keys()
    assert ("search_importance" in seen) == (name in ("search_of_40", "search_with_an_outlier"))
    assert ("search_history" in seen) == (name != "search_of_1")
