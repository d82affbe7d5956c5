"""Of which kind each column of the tables is, whatever stands in it: tables of different runs and spaces fit together.

A kind is a text as Arrow writes its types: 'string', 'bool', 'int64', 'double', 'list<int64>'.
"""

from dataclasses import fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from records.epoch import EVALUATED, EpochRecord, Final
from records.tables import ARM, SETTING
from spaces.arm import Arm
from spaces.registry import SPACES
from spaces.setting import RECORDED, Setting

PLAIN = {str: "string", bool: "bool", int: "int64", float: "double"}
OF_METRICS = (EVALUATED, "selection_", "test_", "confirmed_")  # what the columns of figures begin with
MORE = {
    "run": "string",
    "anchor": "string",
    "reason": "string",
    "member": "int64",
    "confirmed_seeds": "int64",
    "confirmed_failed": "int64",
    SETTING + "arm": "string",
}
PREDICTIONS = {"run": "string", "trial": "int64", "split": "string", "epoch": "int64", "image": "int64", "true": "int64",
               "predicted": "int64", "probabilities": "list<double>"}  # fmt: skip


def kind_of(annotation: Any) -> str | None:
    """The kind of what a type annotation allows beside None; None for what is no plain value or list of such."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(inner[0])
    if origin is Literal:
        return kind_of(type(inner[0]))
    if origin in (Union, UnionType):
        others = [each for each in inner if each is not NoneType]
        return kind_of(others[0]) if len(others) == 1 else None
    if origin in (tuple, list):
        each = kind_of(inner[0])
        return each and f"list<{each}>"
    return PLAIN.get(annotation)


def columns_of(table: str) -> dict[str, str]:
    """{column: kind} of what each row of a table has, 'records', 'finals' or 'predictions'; of others nothing."""
    if table == "records":
        return _known({"run": str} | {each.name: HINTS[each.name] for each in fields(EpochRecord)})
    if table == "finals":
        return _known({"run": str} | get_type_hints(Final) | {"reason": str}) | _of_arms()
    return dict(PREDICTIONS) if table == "predictions" else {}


def declared() -> dict[str, str]:
    """{column: kind} of every column of every table, but for those of further metrics."""
    configs: dict[str, str] = {}
    for space in SPACES.values():
        configs |= _of_model(space.config)
    setting = {SETTING + RECORDED.get(name, name): kind for name, kind in _of_model(Setting).items()}
    tables = columns_of("records") | columns_of("finals") | PREDICTIONS
    return configs | setting | tables | MORE


def kind_of_column(name: str, known: dict[str, str]) -> str | None:
    """`known`: what is declared. None where only the values tell."""
    return known.get(name) or ("double" if name.startswith(OF_METRICS) else None)


HINTS = get_type_hints(EpochRecord)


def _of_arms() -> dict[str, str]:
    return {ARM + name: kind for name, kind in _known(get_type_hints(Arm)).items() if name != "run"}


def _of_model(model: type[BaseModel]) -> dict[str, str]:
    return _known({name: info.annotation for name, info in model.model_fields.items()})


def _known(annotations: dict[str, Any]) -> dict[str, str]:
    kinds = {name: kind_of(annotation) for name, annotation in annotations.items()}
    return {name: kind for name, kind in kinds.items() if kind}
