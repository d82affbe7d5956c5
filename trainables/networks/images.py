"""Where an engine takes its inputs from: main memory on a CPU; on a GPU one copy there, shared by the trials of a process.

Where the GPU has no room for a copy, they stay in main memory and each batch is sent. N = images.
"""

import sys
import warnings
import weakref
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from console.progress import amount, say

KEPT = 2  # copies that outlive their last engine: the next trial wants them again
MARGIN, PART = 500_000_000, 0.25  # bytes, and part of what is free, that are left to networks; the larger of the two
_copies: list[tuple["weakref.ref[npt.NDArray[Any]]", torch.Tensor]] = []
_one_at_a_time = Lock()


def placed(inputs: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    """inputs (N, ...) as a tensor on the device; in main memory, which is said, where a GPU has no room for them.

    The same array gives the same tensor. On a CPU nothing is copied: the memory map stays one.
    """
    rows = _tensor(inputs)
    if device.type == "cpu":
        return rows
    with _one_at_a_time:
        return _copied(inputs, rows, device)


def sent(rows: torch.Tensor, index: torch.Tensor, device: torch.device) -> torch.Tensor:
    """rows[index] on the device, of rows (N, ...) in main memory.

    The batch is gathered in page-locked memory and copied from there without anybody waiting, if `index` is in main memory
    as well. torch gives that memory to another batch when the copy is made.
    """
    batch = torch.empty((len(index), *rows.shape[1:]), dtype=rows.dtype, pin_memory=device.type == "cuda")
    torch.index_select(rows, 0, index.to(rows.device), out=batch)
    return batch.to(device, non_blocking=True)


def _copied(inputs: npt.NDArray[Any], rows: torch.Tensor, device: torch.device) -> torch.Tensor:
    _copies[:] = [(array, copy) for array, copy in _copies if array() is not None]
    for array, copy in _copies:
        if array() is inputs and copy.device.type == device.type and device.index in (None, copy.device.index):
            return copy
    if not _fits(rows.nbytes, device):
        _copies.clear()  # of other data: whoever still trains on one has it
        if not _fits(rows.nbytes, device):
            _say_once(
                f"The {amount(rows.nbytes)} of images do not fit into the free memory of the GPU beside a network: they "
                f"stay in main memory and each batch is sent, which can be slower."
            )
            return rows
    copy = rows.to(device)
    _copies.append((weakref.ref(inputs), copy))
    del _copies[:-KEPT]
    return copy


def _fits(size: int, device: torch.device) -> bool:
    free = _free(device)
    return size <= free - max(MARGIN, PART * free)


def _free(device: torch.device) -> int:
    """Bytes of the GPU that nobody has, once this process has given back what it only keeps for later."""
    if not torch.cuda.is_available():  # one that is made up, as by FakeTensorMode
        return sys.maxsize
    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(device)[0])


_said: set[str] = set()


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        say(text)


def _tensor(inputs: npt.NDArray[Any]) -> torch.Tensor:
    with warnings.catch_warnings():  # the map is read-only and nothing here writes to it
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(np.asarray(inputs))
