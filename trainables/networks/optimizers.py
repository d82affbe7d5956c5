"""The optimiser of a config."""

from typing import Any

import torch

from spaces.trial import TrialConfig
from trainables.networks.models import Network


def make_optimizer(network: Network, config: TrialConfig, captured: bool = False) -> torch.optim.Optimizer:
    """The config's optimiser over everything that is not frozen; PyTorch's fused kernels.

    `captured`: its updates may be part of a CUDA graph, which reads the rates from where they lie on the device.
    """
    parameters = _groups(network, config.head_rate)
    shared: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
    if config.optimizer == "sgd":
        made: torch.optim.Optimizer = torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **shared)
        for parameter in (each for group in made.param_groups for each in group["params"]):
            # else the fused kernel takes memory as it finds it, and leaves it so where fp16 overflows in the first update
            made.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    else:
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        made = kind(parameters, capturable=captured, **shared)
    if captured:
        for group in made.param_groups:
            group["lr"] = torch.tensor(config.learning_rate, device=next(network.parameters()).device)
    return made


def set_rates(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the next update, times the factor of each group; nobody waits for the device."""
    for group in optimizer.param_groups:
        own = rate * group.get("factor", 1.0)
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(own)
        else:
            group["lr"] = own


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """What it has gathered, as a flat dict of tensors."""
    states = optimizer.state_dict()["state"].items()
    return {f"optimizer.{number}.{name}": value for number, slots in states for name, value in slots.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, torch.Tensor]) -> None:
    """The inverse; what else is in `state` is passed over."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        if key.startswith("optimizer."):
            _, number, name = key.split(".")
            slots.setdefault(int(number), {})[name] = _laid_out_like(parameters[int(number)], value)
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def _laid_out_like(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """A slot in the memory format of its parameter: the fused kernels go through both as they lie."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def _groups(network: Network, head_rate: float) -> list[Any]:
    """What is not frozen, as one list; in two groups, the second with a factor on its rate, where the head has its own."""
    if head_rate == 1:
        return [p for p in network.parameters() if p.requires_grad]
    body = [p for p in network.backbone.parameters() if p.requires_grad]
    return [{"params": body}, {"params": list(network.head.parameters()), "factor": head_rate}]
