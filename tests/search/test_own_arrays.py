"""Arrays in an .npz file and torchvision's own sets, each from the command line to the last line."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search import run
from tests.search.brought import ANIMALS, about, cache, complaint, fill, search  # noqa: F401


def test_arrays_are_data(tmp_path, capsys):
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 65536, (30, 9, 7), np.uint16), np.arange(30) % 3
    np.savez(tmp_path / "set.npz", images=images, labels=labels, classes=np.array(ANIMALS))
    assert search(tmp_path, tmp_path / "set.npz") == run.DONE
    said = capsys.readouterr().out
    assert "30 images of 16 px, 3 classes (cat, dog, owl;" in said and "30 images of 16 bits were scaled to 8." in said
    assert about(tmp_path)["setting"]["data"] == str(tmp_path / "set.npz")


GOOD = {"images": np.zeros((6, 4, 4, 3), np.uint8), "labels": np.arange(6) % 2}


@pytest.mark.parametrize(("arrays", "said"), [
    ({"x": GOOD["images"], "y": GOOD["labels"]}, "has no array 'images' (it has x, y)"),
    (GOOD | {"images": np.zeros((6, 4), np.uint8)}, "has images of shape (6, 4); it wants (N, H, W) or (N, H, W, 3)"),
    (GOOD | {"images": GOOD["images"].astype(int)}, "has images of int64; uint8, uint16 and floats in [0, 1] are read"),
    (GOOD | {"labels": np.arange(5)}, "has labels of shape (5,) and int64; it wants (6,)"),
    (GOOD | {"labels": np.array([0, 2] * 3)}, "has no image of class '1'; number the classes without gaps"),
    (GOOD | {"labels": np.array(["a", "b"] * 3, dtype=object)}, "its arrays are pickled objects"),
    (GOOD | {"classes": np.array(["one"])}, "has labels up to 1 and names 1 classes"),
    (GOOD | {"labels": np.array([10**11, *[0, 1] * 2, 0])}, "6 images cannot have 100,000,000,001 classes; number the"),
    (GOOD | {"labels": np.array([2**63 + 5, *[0, 1] * 2, 0], np.uint64)}, "6 images cannot have 9,223,372,036,854,775,8"),
    (GOOD | {"classes": np.array([b"one", b"\xff\xfe"])}, "has classes whose names are no text ("),
    (GOOD | {"classes": np.array(["one", "\ud800"])}, "has classes whose names are no text ("),
])  # fmt: skip
def test_arrays_that_are_no_data_are_refused(arrays, said, tmp_path, capsys):
    np.savez(tmp_path / "set.npz", **arrays)
    assert said in complaint(tmp_path, capsys, tmp_path / "set.npz")


def test_a_file_that_is_no_npz_and_floats_above_1_are_refused(tmp_path, capsys):
    (tmp_path / "set.npz").write_text("no")
    assert "set.npz cannot be read as .npz (" in complaint(tmp_path, capsys, tmp_path / "set.npz")
    np.savez(tmp_path / "set.npz", **GOOD | {"images": np.full((6, 4, 4), 7.5)})
    assert search(tmp_path, tmp_path / "set.npz") == run.WRONG_USAGE
    assert "floats from 7.5 to 7.5, where floats in [0, 1] are read" in capsys.readouterr().err


def packed(how: int = zipfile.ZIP_STORED, **members: bytes) -> bytearray:
    """An archive of the good arrays, with other bytes for these members."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", how) as archive:
        for name, array in GOOD.items():
            stream = io.BytesIO()
            np.save(stream, array)
            archive.writestr(f"{name}.npy", members.get(name, stream.getvalue()))
    return bytearray(whole.getvalue())


def header(shape: tuple[int, ...], kind: str) -> bytes:
    """Of an array that says to be so large, and no bytes behind it."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def damaged(how: int) -> bytearray:
    """With other bits where the labels are packed."""
    whole = packed(how)
    at = whole.index(b"labels.npy") + len(b"labels.npy") + 20
    whole[at : at + 12] = b"\xff" * 12
    return whole


def marked(place: int, value: int) -> bytearray:
    """With another number in both headers of every member, at this byte of the one at the member."""
    whole = packed()
    for sign, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        at = -1
        while (at := whole.find(sign, at + 1)) >= 0:
            whole[at + place + shift] = value
    return whole


def bare() -> bytes:
    stream = io.BytesIO()
    np.save(stream, GOOD["images"])
    return stream.getvalue()


LYING = "bytes, which are not those of"


@pytest.mark.parametrize(("content", "said"), [
    (bare(), "cannot be read as .npz (File is not a zip file)"),
    (packed()[:-30], "cannot be read as .npz (File is not a zip file)"),
    (damaged(zipfile.ZIP_STORED), "cannot be read as .npz ("),
    (damaged(zipfile.ZIP_DEFLATED), "cannot be read as .npz ("),
    (damaged(zipfile.ZIP_BZIP2), "cannot be read as .npz ("),
    (damaged(zipfile.ZIP_LZMA), "cannot be read as .npz ("),
    (marked(6, 1), "is encrypted, password required"),
    (marked(8, 99), "compression method"),
    (packed(images=header((6, 10**6, 10**6), "|u1")), LYING),
    (packed(images=header((6, 2**62, 2**62), "|u1")), LYING),
    (packed(labels=header((10**13,), "<i8")), LYING),
    (packed(labels=header((10**13,), "|V0")), LYING),
    (packed(labels=header((6,), "<i8")), LYING),
    (packed(labels=b"\x93NUMPY\x01\x00" + b"\xe8\x03" + b"(" * 1000), "cannot be read as .npz ("),
    (packed(labels=b"Z" * 5000), "cannot be read as .npz ("),
])  # fmt: skip
def test_archives_that_are_damaged_or_say_too_much_are_refused_in_a_short_sentence(content, said, tmp_path, capsys):
    (tmp_path / "set.npz").write_bytes(content)
    complained = complaint(tmp_path, capsys, tmp_path / "set.npz")
    assert said in complained and len(complained.replace(str(tmp_path), "")) < 350


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_among_the_images_is_found_when_they_are_loaded(how, tmp_path, capsys):
    whole = packed(how)
    at = whole.index(b"images.npy") + (170 if how == zipfile.ZIP_STORED else 60)
    whole[at : at + 8] = b"\xfe" * 8
    (tmp_path / "set.npz").write_bytes(whole)
    assert search(tmp_path, tmp_path / "set.npz") == run.WRONG_USAGE
    assert "set.npz cannot be read as .npz (" in capsys.readouterr().err


def eurosat(root: Path) -> Path:
    for name in ("Forest", "River"):
        fill(root / "eurosat" / "2750" / name, 5, "jpg")
    return root


def test_a_set_of_torchvisions_is_read_from_its_folder(tmp_path, capsys):
    words = ["--data-root", str(eurosat(tmp_path / "theirs"))]
    assert search(tmp_path, "torchvision:EuroSAT", *words) == run.DONE
    assert "10 images of 16 px, 2 classes (Forest, River;" in capsys.readouterr().out
    assert search(tmp_path, "torchvision:EuroSAT", *words, "--name", "again") == run.DONE


def test_the_parts_of_a_set_of_torchvisions_are_its_split(tmp_path, capsys, monkeypatch):
    from torchvision import datasets

    class Fake(datasets.VisionDataset):
        """Twelve images to train on and six to test on."""

        def __init__(self, root, train=True, download=False):
            self.train, self.classes = train, ["light", "dark"]
            if not (Path(root) / "here").exists():
                if not download:
                    raise RuntimeError("Dataset not found. You can use download=True to download it")
                (Path(root) / "here").write_text("")

        def __len__(self):
            return 12 if self.train else 6

        def __getitem__(self, index):
            return Image.new("L", (9, 9), 200 - 100 * (index % 2) + self.train), index % 2

    monkeypatch.setattr("trainables.data.torchvision_sets._kind", lambda name: Fake)
    asked, words = "torchvision:CIFAR10", ["--data-root", str(tmp_path)]
    assert "cannot be read from" in complaint_of_root(tmp_path, capsys, asked, *words)
    assert search(tmp_path, asked, "--dry-run") == run.DONE
    assert "This would first download torchvision:CIFAR10" in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()
    assert search(tmp_path, asked) == run.DONE
    said = capsys.readouterr().out
    assert "10 train, 2 validation, 6 test" in said and "Split by the data's own train/ and test/;" in said


def complaint_of_root(tmp_path, capsys, data, *words) -> str:
    assert search(tmp_path, data, *words) == run.WRONG_USAGE
    return capsys.readouterr().err


def test_a_set_of_torchvisions_without_a_folder_or_names(tmp_path, capsys, monkeypatch):
    from torchvision import datasets

    few = type(
        "Few", (datasets.FakeData,), {"__init__": lambda self: datasets.FakeData.__init__(self, 60, (3, 9, 9), 2)}
    )
    monkeypatch.setattr("trainables.data.torchvision_sets._kind", lambda name: few)
    assert search(tmp_path, "torchvision:FakeData", "--dry-run") == run.DONE
    assert "This would first read torchvision:FakeData" in capsys.readouterr().out
    assert search(tmp_path, "torchvision:FakeData") == run.DONE
    assert "60 images of 16 px, 2 classes (0, 1;" in capsys.readouterr().out


def test_a_set_that_gives_no_class_is_refused(tmp_path, capsys, monkeypatch):
    from torchvision import datasets

    class Pairs(datasets.VisionDataset):
        """Two images for each example."""

        def __init__(self, root):
            pass

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return Image.new("L", (9, 9)), Image.new("L", (9, 9))

    monkeypatch.setattr("trainables.data.torchvision_sets._kind", lambda name: Pairs)
    assert search(tmp_path, "torchvision:Pairs", "--data-root", str(tmp_path)) == run.WRONG_USAGE
    assert "gives (Image, Image) for each example, where an image and the number" in capsys.readouterr().err
