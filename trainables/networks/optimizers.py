"""The optimiser of a config."""

from typing import Any

import torch

from spaces.trial import TrialConfig
from trainables.networks.models import Network


def make_optimizer(network: Network, config: TrialConfig) -> torch.optim.Optimizer:
    """The config's optimiser over everything that is not frozen; PyTorch's fused kernels."""
    parameters = _groups(network, config.head_rate)
    shared: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **shared)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, **shared)


def _groups(network: Network, head_rate: float) -> list[Any]:
    """What is not frozen, as one list; in two groups, the second with a factor on its rate, where the head has its own."""
    if head_rate == 1:
        return [p for p in network.parameters() if p.requires_grad]
    body = [p for p in network.backbone.parameters() if p.requires_grad]
    return [{"params": body}, {"params": list(network.head.parameters()), "factor": head_rate}]
