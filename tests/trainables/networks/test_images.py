"""Where images lie: a copy on the device that trials share, or batches that are sent."""

import gc

import numpy as np
import pytest
import torch

from spaces.trial import TrialConfig
from tests.toy import HELD_OUT, TRAIN, make_engine, pictures, same_tensors
from trainables.networks import images
from trainables.networks.feature_engine import FeatureEngine
from trainables.networks.features import Features
from trainables.networks.images import KEPT, placed, sent
from trainables.networks.joined import can_join
from trainables.views import draw_views

ELSEWHERE = torch.device("meta")  # a device on which tensors can be, wherever the test runs
EVERY = {"augment": "flips", "crop": 0.5, "cutmix": 1.0, "policy": "trivialaugment"}


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    """A device with 10 GB to spare, where nothing lies yet."""
    monkeypatch.setattr(images, "_copies", [])
    monkeypatch.setattr(images, "_said", set())
    monkeypatch.setattr(images, "_free", lambda device: 10_000_000_000)


def of_bytes(count: int) -> np.ndarray:
    return np.broadcast_to(np.zeros(1, np.uint8), (count,)) if count > 1_000_000 else np.zeros(count, np.uint8)


def test_on_a_cpu_the_array_itself_is_used():
    array, _ = pictures()
    assert placed(array, torch.device("cpu")).data_ptr() == array.ctypes.data and not images._copies


def test_engines_of_a_process_share_one_copy_of_an_array():
    one, other = np.zeros((3, 2), np.uint8), np.zeros((3, 2), np.uint8)
    copy = placed(one, ELSEWHERE)
    assert copy.device == ELSEWHERE and copy.shape == (3, 2)
    assert placed(one, ELSEWHERE) is copy and placed(other, ELSEWHERE) is not copy
    assert placed(one, ELSEWHERE) is copy and len(images._copies) == 2


def test_copies_go_with_their_array_and_the_oldest_where_there_are_too_many():
    arrays = [np.zeros(5, np.uint8) for _ in range(KEPT + 1)]
    copies = [placed(array, ELSEWHERE) for array in arrays]
    assert [copy for _, copy in images._copies] == copies[1:] or len(images._copies) == KEPT
    assert placed(arrays[-1], ELSEWHERE) is copies[-1] and placed(arrays[0], ELSEWHERE) is not copies[0]
    del arrays
    gc.collect()
    last = np.zeros(5, np.uint8)
    placed(last, ELSEWHERE)
    assert len(images._copies) == 1


@pytest.mark.parametrize(
    ("free", "size", "fits"),
    [(10_000, 7_500, True), (10_000, 7_501, False), (1_000, 500, True), (1_000, 501, False), (400, 1, False)],
)
def test_room_is_left_for_networks(monkeypatch, free, size, fits):
    """Half a GB, or a quarter of what is free; here in MB."""
    monkeypatch.setattr(images, "_free", lambda device: free * 1_000_000)
    assert images._fits(size * 1_000_000, ELSEWHERE) == fits


def test_what_does_not_fit_stays_and_that_is_said_once(monkeypatch, capsys):
    old, array = np.zeros(5, np.uint8), np.zeros((1000, 1000, 3), np.uint8)
    placed(old, ELSEWHERE)
    monkeypatch.setattr(images, "_free", lambda device: 0)
    for _ in range(2):
        assert placed(array, ELSEWHERE).data_ptr() == array.ctypes.data
    said = capsys.readouterr().err
    assert said.startswith("The 3 MB of images do not fit into the free memory of the GPU") and said.count("\n") == 1
    assert not images._copies


def test_copies_of_other_data_make_room(monkeypatch):
    first, second = np.zeros(5, np.uint8), np.zeros(5, np.uint8)
    placed(first, ELSEWHERE)
    monkeypatch.setattr(images, "_free", lambda device: 0 if images._copies else 10_000_000_000)
    assert placed(second, ELSEWHERE).device == ELSEWHERE and len(images._copies) == 1


def test_a_batch_that_is_sent_is_the_rows_that_were_asked_for():
    array, _ = pictures()
    rows, index = torch.from_numpy(array), torch.tensor([7, 3, 3, 49])
    batch = sent(rows, index, torch.device("cpu"))
    assert torch.equal(batch, rows[index]) and batch.data_ptr() != rows.data_ptr()


@pytest.mark.parametrize("more", [{}, EVERY])
def test_training_on_batches_that_are_sent_gives_the_same_numbers(monkeypatch, more):
    config = TrialConfig(batch_size=8, **more)
    here, apart, calls = make_engine(config), make_engine(config), []
    apart.streamed = True
    monkeypatch.setattr("trainables.networks.engine.sent", lambda *given: calls.append(1) or sent(*given))
    views = draw_views(config, 0, 1, np.arange(len(TRAIN)), len(TRAIN), (8, 8)) if more else None
    rates, weights = np.full(5, 1e-2), np.linspace(0.5, 1, len(TRAIN))
    for engine in (here, apart):
        engine.shown = engine.train(TRAIN, rates, np.stack([weights] * 2, axis=1) if more else weights, views)
        engine.scores, engine.seen = engine.score(TRAIN, "train"), engine.evaluate(HELD_OUT)
    assert here.shown == apart.shown and np.array_equal(here.scores, apart.scores)
    assert here.seen.loss == apart.seen.loss and here.seen.knn == apart.seen.knn
    assert same_tensors(here.state(), apart.state())
    assert len(calls) == 5 * (2 if more else 1) + 5 + 1


def test_a_head_whose_features_are_sent_is_trained_alone():
    engine = make_engine()
    features = Features(np.random.default_rng(0).random((50, engine.network.head.in_features), np.float32), 0.1, "b")
    here, apart = (
        FeatureEngine(make_engine().network, features, pictures()[1], TrialConfig(), "cpu") for _ in range(2)
    )
    apart.streamed = True
    assert can_join(here) and not can_join(apart)
    assert here.train(TRAIN, np.full(2, 1e-2)) == apart.train(TRAIN, np.full(2, 1e-2))
