"""How event files frame their events: length, checksum of the length, event, checksum of the event. numpy only.

tensorboard's own writer computes its checksums in Python, a byte at a time: most of the time of writing a large run.
"""

import struct
from functools import lru_cache

import numpy as np


def _make_table() -> np.ndarray:
    """(256,) uint32: what CRC-32C (Castagnoli) makes of one byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table


TABLE = _make_table()


def crc32c(messages: list[bytes]) -> np.ndarray:
    """(N,) uint32: the CRC-32C of each of N messages, all of them taken a byte further at a time."""
    order = sorted(range(len(messages)), key=lambda i: -len(messages[i]))  # those still going stay in front
    lengths = np.array([len(messages[i]) for i in order])
    longest = int(lengths.max(initial=0))
    padded = np.frombuffer(b"".join(messages[i].ljust(longest, b"\0") for i in order), np.uint8)
    columns = np.ascontiguousarray(padded.reshape(len(messages), longest).T)
    state = np.full(len(messages), 0xFFFFFFFF, np.uint32)
    for i, column in enumerate(columns):
        going = state[: np.searchsorted(-lengths, -i)]
        going[:] = TABLE[(going ^ column[: len(going)]) & 0xFF] ^ (going >> np.uint32(8))
    checksums = np.empty_like(state)
    checksums[order] = ~state
    return checksums


def masked(checksums: np.ndarray) -> np.ndarray:
    """Rotated by 15 bits and shifted, as the format wants it: data that hold checksums are checked as well."""
    return ((checksums >> np.uint32(15)) | (checksums << np.uint32(17))) + np.uint32(0xA282EAD8)


@lru_cache(maxsize=4096)
def _header(length: int) -> bytes:
    header = struct.pack("<Q", length)
    checksum: bytes = masked(crc32c([header]))[0].astype("<u4").tobytes()
    return header + checksum


def framed(events: list[bytes]) -> list[bytes]:
    """Each event as it stands in the file."""
    footers = masked(crc32c(events)).astype("<u4")
    return [_header(len(event)) + event + footer.tobytes() for event, footer in zip(events, footers, strict=True)]
