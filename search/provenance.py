"""What the numbers of a run depend on beside its options: our source and the packages under it."""

import hashlib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from console.plugins import plugin_digest

ROOMS = ("spaces", "records", "trainables")  # whose source decides what a trial's numbers are
PACKAGES = ("torch", "torchvision", "ray", "numpy", "safetensors", "pydantic", "optuna")  # that a trial runs on
DESCRIBED = ("curriculum-tune", "torch", "torchvision", "ray", "optuna", "numpy", "pyarrow")  # in run.json


def code_digest() -> str:
    """sha256 over the source that a trial's numbers depend on, plugins included."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(p for room in ROOMS for p in (root / room).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    digest.update(plugin_digest().encode())
    return digest.hexdigest()


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str | None]:
    """{package: its version here, or None}."""
    return {name: version_of(name) for name in packages}


def version_of(package: str) -> str | None:
    """Its installed version; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
