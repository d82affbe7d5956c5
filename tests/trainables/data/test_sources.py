"""From what is written after --data to a Dataset."""

import numpy as np
import pytest
from PIL import Image

from console.errors import UsageError
from trainables.data import rsscn7, scenes, textures
from trainables.data.sources import is_embedded, load

from .conftest import save_picture


@pytest.mark.parametrize(("source", "module"), [("scenes", scenes), ("textures", textures)])
def test_embedded_sets_go_through_the_cache(cache, source, module):
    asked = f"{source}:count=16,seed=5"
    data = load(asked, 16)
    drawn = module.draw(16, 16, seed=5)
    assert np.array_equal(data.images, np.stack(list(drawn.images)))
    assert np.array_equal(data.labels, drawn.labels) and np.array_equal(data.difficulty, drawn.difficulty)
    assert data.name == asked and data.classes == module.CLASSES
    assert data.paths[:2] == (f"{module.CLASSES[0]}/000000", f"{module.CLASSES[1]}/000001")
    assert len(set(data.paths)) == 16
    assert [path.name for path in (cache / "images").iterdir()] == [f"{source}-16-count16-seed5-drawing1"]


def test_defaults_of_the_embedded_sets():
    assert load("scenes", 8).count == 1400
    assert load("textures", 8).count == 1600
    assert load("scenes:seed=0", 8).digest == load("scenes:count=1400", 8).digest


def test_seed_size_and_count_are_different_data():
    wanted = ("scenes:count=14", 16), ("scenes:count=14,seed=1", 16), ("scenes:count=21", 16), ("scenes:count=14", 17)
    assert len({load(source, size).digest for source, size in wanted}) == 4


def test_is_embedded():
    assert is_embedded("scenes") and is_embedded("textures:count=8")
    assert not is_embedded("rsscn7") and not is_embedded("./scenes") and not is_embedded("scene")


def test_a_folder(pictures, cache):
    data = load(str(pictures), 8)
    assert data.name == str(pictures) and data.classes == ("apple", "berry", "cherry") and data.count == 12
    assert data.images[:, 0, 0, 0].tolist() == [50 * label + 10 * n for label in range(3) for n in range(4)]
    assert data.difficulty is None and load(str(pictures), 8).digest == data.digest
    (only,) = (cache / "images").iterdir()
    assert only.name.startswith("pictures-8-") and only.name.replace("-", "").isalnum()


def test_a_changed_folder_is_read_again(pictures):
    before = load(str(pictures), 8)
    save_picture(pictures / "apple" / "0.png", 200)
    after = load(str(pictures), 8)
    assert after.images[0, 0, 0, 0] == 200 and after.digest != before.digest
    assert before.images[0, 0, 0, 0] == 0  # who has the old one open keeps it


def test_a_folder_with_a_strange_name(tmp_path, cache):
    root = tmp_path / "Möbel: alt/neu & schön"
    for name in ("ä b", "c"):
        (root / name).mkdir(parents=True)
        save_picture(root / name / "1 é.png", 1)
    assert load(str(root), 8).paths == ("c/1 é.png", "ä b/1 é.png")
    (only,) = (cache / "images").iterdir()
    assert only.name.isascii() and " " not in only.name


def test_a_folder_named_like_a_set_needs_a_path(pictures, tmp_path, monkeypatch):
    pictures.rename(tmp_path / "scenes")
    monkeypatch.chdir(tmp_path)
    assert load("./scenes", 8).classes == ("apple", "berry", "cherry")


def test_rsscn7_reads_its_seven_folders_only(tmp_path):
    for name in (*rsscn7.CLASSES, "notes"):
        (tmp_path / "r" / name).mkdir(parents=True)
        save_picture(tmp_path / "r" / name / "1.png", 1)
    data = load("rsscn7", 8, root=str(tmp_path / "r"))
    assert data.classes == rsscn7.CLASSES and data.count == 7 and data.name == "rsscn7"


@pytest.mark.parametrize("inside", [".", "images"])
@pytest.mark.parametrize("by", ["argument", "variable"])
def test_dtd(pictures, tmp_path, monkeypatch, inside, by):
    root = tmp_path / "dtd"
    (root / inside).parent.mkdir(exist_ok=True)
    if inside == "images":
        root.mkdir(exist_ok=True)
    pictures.rename(root / inside if inside != "." else root)
    monkeypatch.setenv("DTD_ROOT", str(root if by == "variable" else tmp_path / "nowhere"))
    data = load("dtd", 8, root=None if by == "variable" else str(root))
    assert data.classes == ("apple", "berry", "cherry") and data.name == "dtd"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("scene", 64), "Unknown data set 'scene'. Did you mean 'scenes'? Known: scenes, textures, rsscn7, dtd."),
        (("RSSCN7", 64), "'RSSCN7' is neither a known data set (scenes, textures, rsscn7, dtd) nor a folder"),
        (("/no/such/place", 64), "'/no/such/place' is neither a known data set (scenes, textures, rsscn7, dtd) nor a"),
        (("scenes", 7), "--image-size must be between 8 and 1024 pixels; got 7."),
        (("scenes", 1025), "--image-size must be between 8 and 1024 pixels; got 1025."),
        (("scenes", 64.0), "--image-size must be a whole number of pixels; got 64.0."),
        (("scenes", True), "--image-size must be a whole number of pixels; got True."),
        (("scenes:cuont=7", 64), "Unknown option of scenes 'cuont'. Did you mean 'count'? Known: count, seed."),
        (("scenes:count=many", 64), "scenes:count=many: count must be a whole number from 0; got 'many'."),
        (("scenes:count", 64), "scenes:count: count must be a whole number from 0; got ''."),
        (("scenes:seed=-1", 64), "scenes:seed=-1: seed must be a whole number from 0; got '-1'."),
        (("scenes:count=6", 64), "scenes:count=6: count must be between 7 and 1,000,000; got 6."),
        (("textures:count=2000000", 64), "textures:count=2000000: count must be between 8 and 1,000,000; got 2000000."),
        (("dtd", 64, "/nowhere"), "No folder at /nowhere; pass a folder that holds one folder of images per class."),
        (("scenes", 64, "data"), "--data-root says where rsscn7 or dtd is; got it with --data scenes: leave it out."),
        (("dtd", 64, "/no/such"), "No folder at /no/such; pass a folder that holds one folder of images per class."),
    ],
)
def test_what_cannot_be_loaded(cache, arguments, message):
    with pytest.raises(UsageError) as error:
        load(*arguments)
    assert str(error.value).startswith(message)
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize(("name", "classes", "first"), [("rsscn7", 7, "aGrass/"), ("dtd", None, "")])
def test_real_data(real_data, name, classes, first):
    data = load(name, 32, root=str(real_data / name))
    assert data.images.shape == (data.count, 32, 32, 3) and data.images.std() > 10
    assert classes in (None, len(data.classes)) and data.paths[0].startswith(first)
    folder = real_data / name / "images" if (real_data / name / "images").is_dir() else real_data / name
    with Image.open(folder / data.paths[-1]) as image:
        assert np.array_equal(data.images[-1], np.asarray(image.convert("RGB").resize((32, 32), Image.BILINEAR)))
