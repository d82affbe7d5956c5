"""What an engine would have a GPU do, counted on CUDA tensors without values, where no GPU is.

torch's FakeTensorMode runs every operation for its shape and device alone. Copies between device and main memory are
counted, and so is whatever has to wait for a value of the device: the program stands still until the GPU has caught up. The
backward pass cannot run so (autograd asks the driver for its streams): gradients are put in its place here, and that it
asks for no value is counted on the CPU (test_engine.py).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spaces.trial import TrialConfig
from tests.toy import CLASSES
from trainables.networks import models
from trainables.networks.engine import Engine, Manner
from trainables.networks.features import Features
from trainables.views import draw_views

aten = torch.ops.aten
IMAGES, BATCH = 64, 8
SGD = aten._fused_sgd_.default  # works in place, and has no fake form
ASKS = (aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten._unique2.default)
EVERY_STEP = {"augment": "flips", "crop": 0.5, "colour_jitter": 0.4, "policy": "randaugment", "random_erasing": 0.5,
              "mixup": 0.4, "cutmix": 1.0}  # fmt: skip


class Counted(TorchDispatchMode):
    """Counts "sent" and "fetched" copies and "asked" values; main memory is real, the device has shapes alone.

    What is copied from page-locked memory without waiting is "streamed". None is locked here; who asks for it is noted.
    """

    def __init__(self):
        super().__init__()
        self.seen: Counter[str] = Counter()
        self.locked: set[int] = set()  # storages

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        named = dict(named or {})
        if function is aten._pin_memory.default or named.pop("pin_memory", None):
            return self._locked(function, arguments, named)
        tensors = [leaf for leaf in tree_leaves((arguments, named)) if isinstance(leaf, torch.Tensor)]
        on_device = [tensor for tensor in tensors if tensor.device.type == "cuda"]
        to = named.get("device") and torch.device(named["device"]).type
        if on_device and (function in ASKS or _by_a_mask(function, arguments)):
            self.seen["asked"] += 1
            if function is not ASKS[0]:
                raise AssertionError(f"{function} wants a size that only the device knows")
            return 1.0 if arguments[0].is_floating_point() else 1
        if function is SGD:
            return None
        if on_device and to == "cpu":
            self.seen["fetched"] += 1
            return _zeros(on_device[0], named.get("dtype"))
        if function is aten.copy_.default and len({tensor.device.type for tensor in tensors}) == 2:
            self.seen["sent" if arguments[0].device.type == "cuda" else "fetched"] += 1
        if function is aten._to_copy.default and to == "cuda" and not on_device:
            waits = not (named.get("non_blocking") and arguments[0].untyped_storage()._cdata in self.locked)
            self.seen["sent" if waits else "streamed"] += 1
        if to == "cuda" or any(isinstance(tensor, FakeTensor) for tensor in tensors):
            return function(*arguments, **named)
        with unset_fake_temporarily():
            return function(*arguments, **named)

    def _locked(self, function, arguments, named) -> torch.Tensor:
        with unset_fake_temporarily():
            made = arguments[0].clone() if function is aten._pin_memory.default else function(*arguments, **named)
        self.locked.add(made.untyped_storage()._cdata)
        return made


def _by_a_mask(function, arguments) -> bool:
    """Whether tensors are chosen by booleans: how many there are, only the device knows."""
    masks = (torch.bool, torch.uint8)
    if function in (aten.index.Tensor, aten.index_put_.default, aten.index_put.default):
        return any(index is not None and index.dtype in masks for index in arguments[1])
    return False


def _zeros(like: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    with unset_fake_temporarily():
        return torch.zeros(tuple(like.shape), dtype=dtype or like.dtype, device="cpu")


@contextmanager
def a_device(monkeypatch, network: torch.nn.Module, has_room: bool = True) -> Iterator[Counter[str]]:
    """Within: "cuda" is a device without values, the network is on it, and gradients are there when asked for.

    has_room: for a copy of the images.
    """
    monkeypatch.setattr("trainables.networks.images._fits", lambda size, device: has_room)
    # else torch switches mixed precision off
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    network = network.to(memory_format=torch.channels_last)

    def backward(loss, *_, **__):
        for parameter in network.parameters():
            parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    with FakeTensorMode(allow_non_fake_inputs=True), Counted() as counted:
        network.to("cuda")
        network.to = lambda *_, **__: network  # what is fake cannot be moved again
        yield counted.seen


def pictures(size: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (IMAGES, size, size, 3), dtype=np.uint8), np.arange(IMAGES) % CLASSES


def engine_on(network, config, precision="fp32", size=16) -> Engine:
    return Engine(network, *pictures(size), config, "cuda", precision)


def seen_in(seen: Counter[str], work) -> dict[str, int]:
    seen.clear()
    work()
    return {name: count for name, count in seen.items() if count}


def rates(order) -> np.ndarray:
    return np.full(-(-len(order) // BATCH), 1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("model", ["small_cnn", "resnet18", "vit_tiny"])
def test_an_epoch_is_one_copy_to_the_device_and_two_waits_however_many_updates(monkeypatch, model, optimizer):
    network = models.build(model, CLASSES, "none", 0, 32)
    with a_device(monkeypatch, network) as seen:
        engine = engine_on(network, TrialConfig(batch_size=BATCH, optimizer=optimizer), size=32)
        assert {parameter.device.type for parameter in network.parameters()} == {"cuda"}
        for order in (np.arange(2 * BATCH), np.arange(7 * BATCH + 3)):
            found = seen_in(seen, lambda order=order: engine.train(order, rates(order)))
            assert found == {"sent": 1, "asked": 2}


def test_weights_views_and_kept_losses_are_copies_of_an_epoch_and_not_of_an_update(monkeypatch):
    network = models.build("small_cnn", CLASSES, "none", 0, 16)
    config = TrialConfig(batch_size=BATCH, **EVERY_STEP)
    with a_device(monkeypatch, network) as seen:
        engine, found = engine_on(network, config), []
        for order in (np.arange(2 * BATCH), np.arange(6 * BATCH)):
            views = draw_views(config, 0, 1, np.arange(len(order)), len(order), (16, 16))
            more = {"weights": np.ones(len(order)), "views": views, "manner": Manner(side=12, keeps_losses=True)}
            found.append(seen_in(seen, lambda order=order, more=more: engine.train(order, rates(order), **more)))
    assert found[0] == found[1] and found[0]["asked"] == 2 and found[0]["fetched"] == 1


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_scoring_is_one_copy_each_way_however_many_batches(monkeypatch, mode):
    network = models.build("resnet18", CLASSES, "none", 0, 32)
    with a_device(monkeypatch, network) as seen:
        engine = engine_on(network, TrialConfig(batch_size=BATCH), size=32)
        for order in (np.arange(2 * BATCH), np.arange(IMAGES)):
            assert seen_in(seen, lambda order=order: engine.score(order, mode)) == {"sent": 1, "fetched": 1}


def test_what_evaluation_fetches_does_not_grow_with_the_images(monkeypatch):
    network = models.build("small_cnn", CLASSES, "none", 0, 16)
    monkeypatch.setattr("trainables.networks.engine.EVALUATION_BATCH", 4)
    with a_device(monkeypatch, network) as seen:
        engine = engine_on(network, TrialConfig())
        monkeypatch.setattr(engine, "_knn", lambda features, images: 0.0)  # has blocks of its own
        found = [seen_in(seen, lambda n=n: engine.evaluate(np.arange(n))) for n in (8, IMAGES)]
    assert found[0] == found[1] and found[0]["asked"] <= 2


def test_a_head_on_features_is_one_copy_and_two_waits_as_well(monkeypatch):
    from trainables.networks.feature_engine import FeatureEngine

    network = models.build("small_cnn", CLASSES, "none", 0, 16)
    network.freeze("head", "frozen")
    values = np.random.default_rng(0).normal(size=(IMAGES, network.head.in_features)).astype(np.float32)
    with a_device(monkeypatch, network) as seen:
        made = Features(values, 0.0, "digest"), pictures(16)[1], TrialConfig(batch_size=BATCH)
        engine = FeatureEngine(network, *made, "cuda")
        for order in (np.arange(2 * BATCH), np.arange(IMAGES)):
            assert seen_in(seen, lambda order=order: engine.train(order, rates(order))) == {"sent": 1, "asked": 2}


def test_a_wait_in_an_update_is_seen(monkeypatch):
    """Else the numbers above would say nothing."""
    network = models.build("small_cnn", CLASSES, "none", 0, 16)
    with a_device(monkeypatch, network) as seen:
        engine = engine_on(network, TrialConfig(batch_size=BATCH))
        real = engine._loss
        monkeypatch.setattr(engine, "_loss", lambda *given: (real(*given)[0].item(), real(*given))[1])
        order = np.arange(4 * BATCH)
        assert seen_in(seen, lambda: engine.train(order, rates(order))) == {"sent": 1, "asked": 2 + 4}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_images_that_are_sent_are_sent_without_a_wait(monkeypatch, optimizer):
    network = models.build("small_cnn", CLASSES, "none", 0, 16)
    with a_device(monkeypatch, network, has_room=False) as seen:
        engine = engine_on(network, TrialConfig(batch_size=BATCH, optimizer=optimizer))
        assert engine.streamed and engine.inputs.device.type == "cpu"
        for updates in (2, 8):
            order = np.arange(updates * BATCH)
            found = seen_in(seen, lambda order=order: engine.train(order, rates(order)))
            assert found.pop("streamed") >= updates and found == {"asked": 2}
            scored = seen_in(seen, lambda order=order: engine.score(order, "train"))
            assert scored.pop("streamed") >= updates and scored == {"fetched": 1}


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_scaled_losses_are_no_wait_of_an_update(monkeypatch, optimizer):
    network = models.build("small_cnn", CLASSES, "none", 0, 16)
    with a_device(monkeypatch, network) as seen:
        engine, found = engine_on(network, TrialConfig(batch_size=BATCH, optimizer=optimizer), "fp16"), []
        assert engine.scaler.is_enabled()
        for updates in (1, 2, 7):
            order = np.arange(updates * BATCH)
            found.append(seen_in(seen, lambda order=order: engine.train(order, rates(order))))
    assert found[1] == found[2] and found[2]["asked"] == 2
