"""The loss of a batch from the losses of its images: weighed, mixed, or neither. B = images of the batch."""

import torch

from trainables.networks.augment import Mix


def weighted(each: torch.Tensor, weight: torch.Tensor | None, absolute: bool = False) -> torch.Tensor:
    """The mean of the losses `each` (B,) with weights (B,); absolute ones are not divided by their sum but by B."""
    if weight is None:
        return each.mean()
    weight = weight.to(each)
    return (each * weight).mean() if absolute else (each * weight).sum() / weight.sum()


def mixed_loss(
    own: torch.Tensor, other: torch.Tensor, weight: torch.Tensor | None, mix: Mix, absolute: bool = False
) -> torch.Tensor:
    """The mean of the losses (B,) by an image's own label and by its partner's, each by its share.

    Both losses are linear in the target, so this is the loss of the mixed label. weight: (B,) of each image, or (B, 2) of
    its own and of its partner's label; absolute as for `weighted`.
    """
    shares = torch.stack([mix.shares, 1 - mix.shares], dim=1)
    if weight is not None:
        shares = shares * weight.to(shares).view(len(shares), -1)
    total = (torch.stack([own, other], dim=1) * shares).sum()
    return total / (len(own) if absolute else shares.sum())


def mixed_each(own: torch.Tensor, other: torch.Tensor, mix: Mix) -> torch.Tensor:
    """(B,) the loss of each image by its mixed label."""
    return mix.shares * own + (1 - mix.shares) * other
