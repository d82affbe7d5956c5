"""python -m search.export RUN ...: write runs' tables again from their ledgers, or their best configs as one table."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search.arguments import DONE, Parser, guarded
from spaces.errors import UsageError
from trainables import store
from trainables.progress import track


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m search.export", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="a run folder")
    parser.add_argument("--top", type=int, metavar="K", help="only the best K (all)")
    parser.add_argument("--per-strategy", action="store_true", help="the best K of each strategy")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where the best configs go; without it, each run's tables"
    )
    asked = parser.parse_args(words)
    return guarded(lambda: export(asked.runs, asked.top, asked.per_strategy, asked.out))


def export(runs: list[Path], top: int | None, per_strategy: bool, out: Path | None) -> int:
    """Write the tables. Raises UsageError for a folder that is no run, and for a `top` below one."""
    from trainables import tables

    if top is not None and top < 1:
        raise UsageError(f"--top must be at least 1; got {top}.")
    if out is None:
        for folder in runs:
            tables.write_tables(folder)
            print(f"{folder}: records, finals, predictions and best written from its ledger")
        return DONE
    rows = choose([row for folder in track(runs, "reading", unit="runs") for row in _best(folder)], top, per_strategy)
    if not rows:
        raise UsageError("None of these runs has a trial with a result; there is nothing to export.")
    tables.write_table(out, rows, store.read_run(runs[0]))
    print(f"{out}: {len(rows)} configs of {len(runs)} runs, best first")
    return DONE


def _best(folder: Path) -> list[dict[str, Any]]:
    from trainables import tables

    run, events = store.read_run(folder), store.read_events(folder)
    return tables.best_rows(run, events, tables.final_rows(run, events))


def choose(rows: list[dict[str, Any]], top: int | None, per_strategy: bool) -> list[dict[str, Any]]:
    """The best rows first, at most `top` of them, or of each strategy; ties by run and trial."""
    ranked = sorted(rows, key=lambda r: (-r["selection_accuracy"], r["selection_loss"], r["run"], r["trial"]))
    if not per_strategy:
        return ranked[:top]
    strategies = dict.fromkeys(row["setting_strategy"] for row in ranked)
    return [row for name in strategies for row in [r for r in ranked if r["setting_strategy"] == name][:top]]


if __name__ == "__main__":
    sys.exit(main())
