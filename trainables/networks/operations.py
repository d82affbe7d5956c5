"""What the operations of RandAugment and TrivialAugment do to pixels: each image of a batch by a strength of its own.

Images are float (n, 3, H, W) in [0, 255], strengths (n,) in the units of policies.py. Every result follows from its own
image alone, to the last bit: sums over pixels are of whole numbers, so their order does not matter.
"""

import math
from collections.abc import Callable

import torch
from torch.nn import functional

Entry = torch.Tensor | float
Rows = tuple[tuple[Entry, Entry, Entry], tuple[Entry, Entry, Entry]]
GREY = (0.2989, 0.587, 0.114)  # of red, green and blue in a grey value, as torchvision has it


def each(values: torch.Tensor) -> torch.Tensor:
    """(n,) as (n, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)


def blend(x: torch.Tensor, other: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Away from `other` by the factor of each image (n,): 0 is `other`, 1 the image."""
    return (other + (x - other) * each(factors)).clamp(0, 255)


def grey(x: torch.Tensor) -> torch.Tensor:
    """(n, 1, H, W)."""
    return x[:, 0:1] * GREY[0] + x[:, 1:2] * GREY[1] + x[:, 2:3] * GREY[2]


def brighter(x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    return blend(x, torch.zeros_like(x), factors)


def contrasted(x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Away from the mean grey value; of grey values that are rounded, so that their sum is exact."""
    mean = grey(x).round().double().mean(dim=(1, 2, 3), keepdim=True).float()
    return blend(x, mean, factors)


def saturated(x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    return blend(x, grey(x), factors)


def sharpened(x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Away from a blurred image: each pixel 5/13, its eight neighbours 1/13 each; the border stays."""
    inner = x[:, :, 1:-1, 1:-1]
    rows = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    around = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    blurred = x.clone()
    blurred[:, :, 1:-1, 1:-1] = (around + 4 * inner) / 13
    return blend(x, blurred, factors)


def transformed(x: torch.Tensor, rows: Rows, padding: str = "zeros") -> torch.Tensor:
    """What lies at rows @ (across, down, 1) of each place, in pixels from the middle; bilinear.

    rows: two of three, whose entries are (n,) or the same for all images.
    """
    height, width = x.shape[2:]
    scales = ((1.0, height / width, 2 / width), (width / height, 1.0, 2 / height))  # to the unit square of grid_sample
    scaled = [entry * scale for row, by in zip(rows, scales, strict=True) for entry, scale in zip(row, by, strict=True)]
    filled = [x.new_full((len(x),), entry) if isinstance(entry, float) else entry for entry in scaled]
    grid = functional.affine_grid(torch.stack(filled, dim=1).view(-1, 2, 3), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode=padding, align_corners=False)


def shifted(x: torch.Tensor, right: torch.Tensor | float, down: torch.Tensor | float) -> torch.Tensor:
    """By these parts of its sides; what comes in is black, as with every operation here."""
    return transformed(x, ((1.0, 0.0, -right * x.shape[3]), (0.0, 1.0, -down * x.shape[2])))


def sheared_x(x: torch.Tensor, tangents: torch.Tensor) -> torch.Tensor:
    """Rows shifted by their distance from the top."""
    return transformed(x, ((1.0, tangents, tangents * (x.shape[2] / 2)), (0.0, 1.0, 0.0)))


def sheared_y(x: torch.Tensor, tangents: torch.Tensor) -> torch.Tensor:
    """Columns shifted by their distance from the left."""
    return transformed(x, ((1.0, 0.0, 0.0), (tangents, 1.0, tangents * (x.shape[3] / 2))))


def rotated(x: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """Counter-clockwise around the middle."""
    sine, cosine = torch.sin(degrees * math.pi / 180), torch.cos(degrees * math.pi / 180)
    return transformed(x, ((cosine, -sine, 0.0), (sine, cosine, 0.0)))


def posterized(x: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """With so many bits of each value left."""
    step = each(2 ** (8 - bits))
    return torch.floor(x / step) * step


def solarized(x: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """Values from the threshold on turned over."""
    return torch.where(x >= each(thresholds), 255 - x, x)


def stretched(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """Each colour of each image from 0 to 255 (autocontrast); one that is the same everywhere stays."""
    low, high = x.amin(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (x - low) * 255 / (high - low).clamp(min=1e-6), x)


def equalized(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """Each colour's values spread evenly, as Pillow does it: by the histogram of whole values."""
    values = x.round().long().flatten(2)
    counts = torch.zeros(*x.shape[:2], 256, dtype=torch.long, device=x.device)
    counts.scatter_add_(2, values, torch.ones_like(values))
    last = torch.gather(counts, 2, values.amax(dim=2, keepdim=True))
    step = (values.shape[2] - last) // 255
    before = counts.cumsum(dim=2) - counts
    table = ((before + step // 2) // step.clamp(min=1)).clamp(max=255)
    spread = torch.gather(table, 2, values).view(x.shape).to(x.dtype)
    return torch.where(step[..., None] > 0, spread, x)


Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
PIXELS: dict[str, Operation] = {
    "identity": lambda x, _: x,
    "shear_x": sheared_x,
    "shear_y": sheared_y,
    "translate_x": lambda x, parts: shifted(x, parts, 0.0),
    "translate_y": lambda x, parts: shifted(x, 0.0, parts),
    "rotate": rotated,
    "brightness": lambda x, away: brighter(x, 1 + away),
    "colour": lambda x, away: saturated(x, 1 + away),
    "contrast": lambda x, away: contrasted(x, 1 + away),
    "sharpness": lambda x, away: sharpened(x, 1 + away),
    "posterize": posterized,
    "solarize": solarized,
    "autocontrast": stretched,
    "equalize": equalized,
}
