"""Splits: stratified, seeded, disjoint and complete; and every way a split file can be wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import UsageError
from tests.toy import make_trial
from trainables.data.splits import PROTOCOLS, fewer, split, split_from_csv

COUNTS = st.lists(st.integers(3, 60), min_size=1, max_size=6)
SEEDS = st.integers(0, 2**32)


def _labels(counts, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


@given(COUNTS, st.sampled_from(PROTOCOLS), SEEDS)
def test_parts_are_disjoint_complete_and_ascending(counts, protocol, seed):
    parts = split(_labels(counts), protocol, seed)
    everything = np.concatenate([parts.train, parts.validation, parts.test])
    assert np.array_equal(np.sort(everything), np.arange(sum(counts)))
    for part in (parts.train, parts.validation, parts.test):
        assert part.dtype == np.int64 and np.all(np.diff(part) > 0)


@given(COUNTS, SEEDS)
def test_every_class_is_within_one_image_of_the_fractions(counts, seed):
    labels = _labels(counts)
    for protocol, fractions in (("holdout", (0.64, 0.16, 0.2)), ("report", (0.8, 0, 0.2))):
        parts = split(labels, protocol, seed)
        for part, fraction in zip((parts.train, parts.validation, parts.test), fractions, strict=True):
            got = np.bincount(labels[part], minlength=len(counts))
            assert np.all(np.abs(got - fraction * np.array(counts)) <= 1)
            assert np.all(got >= 1) or fraction == 0


@given(COUNTS, SEEDS)
def test_one_seed_has_one_test_part(counts, seed):
    labels = _labels(counts)
    assert np.array_equal(split(labels, "holdout", seed).test, split(labels, "report", seed).test)


@given(COUNTS, SEEDS)
def test_another_class_does_not_disturb_the_split_of_the_first(counts, seed):
    alone = split(np.repeat([0], counts[0]), "holdout", seed)
    together = split(np.repeat(np.arange(len(counts)), counts), "holdout", seed)
    assert np.array_equal(alone.test, together.test[together.test < counts[0]])


def test_sizes_of_rsscn7():
    parts = split(np.repeat(np.arange(7), 400), "holdout", 0)
    assert [len(parts.train), len(parts.validation), len(parts.test)] == [1792, 448, 560]
    parts = split(np.repeat(np.arange(7), 400), "report", 0)
    assert [len(parts.train), len(parts.validation), len(parts.test)] == [2240, 0, 560]


def test_seeds_differ_and_repeat():
    labels = _labels([40, 40])
    assert np.array_equal(split(labels, "holdout", 1).train, split(labels, "holdout", 1).train)
    assert not np.array_equal(split(labels, "holdout", 1).train, split(labels, "holdout", 2).train)


def test_classes_of_one_size_are_not_split_alike():
    labels = np.repeat([0, 1], 50)
    test = split(labels, "report", 0).test
    assert not np.array_equal(test[test < 50], test[test >= 50] - 50)


@pytest.mark.parametrize(
    ("counts", "protocol", "message"),
    [
        (
            [5, 2],
            "holdout",
            "Class 'b' has 2 images and protocol 'holdout' needs at least 3 per class; "
            "add images or leave the class out.",
        ),
        (
            [1, 5],
            "report",
            "Class 'a' has 1 image and protocol 'report' needs at least 2 per class; "
            "add images or leave the class out.",
        ),
        ([5, 5], "hold-out", "Unknown protocol 'hold-out'. Did you mean 'holdout'? Known: holdout, report."),
    ],
)
def test_what_cannot_be_split(counts, protocol, message):
    with pytest.raises(UsageError) as error:
        split(_labels(counts), protocol, 0, classes=("a", "b"))
    assert str(error.value) == message


def test_a_class_without_a_name_is_named_by_its_number():
    with pytest.raises(UsageError, match="Class '1' has 1 image "):
        split(np.array([0, 0, 0, 1]), "report", 0)


PATHS = ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
GOOD = "path,split\na/1.jpg,train\nb/2.jpg,test\na/2.jpg,validation\nb/1.jpg,train\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "s.csv").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("text", [GOOD, "\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.replace(",t", " , t")])
def test_a_split_file(write, text):
    write(text)
    parts = split_from_csv("s.csv", PATHS, "holdout")
    assert (parts.train.tolist(), parts.validation.tolist(), parts.test.tolist()) == ([0, 2], [1], [3])
    assert parts.train.dtype == parts.validation.dtype == np.int64


def test_further_columns_and_their_order_do_not_matter(write):
    write("split,note,path\ntrain,x,a/1.jpg\ntest,,a/2.jpg\n")
    assert split_from_csv("s.csv", PATHS[:2], "report").test.tolist() == [1]


def test_under_report_validation_rows_join_train(write):
    write(GOOD)
    parts = split_from_csv("s.csv", PATHS, "report")
    assert (parts.train.tolist(), parts.validation.tolist(), parts.test.tolist()) == ([0, 1, 2], [], [3])
    assert parts.validation.dtype == np.int64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD + "c/1.jpg,train\nc/2.jpg,test\n",
            "Split file s.csv names 2 images (first: c/1.jpg) not in the data set; paths look like 'a/1.jpg'.",
        ),
        (
            GOOD + "a/2.jpg,train\n",
            "Split file s.csv names 1 image (first: a/2.jpg) more than once; leave one row for each image.",
        ),
        (
            "path,split\na/1.jpg,train\n",
            "Split file s.csv leaves out 3 images (first: a/2.jpg) of the data set; add a row for each.",
        ),
        (
            GOOD.replace("validation", "valid"),
            "Unknown split in s.csv for a/2.jpg: 'valid'. Did you mean 'validation'? Known: train, validation, test.",
        ),
        (
            GOOD + "a/9.jpg\n",
            "Unknown split in s.csv for a/9.jpg: ''. Known: train, validation, test.",
        ),
        ("path;split\n", "Split file s.csv has no column 'path'; its first line should be: path,split."),
        ("path\na/1.jpg\n", "Split file s.csv has no column 'split'; its first line should be: path,split."),
        ("", "Split file s.csv has no column 'path'; its first line should be: path,split."),
        (
            GOOD.replace("validation", "train"),
            "Split file s.csv has no validation rows and protocol 'holdout' needs some; add them.",
        ),
        (
            GOOD.replace("test", "train"),
            "Split file s.csv has no test rows and protocol 'holdout' needs some; add them.",
        ),
        (
            GOOD.replace("train", "test"),
            "Split file s.csv has no train rows and protocol 'holdout' needs some; add them.",
        ),
    ],
)
def test_what_a_split_file_may_have_wrong(write, text, message):
    write(text)
    with pytest.raises(UsageError) as error:
        split_from_csv("s.csv", PATHS, "holdout")
    assert str(error.value) == message


def test_a_split_file_that_cannot_be_read(write, tmp_path):
    with pytest.raises(UsageError, match=r"^Split file no\.csv cannot be read \(No such file or directory\); pass"):
        split_from_csv("no.csv", PATHS, "holdout")
    (tmp_path / "s.csv").write_bytes(b"path,split\n\xff\xfe,train\n")
    with pytest.raises(UsageError, match=r"^Split file s\.csv cannot be read \(.*decode"):
        split_from_csv("s.csv", PATHS, "holdout")


def test_a_share_of_the_training_images_is_one_of_each_class_and_part_of_a_larger_one():
    labels = np.repeat([0, 1, 2], [50, 30, 4])
    whole = split(labels, "holdout", 3)
    few, more = fewer(whole, labels, 0.2, 3), fewer(whole, labels, 0.6, 3)
    counts = np.bincount(labels[whole.train])
    assert np.bincount(labels[few.train]).tolist() == [max(1, round(0.2 * count)) for count in counts]
    assert set(few.train) < set(more.train) < set(whole.train) and (np.diff(few.train) > 0).all()
    assert few.test.tolist() == whole.test.tolist() and few.validation.tolist() == whole.validation.tolist()
    assert fewer(whole, labels, 0.2, 4).train.tolist() != few.train.tolist()


def test_a_trial_trains_on_its_share_alone():
    few, whole = make_trial(train_share=0.5), make_trial()
    assert len(few.split.train) == pytest.approx(len(whole.split.train) / 2, abs=4)
    assert len(few.state.curriculum.labels) == len(few.split.train)
    next(few.records())
