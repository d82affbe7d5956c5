"""What a search space is: what is legal (a config class), what is searched (a dict), what is tried first (anchors)."""

from dataclasses import dataclass, field, replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError

from console.errors import UsageError, unknown
from spaces.ray_domains import from_domain, to_domain
from spaces.trial import TrialConfig


@dataclass(frozen=True)
class Anchor:
    """A named full config that is tried before any draw; fields not named have their defaults."""

    name: str
    says: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Space:
    """One strategy's search space."""

    strategy: str
    config: type[TrialConfig]
    search: dict[str, BaseDistribution]
    anchors: tuple[Anchor, ...] = ()
    fixed: dict[str, Any] = field(default_factory=dict)  # by --set; never searched

    def __post_init__(self) -> None:
        for name in (*self.search, *self.fixed):
            if name not in self.config.model_fields:
                raise unknown(f"field of {self.strategy}", name, self.config.model_fields)

    def build(self, values: dict[str, Any]) -> TrialConfig:
        """The config of these values, the fixed fields and the defaults; UsageError names a field out of range."""
        return make_config(self.config, {**self.fixed, **values})

    def active(self, values: dict[str, Any]) -> list[str]:
        """The searched fields that mean something beside these values, those they depend on first."""
        names = sorted(self.search, key=lambda name: self.config.condition(name) is not None)
        return [name for name in names if self.matters(name, values)]

    def matters(self, name: str, values: dict[str, Any]) -> bool:
        """Whether the field has an effect; True while the field it depends on has no value yet."""
        condition = self.config.condition(name)
        if condition is None:
            return True
        default = None if condition.on in self.search else {**self._defaults(), **self.fixed}[condition.on]
        value = values.get(condition.on, default)
        return value is None or value in condition.values

    def with_fixed(self, values: dict[str, Any]) -> "Space":
        """These fields fixed and no longer searched; anchors that say otherwise are left out."""
        fixed = {**self.fixed, **values}
        space = replace(self, fixed=fixed, search={k: v for k, v in self.search.items() if k not in values})
        space.build({})
        return replace(space, anchors=tuple(a for a in self.anchors if not space.contradicts(a)))

    def with_search(self, distributions: dict[str, BaseDistribution]) -> "Space":
        """These fields searched as given; both ends of each must be legal."""
        fixed = {k: v for k, v in self.fixed.items() if k not in distributions}
        space = replace(self, search={**self.search, **distributions}, fixed=fixed)
        for name, distribution in distributions.items():
            for value in ends(distribution):
                space.build({name: value})
        return space

    def with_anchors(self, anchors: tuple[Anchor, ...]) -> "Space":
        return replace(self, anchors=anchors)

    def anchor_values(self, anchor: Anchor) -> dict[str, Any]:
        """The whole config of an anchor, field by field."""
        return self.config(**anchor.values).model_dump()

    def contains(self, values: dict[str, Any]) -> bool:
        """Whether a draw could have given this config: each unsearched field as fixed, each searched one in range."""
        base = {**self._defaults(), **self.fixed}
        plain = all(values[k] == base[k] for k in values if k not in self.search and self.matters(k, values))
        return plain and all(within(self.search[k], values[k]) for k in self.active(values))

    def contradicts(self, anchor: Anchor) -> bool:
        """Whether a fixed field differs from the anchor's and has an effect there."""
        values = self.anchor_values(anchor)
        return any(values[name] != value and self.matters(name, values) for name, value in self.fixed.items())

    def to_tune(self) -> dict[str, Any]:
        """The space as Ray Tune's `param_space`: a domain for each searched field, its value for each fixed one.

        Fields that mean something beside another's value alone are simply all there: one without effect changes nothing.
        Raises UsageError for a range that Ray Tune has no domain for. Needs Ray.
        """
        return {name: to_domain(name, each) for name, each in self.search.items()} | self.fixed

    def from_tune(self, param_space: dict[str, Any]) -> "Space":
        """The space that searches the domains of a `param_space`, and nothing else; its constants are fixed.

        Raises UsageError for a field that the strategy has not, a value that is not legal, and for a domain that is no
        range or choice (a normal distribution, a function). Needs Ray.
        """
        searched = {name: each for name, value in param_space.items() if (each := from_domain(name, value)) is not None}
        fixed = {name: value for name, value in param_space.items() if name not in searched}
        return replace(self, search={}, fixed={}).with_search(searched).with_fixed(fixed)

    def clip(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values with every searched number brought into its range.

        Ray's PBT moves numbers by factors, beyond what is legal as well; this is its `custom_explore_fn`.
        """
        numbers = {
            n: d for n, d in self.search.items() if isinstance(d, (FloatDistribution, IntDistribution)) and n in values
        }
        return values | {name: min(max(values[name], of.low), of.high) for name, of in numbers.items()}

    @property
    def mutable(self) -> tuple[str, ...]:
        """The searched fields that may change while a trial runs: what a population finds a schedule of."""
        return tuple(name for name in self.search if self.config.is_mutable(name))

    def _defaults(self) -> dict[str, Any]:
        return {name: info.default for name, info in self.config.model_fields.items()}


def make_config(config: type[TrialConfig], values: dict[str, Any]) -> TrialConfig:
    """The config of these values and the defaults; UsageError says in one sentence what is wrong with the first field."""
    try:
        return config(**values)
    except ValidationError as error:
        raise UsageError(_first_complaint(config, error)) from None


def fields_of_row(config: type[TrialConfig], row: dict[str, Any]) -> dict[str, Any]:
    """What a row of a table says of this config; a column can be empty where its run had the field for others alone."""
    return {name: row[name] for name in config.model_fields if row.get(name) is not None}


def within(distribution: BaseDistribution, value: Any) -> bool:
    """Whether the distribution could give this value."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return bool(distribution.low <= value <= distribution.high)


def ends(distribution: BaseDistribution) -> tuple[Any, ...]:
    """The extreme values that the distribution could give; of words, all."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return distribution.low, distribution.high


def _first_complaint(config: type[TrialConfig], error: ValidationError) -> str:
    """One sentence for pydantic's first complaint: SelfPacedConfig.share_start: must be in (0, 1]; got 0."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])  # the config's own sentence
    if first["type"] == "extra_forbidden":
        return str(unknown(f"field of {config.__name__}", name, config.model_fields))
    return f"{config.__name__}.{name}: must be {_legal(config, name)}; got {first['input']!r}."


def _legal(config: type[TrialConfig], name: str) -> str:
    """The legal values of a field in words: 'in (0, 1]', 'an integer >= 1', 'one of a, b'."""
    info = config.model_fields[name]
    choices = getattr(info.annotation, "__args__", None)
    if choices:
        return "one of " + ", ".join(str(choice) for choice in choices)
    limits = {k: getattr(m, k) for m in info.metadata for k in ("gt", "ge", "lt", "le") if hasattr(m, k)}
    kind = "an integer" if info.annotation is int else "a number"
    low = f"({limits['gt']:g}" if "gt" in limits else f"[{limits['ge']:g}" if "ge" in limits else "(-inf"
    high = f"{limits['lt']:g})" if "lt" in limits else f"{limits['le']:g}]" if "le" in limits else "inf)"
    return f"{kind} in {low}, {high}"
