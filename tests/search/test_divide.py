"""A division written for a person: the CSV is what a search takes, the sheet shows what was meant."""

import csv

import numpy as np
from PIL import Image

from search import divide, run

TINY = ["--data", "scenes:count=105", "--image-size", "16", "--cpus-per-trial", "1", "--precision", "fp32"]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_division_is_written_and_a_search_takes_it(tmp_path, capsys):
    out = tmp_path / "division.csv"
    assert divide.main([*TINY, "--out", str(out)]) == run.DONE
    rows = rows_of(out)
    assert len(rows) == 105 and [sum(r["difficulty"] == w for r in rows) for w in ("easy", "medium", "hard")] == [
        35,
        42,
        28,
    ]
    assert "35 easy, 42 medium and 28 hard" in capsys.readouterr().out
    words = [*TINY, "--space", "manual_division", "--difficulty", str(out), "--executor", "local", "--samples", "1",
             "--epochs", "3", "--out", str(tmp_path), "--name", "taken"]  # fmt: skip
    assert run.main(words) == run.DONE


def test_the_scorer_can_be_a_head_on_frozen_features(tmp_path):
    assert divide.main([*TINY, "--difficulty", "head", "--out", str(tmp_path / "head.csv")]) == run.DONE
    assert divide.main([*TINY, "--out", str(tmp_path / "true.csv")]) == run.DONE
    words = [[r["difficulty"] for r in rows_of(tmp_path / f"{name}.csv")] for name in ("head", "true")]
    assert words[0] != words[1] and sorted(words[0]) == sorted(words[1])


def test_the_sheet_goes_from_easy_to_hard(tmp_path):
    assert divide.main([*TINY, "--out", str(tmp_path / "d.csv")]) == run.DONE
    sheet = np.asarray(Image.open(tmp_path / "d.png"))
    assert sheet.shape == (7 * 20 + 4, 3 * (4 * 20 + 8), 3)


def test_a_division_that_may_have_been_corrected_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "d.csv").write_text("by hand")
    assert divide.main([*TINY, "--out", str(tmp_path / "d.csv")]) == run.WRONG_USAGE
    assert "corrected by hand" in capsys.readouterr().err and (tmp_path / "d.csv").read_text() == "by hand"


def test_a_spreadsheet_computes_nothing_of_a_path_and_a_search_finds_it_all_the_same(tmp_path):
    generator = np.random.default_rng(0)
    for name in ("=HYPERLINK(1)", "+plus", "plain"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(12):
            pixels = generator.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    words = ["--data", str(tmp_path / "data"), *TINY[2:], "--model", "small_cnn", "--weights", "none"]
    assert divide.main([*words, "--difficulty", "head", "--out", str(tmp_path / "d.csv")]) == run.DONE
    paths = [row["path"] for row in rows_of(tmp_path / "d.csv")]
    assert len(paths) == 36 and {path[0] for path in paths} == {".", "p"}
    words = [*words, "--space", "manual_division", "--difficulty", str(tmp_path / "d.csv"), "--executor", "local"]
    assert run.main([*words, "--samples", "1", "--epochs", "3", "--out", str(tmp_path), "--name", "taken"]) == run.DONE
