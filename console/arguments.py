"""A command line from a pydantic model: one field is one flag, with its type, default, limits and help."""

import argparse
import contextlib
import itertools
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from pydantic import AfterValidator, BaseModel, ValidationError

from console.errors import UsageError, nearest
from console.fields import as_argument, choices_of, flag_of, group_of
from console.layout import fitted
from console.plugins import load_plugins
from console.signals import ended_by_signals
from console.wording import on_one_line, printable

WITHOUT_VALUE = {
    "missing": "is missing",
    "extra_forbidden": "is nothing that this version knows",
}  # by pydantic's types
LONGEST_PART, LONGEST_PATH = 255, 4000  # bytes
WIDEST_HELP = 100  # columns
DONE, TOO_FEW, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130  # exit statuses


def guarded(work: Callable[[], int]) -> int:
    """Exit status of `work`; one sentence on stderr for a mistake of the user's, a full disk under stdout, a signal.

    What is written to stdout meanwhile does nothing to a terminal, and spells what its encoding lacks.
    """
    with contextlib.suppress(AttributeError, OSError, ValueError):  # no stream that encodes, or one that is closed
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        with ended_by_signals(), contextlib.redirect_stdout(_Shown(sys.stdout or open(os.devnull, "w"))):
            status = work()
            sys.stdout.flush()
        return status
    except UsageError as error:
        return _refused(str(error))
    except _NotShownError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # else Python complains of what is left when it ends
        os.dup2(nowhere, sys.stdout.fileno())
        return _refused(f"What is to be shown cannot be written to standard output ({error}); make room there.")
    except BrokenPipeError:  # whoever read our output has read enough
        sys.stdout = None
        return DONE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED


class _NotShownError(Exception):
    """Standard output takes no more."""


class _Shown:
    """Standard output, whose failures can be told from those of other files, and of which no text moves a cursor."""

    def __init__(self, stream: Any, clean: Callable[[str], str] = printable):
        self._stream, self._clean = stream, clean

    def to_draw(self) -> "_Shown":
        """The same for escape codes of our own."""
        return _Shown(self._stream, clean=str)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return int(self._asked(self._stream.write, self._clean(text)))

    def flush(self) -> None:
        self._asked(self._stream.flush)

    def _asked(self, do: Callable[..., Any], *what: str) -> Any:
        try:
            return do(*what)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _NotShownError(error.strerror or str(error)) from None


def stdout_to_draw() -> Any:
    """Standard output for whoever draws on a terminal; what others have written must be `printable` before."""
    return sys.stdout.to_draw() if isinstance(sys.stdout, _Shown) else sys.stdout


def _refused(sentence: str) -> int:
    print(on_one_line(f"Error: {sentence}"), file=sys.stderr)
    return WRONG_USAGE


def load_named_plugins(words: Sequence[str] | None) -> None:
    """Import what --plugin names and what is installed. Leaves the process where one cannot be."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--plugin", action="append", default=[])
    try:
        load_plugins(early.parse_known_args(words)[0].plugin)
    except UsageError as error:
        early.exit(WRONG_USAGE, f"Error: {error}\n")


def can_be_a_path(given: str | None) -> str | None:
    """A path, or a name that may stand for one, as it came. Raises ValueError for one that no file system takes."""
    longest = max((len(part.encode(errors="replace")) for part in (given or "").split("/")), default=0)
    if longest > LONGEST_PART or len((given or "").encode(errors="replace")) > LONGEST_PATH:
        raise ValueError(
            f"is too long for a path: a name in it may have {LONGEST_PART} bytes, all of it {LONGEST_PATH:,}"
        )
    return given


def _not_elsewhere(given: str | None) -> str | None:
    """A path as it came; raises ValueError for an address, of which a path would make a folder called 's3:'."""
    can_be_a_path(given)
    if given is not None and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", given):
        raise ValueError("must be a place on this machine, since nothing is read from or written to an address")
    return given


PATH = AfterValidator(can_be_a_path)  # marks a text that may be a path, among other things
HERE = AfterValidator(_not_elsewhere)  # marks a text that is a path: `Annotated[str, HERE]`


def path_here(text: str) -> Path:
    """The type of an argument that is a path. Raises ArgumentTypeError for what is the path of nothing here."""
    try:
        if not text.strip() or "\0" in text:
            raise ValueError("must be a path: a text that is not empty and has no null byte")
        return Path(_not_elsewhere(text) or "")
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; got '{shortened(text)}'") from None


class _Help(argparse.HelpFormatter):
    """As wide as the terminal, and no wider than can be read; flags and numbers are not broken over lines."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=28, width=help_width())

    def _split_lines(self, text: str, width: int) -> list[str]:
        return fitted(" ".join(text.split()), width, further="").split("\n")

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return fitted(" ".join(text.split()), width, further="")


class Parser(argparse.ArgumentParser):
    """Wrong usage is one sentence and exit status 2. Every command can be told of plugins, and loads them first.

    A flag is written out: what begins like one is none, so that a flag of a later version takes nothing from a script.
    """

    def __init__(self, **more: Any):
        super().__init__(**more, allow_abbrev=False, formatter_class=_Help)
        self.add_argument("--plugin", action="append", metavar="MODULE", default=argparse.SUPPRESS,
                          help="a module that declares more strategies, metrics, networks or samplers")  # fmt: skip
        self.records_plugins = False  # whether what is parsed is to say which were named

    def parse_args(self, words: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        load_named_plugins(words)
        self._refuse_unknown(sys.argv[1:] if words is None else words)
        given = super().parse_args(words, namespace)
        if not self.records_plugins and hasattr(given, "plugin"):
            del given.plugin
        return given

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        """Before anything else is complained of, such as a flag that is missing since it is misspelt."""
        for word in itertools.takewhile(lambda word: word != "--", words):
            flag = word.partition("=")[0]
            if flag.startswith("--") and flag not in self._option_string_actions:
                near = get_close_matches(flag.replace("_", "-"), self._option_string_actions, n=1)
                self.error(f"unknown flag {shortened(flag)}{f'; did you mean {near[0]}?' if near else ''}")

    def error(self, message: str) -> NoReturn:
        said = on_one_line(f"{message[0].upper()}{message[1:].rstrip('.')}")
        self.exit(2, f"{self.prog}: {said}{'' if said.endswith('?') else '. See --help.'}\n")


def parser(model: type[BaseModel], prog: str, description: str, usage: str = "[options]") -> Parser:
    """A parser with one flag for each field of the model, in the groups of its classes, which stand in its `groups`' order.

    `usage`: what stands after `prog` in its first line.
    """
    shown = fitted(f"{prog} {usage}", help_width() - len("usage: "), further=" " * len("usage: "))
    made = Parser(prog=prog, description=description, usage=shown)
    made._optionals.title = "general"  # what follows are the groups
    made.records_plugins = "plugin" in model.model_fields
    fields = {name: info for name, info in model.model_fields.items() if name != "plugin"}  # every command has that
    found = {group_of(model, name) for name in fields}
    groups = {name: made.add_argument_group(name) for name in getattr(model, "groups", ()) if name in found}
    for name, info in fields.items():
        place = groups.get(group_of(model, name), made)
        place.add_argument(flag_of(name), dest=name, default=argparse.SUPPRESS, **as_argument(name, info))
    return made


def help_width() -> int:
    """Columns of --help: the terminal's (80 into a pipe), and no more than can be read."""
    return min(shutil.get_terminal_size().columns, WIDEST_HELP)


def read(model: type[BaseModel], values: dict[str, Any]) -> Any:
    """The model of what was given. Raises UsageError with the flag, what is legal and what came."""
    for name, value in values.items():
        refuse_nothing(flag_of(name), value)
    try:
        return model(**values)
    except ValidationError as error:
        name, complaint = complaint_of(error)
        choices = choices_of(model.model_fields[name]) if name in model.model_fields else ()
        raise UsageError(f"{flag_of(name)} {complaint}.{nearest(str(error.errors()[0]['input']), choices)}") from None


def command_line(module: str, words: Sequence[str]) -> str:
    """What to type to run a module of ours with these words."""
    return "python -m " + shlex.join([module, *words])


def complaint_of(error: ValidationError) -> tuple[str, str]:
    """The field that pydantic complains of first, and of what: ('seed', "must be greater than ...; got '-1'")."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "its values"
    if first["type"] in WITHOUT_VALUE:
        return name, WITHOUT_VALUE[first["type"]]
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be").split(", unable")[0]
    return name, f"{message}; got {shortened(repr(first['input']))}"


def shortened(text: str, most: int = 200) -> str:
    """The text, with its middle left out where it is longer than a sentence bears."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 4 :]}"


def refuse_nothing(flag: str, given: Any) -> None:
    """Raises UsageError for an empty text, which would mean the default or this folder, and for what no path can hold."""
    for text in given if isinstance(given, (list, tuple)) else (given,):
        if isinstance(text, str) and not text.strip():
            raise UsageError(f"{flag} got an empty text; give it a value, or leave it out.")
        if isinstance(text, str) and "\0" in text:
            raise UsageError(f"{flag} got a text with a null byte in it: {shortened(repr(text))}.")
