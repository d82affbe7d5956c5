"""What every full-network strategy searches of the learning rate, so that none is tuned harder than another."""

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    json_to_distribution,
)

RATES: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(3e-5, 3e-3, log=True),
    "rate": CategoricalDistribution(("constant", "cosine", "accuracy_steps")),
    "rate_gate": FloatDistribution(0.7, 0.95),
    "rate_gap_2": FloatDistribution(0.01, 0.1),
    "rate_gap_3": FloatDistribution(0.01, 0.1),
    "rate_factor_1": FloatDistribution(0.1, 0.7),
    "rate_factor_2": FloatDistribution(0.02, 0.5),
    "rate_factor_3": FloatDistribution(0.001, 0.5, log=True),
    "rate_reading": CategoricalDistribution(("never_rise", "fall_back")),
}

FLIPS: dict[str, BaseDistribution] = {"augment": CategoricalDistribution(("none", "flips"))}


def as_words(distribution: BaseDistribution) -> str:
    """What may be drawn: '0.05 to 0.6', '3e-05 to 0.003, log', 'constant, cosine'."""
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(str, distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # Optuna has no others
    return f"{distribution.low:g} to {distribution.high:g}" + ", log" * distribution.log


def check_distribution(text: str) -> str:
    """The text, which is a distribution as Optuna writes it. Raises ValueError for what is none."""
    try:
        json_to_distribution(text)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ValueError("must be a distribution") from None
    return text
