"""A field of a pydantic model as a flag: what may be said to it, in which group of --help it stands, and in which words."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, GetCoreSchemaHandler
from pydantic.fields import FieldInfo

from console.errors import UsageError

SHORT = 24  # characters of choices that stand beside a flag; longer ones stand in its sentence


class OneOf:
    """Marks a text of which the legal words are the names in a registry: `Annotated[str, OneOf(SAMPLERS)]`.

    The registry is asked whenever a value is read or help is shown, so a declaration that is added later counts.
    """

    def __init__(self, known: Iterable[str]):
        """`known`: the registry itself, or any other collection of names."""
        self.known = known

    def names(self) -> tuple[str, ...]:
        return tuple(self.known)

    def check(self, given: str | None) -> str | None:
        """What was given, None for a field that is left open. Raises ValueError as pydantic does for a Literal."""
        if given is None or given in self.names():
            return given
        *others, last = (repr(name) for name in self.names())
        raise ValueError(f"Input should be {', '.join(others)}{' or ' * bool(others)}{last}")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(Annotated[source, AfterValidator(self.check)])


def group_of(model: type[BaseModel], name: str) -> str:
    """The `group` of the class that declares the field first; '' where none says one."""
    declaring = (kind for kind in reversed(model.__mro__) if name in vars(kind).get("__annotations__", {}))
    return str(getattr(next(declaring, model), "group", ""))


def flag_of(name: str) -> str:
    """'--image-size' of the field image_size."""
    return "--" + name.replace("_", "-")


def choices_of(info: FieldInfo) -> tuple[str, ...]:
    """The legal words, where there are so many and no more."""
    of_each = [mark for kind in get_args(info.annotation) for mark in getattr(kind, "__metadata__", ())]  # of a tuple's
    for mark in (*info.metadata, *of_each):
        if isinstance(mark, OneOf):
            return mark.names()
    for kind in (info.annotation, *get_args(info.annotation)):
        if get_origin(kind) is Literal:
            return get_args(kind)
    return ()


def limits_of(info: FieldInfo) -> str:
    """What is legal of a number: '0 to 1', 'above 0 to 1', '1 or more'; '' where nothing is said."""
    ends = {
        name: getattr(mark, name) for mark in info.metadata for name in ("gt", "ge", "lt", "le") if hasattr(mark, name)
    }
    low = f"above {_number(ends['gt'])}" if "gt" in ends else _number(ends["ge"]) if "ge" in ends else ""
    if "lt" in ends and info.annotation is int:
        ends["le"] = ends.pop("lt") - 1
    high = f"below {_number(ends['lt'])}" if "lt" in ends else _number(ends["le"]) if "le" in ends else ""
    if low and high:
        return f"{low} to {high}"
    return (
        (low if "gt" in ends else f"{low} or more") if low else (high if "lt" in ends else f"up to {high}") * bool(high)
    )


def refuse_idle(options: BaseModel, given: Iterable[str]) -> None:
    """Raises UsageError for a flag of `given` that the others leave without effect: `only_with` in its declaration."""
    for name in given:
        said = getattr(type(options).model_fields.get(name), "json_schema_extra", None)
        if not isinstance(said, dict) or "only_with" not in said:
            continue
        on, *values = said["only_with"]
        if getattr(options, on) not in values if values else not getattr(options, on):
            wanted = " or ".join(f"{flag_of(on)} {value}" for value in values) or flag_of(on)
            raise UsageError(f"{flag_of(name)} has an effect beside {wanted} alone; pass that too, or leave it out.")


def _number(of: float) -> str:
    return f"{of:,}" if isinstance(of, int) else f"{of:g}"


def as_argument(name: str, info: FieldInfo) -> dict[str, Any]:
    """The words of `ArgumentParser.add_argument`: action, metavar and help, with limits and default."""
    choices, several = choices_of(info), get_origin(info.annotation) is tuple
    beside = "|".join(choices)
    listed = f"; one of {', '.join(choices)}" if len(beside) > SHORT else ""
    default = "" if info.default is None or info.default is False or info.default == () else str(info.default)
    more = "; ".join(filter(None, (default, limits_of(info))))
    text = _with(f"{info.description}{listed}", more, joined=not default).replace("%", "%%")
    if info.annotation is bool:
        return {"action": "store_true", "help": text}
    metavar = beside if beside and not listed else "FIELD=..." if several and not choices else _metavar(name, info)
    return {"metavar": metavar, "help": text} | ({"action": "append"} if several else {})


def _with(said: str, more: str, joined: bool) -> str:
    """A sentence with default and limits in parentheses; `joined`: in its last ones, which say the default."""
    return said if not more else f"{said[:-1]}; {more})" if joined and said.endswith(")") else f"{said} ({more})"


def _metavar(name: str, info: FieldInfo) -> str:
    kinds = [kind for kind in (get_args(info.annotation) or (info.annotation,)) if kind is not type(None)]
    return {int: "N", float: "X"}.get(kinds[0], name.upper())
