"""The cache: whole or not there at all, shared, and rebuilt when it is damaged."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import namedtuple

import numpy as np
import pytest

from console.errors import UsageError
from trainables.data import cache as cache_module
from trainables.data import stored
from trainables.data.cache import Recipe, build_or_open, cache_folder, discard_damaged
from trainables.data.stored import Item

COUNT, SIZE = 6, 4


def _items(count=COUNT):
    for index in range(count):
        yield Item(np.full((SIZE, SIZE, 3), index, dtype=np.uint8), index % 2, f"c/{index}", index / 10)


def _recipe(items=_items, key="toy", **changes) -> Recipe:
    return Recipe(
        **{"key": key, "name": "toy set", "size": SIZE, "count": COUNT, "classes": ("a", "b"), **changes}, items=items
    )


def _forbidden():
    raise AssertionError("built although the cache is there")


def _entries(cache):
    return sorted(path.name for path in (cache / "images").iterdir())


def test_built_once_then_opened(cache):
    built = build_or_open(_recipe())
    opened = build_or_open(_recipe(_forbidden))
    for data in (built, opened):
        assert data.images.shape == (COUNT, SIZE, SIZE, 3) and data.images.flags.c_contiguous
        assert data.images[:, 0, 0, 0].tolist() == list(range(COUNT))
        assert data.labels.tolist() == [0, 1] * 3 and data.labels.dtype == np.int64
        assert data.difficulty.tolist() == [index / 10 for index in range(COUNT)]
        assert (data.classes, data.paths) == (("a", "b"), tuple(f"c/{index}" for index in range(COUNT)))
        assert (data.name, data.digest, data.count, data.image_size) == ("toy set", built.digest, COUNT, SIZE)
    assert _entries(cache) == ["toy"]
    assert sorted(path.name for path in (cache / "images" / "toy").iterdir()) == ["images.u8", "meta.json"]


def test_images_are_a_read_only_memory_map():
    images = build_or_open(_recipe()).images
    assert isinstance(images, np.memmap) and not images.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 1


def test_digest_covers_images_labels_and_paths():
    data = build_or_open(_recipe())
    digest = hashlib.sha256(data.images.tobytes())
    digest.update(data.labels.tobytes() + "\0".join(data.paths).encode())
    assert data.digest == digest.hexdigest()


@pytest.mark.parametrize("change", [{"image": np.full((SIZE, SIZE, 3), 9, np.uint8)}, {"label": 1}, {"path": "d/0"}])
def test_another_image_label_or_path_is_another_digest(change):
    def changed():
        first, *rest = _items()
        yield from (first._replace(**change), *rest)

    assert build_or_open(_recipe()).digest != build_or_open(_recipe(changed, key="other")).digest


def test_fewer_images_than_announced(cache):
    data = build_or_open(_recipe(lambda: _items(4)))
    assert data.count == 4 and len(data.images) == 4


def test_no_difficulty_is_none():
    items = [item._replace(difficulty=None) for item in _items()]
    assert build_or_open(_recipe(lambda: iter(items))).difficulty is None


@pytest.mark.parametrize("damage", ["short", "long", "no images", "no meta", "torn meta", "other meta", "old format"])
def test_a_damaged_cache_is_built_anew(cache, damage):
    digest = build_or_open(_recipe()).digest
    pixels, meta = cache / "images" / "toy" / "images.u8", cache / "images" / "toy" / "meta.json"
    if damage == "short":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "long":
        pixels.write_bytes(pixels.read_bytes() + b"x")
    elif damage == "no images":
        pixels.unlink()
    elif damage == "no meta":
        meta.unlink()
    elif damage == "torn meta":
        meta.write_text(meta.read_text()[:40])
    elif damage == "other meta":
        meta.write_text("[1, 2]")
    else:
        meta.write_text(json.dumps(json.loads(meta.read_text()) | {"format": 0}))
    built = []
    rebuilt = build_or_open(_recipe(lambda: built.append(1) or _items()))
    assert built and rebuilt.digest == digest and rebuilt.images[5, 0, 0, 0] == 5
    assert _entries(cache) == ["toy"]


def _rewritten(meta, **changes):
    """As somebody would who changes meta.json by hand, or a disk that returns another block."""
    meta.write_text(json.dumps(json.loads(meta.read_text()) | changes))


def _reformatted(meta):
    """As another version would write it: whole, and of another format."""
    text = json.dumps({name: value for name, value in json.loads(meta.read_text()).items() if name != "seal"})
    meta.write_text(stored._sealed(text.replace(f'"format": {stored.FORMAT}', '"format": 2')))


HARMS = {
    "zeroed pixels": lambda pixels, meta: pixels.write_bytes(bytes(pixels.stat().st_size)),
    "a byte of the last image": lambda pixels, meta: pixels.write_bytes(pixels.read_bytes()[:-1] + b"x"),
    "labels out of range": lambda pixels, meta: _rewritten(meta, labels=[0, 1, 2, 3, 4, 5]),
    "labels below zero": lambda pixels, meta: _rewritten(meta, labels=[-1] * COUNT),
    "other labels": lambda pixels, meta: _rewritten(meta, labels=[1, 0] * 3),
    "other paths": lambda pixels, meta: _rewritten(meta, paths=["c/9"] * COUNT),
    "fewer labels": lambda pixels, meta: _rewritten(meta, labels=[0, 1]),
    "another digest": lambda pixels, meta: _rewritten(meta, digest="0" * 64),
    "other values": lambda pixels, meta: meta.write_text(meta.read_text().replace("0.1", "0.9")),
    "no seal": lambda pixels, meta: meta.write_text(meta.read_text().rpartition(", ")[0] + "}"),
    "another format": lambda pixels, meta: _reformatted(meta),
    "null": lambda pixels, meta: meta.write_text("null"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_was_changed_in_a_cache_is_noticed_when_it_is_opened(cache, harm):
    digest, folder = build_or_open(_recipe()).digest, cache / "images" / "toy"
    HARMS[harm](folder / "images.u8", folder / "meta.json")
    built = []
    rebuilt = build_or_open(_recipe(lambda: built.append(1) or _items()))
    assert built and rebuilt.digest == digest and rebuilt.labels.tolist() == [0, 1] * 3
    assert rebuilt.images[5, 0, 0, 0] == 5


def _large(count=80):
    for index in range(count):
        yield Item(np.full((64, 64, 3), index, dtype=np.uint8), index % 2, f"c/{index}")


def test_one_block_of_many_is_noticed_by_reading_all(cache, capsys):
    recipe = _recipe(_large, size=64, count=80)
    digest, pixels = build_or_open(recipe).digest, cache / "images" / "toy" / "images.u8"
    discard_damaged("toy", "toy set")
    assert pixels.exists() and capsys.readouterr().err == ""
    with pixels.open("r+b") as file:
        file.seek(stored.SAMPLE_BYTES + 8)  # behind the first piece that is looked at
        file.write(b"xyz")
    assert build_or_open(_recipe(_forbidden, size=64, count=80)).digest == digest  # what looking at a part leaves open
    discard_damaged("toy", "toy set")
    assert (
        not pixels.exists() and "the image cache of 'toy set' is damaged and is built anew" in capsys.readouterr().err
    )
    assert build_or_open(recipe).images[0].max() == 0
    discard_damaged("nothing", "toy set")


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_interrupted_build_leaves_nothing(cache, failure):
    def broken():
        yield from _items(3)
        assert any(name.endswith(".tmp") for name in _entries(cache))
        raise failure

    with pytest.raises(failure):
        build_or_open(_recipe(broken))
    assert _entries(cache) == []
    assert build_or_open(_recipe()).count == COUNT


def test_a_killed_build_is_swept_after_a_day(cache):
    store = cache_folder() / "images"
    for name, age in (("old.1-ab.tmp", 25), ("young.2-cd.tmp", 23)):
        (store / name).mkdir(parents=True)
        (store / name / "images.u8").write_bytes(b"x")
        for path in (store / name / "images.u8", store / name):
            os.utime(path, (time.time() - 3600 * age,) * 2)
    build_or_open(_recipe())
    assert _entries(cache) == ["toy", "young.2-cd.tmp"]


def test_a_build_that_loses_the_race_opens_the_winners(cache):
    def overtaken():
        yield from _items(3)
        build_or_open(_recipe())
        yield from (item._replace(label=0) for item in list(_items())[3:])

    data = build_or_open(_recipe(overtaken))
    assert data.labels.tolist() == [0, 1] * 3
    assert _entries(cache) == ["toy"]


def test_two_processes_build_the_same_cache_at_once(cache):
    program = (
        "import sys; from trainables.data.sources import load;"
        "sys.stdin.readline(); print(load('scenes:count=140', 32).digest)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    digests = {process.communicate(timeout=60)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0]
    assert len(digests) == 1 and len(digests.pop()) == 64
    assert _entries(cache) == ["scenes-32-count140-seed0-drawing1"]


def test_a_disk_too_small_is_refused_before_building(cache, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**12, 0, 512_000_000)
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UsageError) as error:
        build_or_open(_recipe(_forbidden, size=256, count=2800))
    assert str(error.value) == (
        f"The image cache of 'toy set' at 256 px needs 551 MB and {cache}/images has 512 MB free; "
        "free some space or set CURRICULUM_TUNE_CACHE to a folder on another disk."
    )
    assert _entries(cache) == []


def test_a_disk_that_fills_up_while_writing(cache, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stored, "_flush", full)
    with pytest.raises(UsageError) as error:
        build_or_open(_recipe())
    assert str(error.value) == (
        f"The disk holding {cache}/images is full (No space left on device); free some space or set "
        "CURRICULUM_TUNE_CACHE to a folder on another disk."
    )
    assert _entries(cache) == []


def test_other_failures_of_the_disk_keep_their_traceback(cache, monkeypatch):
    def broken(file):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(stored, "_flush", broken)
    with pytest.raises(OSError, match="Input/output error"):
        build_or_open(_recipe())
    assert _entries(cache) == []


def test_a_large_cache_is_announced(cache, monkeypatch, capsys):
    monkeypatch.setattr(cache_module, "LARGE_BYTES", 200)
    build_or_open(_recipe())
    assert capsys.readouterr().err == f"building the image cache of 'toy set' at 4 px: 288 bytes in {cache}/images\n"
    build_or_open(_recipe())
    assert capsys.readouterr().err == ""


def test_where_the_cache_is(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "curriculum-tune"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "curriculum-tune"
    assert cache_folder().is_dir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", "here")
    assert cache_folder() == tmp_path / "here"


def test_a_cache_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("CURRICULUM_TUNE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError) as error:
        cache_folder()
    assert str(error.value).startswith("The cache folder cannot be made (")
    assert str(error.value).endswith("; set CURRICULUM_TUNE_CACHE to a folder that can be written.")


def test_a_cache_folder_that_cannot_be_written(cache, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UsageError) as error:
        cache_folder()
    assert str(error.value) == (
        f"The cache folder {cache} cannot be written; set CURRICULUM_TUNE_CACHE to a folder that can be written."
    )
