"""What torch is slow at on some processors while a network trains, and a way round it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

import torch

from trainables.networks.attention import AttentionInFp32
from trainables.networks.precision import Numbers
from trainables.networks.small_maps import SmallMaps


def workarounds(device: torch.device, numbers: Numbers, accelerate: str) -> AbstractContextManager[object]:
    """Within, networks are trained the quicker way; to be entered again and again.

    Of bf16 on processors with AMX alone: numbers in fp32 stay what they were, and elsewhere nothing was gained.
    """
    has_tiles: Callable[[], bool] = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    suits = device.type == "cpu" and numbers == "bf16" and accelerate != "compile" and has_tiles()
    return OnTiles() if suits else nullcontext()


class OnTiles(AbstractContextManager["OnTiles"]):
    """Both of them, for AMX."""

    def __init__(self) -> None:
        self.parts = SmallMaps(), AttentionInFp32()

    def __enter__(self) -> "OnTiles":
        for part in self.parts:
            part.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in reversed(self.parts):
            part.__exit__(kind, error, trace)
