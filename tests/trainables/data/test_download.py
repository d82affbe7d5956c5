"""RSSCN7, found or downloaded: from a server on this machine, with a tiny archive and digest list."""

import errno
import hashlib
import http.server
import io
import socket
import tarfile
import threading

import pytest

from console.errors import UsageError
from trainables.data import download, rsscn7

FILES = {f"{name}/1.jpg": f"picture of {name}".encode() for name in rsscn7.CLASSES}
TOP = f"RSSCN7-{rsscn7.COMMIT}"
ADVICE = "pass --data-root, or --data scenes for the embedded set"


def _archive(files=FILES, top=TOP, extra=()) -> bytes:
    """A .tar.gz as a code host sends it; `extra` are TarInfos without content that come first."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", pax_headers={"comment": rsscn7.COMMIT}) as tar:
        for member in extra:
            tar.addfile(member)
        for path, content in files.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _member(name, kind, target="") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


class _Server:
    """Answers every request with `status` and `body`, and may promise more bytes than it sends."""

    def __init__(self) -> None:
        self.status, self.body, self.promised, self.requests = 200, b"", None, []

    def start(self) -> http.server.ThreadingHTTPServer:
        answers = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answers.requests.append(self.path)
                self.send_response(answers.status)
                self.send_header("Content-Length", str(answers.promised or len(answers.body)))
                self.end_headers()
                self.wfile.write(answers.body)

            def log_message(self, *arguments):
                pass

        return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    answers = _Server()
    listening = answers.start()
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    answers.url = f"http://127.0.0.1:{listening.server_port}"
    yield answers
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def digests(tmp_path):
    """The digest list of FILES."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in FILES.items()]
    file = tmp_path / "list.sha256"
    file.write_text("".join(lines))
    return file


def _refusal(server, digests, cache) -> str:
    """The message; and nothing may be left behind."""
    with pytest.raises(UsageError) as error:
        rsscn7.find(base_url=server.url, digests=digests)
    assert list(cache.iterdir()) == []
    message = str(error.value)
    assert message.endswith(f"{ADVICE}.") and message.startswith(f"{server.url}/{rsscn7.COMMIT} ")
    return message.removeprefix(f"{server.url}/{rsscn7.COMMIT} ")


def test_downloaded_once_then_found(server, digests, cache):
    server.body = _archive(FILES | {"README.md": b"hello", "aGrass/2.jpg": b"not in the list"})
    place = rsscn7.find(base_url=server.url, digests=digests)
    assert place == cache / "rsscn7"
    written = {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert written == FILES
    assert rsscn7.find(base_url=server.url, digests=digests) == place
    assert server.requests == [f"/{rsscn7.COMMIT}"]
    assert [path.name for path in cache.iterdir()] == ["rsscn7"]


def test_an_empty_folder_in_the_cache_is_filled(server, digests, cache):
    (cache / "rsscn7").mkdir(parents=True)
    server.body = _archive()
    assert (rsscn7.find(base_url=server.url, digests=digests) / "gParking" / "1.jpg").is_file()


def test_another_process_was_faster(server, digests, cache, monkeypatch):
    server.body = _archive()
    original = download._unpack

    def overtaken(*arguments):
        original(*arguments)
        for path, content in FILES.items():
            (cache / "rsscn7" / path).parent.mkdir(parents=True)
            (cache / "rsscn7" / path).write_bytes(content + b" theirs")

    monkeypatch.setattr(download, "_unpack", overtaken)
    place = rsscn7.find(base_url=server.url, digests=digests)
    assert (place / "aGrass" / "1.jpg").read_bytes().endswith(b" theirs")
    assert [path.name for path in cache.iterdir()] == ["rsscn7"]


def test_not_found(server, digests, cache):
    server.status = 404
    assert _refusal(server, digests, cache) == f"answered 404 Not Found; {ADVICE}."


def test_broken_off(server, digests, cache):
    server.body = _archive()[:100]
    server.promised = 250_000
    assert _refusal(server, digests, cache) == f"broke off after 100 bytes of 250 kB; try again, or {ADVICE}."


@pytest.mark.parametrize("cut", [0, 10, 100, -20])
def test_a_short_archive_of_unknown_length(server, digests, cache, cut):
    server.body = _archive()[:cut]
    message = _refusal(server, digests, cache)
    assert message.startswith("did not send a whole .tar.gz archive (")


def test_no_archive_at_all(server, digests, cache):
    server.body = b"<html>please log in</html>"
    assert _refusal(server, digests, cache).startswith("did not send a whole .tar.gz archive (not a gzip file")


@pytest.mark.parametrize("name", ["../escaped.txt", f"{TOP}/../../escaped.txt", "/tmp/escaped.txt", "..\\escaped.txt"])
def test_members_that_lead_elsewhere(server, digests, cache, name):
    server.body = _archive(extra=[_member(name, tarfile.REGTYPE)])
    message = f"holds a path that leads out of the archive ('{name}'); {ADVICE}."
    assert _refusal(server, digests, cache) == message
    assert not list(cache.parent.rglob("escaped.txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices(server, digests, cache, kind):
    name = f"{TOP}/aGrass"
    server.body = _archive(extra=[_member(name, kind, "/etc")])
    expected = f"holds a link or device ('{name}'), which is not expected; {ADVICE}."
    assert _refusal(server, digests, cache) == expected


def test_wrong_digest(server, digests, cache):
    server.body = _archive(FILES | {"eForest/1.jpg": b"another picture"})
    assert _refusal(server, digests, cache) == (
        f"holds another '{TOP}/eForest/1.jpg' than expected (its sha256 differs); {ADVICE}."
    )


def test_missing_files(server, digests, cache):
    server.body = _archive({path: content for path, content in FILES.items() if path[0] in "abc"})
    assert _refusal(server, digests, cache) == f"lacks 4 of the 7 files expected (first: dRiverLake/1.jpg); {ADVICE}."


def test_nobody_there(server, digests, cache):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # held and not listening: nobody answers
        server.url = f"http://127.0.0.1:{held.getsockname()[1]}"
        message = _refusal(server, digests, cache)
    assert message.startswith("cannot be downloaded (") and "refused" in message


def test_a_server_that_falls_silent(server, digests, cache, monkeypatch):
    monkeypatch.setattr(download, "SOCKET_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert _refusal(server, digests, cache).startswith("cannot be downloaded (timed out")


def test_a_disk_that_fills_up(server, digests, cache, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    server.body = _archive()
    monkeypatch.setattr(download, "_write_checked", full)
    with pytest.raises(
        UsageError, match=r"is full \(No space left on device\); free some space or set CURRICULUM_TUNE"
    ):
        rsscn7.find(base_url=server.url, digests=digests)
    assert list(cache.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(server, digests, cache, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    server.body = _archive()
    monkeypatch.setattr(download, "_unpack", interrupt)
    with pytest.raises(KeyboardInterrupt):
        rsscn7.find(base_url=server.url, digests=digests)
    assert list(cache.iterdir()) == []


def _seven_folders(root):
    for name in rsscn7.CLASSES:
        (root / name).mkdir(parents=True)
    return root


def test_root_comes_before_the_variable_and_the_cache(tmp_path, cache, monkeypatch):
    cached = _seven_folders(cache / "rsscn7")
    assert rsscn7.find(base_url="nowhere") == cached
    variable = _seven_folders(tmp_path / "variable")
    monkeypatch.setenv("RSSCN7_ROOT", str(variable))
    assert rsscn7.find(base_url="nowhere") == variable
    root = _seven_folders(tmp_path / "root")
    assert rsscn7.find(root, base_url="nowhere") == root


@pytest.mark.parametrize("by", ["argument", "variable", "cache"])
def test_a_named_folder_without_rsscn7_is_refused_and_nothing_downloaded(server, cache, tmp_path, monkeypatch, by):
    folder = cache / "rsscn7" if by == "cache" else tmp_path / "elsewhere"
    _seven_folders(folder)
    (folder / "eForest").rmdir()
    if by == "variable":
        monkeypatch.setenv("RSSCN7_ROOT", str(folder))
    with pytest.raises(UsageError) as error:
        rsscn7.find(folder if by == "argument" else None, base_url=server.url)
    assert str(error.value) == (
        f"No RSSCN7 at {folder} (expected folders aGrass ... gParking). "
        "Pass --data-root, or --data scenes for the embedded set."
    )
    assert server.requests == []


def test_the_committed_digest_list():
    assert hashlib.sha256(rsscn7.DIGESTS.read_bytes()).hexdigest() == (
        "689f6f64963f9b45df4d651463454f6497b8f5d948638da832cd371b64e2354a"
    )
    digests = download.read_digests(rsscn7.DIGESTS)
    assert len(digests) == 2800 and {path.split("/")[0] for path in digests} == set(rsscn7.CLASSES)
    assert all(len(digest) == 64 for digest in digests.values())
