"""The figures of a head-to-head, in the order in which a reader asks: seeds, curves, what was trained on, what it cost."""

from analysis.figures.arms_curves import (
    epochs_caption,
    epochs_panels,
    updates_caption,
    updates_panels,
)
from analysis.figures.arms_schedules import (
    costs_caption,
    costs_panels,
    has_schedules,
    schedules_caption,
    schedules_panels,
)
from analysis.figures.arms_seconds import has_time, seconds_caption, seconds_panels
from analysis.figures.arms_seeds import planned, seeds_caption, seeds_panels
from analysis.figures.drawing import Drawing
from analysis.figures.side_by_side import Arms

__all__ = ["COSTS", "OF_ARMS", "SCHEDULES", "SEEDS", "TRAINING", "Arms"]

SEEDS: tuple[Drawing[Arms], ...] = (
    Drawing("arms_seeds", seeds_caption, seeds_panels, wants=lambda of: len(planned(of)) > 0),
)
TRAINING: tuple[Drawing[Arms], ...] = (
    Drawing("arms_updates", updates_caption, updates_panels, wants=lambda of: len(updates_panels(of)) > 0),
    Drawing("arms_epochs", epochs_caption, epochs_panels, wants=lambda of: of.reference is not None),
)
SCHEDULES: tuple[Drawing[Arms], ...] = (
    Drawing("arms_schedules", schedules_caption, schedules_panels, wants=has_schedules),
)
COSTS: tuple[Drawing[Arms], ...] = (
    Drawing("arms_seconds", seconds_caption, seconds_panels, wants=has_time),
    Drawing("arms_costs", costs_caption, costs_panels),
)
OF_ARMS = (*SEEDS, *TRAINING, *SCHEDULES, *COSTS)
