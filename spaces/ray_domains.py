"""Ranges and choices as Ray Tune's domains, and back. Ray is loaded when a function is called, and not before."""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from console.errors import UsageError


def to_domain(name: str, distribution: BaseDistribution) -> Any:
    """The domain that gives the same values. Raises UsageError where `name` is searched in steps that Ray has not."""
    if isinstance(distribution, CategoricalDistribution):
        from ray import tune  # slow to load, and not needed by a search on --executor local

        return tune.choice(list(distribution.choices))
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high, step = distribution.low, distribution.high, distribution.step
    try:
        return _whole(distribution) if isinstance(distribution, IntDistribution) else _real(distribution)
    except ValueError:
        raise UsageError(
            f"{name} is searched from {low} to {high} in steps of {step}, and Ray Tune counts steps from zero; let both "
            f"ends be multiples of the step."
        ) from None


def _whole(of: IntDistribution) -> Any:
    """Without a step, Ray's upper end is the first number that is not drawn."""
    from ray import tune

    if of.log:
        return tune.lograndint(of.low, of.high + 1)
    if of.step == 1:
        return tune.randint(of.low, of.high + 1)
    if of.low % of.step:
        raise ValueError
    return tune.qrandint(of.low, of.high, of.step)


def _real(of: FloatDistribution) -> Any:
    from ray import tune

    if of.log:
        return tune.loguniform(of.low, of.high)
    return tune.uniform(of.low, of.high) if of.step is None else tune.quniform(of.low, of.high, of.step)


def from_domain(name: str, value: Any) -> BaseDistribution | None:
    """The distribution of what stands under `name` in a param_space; None for a constant. Raises UsageError."""
    from ray.tune.search import sample

    if isinstance(value, dict) and set(value) == {"grid_search"}:
        return CategoricalDistribution(tuple(value["grid_search"]))
    if not isinstance(value, sample.Domain):
        return None
    try:
        return _distribution(value)
    except (ValueError, TypeError) as error:
        why = str(error).rstrip(".").replace("`", "")
        raise UsageError(
            f"{name} cannot be searched over the domain {type(value).__name__} {value.domain_str} ({why}); take "
            f"tune.uniform, loguniform, quniform, randint, lograndint, qrandint or choice."
        ) from None


def _distribution(domain: Any) -> BaseDistribution:
    """Raises ValueError for what is neither a range nor a choice."""
    from ray.tune.search import sample

    sampler, step = domain.get_sampler(), None
    if isinstance(sampler, sample.Quantized):
        sampler, step = sampler.get_sampler(), sampler.q
    log = isinstance(sampler, sample.LogUniform)
    if isinstance(domain, sample.Categorical):
        return CategoricalDistribution(tuple(domain.categories))
    if not isinstance(sampler, (sample.Uniform, sample.LogUniform)):
        raise ValueError("neither a range nor a choice")
    if isinstance(domain, sample.Integer):
        high = domain.upper if step else domain.upper - 1
        return IntDistribution(domain.lower, high, log=log, step=int(step or 1))
    if not isinstance(domain, sample.Float):
        raise ValueError("neither a range nor a choice")
    return FloatDistribution(domain.lower, domain.upper, log=log, step=step)
