"""A division written for a person: the CSV is what a search takes, the sheet shows what was meant."""

import csv

import numpy as np
from PIL import Image, ImageDraw

from search import divide, run
from trainables.data.dataset import Dataset
from trainables.data.sheet import (
    BAND,
    CELL,
    EDGE,
    GAP,
    HEAD,
    IN_CSV,
    LINE,
    WIDTH,
    groups,
    sheets,
    shown_classes,
)
from trainables.data.sources import load

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


def test_each_image_stands_under_its_heading_and_its_row_is_found_in_the_csv(tmp_path):
    """The pictures of the sheet are looked up, pixel for pixel, by the numbers that are printed under them."""
    assert divide.main([*TINY, "--out", str(tmp_path / "d.csv")]) == run.DONE
    drawn, data = np.asarray(Image.open(tmp_path / "d.png")), load("scenes:count=105", 16)
    row, lines = BAND + CELL + 2 * LINE + GAP, (tmp_path / "d.csv").read_text().splitlines()
    assert drawn.shape == (HEAD + 7 * row + GAP, WIDTH, 3)
    for label in range(7):
        for group, chosen in enumerate(groups(data, data.difficulty, label)):
            for column, index in enumerate(chosen.tolist()):
                x, y = EDGE + group * (4 * (CELL + GAP) + EDGE) + column * (CELL + GAP), HEAD + label * row + BAND
                shown = Image.fromarray(data.images[index]).resize((CELL, CELL), Image.Resampling.NEAREST)
                assert np.array_equal(drawn[y : y + CELL, x : x + CELL], shown)
                assert IN_CSV.of(index) == f"row {index + 2}" and lines[index + 1].startswith(f"{data.paths[index]},")
                assert (drawn[y + CELL : y + CELL + 2 * LINE, x : x + CELL] < 128).any()  # ink of number and score


def made(classes: int, images: int = 5) -> tuple[Dataset, np.ndarray]:
    """Class i has the difficulties i, i + 0.1 and so on, in an order of their own."""
    count, generator = classes * images, np.random.default_rng(0)
    pixels = generator.integers(0, 255, (count, 8, 8, 3)).astype(np.uint8)
    names, paths = tuple(f"class {i}" for i in range(classes)), tuple(f"{i}.png" for i in range(count))
    values = np.concatenate([i + generator.permutation(images) / 10 for i in range(classes)])
    return Dataset("made", pixels, np.repeat(np.arange(classes), images), names, paths, None, "d"), values


def test_the_groups_of_a_class_go_from_easy_to_hard():
    data, values = made(2, 12)
    easiest, median, hardest = (np.round(values[chosen] - 1, 1).tolist() for chosen in groups(data, values, 1))
    assert (easiest, median, hardest) == ([0, 0.1, 0.2, 0.3], [0.4, 0.5, 0.6, 0.7], [0.8, 0.9, 1.0, 1.1])


def test_many_classes_are_on_several_sheets_and_of_more_the_hardest():
    data, values = made(47)
    shown = shown_classes(data, values)
    assert shown == list(range(47)) and len(sheets(data, values, shown, "d.csv", IN_CSV)) == 4
    data, values = made(80)
    assert shown_classes(data, values) == list(range(8, 80)) and shown_classes(data, -values, 3) == [0, 1, 2]


def test_what_is_on_a_sheet_is_said_in_words(monkeypatch):
    said = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda self, at, text, *rest, **more: said.append(text))
    data, values = made(14)
    sheets(data, values, range(14), "d.csv", IN_CSV)
    assert {"d.csv, sheet 1 of 2", "easiest", "median", "hardest", "class 13, 5 images", "row 2", "row 71"} <= set(said)
    assert {f"{value:.2g}" for value in values if value >= 0.01} <= set(said) and "0" in said


def test_no_sheet_is_overwritten_and_that_is_said_before_the_work(tmp_path, capsys, monkeypatch):
    (tmp_path / "d_2.png").write_bytes(b"mine")
    monkeypatch.setattr("search.divide.CLASSES", 4)
    assert divide.main([*TINY, "--out", str(tmp_path / "d.csv")]) == run.WRONG_USAGE
    assert "d_2.png is there already, and the sheet would replace it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["d_2.png"]


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
