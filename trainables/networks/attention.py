"""Attention in fp32 between projections in bf16.

On processors with AMX torch takes up to six times as long for the gradient of attention in bf16 as in fp32, a third of an
update of a ViT-S/14 at 98 px (benchmarks/NOTES.md). The projections around it, most of the arithmetic, stay in bf16.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import torch
import torch.nn.functional as F

LIBRARY: Callable[..., torch.Tensor] = F.scaled_dot_product_attention


class AttentionInFp32(AbstractContextManager["AttentionInFp32"]):
    """Within, whoever calls `torch.nn.functional.scaled_dot_product_attention`, as torchvision's and timm's networks do,
    is given `attended`. The name is changed: a mode of torch does not see what `nn.MultiheadAttention` calls.
    """

    def __enter__(self) -> "AttentionInFp32":
        F.scaled_dot_product_attention = attended
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        F.scaled_dot_product_attention = LIBRARY


def attended(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    *rest: Any,
    **named: Any,
) -> torch.Tensor:
    """As torch's, whose arguments these are: query (B, H, T, D), key and value (B, H, S, D). The result is in the numbers
    that autocast would give it.
    """
    if not (torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()) or query.dtype == torch.float64:
        return LIBRARY(query, key, value, attn_mask, *rest, **named)
    half = torch.get_autocast_dtype("cpu")
    if attn_mask is not None and attn_mask.is_floating_point():
        attn_mask = attn_mask.float()
    with torch.autocast("cpu", enabled=False):
        return LIBRARY(query.float(), key.float(), value.float(), attn_mask, *rest, **named).to(half)
