"""Text files that a person names: plain files of a bounded size, and nothing that would never end."""

from pathlib import Path

from console.errors import UsageError

MOST_BYTES = 256_000_000  # a split of two million images is half of it


def read_given(path: Path, who: str) -> str:
    """The text of the file at `path`, which `who` ("Split file") names; a byte-order mark is left out.

    Raises UsageError for what is no plain file (a pipe or a device can be endless), too large, unreadable or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{who} {path} is no plain file; pass a UTF-8 text file.")
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{who} {path} has {path.stat().st_size:,} bytes; at most {MOST_BYTES:,} are read.")
        return path.read_bytes().decode("utf-8-sig")  # spreadsheets begin with a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{who} {path} cannot be read ({reason}); pass a UTF-8 text file.") from None
