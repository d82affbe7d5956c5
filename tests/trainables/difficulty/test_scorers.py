"""Where a difficulty comes from beside a CSV: folders that are divided already, and a reference network."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from console.errors import UsageError
from search import run
from search.options import SearchOptions
from search.planning.defaults import complete
from spaces.paced import PacedConfig
from spaces.setting import Setting
from tests.toy import make_trial
from trainables.data.folder import is_division, list_images
from trainables.data.sources import load
from trainables.difficulty import reference, scorers
from trainables.difficulty.scorers import read_scores
from trainables.preparation import facts, fixed_difficulty, load_data
from trainables.seeds import rng

LEVELS = ("easy", "medium", "hard")
PER_LEVEL = 4
SCENES = Setting(strategy="manual_division", data="scenes:count=105", image_size=16, model="small_cnn", epochs=3,
                 precision="fp32", difficulty="reference")  # fmt: skip


@pytest.fixture
def divided(tmp_path):
    """easy/, medium/ and hard/ with two classes of four images each; file names are unique within a class."""
    generator = np.random.default_rng(0)
    for place, level in enumerate(LEVELS):
        for name in ("wood", "lake"):
            folder = tmp_path / "divided" / level / name
            folder.mkdir(parents=True)
            for i in range(PER_LEVEL):
                pixels = generator.integers(0, 255, (16, 16, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{place}{i}.png")
    return tmp_path / "divided"


@pytest.fixture
def whole(divided, tmp_path):
    """The same images as an ordinary folder of class folders."""
    for level in LEVELS:
        shutil.copytree(divided / level, tmp_path / "whole", dirs_exist_ok=True)
    return tmp_path / "whole"


def level_of(path):
    return LEVELS.index(path.split("/")[0])


def test_a_divided_folder_is_listed_by_its_classes_and_not_by_its_levels(divided):
    assert is_division(divided)
    data = load(str(divided), 16)
    assert data.classes == ("lake", "wood") and data.count == 24 and np.bincount(data.labels).tolist() == [12, 12]
    assert all(data.classes[label] == path.split("/")[1] for label, path in zip(data.labels, data.paths, strict=True))
    assert read_scores(divided, data).values.tolist() == [level_of(path) for path in data.paths]


def test_a_divided_folder_divides_the_same_images_elsewhere(divided, whole):
    assert not is_division(whole)
    data = load(str(whole), 16)
    levels = read_scores(divided, data).values
    assert [int(path.split("/")[1][0]) for path in data.paths] == levels.tolist()  # a file's name begins with its level


def test_three_classes_that_happen_to_be_called_so_are_classes(tmp_path):
    for level in LEVELS:
        (tmp_path / level).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / level / "1.png")
    assert list_images(tmp_path).classes == ("easy", "hard", "medium")


def test_a_search_takes_a_divided_folder_as_it_is(divided, tmp_path, capsys):
    options = complete(SearchOptions(space="manual_division", data=str(divided), out=str(tmp_path)))
    assert options.difficulty == str(divided)
    words = ["--space", "manual_division", "--data", str(divided), "--image-size", "16", "--model", "small_cnn",
             "--weights", "none", "--executor", "local", "--samples", "1", "--epochs", "3", "--precision", "fp32",
             "--cpus-per-trial", "1", "--out", str(tmp_path / "runs"), "--name", "d"]  # fmt: skip
    assert run.main(words) == run.DONE and "2 classes" in capsys.readouterr().out


def in_two_levels(divided):
    shutil.copy(divided / "easy" / "wood" / "00.png", divided / "hard" / "wood" / "00.png")


def stray(divided):
    Image.new("RGB", (4, 4)).save(divided / "medium" / "loose.png")


def without_hard(divided):
    shutil.rmtree(divided / "hard")


def emptied(divided):
    for level in LEVELS:
        shutil.rmtree(divided / level / "lake")


@pytest.mark.parametrize(("harm", "said"), [
    (in_two_levels, "holds wood/00.png in easy and in hard"),
    (stray, "loose.png lies in no class folder; a division holds medium/<class>/<file>"),
    (without_hard, "is no division: it wants the folders easy, medium and hard"),
    (emptied, "lacks 12 of the 24 images"),
])  # fmt: skip
def test_a_bad_division_is_named(divided, whole, harm, said):
    data = load(str(whole), 16)
    harm(divided)
    with pytest.raises(UsageError, match=said):
        read_scores(divided, data)


def test_a_division_of_one_class_is_none(divided):
    emptied(divided)
    with pytest.raises(UsageError, match="divides 1 classes into easy, medium and hard"):
        load(str(divided), 16)


def test_a_reference_network_is_trained_once_and_charged_every_time(monkeypatch):
    data, parts = load_data(SCENES)
    first, charged = fixed_difficulty(SCENES, data, parts.train)
    monkeypatch.setattr(reference, "_make_state", None)  # a second training would fail
    second, again = fixed_difficulty(SCENES, data, parts.train)
    assert np.array_equal(first.values, second.values) and charged == again
    assert charged.images_trained == reference.EPOCHS * len(parts.train) and charged.images_scored == len(parts.train)
    assert charged.score_seconds > 0 and charged.updates == 0
    assert np.std(first.values) > 0 and np.isfinite(first.values).all()


def test_scoring_by_the_reference_is_charged_for_the_training_split(monkeypatch):
    """A clock that moves by a second for each image that is scored, and for nothing else."""
    data, parts = load_data(SCENES)
    clock, score = [0.0], reference.Engine.score

    def slow(engine, order, mode):
        clock[0] += len(order)
        return score(engine, order, mode)

    monkeypatch.setattr(reference.Engine, "score", slow)
    monkeypatch.setattr(reference.time, "perf_counter", lambda: clock[0])
    _, charged = fixed_difficulty(SCENES.model_copy(update={"seed": 4}), data, parts.train)
    assert clock[0] == data.count and charged.score_seconds == len(parts.train)


def test_another_training_split_has_a_reference_of_its_own():
    """Its key names the split: else whoever came first would decide the losses of all."""
    data, parts = load_data(SCENES)
    first, second = (
        fixed_difficulty(SCENES, data, train)[0].values for train in (parts.train, np.sort(parts.test.copy()))
    )
    assert not np.array_equal(first, second)
    assert np.array_equal(first, fixed_difficulty(SCENES, data, parts.train)[0].values)


def test_the_folds_are_drawn_by_themselves(monkeypatch):
    """As the fixed shuffle of curricula is: one permutation for both would order the images by their folds."""
    purposes = []

    def spy(seed, epoch, purpose):
        purposes.append(purpose)
        return rng(seed, epoch, purpose)

    monkeypatch.setattr(scorers, "rng", spy)
    generator = np.random.default_rng(0)
    scorers.head_scores(generator.random((30, 3), np.float32), np.arange(30) % 3, np.arange(20), 0)
    assert purposes == ["folds"]


def test_no_label_outside_the_training_split_trains_the_reference(monkeypatch):
    data, parts = load_data(SCENES)
    seen = []
    original = reference.Engine.train

    def spy(engine, order, *rest):
        seen.append(order)
        return original(engine, order, *rest)

    monkeypatch.setattr(reference.Engine, "train", spy)
    fixed_difficulty(SCENES.model_copy(update={"seed": 3}), data, parts.train)
    assert len(seen) == reference.EPOCHS and set(np.concatenate(seen)) == set(parts.train)


def test_the_strategies_that_need_a_difficulty_take_the_reference():
    told, levels, charged = facts(SCENES)
    assert set(levels) == {0.0, 1.0, 2.0} and len(told.fixed) == len(told.labels) and charged.images_trained > 0


def test_confusion_by_hand():
    chances = torch.tensor([[0.6, 0.2, 0.2], [0.6, 0.4, 0.0], [0.2, 0.4, 0.4], [1.0, 0.0, 0.0]])
    found = scorers.confusion(torch.log(chances), torch.zeros(4, dtype=torch.int64))
    assert found.numpy() == pytest.approx([0.4 * 2, 0.4 * 1, 0.8 * 2, 0.0], abs=1e-6)


def test_two_classes_leave_no_spread():
    found = scorers.confusion(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    assert float(found[0]) == pytest.approx(0.5)


def test_a_paced_trial_takes_confusion_for_its_order():
    orders = {}
    for word in ("head", "confusion"):
        trial = make_trial(PacedConfig(batch_size=8), strategy="paced", difficulty=word)
        orders[word] = trial.state.curriculum.fixed
        assert trial.state.totals.images_scored == len(trial.split.train)
    assert np.corrcoef(*orders.values())[0, 1] > 0.5 and not np.array_equal(*orders.values())
