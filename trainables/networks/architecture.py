"""What is known of a network before it is built: its name, how it is built, its weights, what images they want."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

State = dict[str, torch.Tensor]
Channels = tuple[float, float, float]  # red, green, blue, of pixels in [0, 1]

MEAN: Channels = (0.485, 0.456, 0.406)  # of ImageNet, as the report used for every data set
STD: Channels = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Architecture:
    """One network. What is inside it is not declared: `anatomy` finds it."""

    name: str
    build: Callable[[int], nn.Module]  # image size in pixels -> the network with random weights
    pretrained: Callable[[int], State] | None = (
        None  # image size -> the state of its ImageNet weights; None: there are none
    )
    weights_url: str = ""  # where `pretrained` has them from, for a message
    own_size: int = 224  # pixels a side of the images that it was made for
    mean: Channels = MEAN
    std: Channels = STD
