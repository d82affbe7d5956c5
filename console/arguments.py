"""A command line from a pydantic model: one field is one flag, with its type, default, limits and help."""

import argparse
import sys
from collections.abc import Callable
from typing import Any, Literal, NoReturn, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from console.errors import UsageError

DONE, TOO_FEW, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130  # exit statuses


def guarded(work: Callable[[], int]) -> int:
    """Exit status of `work`; a mistake of the user's is one sentence on stderr."""
    try:
        return work()
    except UsageError as error:
        print(f"Error: {error}", file=sys.stderr)
        return WRONG_USAGE
    except BrokenPipeError:  # whoever read our output has read enough
        sys.stdout = None
        return DONE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED


class Parser(argparse.ArgumentParser):
    """Wrong usage is one sentence and exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message[0].upper()}{message[1:].rstrip('.')}. See --help.\n")


def parser(model: type[BaseModel], prog: str, description: str) -> Parser:
    """A parser with one flag for each field of the model."""
    made = Parser(prog=prog, description=description, allow_abbrev=False)
    for name, info in model.model_fields.items():
        made.add_argument("--" + name.replace("_", "-"), dest=name, default=argparse.SUPPRESS, **_argument(name, info))
    return made


def read(model: type[BaseModel], values: dict[str, Any]) -> Any:
    """The model of what was given. Raises UsageError with the flag, what is legal and what came."""
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        flag = "--" + str(first["loc"][0]).replace("_", "-")
        message = first["msg"].replace("Input should be", "must be").split(", unable")[0]
        raise UsageError(f"{flag} {message}; got {first['input']!r}.") from None


def _argument(name: str, info: FieldInfo) -> dict[str, Any]:
    kinds = [kind for kind in (get_args(info.annotation) or (info.annotation,)) if kind is not type(None)]
    shown = "" if info.default in (None, False, ()) else f" ({info.default})"
    text = f"{info.description}{shown}".replace("%", "%%")
    if info.annotation is bool:
        return {"action": "store_true", "help": text}
    if get_origin(info.annotation) is tuple:
        return {"action": "append", "metavar": "FIELD=...", "help": text}
    choices = _choices(info)
    if choices:
        return {"metavar": "|".join(choices), "help": text}
    return {"metavar": {"int": "N", "float": "X"}.get(kinds[0].__name__, name.upper()), "help": text}


def _choices(info: FieldInfo) -> tuple[str, ...]:
    for kind in (info.annotation, *get_args(info.annotation)):
        if get_origin(kind) is Literal:
            return get_args(kind)
    return ()
