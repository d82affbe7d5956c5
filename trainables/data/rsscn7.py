"""RSSCN7: 2,800 aerial images of seven classes (Zou et al. 2015), found on this machine or downloaded."""

import os
from pathlib import Path

from console.errors import UsageError
from trainables.data.cache import cache_folder, cache_place
from trainables.data.download import install, read_digests

CLASSES = ("aGrass", "bField", "cIndustry", "dRiverLake", "eForest", "fResident", "gParking")
COMMIT = "6d77849df87d242b323184ab096e44dd63730c7e"  # of palewithout/RSSCN7
BASE_URL = "https://codeload.github.com/palewithout/RSSCN7/tar.gz"
DIGESTS = Path(__file__).with_name("rsscn7.sha256")  # of the 2,800 files at COMMIT

_ADVICE = "pass --data-root, or --data scenes for the embedded set"


def find(root: str | Path | None = None, base_url: str = BASE_URL, digests: Path = DIGESTS) -> Path:
    """The folder that holds the seven class folders: `root`, else $RSSCN7_ROOT, else the cache, downloaded if need be.

    A folder that was named is used or refused, never replaced by a download, and its files may be resized copies. What
    is downloaded is checked file by file. Raises UsageError.
    """
    if named := root or os.environ.get("RSSCN7_ROOT"):
        return _checked(Path(named).expanduser())
    place = cache_folder() / "rsscn7"
    if place.exists() and any(place.iterdir()):
        return _checked(place)
    install(f"{base_url}/{COMMIT}", place, read_digests(digests), _ADVICE)
    return _checked(place)


def is_here(root: str | None) -> bool:
    """Whether `find` would download nothing."""
    place = cache_place() / "rsscn7"
    return bool(root or os.environ.get("RSSCN7_ROOT")) or (place.exists() and any(place.iterdir()))


def _checked(folder: Path) -> Path:
    if all((folder / name).is_dir() for name in CLASSES):
        return folder
    raise UsageError(
        f"No RSSCN7 at {folder} (expected folders {CLASSES[0]} ... {CLASSES[-1]}). "
        "Pass --data-root, or --data scenes for the embedded set."
    )
