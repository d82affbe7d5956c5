"""Features of a frozen network: whose they are, and what they cost on which machine."""

import json
import os

import numpy as np
import pytest
import torch

from records import files
from spaces.setting import Setting
from spaces.transfer import TransferConfig
from tests.toy import CLASSES, pictures
from trainables import machine, preparation
from trainables.data.cache import cache_folder
from trainables.data.dataset import Dataset
from trainables.difficulty import scorers
from trainables.networks import features
from trainables.networks.engine import Engine
from trainables.networks.features import MEASURES, SAMPLE, Source, frozen_features
from trainables.networks.models import build
from trainables.preparation import FeaturesKey, fixed_difficulty, load_data
from trainables.trial import Trial

SETTING = Setting(strategy="transfer", data="scenes:count=105", image_size=16, model="small_cnn", epochs=1,
                  precision="fp32", difficulty="head", seed=8)  # fmt: skip


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", str(tmp_path))
    return tmp_path


def source(precision: str = "fp32", count: int = 50) -> Source:
    """A small_cnn as it is made, and noise to look at."""
    images, labels = pictures(count)
    data = Dataset("noise", images, labels, tuple("abcd"), tuple(map(str, range(count))), None, "data")
    return Source(build("small_cnn", CLASSES, "none", 0), data, "cpu", precision)


def the_file():
    (path,) = (cache_folder() / "features").iterdir()
    return path


def costs() -> dict[str, list[float]]:
    return json.loads(files.read_text(the_file()))["measured"]


def at(place: str, monkeypatch, cost: float | None = None) -> None:
    """From now on this process is there; `cost` is what an image is measured to take."""
    monkeypatch.setattr(features, "workplace", lambda device: place)
    if cost is not None:
        monkeypatch.setattr(features, "_measured", lambda source: cost)


def test_features_are_those_of_their_precision(cache):
    found = [frozen_features(source(precision)).values for precision in ("fp32", "bf16")]
    assert not np.array_equal(*found) and np.allclose(*found, atol=0.1)
    assert len(list((cache / "features").iterdir())) == 2
    assert np.array_equal(found[1], frozen_features(source("bf16")).values)


def test_features_are_computed_once_and_cost_what_they_take_on_each_machine(cache, monkeypatch):
    at("here", monkeypatch)
    first = frozen_features(source())
    assert costs() == {"here": [first.seconds_per_image]} and first.seconds_per_image > 0
    at("there", monkeypatch, cost=7.0)
    second = frozen_features(source())
    assert second.seconds_per_image == 7 and np.array_equal(first.values, second.values)
    at("here", monkeypatch, cost=9.0)  # other work made it look dearer
    assert frozen_features(source()).seconds_per_image == first.seconds_per_image
    assert costs() == {"here": [first.seconds_per_image, 9.0], "there": [7.0]}


def test_the_least_of_three_measures_counts_and_there_is_no_fourth(cache, monkeypatch):
    frozen_features(source())
    said = []
    for cost in (7.0, 5.0, 6.0, 1.0):
        at("there", monkeypatch, cost=cost)
        said.append(frozen_features(source()).seconds_per_image)
    assert said == [7.0, 5.0, 5.0, 5.0] and costs()["there"] == [7.0, 5.0, 6.0]


def test_a_file_of_version_0_1_is_used_and_its_seconds_are_not(cache, monkeypatch):
    values = frozen_features(source()).values + 1
    files.write_arrays(the_file(), {"features": values}, json.dumps({"seconds": 99.0}))
    at("here", monkeypatch, cost=7.0)
    found = frozen_features(source())
    assert found.seconds_per_image == 7 and np.array_equal(found.values, values) and costs() == {"here": [7.0]}


def test_the_cost_that_another_process_wrote_meanwhile_stays(cache, monkeypatch):
    at("elsewhere", monkeypatch)
    values = frozen_features(source()).values
    at("here", monkeypatch)

    def beaten(source):
        files.write_arrays(the_file(), {"features": values}, json.dumps({"measured": {"here": [3.0], "third": [4.0]}}))
        return 7.0

    monkeypatch.setattr(features, "_measured", beaten)
    assert frozen_features(source()).seconds_per_image == 3
    assert costs() == {"here": [3.0, 7.0], "third": [4.0]}


def test_a_cache_that_cannot_be_written_still_serves(cache, monkeypatch):
    frozen_features(source())
    at("here", monkeypatch, cost=7.0)

    def full(*arguments):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(files, "write_bytes", full)
    assert frozen_features(source()).seconds_per_image == 7


def test_a_cost_is_measured_on_a_sample_at_most(monkeypatch):
    seen, compute = [], Engine.features
    monkeypatch.setattr(Engine, "features", lambda engine, images: seen.append(len(images)) or compute(engine, images))
    for count in (300, 40):
        assert features._measured(source(count=count)) > 0
    assert seen == [64, SAMPLE, 40, 40]


def test_all_images_are_there_for_computing_and_a_sample_for_measuring(cache, monkeypatch):
    """What is there lies on a GPU."""
    there, init = [], Engine.__init__
    monkeypatch.setattr(Engine, "__init__", lambda engine, *given: there.append(len(given[1])) or init(engine, *given))
    found = [frozen_features(source(count=300)).values for _ in range(2)]
    assert there == [300, SAMPLE] and found[0].shape[0] == 300 and np.array_equal(*found)


def test_features_that_are_there_and_have_their_cost_want_no_engine(cache, monkeypatch):
    first = [frozen_features(source()) for _ in range(MEASURES)]
    monkeypatch.setattr(Source, "engine", None)
    known = frozen_features(source())
    assert np.array_equal(known.values, first[0].values)
    assert known.seconds_per_image == min(each.seconds_per_image for each in first)


def test_trials_on_features_build_one_backbone_and_no_engine_over_images(cache, monkeypatch):
    own = SETTING.model_copy(update={"seed": 10})  # of no other test here
    built, over, network_of, init = [], [], preparation._network, Engine.__init__
    monkeypatch.setattr(preparation, "_network", lambda *key: built.append(key) or network_of(*key))
    monkeypatch.setattr(
        Engine, "__init__", lambda engine, *given, **named: over.append(given[1].ndim) or init(engine, *given, **named)
    )
    for _ in range(MEASURES):
        preparation._features.cache_clear(), preparation._frozen.cache_clear()
        Trial(own, TransferConfig(), 0)
    assert over == [4, 2] * MEASURES and len(built) == MEASURES
    preparation._features.cache_clear(), preparation._frozen.cache_clear()
    trial = Trial(own, TransferConfig(), 0)
    assert over[2 * MEASURES :] == [2] and len(built) == MEASURES + 1
    shared, _ = preparation._frozen(FeaturesKey.of(own, trial.config), len(trial.data.classes), "cpu")
    assert trial.state.engine.network.backbone is shared.backbone


def test_a_workplace_is_a_processor_a_device_and_a_number_of_threads(monkeypatch):
    cpu = torch.device("cpu")
    before = machine.workplace(cpu)
    assert before == f"{machine.processor()}, cpu, threads: 1"
    torch.set_num_threads(2)
    assert machine.workplace(cpu) != before
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    assert "a GPU" in machine.workplace(torch.device("cuda"))


def test_transfer_pays_for_the_features_of_its_training_images(cache):
    trial = Trial(SETTING, TransferConfig(), 0)
    ((cost,),) = costs().values()
    count = len(trial.split.train)
    assert count < trial.data.count and trial.state.totals.images_scored == count
    assert trial.state.totals.score_seconds == pytest.approx(count * cost)


def test_a_trial_pays_for_its_own_threads(cache):
    own = SETTING.model_copy(update={"seed": 9})  # of no other test here: a process keeps what it has prepared
    paid = [Trial(own.model_copy(update={"threads": n}), TransferConfig(), 0).state.totals for n in (1, 2)]
    assert len(costs()) == 2
    known = [
        next(min(measured) for place, measured in costs().items() if place.endswith(f"threads: {n}")) for n in (1, 2)
    ]
    assert [of.score_seconds / of.images_scored for of in paid] == pytest.approx(known)


def test_a_head_that_judges_difficulty_is_charged_for_the_training_split(cache, monkeypatch):
    """A clock that moves by a second at each head: five judge the training split, the sixth the other images."""
    data, parts = load_data(SETTING)
    clock, fit = [0.0], scorers._fit_head

    def fitted(*arguments):
        clock[0] += 1
        return fit(*arguments)

    frozen = features.Features(np.random.default_rng(0).random((data.count, 4), np.float32), 0.5, "")
    monkeypatch.setattr("trainables.preparation._features", lambda *key: frozen)
    monkeypatch.setattr(scorers, "_fit_head", fitted)
    monkeypatch.setattr(scorers.time, "perf_counter", lambda: clock[0])
    _, charged = fixed_difficulty(SETTING, data, parts.train)
    assert clock[0] == 6 and charged.images_scored == len(parts.train)
    assert charged.score_seconds == 5 + 0.5 * len(parts.train)
