"""Which file each image of a run was, by its number: written once, so that tables can name images without the data."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from console.errors import UsageError
from records.boundary import IMAGES, read_plain
from records.files import write_json

_PATHS = TypeAdapter(tuple[str, ...])


def write_image_paths(folder: Path, paths: Sequence[str]) -> None:
    """`paths`: relative to the source of the data, by image number."""
    write_json(folder / IMAGES, list(paths))


def read_image_paths(folder: Path) -> tuple[str, ...]:
    """By image number; empty where the run is of a version that wrote none. Raises UsageError for a damaged file."""
    file = folder / IMAGES
    try:
        return _PATHS.validate_json(read_plain(file), strict=True)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}).") from None
    except ValidationError:
        raise UsageError(f"{file} is damaged (it is no list of paths); remove it, and tables do without.") from None
