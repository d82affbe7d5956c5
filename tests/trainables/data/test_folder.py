"""Folders of class folders: what is listed, what is decoded, and what is refused in which words."""

import os
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from console.errors import UsageError
from trainables.data import decoding
from trainables.data import pictures as reading
from trainables.data.decoding import decode
from trainables.data.folder import list_images
from trainables.data.sources import load

from .conftest import save_picture


def _refusal(call) -> str:
    with pytest.raises(UsageError) as error:
        call()
    return str(error.value)


def test_listing_is_sorted_by_class_and_path(pictures):
    save_picture(pictures / "apple" / "10.png", 1)
    listing = list_images(pictures)
    assert listing.classes == ("apple", "berry", "cherry")
    assert listing.paths[:5] == tuple(f"apple/{number}.png" for number in (0, 1, 10, 2, 3))
    assert listing.paths[5] == "berry/0.png"
    assert listing.labels.tolist() == [0] * 5 + [1] * 4 + [2] * 4 and listing.labels.dtype == np.int64


def test_hidden_and_system_files_are_passed_over(pictures):
    before = list_images(pictures)
    for name in (".hidden", ".DS_Store", "apple/.keep", "apple/Thumbs.db", "berry/desktop.ini", "README.md"):
        (pictures / name).write_text("not a picture")
    (pictures / ".git").mkdir()
    (pictures / "apple" / ".thumbnails").mkdir()
    (pictures / "apple" / ".thumbnails" / "0.png").write_text("not a picture")
    after = list_images(pictures)
    assert after.paths == before.paths and after.fingerprint() == before.fingerprint()


def test_folders_inside_class_folders_belong_to_the_class(pictures):
    (pictures / "berry" / "red").mkdir()
    save_picture(pictures / "berry" / "red" / "0.png", 3)
    listing = list_images(pictures)
    assert listing.paths[8] == "berry/red/0.png" and listing.labels[8] == 1


def test_only_the_classes_asked_for(pictures):
    assert list_images(pictures, ("cherry", "apple")).classes == ("apple", "cherry")


def test_decoding_keeps_order_and_converts(pictures):
    Image.new("L", (30, 4), 77).save(pictures / "apple" / "0.png")
    Image.new("RGBA", (3, 3), (9, 8, 7, 0)).save(pictures / "apple" / "1.png")
    items = list(decode(list_images(pictures), 12, skip_bad_images=False))
    assert all(item.image.shape == (12, 12, 3) and item.image.dtype == np.uint8 for item in items)
    assert [int(item.image[0, 0, 0]) for item in items] == [77, 9, 20, 30, 50, 60, 70, 80, 100, 110, 120, 130]
    assert [item.label for item in items] == [0] * 4 + [1] * 4 + [2] * 4
    assert items[0].path == "apple/0.png" and items[0].difficulty is None


def test_resize_is_plain_bilinear(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 25, 3), dtype=np.uint8)
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.fromarray(noise).save(tmp_path / "in" / name / "0.png")
    item = next(decode(list_images(tmp_path / "in"), 16, skip_bad_images=False))
    assert np.array_equal(item.image, np.asarray(Image.fromarray(noise).resize((16, 16), Image.Resampling.BILINEAR)))


def test_more_pictures_than_the_lookahead(pictures, monkeypatch):
    monkeypatch.setattr(decoding, "LOOKAHEAD", 2)
    assert [item.path for item in decode(list_images(pictures), 8, False)] == list(list_images(pictures).paths)


def _spoil(pictures):
    """Four bad files of different kinds among good ones."""
    (pictures / "apple" / "1.png").write_bytes(b"")
    (pictures / "apple" / "notes.txt").write_text("not a picture")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(pictures / "berry" / "cut.jpg")
    whole = (pictures / "berry" / "cut.jpg").read_bytes()
    (pictures / "berry" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    _write_bomb(pictures / "cherry" / "bomb.png")


def _write_bomb(path):
    """A PNG of a few bytes that says it is 60,000 x 60,000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_bad_images_are_refused_together(pictures):
    _spoil(pictures)
    message = _refusal(lambda: load(str(pictures), 8))
    assert re.fullmatch(
        rf"4 of 15 files in {re.escape(str(pictures))} cannot be read as images: apple/1\.png \(an empty file\), "
        r"apple/notes\.txt \(not an image, or of a format that is not read\), "
        r"berry/cut\.jpg \(image file is truncated.*?\) and 1 more; "
        r"mend or remove them, or pass --skip-bad-images to leave them out\.",
        message,
    )


def test_bad_images_are_left_out_and_counted(pictures, capsys):
    _spoil(pictures)
    data = load(str(pictures), 8, skip_bad_images=True)
    good = [f"{name}/{number}.png" for name in data.classes for number in range(4)]
    assert data.paths == tuple(path for path in good if path != "apple/1.png")
    assert data.images[:, 0, 0, 0].tolist() == [0, 20, 30, 50, 60, 70, 80, 100, 110, 120, 130]
    assert data.labels.tolist() == [0] * 3 + [1] * 4 + [2] * 4
    told = f"4 of 15 files in {pictures} cannot be read as images and are left out: apple/1.png"
    assert told in capsys.readouterr().err


def test_large_pictures_that_only_warn_in_pillow_are_bad_too(pictures, monkeypatch, recwarn):
    monkeypatch.setattr(reading, "LARGEST_PIXELS", 50)  # each picture has 60
    assert "apple/0.png (60 pixels, which is suspiciously many)" in _refusal(lambda: load(str(pictures), 8))


def test_a_class_of_bad_images_only(pictures):
    for path in (pictures / "berry").iterdir():
        path.write_text("no")
    message = _refusal(lambda: load(str(pictures), 8, skip_bad_images=True))
    assert message.endswith(
        "and without them class 'berry' has no images left; mend or remove that folder."
    ) and message.startswith("4 of 12 files in")


def test_a_file_that_may_not_be_read_is_bad(pictures, monkeypatch):
    original = Image.open

    def refuse(path, *arguments, **more):
        if path.name == "2.png":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *arguments, **more)

    monkeypatch.setattr(Image, "open", refuse)
    assert "3 of 12 files" in (message := _refusal(lambda: load(str(pictures), 8)))
    assert "apple/2.png (Permission denied)" in message


def test_a_link_that_leads_nowhere_is_bad(pictures):
    (pictures / "apple" / "9.png").symlink_to("nowhere.png")
    assert "1 of 13 files" in (message := _refusal(lambda: load(str(pictures), 8)))
    assert "apple/9.png (No such file or directory)" in message


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: None, "No folder at {root}; pass a folder that holds one folder of images per class."),
        (lambda root: root.mkdir(), "{root} is empty; it should hold one folder of images per class."),
        (
            lambda root: (root.mkdir(), save_picture(root / "1.png", 1), save_picture(root / "2.png", 1)),
            "{root} holds 2 files and no class folders; put each class's images into a folder of its own.",
        ),
        (
            lambda root: ((root / "only").mkdir(parents=True), save_picture(root / "only" / "1.png", 1)),
            "{root} holds one class folder only ('only'); a classifier needs at least two.",
        ),
        (
            lambda root: [(root / name).mkdir(parents=True) for name in "ab"],
            "Class folder {root}/a holds no images; add some or remove the folder.",
        ),
    ],
)
def test_folders_that_hold_no_data_set(tmp_path, prepare, message):
    root = tmp_path / "root"
    prepare(root)
    assert _refusal(lambda: list_images(root)) == message.format(root=root)


@pytest.mark.parametrize("change", ["content", "time", "added", "removed"])
def test_any_change_of_the_folder_changes_the_fingerprint(pictures, change):
    before = list_images(pictures).fingerprint()
    file = pictures / "apple" / "0.png"
    if change == "content":
        file.write_bytes(file.read_bytes() + b"x")
    elif change == "time":
        os.utime(file, ns=(1, 1))
    elif change == "added":
        save_picture(pictures / "apple" / "new.png", 1)
    else:
        file.unlink()
    assert list_images(pictures).fingerprint() != before
