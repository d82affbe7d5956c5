"""What runs say: read as data frames, and made into tables, figures, a verdict and a report. Starts no Ray.

What others may use is here, each loaded when it is first asked for, so that importing the package costs nothing. `report`
is the module of the command; its `report(folders, out)` writes a report. Inside the package modules are named in full.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import analysis.report as report
    from analysis.comparable import Section, sections
    from analysis.comparison import write_comparison
    from analysis.result_grid import from_result_grid
    from analysis.runs import LoadedRun, load_run

__all__ = ["LoadedRun", "Section", "from_result_grid", "load_run", "report", "sections", "write_comparison"]
HOMES = {
    "LoadedRun": "analysis.runs",
    "Section": "analysis.comparable",
    "from_result_grid": "analysis.result_grid",
    "load_run": "analysis.runs",
    "sections": "analysis.comparable",
    "write_comparison": "analysis.comparison",
}


if not TYPE_CHECKING:  # a type checker knows the names above, and so finds a misspelt one

    def __getattr__(name: str) -> object:
        """Load what is exported. Raises AttributeError for anything else."""
        if name == "report":
            return import_module("analysis.report")
        if name in HOMES:
            return getattr(import_module(HOMES[name]), name)
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
