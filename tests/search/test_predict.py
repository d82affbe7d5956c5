"""search.predict on tiny runs: tables, what is left out, and nothing replaced."""

import csv

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from records.folder import best_weights
from search import predict, run
from trainables import load_model


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    words = ["--space", "finetune", "--data", "scenes:count=70", "--image-size", "16", "--executor", "local", "--epochs",
             "1", "--samples", "2", "--cpus-per-trial", "1", "--precision", "fp32"]  # fmt: skip
    assert run.main([*words, "--out", str(out), "--name", "r"]) == run.DONE
    return out / "r"


@pytest.fixture
def photos(tmp_path):
    """Twelve pictures of different sizes, two of them in a folder inside, and what is passed over."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos" / "inner").mkdir(parents=True)
    for number in range(12):
        place = tmp_path / "photos" / ("inner" if number > 9 else "") / f"{number:02}.png"
        Image.fromarray(rng.integers(0, 256, (20 + number, 30, 3)).astype(np.uint8)).save(place)
    (tmp_path / "photos" / ".hidden").write_text("x")
    return tmp_path / "photos"


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_has_a_row_for_each_picture_and_a_column_for_each_class(searched, photos, tmp_path, capsys, ending):
    out = tmp_path / f"p.{ending}"
    words = [str(searched), str(photos), "--trial", "1", "--out", str(out), "--batch-size", "5"]
    assert predict.main(words) == run.DONE
    assert capsys.readouterr().out == f"{out}: 12 images, by trial 1 of r (small_cnn, 16 px)\n"
    table = pd.read_parquet(out) if ending == "parquet" else pd.read_csv(out)
    files = sorted(photos.rglob("*.png"), key=lambda path: path.relative_to(photos).as_posix())
    assert table["path"].tolist() == [str(file) for file in files]
    pd.testing.assert_frame_equal(table, pd.DataFrame(load_model(searched, 1).predict(files)), check_exact=False)
    before = out.read_bytes()
    assert predict.main(words) == run.WRONG_USAGE and out.read_bytes() == before
    assert predict.main([*words, "--overwrite"]) == run.DONE


def test_without_a_file_the_first_rows_and_the_classes_are_shown(searched, photos, capsys):
    assert predict.main([str(best_weights(searched, 0)), str(photos)]) == run.DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["path", "predicted", "probability"] and str(photos / "00.png") in lines[2]
    assert "... and 2 images more; --out FILE has them all" in lines and lines[-1].startswith("12 images, by trial 0")
    counts = [line.split() for line in lines[lines.index("") + 1 :] if line][2:-1]
    assert sum(int(count) for _, count in counts) == 12


def test_files_that_are_no_pictures_are_named_and_left_out(searched, photos, tmp_path, capsys):
    (photos / "bad.jpg").write_text("no picture")
    (photos / "inner" / "cut.png").write_bytes((photos / "00.png").read_bytes()[:60])
    out = tmp_path / "p.csv"
    assert predict.main([str(searched), str(photos), "--out", str(out)]) == run.TOO_FEW
    said = capsys.readouterr()
    assert "2 of 14 cannot be read as images and are left out: " in said.err and f"{photos}/bad.jpg (not an" in said.err
    assert "12 images, by" in said.out and len(list(csv.DictReader(out.open()))) == 12


def test_where_nothing_can_be_read_nothing_is_written(searched, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("no picture")
    out = tmp_path / "p.parquet"
    assert predict.main([str(searched), str(tmp_path / "bad.jpg"), "--out", str(out)]) == run.WRONG_USAGE
    assert "None of these files is an image that can be read (" in capsys.readouterr().err and not out.exists()


def test_a_name_that_a_spreadsheet_would_compute_is_a_text(searched, photos, tmp_path, monkeypatch):
    (photos / "00.png").rename(tmp_path / "=1+1.png")
    monkeypatch.chdir(tmp_path)
    assert predict.main([str(searched), "=1+1.png", "--out", "p.csv"]) == run.DONE
    assert (tmp_path / "p.csv").read_text().splitlines()[1].startswith("'=1+1.png,")
