"""python -m search.compare --strategies a,b,...: the strategies side by side, on the same seeds and updates."""

import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from console import arguments
from console.arguments import guarded
from console.fields import refuse_idle
from search.options import CompareOptions
from search.planning.resume import options_asked


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments.load_named_plugins(words)  # before a parser is made of what is declared
    usage = "[--strategies A,B,...] [--data DATA] [options]"
    parser = arguments.parser(CompareOptions, "python -m search.compare", __doc__ or "", usage)
    parser.add_argument("--resume", action="store_true", help="go on with the run --name, or extend it by --seeds")
    parser.add_argument("--dry-run", action="store_true", help="say what would run, and stop")
    given = vars(parser.parse_args(words))
    resume, dry = given.pop("resume"), given.pop("dry_run")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see search.run
    return guarded(lambda: _compare(given, resume, dry))


def _compare(given: dict[str, Any], resume: bool, dry: bool) -> int:
    from search.head_to_head import compare  # torch takes seconds to load, and --help needs none

    options = options_asked(CompareOptions, given, "head_to_head", resume)
    refuse_idle(options, given)
    return compare(options, resume, "", dry)


class _Callable(ModuleType):
    """A package has one attribute of a name: `search.compare` is this module, and from Python the function of that name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from search.from_python import compare

        return compare(*arguments, **options)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    sys.exit(main())
