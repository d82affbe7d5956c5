"""DTD: found, downloaded by torchvision from a server on this machine, official partitions, every label of an image."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
import torchvision
from PIL import Image

from console.errors import UsageError
from trainables.data import dtd, sources
from trainables.data.sources import Asked, load, official_parts, survey
from trainables.data.splits import official_partition, split_by_parts

CLASSES = ("banded", "blotchy", "braided")
LABELS = {
    "banded/banded_1.jpg": "banded braided ",
    "banded/banded_2.jpg": "banded ",
    "blotchy/blotchy_1.jpg": "blotchy",
    "blotchy/blotchy_2.jpg": "blotchy banded braided",
    "braided/braided_1.jpg": "braided",
    "braided/braided_2.jpg": "braided woven",
}


def jpeg(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 16), (shade, shade, shade)).save(buffer, "JPEG")
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """A small DTD: six images, one partition in which train has the first of each class and so on."""
    found = {f"images/{path}": jpeg(20 * i) for i, path in enumerate(LABELS)}
    found["labels/labels_joint_anno.txt"] = "\n".join(f"{p} {words}" for p, words in LABELS.items()).encode()
    names = list(LABELS)
    for word, chosen in (("train", names[0::3]), ("val", names[1::3]), ("test", names[2::3])):
        found[f"labels/{word}1.txt"] = ("\n".join(chosen) + "\n").encode()
    return found


@pytest.fixture
def root(tmp_path):
    for path, content in files().items():
        (tmp_path / "dtd" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dtd" / path).write_bytes(content)
    return tmp_path / "dtd"


def test_every_label_of_an_image_is_a_column(root, capsys):
    data = load("dtd", 8, str(root), multi_label=True)
    assert data.classes == CLASSES and data.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.targets.astype(int).tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1], [0, 0, 1]]
    assert "1 labels of labels_joint_anno.txt are of classes that have no folder" in capsys.readouterr().err  # woven
    plain = load("dtd", 8, str(root))
    assert plain.targets is None and plain.digest != data.digest and np.array_equal(plain.images, data.images)


def test_other_labels_are_other_data(root):
    before = load("dtd", 8, str(root), multi_label=True).digest
    file = root / "labels" / dtd.ANNOTATIONS
    file.write_text(file.read_text().replace("banded/banded_2.jpg banded", "banded/banded_2.jpg banded blotchy"))
    assert load("dtd", 8, str(root), multi_label=True).digest != before


def test_an_official_partition_is_the_split(root):
    data = load("dtd", 8, str(root))
    parts = split_by_parts("DTD", official_parts("dtd", str(root), 1), data.paths, "holdout")
    assert [list(part) for part in (parts.train, parts.validation, parts.test)] == [[0, 3], [1, 4], [2, 5]]
    joined = split_by_parts("DTD", official_parts("dtd", str(root), 1), data.paths, "report")
    assert list(joined.train) == [0, 1, 3, 4] and list(joined.test) == [2, 5] and not len(joined.validation)


@pytest.mark.parametrize(("text", "number"), [("official", 1), ("official:7", 7), ("official:10", 10),
                                              ("official:11", None), ("official:0", None), ("s.csv", None)])  # fmt: skip
def test_which_partition_is_meant(text, number):
    assert official_partition(text) == number


def without(root, path):
    (root / path).unlink()
    return root


def broken(root, old, new):
    file = root / "labels" / dtd.ANNOTATIONS
    file.write_text(file.read_text().replace(old, new))
    return root


MISTAKES = [
    (lambda root: without(root, "labels/labels_joint_anno.txt"), "labels_joint_anno.txt cannot be read .*whole of DTD"),
    (lambda root: broken(root, "banded/banded_2.jpg banded", ""), "has no line for banded/banded_2.jpg"),
    (lambda root: broken(root, "blotchy/blotchy_1.jpg blotchy", "blotchy/blotchy_1.jpg banded"),
     "does not name the class of blotchy/blotchy_1.jpg"),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "said"), MISTAKES)
def test_bad_annotations_are_named(root, harm, said):
    with pytest.raises(UsageError, match=said):
        load("dtd", 8, str(harm(root)), multi_label=True)


def test_without_annotations_nothing_is_decoded_and_a_survey_says_so_too(root, monkeypatch):
    asked = Asked("dtd", 8, str(without(root, "labels/labels_joint_anno.txt")), multi_label=True)
    monkeypatch.setattr(sources, "build_or_open", lambda recipe: pytest.fail("images were decoded first"))
    for find in (lambda: survey(asked), lambda: load("dtd", 8, asked.root, multi_label=True)):
        with pytest.raises(UsageError, match=r"labels_joint_anno\.txt cannot be read"):
            find()


def test_a_partition_that_is_not_there_and_data_that_have_none(root):
    with pytest.raises(UsageError, match=r"train4\.txt cannot be read .*--split official"):
        official_parts("dtd", str(root), 4)
    with pytest.raises(UsageError, match="--split official is for --data dtd"):
        official_parts("rsscn7", None, 1)
    with pytest.raises(UsageError, match="'scenes' has one each; use dtd"):
        load("scenes", 16, multi_label=True)


@pytest.fixture
def archive(monkeypatch, server):
    """torchvision's download, pointed at the server on this machine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in files().items():
            member = tarfile.TarInfo(f"dtd/{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    server.body = buffer.getvalue()
    monkeypatch.delenv("DTD_ROOT", raising=False)
    monkeypatch.setattr(torchvision.datasets.DTD, "_URL", f"{server.url}/dtd-r1.0.1.tar.gz")
    monkeypatch.setattr(torchvision.datasets.DTD, "_MD5", hashlib.md5(server.body).hexdigest())
    return server


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_downloaded_once_and_whole(archive, cache):
    assert load("dtd", 8).classes == CLASSES
    asked = len(archive.requests)
    assert load("dtd", 8, multi_label=True).targets.sum() == 9 and len(archive.requests) == asked
    assert sorted(entry.name for entry in (cache / "dtd").iterdir()) == ["images", "labels"]


def harmed(archive, **changes):
    for name, value in changes.items():
        setattr(archive, name, value)


@pytest.mark.parametrize("changes", [{"status": 404}, {"body": b"another file"}, {"body": b"", "promised": 4000}])
def test_a_failed_download_is_one_sentence_and_leaves_nothing(archive, cache, changes):
    harmed(archive, **changes)
    with pytest.raises(UsageError, match=r"DTD cannot be downloaded from http://127.*pass --data-root or set DTD_ROOT"):
        load("dtd", 8)
    assert not [entry for entry in cache.iterdir() if entry.name.startswith("dtd")]
