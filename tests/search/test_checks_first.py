"""What is wrong is refused before data are touched, and a dry run touches nothing."""

import pytest

from search import compare, run
from tests.search.brought import ANIMALS, cache, complaint, fill, search  # noqa: F401


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
    (["scenes:count=70", "--task", "multi_label"], "needs images with several labels, and 'scenes:count=70' has one each"),
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


def test_a_dry_run_of_a_head_to_head_touches_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("RSSCN7_ROOT", raising=False)
    for name in ANIMALS:
        fill(tmp_path / "set" / name, 5)
    words = ["--strategies", "self_paced,finetune", "--image-size", "16", "--model", "small_cnn", "--weights", "none",
             "--out", str(tmp_path / "runs"), "--name", "r", "--dry-run"]  # fmt: skip
    assert compare.main(["--data", str(tmp_path / "set"), "--epochs", "4", *words]) == run.DONE
    said = " ".join(capsys.readouterr().out.split())
    assert "2 arms on 5 seeds: self_paced, finetune; 4 updates each, judged at 4 common marks; into" in said
    assert "Planned beforehand, with a margin of 1 point: self_paced : finetune" in said
    assert "This would first build the image cache of" in said and "Dry run: nothing was made." in said
    assert compare.main(["--data", "rsscn7", *words]) == run.DONE
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "self_paced, finetune on 5 seeds of rsscn7, of which nothing is here yet; planned: self_paced : finetune"
        in said
    )
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert compare.main(["--data", "rsscn7", *words, "--primary", "self_paced:transfer"]) == 2


def test_a_split_that_leaves_a_class_out_of_train_is_refused(tmp_path, capsys):
    rows = ["path,split"]
    for name in ANIMALS:
        fill(tmp_path / "set" / name, 4)
        parts = ("validation", "test") * 2 if name == "dog" else ("train", "train", "validation", "test")
        rows += [f"{name}/{number:02d}.png,{part}" for number, part in enumerate(parts)]
    (tmp_path / "s.csv").write_text("\n".join(rows))
    said = complaint(tmp_path, capsys, tmp_path / "set", "--split", str(tmp_path / "s.csv"))
    assert said == (
        f"Error: The split '{tmp_path}/s.csv' leaves no image of class 'dog' to train on (1 of 3 classes are without); "
        f"give each class some train rows, or take its images out of the data."
    )
