"""Which files are opened at all, what decodes them, and what becomes of a picture that takes too long."""

import os
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
from PIL import Image

from console.errors import UsageError
from trainables.data import decoding
from trainables.data.pictures import Picture, read
from trainables.data.sources import load

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n{} loop\n%%EOF\n"


@pytest.fixture
def no_process(monkeypatch):
    """Whoever starts a process is told on."""
    started = []
    for name in ("Popen", "call", "check_call", "check_output", "run"):
        monkeypatch.setattr(subprocess, name, lambda *words, **more: started.append(words))
    yield
    assert started == []


@pytest.mark.parametrize("name", ["evil.jpg", "evil.eps", "evil"])
def test_postscript_never_reaches_ghostscript(tmp_path, name, no_process):
    (tmp_path / name).write_bytes(EPS)
    assert read(tmp_path / name, 8) == "not an image, or of a format that is not read"
    with pytest.raises(OSError), Image.open(tmp_path / name) as image:  # as torchvision's data sets open theirs
        image.load()


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tif", "webp", "avif", "jp2", "ppm"])
def test_the_formats_that_are_read(tmp_path, suffix):
    try:
        Image.new("RGB", (8, 8), (250, 250, 250)).save(tmp_path / f"a.{suffix}")
    except (KeyError, OSError, ValueError):
        pytest.skip(f"this Pillow writes no {suffix}")
    made = read(tmp_path / f"a.{suffix}", 8)
    assert isinstance(made, Picture) and made.pixels.min() > 240


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def listener(path):
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket may have 100 letters
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


@pytest.mark.parametrize(("make", "said"), [
    (pipe, "a pipe, and no file"),
    (device, "a device, and no file"),
    (listener, "a socket, and no file"),
])  # fmt: skip
def test_only_files_are_opened(pictures, make, said):
    make(pictures / "apple" / "9.png")
    with pytest.raises(UsageError, match=rf"1 of 13 files in .*: apple/9\.png \({said}\); mend or remove"):
        load(str(pictures), 8)
    assert load(str(pictures), 8, skip_bad_images=True).count == 12


def hanging(release: threading.Event, bad):
    """A `read` that never comes back from these files, but for a moment in Python every few milliseconds."""

    def hang(path, size, resize):
        while path.name in bad and not release.wait(0.005):
            pass
        return read(path, size, resize)

    return hang


def test_a_picture_that_takes_too_long_is_given_up_and_its_thread_ends(pictures, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(decoding, "read", hanging(release, {"1.png", "3.png"}))  # six, more than there are threads
    monkeypatch.setattr(decoding, "DECODE_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(UsageError, match=r"6 of 12 files .*: apple/1\.png \(not decoded after 0\.2 s\), apple/3\.png"):
        load(str(pictures), 8)
    data = load(str(pictures), 8, skip_bad_images=True)
    assert [path for path in data.paths if path.startswith("apple")] == ["apple/0.png", "apple/2.png"]
    until = time.monotonic() + 10
    while any(thread.name == "decode" for thread in threading.enumerate()):
        assert time.monotonic() < until, "a thread goes on"
        time.sleep(0.01)
    assert not release.is_set() and time.monotonic() - started < 30


def test_memory_that_runs_out_is_no_bad_picture(pictures, monkeypatch):
    def none_left(path, size, resize):
        raise MemoryError

    monkeypatch.setattr(decoding, "read", none_left)
    with pytest.raises(MemoryError):
        load(str(pictures), 8, skip_bad_images=True)


def test_pictures_of_a_hundred_million_pixels_are_not_decoded(pictures):
    Image.fromarray(np.zeros((9_000, 10_000), np.uint8)).save(pictures / "apple" / "9.png")
    with pytest.raises(UsageError, match=r"apple/9\.png \(90,000,000 pixels, which is suspiciously many\)"):
        load(str(pictures), 8)
