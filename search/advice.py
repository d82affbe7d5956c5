"""What is said before anything runs to whoever could ask for something better."""

import math
from collections.abc import Collection

from optuna.distributions import FloatDistribution

from search.executors.local import TOGETHER
from search.planning.plan import Plan
from spaces.space import Space
from spaces.trial import TrialConfig
from trainables.networks.anatomy import anatomy
from trainables.networks.models import get_architecture

UNDOES = 1e-4  # at this rate fine-tuning undid a ViT-S/14, at 3e-5 it did not (docs/networks.md)
GENTLE = 3e-5


def told_of_heads(plan: Plan, configs: Collection[TrialConfig]) -> list[str]:
    """A line for whoever trains nothing but heads on features and has not asked for the quicker way; else nothing."""
    quicker = plan.options.executor != "local" and not plan.options.address and plan.setting.device == "cpu"
    if not quicker or not all(config.on_features for config in configs):
        return []
    return [f"These are heads on features: --executor local trains up to {TOGETHER} of them in one update."]


def told_of_rates(plan: Plan, rates: Collection[float]) -> list[str]:
    """A line where all layers of a pretrained vision transformer are to be trained at one of these rates; else nothing."""
    setting = plan.setting
    if max(rates, default=0) < UNDOES or setting.weights in ("none", "textures"):
        return []
    if not anatomy(get_architecture(setting.model), setting.image_size).blocks:
        return []
    return [
        f"{setting.model} is a vision transformer, whose pretrained weights a rate of {UNDOES:g} and more can undo; "
        f"learning_rate={GENTLE:g} is one to begin with (docs/networks.md)."
    ]


def searched_rates(space: Space) -> list[float]:
    """The middle of the rates that a search of whole networks will draw, or the rate that is fixed for all of it."""
    config, drawn = space.build({}), space.search.get("learning_rate")
    if config.unfreeze != "all":
        return []
    if isinstance(drawn, FloatDistribution):
        return [math.sqrt(drawn.low * drawn.high) if drawn.log else (drawn.low + drawn.high) / 2]
    return [config.learning_rate]
