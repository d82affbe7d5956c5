"""What a person brings: folders, arrays and torchvision's sets, each from the command line to the last line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search import compare, divide, run
from trainables.preparation import load_data

COMMON = ["--model", "small_cnn", "--weights", "none", "--image-size", "16", "--epochs", "1", "--precision", "fp32",
          "--executor", "local", "--cpus-per-trial", "1"]  # fmt: skip
TINY = [*COMMON, "--space", "finetune", "--anchors", "none", "--samples", "1"]
ANIMALS = ("cat", "dog", "owl")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(folder: Path, count: int, suffix: str = "png", mode: str = "RGB", seed: int = 0) -> None:
    folder.mkdir(parents=True)
    draw = np.random.default_rng([seed, len(folder.name), count])
    for number in range(count):
        image = Image.fromarray(draw.integers(0, 256, (20, 12, 3), np.uint8))
        made = image.quantize(16) if mode == "P" else image.convert(mode)
        made.save(folder / f"{number:02d}.{suffix}")


def parted(root: Path, **counts: int) -> Path:
    """A folder with so many images of each animal in each part."""
    for place, (part, count) in enumerate(counts.items()):
        for name in ANIMALS:
            fill(root / part / name, count, seed=place)
    return root


def search(tmp_path: Path, data: str | Path, *more: str) -> int:
    return run.main([*TINY, "--data", str(data), "--out", str(tmp_path / "runs"), "--name", "r", *more])


def about(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "runs" / "r" / "run.json").read_text())


def complaint(tmp_path: Path, capsys, data: str | Path, *more: str) -> str:
    assert search(tmp_path, data, *more) == run.WRONG_USAGE
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and not (tmp_path / "runs").exists() and not (tmp_path / "cache").exists()
    return said


def test_train_val_and_test_are_the_split(tmp_path, capsys):
    root = parted(tmp_path / "set", train=6, val=3, test=4)
    assert search(tmp_path, root) == run.DONE
    said = capsys.readouterr().out
    assert "39 images of 16 px, 3 classes (cat, dog, owl; 18 train, 9 validation, 12 test)" in said
    assert "Split by the data's own train/, val/ and test/." in said
    run_json = about(tmp_path)
    assert run_json["setting"]["split"] == "folders" and run_json["data"]["classes"] == list(ANIMALS)
    assert run_json["data"]["test"] == 12


def test_without_val_a_fifth_of_train_is_drawn_and_test_stays(tmp_path, capsys):
    from spaces.setting import Setting

    root = parted(tmp_path / "set", train=10, test=4)
    assert search(tmp_path, root) == run.DONE
    said = capsys.readouterr().out
    assert (
        "24 train, 6 validation, 12 test" in said
        and "validation is a fifth of each class of train, drawn by seed" in said
    )
    settings = [
        Setting(strategy="finetune", data=str(root), image_size=16, split="folders", seed=seed) for seed in (0, 1)
    ]
    first, second = (load_data(setting)[1] for setting in settings)
    assert np.array_equal(first.test, second.test) and not np.array_equal(first.validation, second.validation)


def test_without_test_it_is_refused_or_judged_on_val(tmp_path, capsys):
    root = parted(tmp_path / "set", train=6, valid=3)
    said = complaint(tmp_path, capsys, root)
    assert "has train/ and valid/ and no test/" in said and "--split seed" in said and "--protocol report" in said
    assert search(tmp_path, root, "--protocol", "report") == run.DONE
    assert "18 train, 0 validation, 9 test" in (said := capsys.readouterr().out)
    assert "epochs are judged on the validation images" in said


def test_split_seed_draws_all_parts_from_all_images(tmp_path, capsys):
    root = parted(tmp_path / "set", train=6, val=4)
    assert search(tmp_path, root, "--split", "seed") == run.DONE
    assert "18 train, 6 validation, 6 test" in capsys.readouterr().out and about(tmp_path)["setting"]["split"] is None


def test_a_verdict_over_folders_says_that_it_holds_for_their_test_images(tmp_path, capsys):
    root = parted(tmp_path / "set", train=6, val=3, test=4)
    words = [*COMMON, "--data", str(root), "--strategies", "self_paced,finetune", "--seeds", "2",
             "--out", str(tmp_path / "runs"), "--name", "r"]  # fmt: skip
    assert compare.main(words) == run.DONE
    said = capsys.readouterr().out
    assert "3 classes (cat, dog, owl; 18 train" in said and "so it holds for these test images" in said


def other_classes(root):
    (root / "val" / "owl").rename(root / "val" / "eagle")


def loose(root):
    for path in (root / "test").rglob("*.png"):
        path.rename(root / "test" / f"{path.parent.name}{path.name}")
    for name in ANIMALS:
        (root / "test" / name).rmdir()


def twice(root):
    (root / "val").rename(root / "testing")


def beside(root):
    fill(root / "sketches", 2)


def no_train(root):
    (root / "train").rename(root.parent / "train")


def only_train(root):
    for part in ("val", "test"):
        (root / part).rename(root.parent / part)


@pytest.mark.parametrize(("harm", "said"), [
    (other_classes, "has the class 'eagle' in val/ and not in train/ (2 such); give each part the same class folders"),
    (loose, "test holds 9 files and no class folders"),
    (twice, "holds two folders for test (test/, testing/, train/)"),
    (beside, "holds sketches/ beside the parts of a data set"),
    (no_train, "holds test/, val/ and no train/"),
    (only_train, "holds train/ alone, which is no class; pass --data"),
])  # fmt: skip
def test_parts_that_do_not_fit_are_refused_and_never_taken_for_classes(harm, said, tmp_path, capsys):
    root = parted(tmp_path / "set", train=3, val=3, test=3)
    harm(root)
    assert said in complaint(tmp_path, capsys, root)


def test_a_class_called_train_among_others_is_a_class(tmp_path, capsys):
    for name in ("bus", "train", "tram"):
        fill(tmp_path / "set" / name, 5)
    assert search(tmp_path, tmp_path / "set", "--dry-run") == run.DONE
    assert "3 classes (bus, train, tram;" in capsys.readouterr().out


def test_an_uneven_folder_is_called_uneven(tmp_path, capsys):
    for name, count in (("ash", 80), ("beech", 60), ("cedar", 20), ("elm", 8)):
        fill(tmp_path / "set" / name, count)
    assert search(tmp_path, tmp_path / "set") == run.DONE
    said = capsys.readouterr().out
    assert "168 images of 16 px, 4 classes (ash, beech, cedar, elm;" in said
    assert "Classes are uneven: 8 images of elm to 80 images of ash." in said


def test_16_bit_tiffs_are_scaled_and_said(tmp_path, capsys):
    for place, name in enumerate(("dark", "light")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(6):
            values = np.full((20, 20), 8000 + 40000 * place + number, np.uint16)
            Image.fromarray(values).save(tmp_path / "set" / name / f"{number}.tif")
    for _ in ("built", "opened"):
        assert search(tmp_path, tmp_path / "set", "--name", f"run{_}") == run.DONE
        assert "12 images of 16 bits were scaled to 8." in capsys.readouterr().out


def test_cmyk_palette_and_grey_pictures_are_trained_on(tmp_path, capsys):
    fill(tmp_path / "set" / "cmyk", 6, "tif", "CMYK")
    fill(tmp_path / "set" / "grey", 6, "png", "LA")
    fill(tmp_path / "set" / "palette", 6, "gif", "P")
    assert search(tmp_path, tmp_path / "set", "--resize", "pad") == run.DONE
    assert "18 images of 16 px (padded), 3 classes" in capsys.readouterr().out
    assert about(tmp_path)["setting"]["resize"] == "pad"


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


@pytest.mark.parametrize(("words", "said"), [
    (["torchvision:EuroSat"], "torchvision.datasets has no 'EuroSat'. Did you mean 'EuroSAT'?"),
    (["torchvision:ImageNet"], "torchvision does not download ImageNet; pass --data-root"),
    (["torchvision:EuroSAT", "--data-root", "/no/such"], "No folder at /no/such; --data-root wants the folder"),
    (["scenes", "--resize", "crop"], "--resize crop has nothing to do: 'scenes' is drawn as a square"),
    (["scenes", "--resize", "stretch"], "--resize must be 'squash', 'crop' or 'pad'; got 'stretch'."),
    (["scenes", "--split", "folders"], "--split folders is for data that come as train/ and test/, and scenes do not"),
    (["scenes", "--split", "official:2"], "--split official is for --data dtd"),
    (["dtd", "--model", "convnext_tiny_"], "Unknown model 'convnext_tiny_'"),
    (["dtd", "--weights", "imagenet"], "There are no ImageNet weights for small_cnn."),
    (["dtd", "--weights", "{bad}"], "weights file {bad} "),
    (["dtd", "--difficulty", "{bad}"], "{bad} wants the columns path,difficulty"),
    (["dtd", "--difficulty", "true"], "The images of 'dtd' have no true difficulty"),
    (["dtd", "--split", "{bad}"], "Split file {bad} has no column 'path'"),
    (["dtd", "--set", "gate=1"], "Unknown field of finetune 'gate'"),
    (["dtd", "--search", "learning_rate=1:0.1"], "--search learning_rate wants low below high"),
    (["dtd", "--name", "a b"], "--name must be letters, digits"),
    (["scenes", "--out", "s3://bucket/runs"], "--out must be a place on this machine"),
    (["dtd", "--data-root", "gs://bucket/dtd"], "--data-root must be a place on this machine"),
    (["http://a.org/b.npz"], "No file at http:/a.org/b.npz"),
])  # fmt: skip
def test_what_is_wrong_is_refused_before_a_download_a_cache_or_a_folder(words, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DTD_ROOT", raising=False)
    monkeypatch.setattr("trainables.data.dtd._download", lambda place: pytest.fail("downloaded"))
    bad = tmp_path / "bad.csv"
    bad.write_text("file,level\na,b\n")
    words = [word.replace("{bad}", str(bad)) for word in words]
    assert said.replace("{bad}", str(bad)) in complaint(tmp_path, capsys, *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv"]


def test_files_that_are_not_of_these_data_are_refused_before_the_cache(tmp_path, capsys):
    for name in ANIMALS:
        fill(tmp_path / "set" / name, 4)
    (tmp_path / "part.csv").write_bytes(b"\xef\xbb\xbfpath,difficulty\ncat/00.png,1\n")  # as a spreadsheet saves it
    said = complaint(tmp_path, capsys, tmp_path / "set", "--difficulty", str(tmp_path / "part.csv"))
    assert "lacks 11 of the 12 images" in said and "or pass --difficulty head to have all of them scored" in said
    (tmp_path / "split.csv").write_bytes(b"\xef\xbb\xbfpath,split\ncat/00.png,train\n")
    said = complaint(tmp_path, capsys, tmp_path / "set", "--split", str(tmp_path / "split.csv"))
    assert "leaves out 11 images" in said


def test_a_dry_run_touches_nothing_and_says_what_would_be_made(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DTD_ROOT", raising=False)
    monkeypatch.delenv("RSSCN7_ROOT", raising=False)
    for name in ANIMALS:
        fill(tmp_path / "set" / name, 5)
    assert search(tmp_path, tmp_path / "set", "--dry-run") == run.DONE
    said = capsys.readouterr().out
    assert "15 images of 16 px, 3 classes (cat, dog, owl; 9 train, 3 validation, 3 test)" in said
    assert "This would first build the image cache of" in said and "Dry run: nothing was made." in said
    assert search(tmp_path, "rsscn7", "--dry-run", "--weights", "none") == run.DONE
    assert "This would first download rsscn7 and build its image cache" in capsys.readouterr().out
    assert search(tmp_path, "scenes:count=70", "--dry-run", "--space", "transfer", "--weights", "textures") == run.DONE
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert search(tmp_path, tmp_path / "set") == run.DONE
    capsys.readouterr()
    assert search(tmp_path, tmp_path / "set", "--dry-run", "--name", "next") == run.DONE
    assert "This would first" not in capsys.readouterr().out


def test_a_division_of_parts_goes_over_all_their_images(tmp_path):
    root = parted(tmp_path / "set", train=4, val=3)
    words = ["--data", str(root), *COMMON[:-4], "--cpus-per-trial", "1", "--out", str(tmp_path / "d.csv")]
    assert divide.main(words) == run.DONE
    with (tmp_path / "d.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 21
