"""What may be typed after a head-to-head, the most sensible first: more seeds, the report, the pages in a browser."""

import math
from collections.abc import Sequence
from pathlib import Path

from analysis.rulebook.forecast import Forecast
from analysis.rulebook.pairs import Pair
from analysis.rulebook.words import UNDECIDED
from console.arguments import command_line
from console.layout import shown_path
from records.epoch import Row

MOST_SEEDS = 1000  # that a head-to-head takes


def next_commands(folder: Path, run: Row, planned: Sequence[Pair]) -> list[str]:
    """`run`: its run.json; `planned`: the pairs that were asked about."""
    here = shown_path(folder)
    return [
        *more_seeds(folder, run, planned),
        command_line("analysis.report", [here, "--out", f"{here}/report"]),
        command_line("search.dashboard", [here]),
    ]


def more_seeds(folder: Path, run: Row, planned: Sequence[Pair]) -> list[str]:
    """Going on until the pairs are decided that are expected to be, by as many seeds as the slowest of them takes."""
    ahead = [pair.forecast for pair in planned if pair.word == UNDECIDED]
    hopeful = [one for one in ahead if one is None or not one.hopeless]
    if not hopeful:
        return []
    words = ["--resume", "--name", folder.absolute().name]
    out = shown_path(folder.absolute().parent)
    words += [] if out == "runs" else ["--out", out]
    words += [word for name in run["setting"].get("plugins", ()) for word in ("--plugin", name)]
    wanted = max(pair.n for pair in planned) + max(map(_seeds, hopeful))
    words += ["--until-decided", *(["--max-seeds", str(min(wanted, MOST_SEEDS))] if any(hopeful) else [])]
    return [command_line("search.compare", words)]


def _seeds(ahead: Forecast | None) -> int:
    """In every second future the pair is decided by then; none where too few seeds say how many it takes."""
    return 0 if ahead is None else math.ceil(ahead.median)
