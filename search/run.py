"""python -m search.run --space self_paced: search one strategy's hyperparameters and schedules."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from console import arguments
from console.arguments import DONE, INTERRUPTED, TOO_FEW, WRONG_USAGE, guarded
from console.wording import value
from search.options import SearchOptions
from search.planning.resume import options_of
from search.proposers.samplers import SAMPLERS
from search.schedulers import SCHEDULERS
from spaces.registry import SPACES

__all__ = ["DONE", "INTERRUPTED", "TOO_FEW", "WRONG_USAGE", "main"]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments.load_named_plugins(words)  # before a parser is made of what is declared
    parser = arguments.parser(SearchOptions, "python -m search.run", __doc__ or "")
    parser.add_argument("--resume", action="store_true", help="go on with the run --name, or extend it by --samples")
    parser.add_argument("--dry-run", action="store_true", help="say what would run, and stop")
    parser.add_argument(
        "--list",
        action="store_true",
        help="list spaces with anchors and fields, samplers and schedulers, and stop",
    )
    given = vars(parser.parse_args(words))
    listing, dry, resume = given.pop("list"), given.pop("dry_run"), given.pop("resume")
    if listing:
        return guarded(lambda: print(list_spaces(), flush=True) or DONE)
    # waiting threads that spin take the cores from whoever else has work: read when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return guarded(lambda: _search(given, dry, resume))


def _search(given: dict[str, Any], dry: bool, resume: bool) -> int:
    from search.session import search  # torch takes seconds to load, and --help and --list need none

    options = options_of(SearchOptions, given, "search") if resume else arguments.read(SearchOptions, given)
    return search(options, dry, resume)


def list_spaces() -> str:
    """Every space with its anchors and fields, every sampler and every scheduler."""
    lines = []
    for name, space in SPACES.items():
        lines.append(f"{name}: {' '.join((space.config.__doc__ or '').split())}")
        lines += [f"  anchor {anchor.name}: {anchor.says}" for anchor in space.anchors]
        for field, info in space.config.model_fields.items():
            searched = "*" if field in space.search else " "
            lines.append(f"  {searched} {field:<16} {value(info.default):<9} {info.description}")
    lines.append("* searched by default; --search adds fields, --set fixes them.")
    lines += ["--sampler:", *(f"    {sampler.name:<10} {sampler.says}" for sampler in SAMPLERS.values())]
    lines += ["--scheduler:", *(f"    {scheduler.name:<10} {scheduler.says}" for scheduler in SCHEDULERS.values())]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
