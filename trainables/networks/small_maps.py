"""Convolutions with small outputs, whose weights get their gradient from one product of matrices.

Of a map of few pixels a row, oneDNN's AMX kernel for that gradient does a small part of what the processor can, and at 64
and 96 px it is most of an update of a ResNet (benchmarks/NOTES.md). The product has the same terms, summed otherwise.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

WIDEST = 8  # pixels a row of the output; from 16 on the library is as quick
Pair = tuple[int, int]
_backward = torch.ops.aten.convolution_backward


class SmallMaps(TorchFunctionMode):
    """Within, `torch.conv2d` takes the product wherever it can and the output is small."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv2d:
            return convolved(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def convolved(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> torch.Tensor:
    """As `torch.conv2d`, whose arguments these are: input (B, C, H, W), weight (O, C, h, w)."""
    plain = groups == 1 and _pair(dilation) == (1, 1) and not isinstance(padding, str) and input.dim() == 4
    if plain and torch.is_grad_enabled() and weight.requires_grad and weight.shape[2:].numel() > 1:
        strides, edges = _pair(stride), _pair(padding)
        if (input.shape[3] + 2 * edges[1] - weight.shape[3]) // strides[1] + 1 <= WIDEST:
            result: torch.Tensor = _Convolution.apply(*_cast(input, weight, bias), strides, edges)
            return result
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


def _pair(value: Any) -> Pair:
    first, *more = value if isinstance(value, Sequence) else (value,)
    return int(first), int(more[0] if more else first)


def _cast(*tensors: torch.Tensor | None) -> list[torch.Tensor | None]:
    """As autocast gives them to a convolution; it does not reach into a function of our own."""
    if not torch.is_autocast_enabled("cpu"):
        return list(tensors)
    dtype = torch.get_autocast_dtype("cpu")
    return [tensor if tensor is None or tensor.dtype == torch.float64 else tensor.to(dtype) for tensor in tensors]


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: Pair, padding: Pair
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return torch.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x = None
        if ctx.needs_input_grad[0]:  # of this alone: who asks for the bias as well is given the weights' the slow way
            of_x = _backward(
                gradient, x, weight, None, ctx.stride, ctx.padding, (1, 1), False, (0, 0), 1, (True, False, False)
            )[0]
        of_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        of_weight = weight_gradient(x, gradient, weight.shape[2:], ctx.stride, ctx.padding)
        return of_x, of_weight, of_bias, None, None


def weight_gradient(
    x: torch.Tensor, gradient: torch.Tensor, kernel: torch.Size, stride: Pair, padding: Pair
) -> torch.Tensor:
    """(O, C, h, w), of x (B, C, H, W) and the gradient (B, O, P, Q) of the output: the patches that its pixels saw, (BPQ,
    hwC), times what they are to change by, (BPQ, O).
    """
    rows = F.pad(x, (padding[1], padding[1], padding[0], padding[0])).permute(0, 2, 3, 1).contiguous()
    images, _, _, channels = rows.shape
    (height, width), (h, w) = gradient.shape[2:], kernel
    of_image, of_row, of_pixel, of_channel = rows.stride()
    shape = images, height, width, h, w, channels
    steps = of_image, of_row * stride[0], of_pixel * stride[1], of_row, of_pixel, of_channel
    patches = rows.as_strided(shape, steps).reshape(images * height * width, h * w * channels)
    changes = gradient.permute(0, 2, 3, 1).reshape(images * height * width, -1)
    return (changes.t() @ patches).view(-1, h, w, channels).permute(0, 3, 1, 2)
