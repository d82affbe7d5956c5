"""python -m search.run --space self_paced: search one strategy's hyperparameters and schedules."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from console import arguments
from console.arguments import DONE, INTERRUPTED, TOO_FEW, WRONG_USAGE, guarded
from console.fields import refuse_idle
from search.listing import listing
from search.options import SearchOptions
from search.planning.resume import options_asked

__all__ = ["DONE", "INTERRUPTED", "TOO_FEW", "WRONG_USAGE", "main"]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments.load_named_plugins(words)  # before a parser is made of what is declared
    usage = "[--space SPACE] [--data DATA] [options]"
    parser = arguments.parser(SearchOptions, "python -m search.run", __doc__ or "", usage)
    parser.add_argument("--resume", action="store_true", help="go on with the run --name, or extend it by --samples")
    parser.add_argument("--dry-run", action="store_true", help="say what would run, and stop")
    parser.add_argument(
        "--list",
        action="store_true",
        help="list strategies, samplers and schedulers, or with --space a space with its fields and ranges, and stop",
    )
    given = vars(parser.parse_args(words))
    listed, dry, resume = given.pop("list"), given.pop("dry_run"), given.pop("resume")
    if listed:
        return guarded(lambda: print(listing(given), flush=True) or DONE)
    # waiting threads that spin take the cores from whoever else has work: read when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return guarded(lambda: _search(given, dry, resume))


def _search(given: dict[str, Any], dry: bool, resume: bool) -> int:
    from search.session import search  # torch takes seconds to load, and --help and --list need none

    options = options_asked(SearchOptions, given, "search", resume)
    refuse_idle(options, given)
    return search(options, dry, resume)


if __name__ == "__main__":
    sys.exit(main())
