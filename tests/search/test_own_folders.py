"""A person's own folders and pictures, each from the command line to the last line."""

import csv
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from records.folder import best_weights
from records.packed import pack
from search import compare, divide, replay, run
from tests.search.brought import ANIMALS, COMMON, about, cache, complaint, fill, parted, search  # noqa: F401
from trainables.data.rsscn7 import CLASSES
from trainables.preparation import load_data


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


def test_a_division_of_parts_goes_over_all_their_images(tmp_path):
    root = parted(tmp_path / "set", train=4, val=3)
    words = ["--data", str(root), "--image-size", "16", "--model", "small_cnn", "--weights", "none", "--precision", "fp32",
             "--cpus-per-trial", "1", "--out", str(tmp_path / "d.csv")]  # fmt: skip
    assert divide.main(words) == run.DONE
    with (tmp_path / "d.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 21


def test_a_run_over_parts_can_be_extended_and_replayed(tmp_path, capsys):
    root = parted(tmp_path / "set", train=6, test=4)
    assert search(tmp_path, root) == run.DONE
    resumed = ["--resume", "--name", "r", "--out", str(tmp_path / "runs"), "--samples", "2"]
    assert run.main(resumed) == run.DONE
    assert "Resumed: 1 complete" in capsys.readouterr().out
    assert replay.main([str(tmp_path / "runs" / "r" / "best.parquet")]) == run.DONE
    assert "The same numbers" in capsys.readouterr().out


def test_verify_reads_the_whole_image_cache_and_builds_a_damaged_one_anew(tmp_path, cache, capsys):  # noqa: F811
    for name in ANIMALS:
        fill(tmp_path / "set" / name, 120)
    assert search(tmp_path, tmp_path / "set") == run.DONE
    digest = about(tmp_path)["data"]["digest"]
    (pixels,) = (cache / "images").glob("*/images.u8")
    with pixels.open("r+b") as file:
        file.seek(4100)  # between two pieces that are looked at whenever it is opened
        file.write(b"xyz")
    resumed = ["--resume", "--name", "r", "--out", str(tmp_path / "runs"), "--samples", "2"]
    assert run.main([*resumed, "--verify"]) == run.DONE
    assert "is damaged and is built anew" in capsys.readouterr().err
    assert about(tmp_path)["data"]["digest"] == digest
    assert run.main([*resumed, "--samples", "3"]) == run.DONE
    assert about(tmp_path)["options"]["verify"] is False


def test_what_is_left_out_is_named_whenever_the_data_are_used(tmp_path, capsys):
    for name in ANIMALS:
        fill(tmp_path / "set" / name, 6)
    (tmp_path / "set" / "cat" / "evil.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    (tmp_path / "set" / "dog" / "more").symlink_to(tmp_path)
    assert "dog/more (a link to a folder)" in complaint(tmp_path, capsys, tmp_path / "set")
    for name in ("built", "opened"):
        assert search(tmp_path, tmp_path / "set", "--skip-bad-images", "--name", name) == run.DONE
        assert (
            "2 of 20 files and folders in" in (said := capsys.readouterr().out)
            and "are left out: dog/more (a link to a folder), cat/evil.jpg (not an image" in said
        )


def test_relative_places_are_found_again_from_another_folder(tmp_path, monkeypatch):
    parts = ["train"] * 4 + ["validation", "test"]
    rows = [f"{name}/{number:02d}.png,{part}" for name in ANIMALS for number, part in enumerate(parts)]
    for name in ANIMALS:
        fill(tmp_path / "set" / name, 6)
    (tmp_path / "s.csv").write_text("\n".join(["path,split", *rows]))
    monkeypatch.chdir(tmp_path)
    assert search(tmp_path, "set", "--split", "s.csv") == run.DONE
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resumed = ["--resume", "--name", "r", "--out", str(tmp_path / "runs")]
    assert run.main([*resumed, "--samples", "2"]) == run.DONE
    monkeypatch.chdir(tmp_path)
    assert run.main([*resumed, "--samples", "3", "--data", "set", "--split", "s.csv"]) == run.DONE
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run.main([*resumed, "--samples", "4", "--data", "set"]) == run.WRONG_USAGE  # another folder, and no folder


def test_a_relative_data_root_is_found_again_from_another_folder(tmp_path, monkeypatch):
    for name in CLASSES:
        fill(tmp_path / "rsscn7" / name, 5)
    monkeypatch.chdir(tmp_path)
    assert search(tmp_path, "rsscn7", "--data-root", "rsscn7") == run.DONE
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run.main(["--resume", "--name", "r", "--out", str(tmp_path / "runs"), "--samples", "2"]) == run.DONE


def test_a_packed_run_goes_on_where_data_and_weights_lie_elsewhere(tmp_path, capsys):
    """Cut off in the middle of a training, so that one is gone on with that was asked for at the old place."""
    here, there = tmp_path / "here", tmp_path / "there"
    for name in ANIMALS:
        fill(here / "set" / name, 6)
    assert search(tmp_path, here / "set") == run.DONE
    shutil.copy(best_weights(tmp_path / "runs" / "r", 0), here / "w.safetensors")
    words = [*COMMON, "--data", str(here / "set"), "--weights", str(here / "w.safetensors"), "--strategies", "finetune"]
    assert compare.main([*words, "--seeds", "2", "--out", str(here), "--name", "r"]) == run.DONE
    straight = pd.read_parquet(here / "r" / "finals.parquet")
    lines = (here / "r" / "ledger.jsonl").read_text().splitlines(keepends=True)
    tested = [line for line in lines if '"event": "test"' in line and '"trial": 0' in line]
    second = next(number for number, line in enumerate(lines) if '"asked"' in line and '"trial": 1' in line)
    (here / "r" / "ledger.jsonl").write_text("".join([*lines[: second + 1], *tested]))
    pack(here / "r", tmp_path / "r.zip")
    (here / "r" / "ledger.jsonl").write_text("".join(lines[: second + 1]))
    pack(here / "r", tmp_path / "untested.zip")
    shutil.move(here, there)
    shutil.unpack_archive(tmp_path / "r.zip", tmp_path / "again" / "r")
    resume = ["--resume", "--name", "r", "--out", str(tmp_path / "again")]
    places = ["--data", str(there / "set"), "--weights", str(there / "w.safetensors")]
    assert compare.main(resume) == run.WRONG_USAGE
    assert compare.main([*resume, *places[:2], "--weights", str(there / "set")]) == run.WRONG_USAGE
    assert "which would be another run" in capsys.readouterr().err
    assert compare.main([*resume, *places]) == run.DONE
    assert "1 trial gone on with" in capsys.readouterr().out
    again = pd.read_parquet(tmp_path / "again" / "r" / "finals.parquet")
    assert again["test_loss"].tolist() == straight["test_loss"].tolist()
    shutil.rmtree(tmp_path / "again")
    shutil.unpack_archive(tmp_path / "untested.zip", tmp_path / "again" / "r")
    assert compare.main([*resume, *places]) == run.WRONG_USAGE
    assert "test is not open yet for trial 0, and its network is not here. A packed run" in capsys.readouterr().err
