"""Fetch a pinned archive and unpack from it exactly the files of a digest list.

Whatever goes wrong is one UsageError, and nothing half-written is left behind. An archive is not trusted: only files
named in the list are ever written, and one with links or with paths that lead elsewhere is refused as a whole.
"""

import hashlib
import http.client
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from console.errors import UsageError
from console.progress import amount, bar
from trainables.data.cache import is_disk_full, put_in_place, temporary_folder, writing

SOCKET_SECONDS = 30  # without a byte for so long, the other side counts as gone
_PIECE_BYTES = 1 << 18


def read_digests(file: Path) -> dict[str, str]:
    """{path: sha256} from lines "sha256  path", as sha256sum writes them."""
    pairs = (line.split("  ", 1) for line in file.read_text(encoding="utf-8").splitlines() if line)
    return {path: digest for digest, path in pairs}


def install(url: str, target: Path, digests: dict[str, str], advice: str) -> None:
    """Make `target` a folder with exactly the files of `digests` ({path: sha256}), taken from the .tar.gz at `url`.

    The archive has one folder at its top, which is dropped. `advice` ends every message. If another process installs
    the same at the same time, the first to finish wins.
    """
    with writing(target.parent), temporary_folder(target) as folder:
        archive, files = folder / "archive.tar.gz", folder / "files"
        _fetch(url, archive, target.name, advice)
        _unpack(archive, files, digests, url, advice)
        put_in_place(files, target, whole=lambda place: all((place / path).is_file() for path in digests))


def _fetch(url: str, archive: Path, name: str, advice: str) -> None:
    """Download `url` into the file `archive`, with a bar on stderr."""
    try:
        with urllib.request.urlopen(url, timeout=SOCKET_SECONDS) as response, open(archive, "wb") as file:
            announced = response.headers.get("Content-Length")
            expected = int(announced) if announced else None
            with bar(f"downloading {name}", expected, "bytes") as advance:
                for piece in _pieces(response):
                    file.write(piece)
                    advance(len(piece))
    except urllib.error.HTTPError as error:
        raise UsageError(f"{url} answered {error.code} {error.reason}; {advice}.") from error
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and is_disk_full(error):
            raise
        reason = getattr(error, "reason", None) or error
        raise UsageError(f"{url} cannot be downloaded ({reason or type(error).__name__}); {advice}.") from error
    if expected is not None and archive.stat().st_size != expected:
        came = amount(archive.stat().st_size)
        raise UsageError(f"{url} broke off after {came} of {amount(expected)}; try again, or {advice}.")


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(_PIECE_BYTES):
        yield piece


def _unpack(archive: Path, folder: Path, digests: dict[str, str], url: str, advice: str) -> None:
    """Write the files of `digests` into `folder`, each checked against its digest."""
    missing = dict(digests)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                path = _inner_path(member, url, advice)
                if member.isfile() and path in digests:
                    _write_checked(tar, member, folder / path, digests[path], url, advice)
                    missing.pop(path, None)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and is_disk_full(error):
            raise
        raise UsageError(f"{url} did not send a whole .tar.gz archive ({error}); try again, or {advice}.") from error
    if missing:
        raise UsageError(
            f"{url} lacks {len(missing)} of the {len(digests)} files expected (first: {next(iter(missing))}); {advice}."
        )


def _inner_path(member: tarfile.TarInfo, url: str, advice: str) -> str:
    """The member's path below the archive's top folder; UsageError for a member no honest archive has."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(f"{url} holds a path that leads out of the archive ('{member.name}'); {advice}.")
    if not (member.isfile() or member.isdir()):
        raise UsageError(f"{url} holds a link or device ('{member.name}'), which is not expected; {advice}.")
    return "/".join(path.parts[1:])


def _write_checked(
    tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path, expected: str, url: str, advice: str
) -> None:
    stream = tar.extractfile(member)
    assert stream is not None, member.name
    place.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with open(place, "wb") as file:
        for piece in _pieces(stream):
            file.write(piece)
            digest.update(piece)
    if digest.hexdigest() != expected:
        raise UsageError(f"{url} holds another '{member.name}' than expected (its sha256 differs); {advice}.")
