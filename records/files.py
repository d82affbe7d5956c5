"""Files written whole or not at all, and arrays with texts in one file. Nothing here is a pickle."""

import errno
import json
import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from console.errors import UsageError
from records.boundary import checked


def write_bytes(path: Path, content: bytes) -> None:
    """Write all of it or nothing: beside its place, flushed to disk, then renamed.

    Raises UsageError where a run folder is left through a link on the way.
    """
    _put(checked(path), content)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, json.dumps(value, indent=2, allow_nan=False).encode())


def parse_json(content: bytes | str) -> Any:
    """Raises ValueError for what is no JSON, as Infinity and NaN are not, and for what is nested too deep to be read."""
    try:
        return json.loads(content, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"it has {constant}, which is no JSON")


Arrays = dict[str, np.ndarray]


def write_arrays(path: Path, arrays: Arrays, text: str, **more: str) -> None:
    """Contiguous arrays, one JSON text and more texts by name in one safetensors file."""
    write_bytes(path, as_bytes(arrays, text, **more))


def as_bytes(arrays: Arrays, text: str, **more: str) -> bytes:
    """What `write_arrays` puts into a file."""
    return save(arrays, metadata={"state": text, **more})


def read_arrays(path: Path) -> tuple[Arrays, str]:
    """The arrays and the JSON text of a file of ours. Raises UsageError naming a damaged or missing file."""
    _refuse_endless(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()["state"]  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise UsageError(f"{path} cannot be read as a checkpoint of ours ({error}).") from None


def _refuse_endless(path: Path) -> None:
    """Raises UsageError for a pipe or a device, which is opened for ever."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} cannot be read as a checkpoint of ours (it is no plain file).")


def read_text(path: Path, name: str = "state") -> str | None:
    """One text of a file of ours without its arrays; None where there is no such file or text."""
    if not path.exists():
        return None
    _refuse_endless(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return (file.metadata() or {}).get(name)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} cannot be read as a checkpoint of ours ({error}).") from None


def is_full_or_readonly(error: BaseException) -> bool:
    """Whether a write failed because of the disk, and not because of what was written."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
