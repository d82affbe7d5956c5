"""The engine against PyTorch written out: batches, normalisation, flips, rates, losses, optimisers, state."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision import transforms

from spaces.trial import TrialConfig
from tests.toy import CLASSES, TRAIN, make_engine, pictures, same_tensors
from tests.trainables.networks.test_knn import by_double_loop
from trainables.networks.architecture import MEAN, STD
from trainables.networks.augment import View
from trainables.networks.engine import Engine, batches
from trainables.views import Views, draw_views

ALL = np.arange(50)
EVERY_STEP = {
    "augment": "flips", "crop": 0.5, "colour_jitter": 0.4, "policy": "randaugment", "random_erasing": 0.5,
    "mixup": 0.4, "cutmix": 1.0,
}  # fmt: skip


def config(**fields) -> TrialConfig:
    return TrialConfig(batch_size=8, **fields)


def steps(engine: Engine, order: np.ndarray) -> int:
    return len(batches(order, engine.config.batch_size))


def train(engine: Engine, order=TRAIN, rate=1e-3, **more):
    return engine.train(order, np.full(steps(engine, order), rate), **more)


def parameters(engine: Engine) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in engine.network.named_parameters()}


@pytest.mark.parametrize(
    ("count", "size", "lengths"),
    [
        (8, 4, [4, 4]),
        (10, 4, [4, 4, 2]),
        (9, 4, [4, 5]),
        (5, 4, [5]),
        (1, 4, [1]),
        (4, 4, [4]),
        (3, 2, [3]),
        (0, 4, []),
    ],
)
def test_a_last_batch_of_one_joins_the_one_before(count, size, lengths):
    assert [len(batch) for batch in batches(np.arange(count), size)] == lengths


@given(count=st.integers(1, 200), size=st.integers(2, 40))
def test_batches_hold_every_image_once_in_order(count, size):
    order = np.random.default_rng(0).permutation(count)
    assert np.array_equal(np.concatenate(batches(order, size)), order)


def test_a_batch_is_what_torchvision_makes_of_the_images():
    images, _ = pictures()
    theirs = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    index = np.array([7, 3, 44])
    expected = torch.stack([theirs(Image.fromarray(images[i])) for i in index])
    torch.testing.assert_close(make_engine()._batch(index), expected, rtol=1e-5, atol=1e-5)


def test_a_batch_is_in_channels_last_order():
    batch = make_engine()._batch(np.arange(4))
    assert batch.shape == (4, 3, 8, 8) and batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last) and not batch.is_contiguous()


def test_flips_mirror_and_upturn_the_images_they_name():
    engine, index = make_engine(), torch.arange(4)
    plain = engine._batch(index)
    flips = torch.tensor([[False, False], [True, False], [False, True], [True, True]])
    flipped = engine._batch(index, View({"flips": flips}))
    expected = [plain[0], plain[1].flip(2), plain[2].flip(1), plain[3].flip(1, 2)]  # (3, H, W): 2 is left to right
    assert all(torch.equal(a, b) for a, b in zip(flipped, expected, strict=True))


def test_flips_reach_the_network_in_training():
    flips = np.random.default_rng(0).integers(0, 2, (len(TRAIN), 2)).astype(bool)
    plain, same, flipped = (make_engine() for _ in range(3))
    views = [Views({"flips": np.zeros_like(flips)}), Views({"flips": flips})]
    losses = [train(plain).loss, train(same, views=views[0]).loss, train(flipped, views=views[1]).loss]
    assert losses[0] == losses[1] != losses[2]


def test_a_rate_of_zero_moves_no_parameter():
    engine = make_engine(config(learning_rate=0.1))
    before = parameters(engine)
    train(engine, rate=0.0)
    assert same_tensors(before, parameters(engine))
    train(engine, rate=1e-3)
    assert not same_tensors(before, parameters(engine))


def test_one_rate_too_few_is_an_error():
    engine = make_engine()
    with pytest.raises(ValueError):
        engine.train(TRAIN, np.full(steps(engine, TRAIN) - 1, 1e-3))


def test_training_gives_the_running_mean_over_images_and_the_updates():
    """With a rate of 0 the batches can be repeated by hand; the last one holds 4 of the 12 images."""
    engine, order = make_engine(), TRAIN[:12]
    network = copy.deepcopy(engine.network).train()
    trained = train(engine, order, rate=0.0)
    labels = torch.from_numpy(pictures()[1])
    logits = [network(engine._batch(order[:8])), network(engine._batch(order[8:]))]
    logits = torch.cat(logits)
    assert trained.updates == 2
    assert trained.loss == pytest.approx(functional.cross_entropy(logits, labels[order]).item(), rel=1e-6)
    assert trained.accuracy == float((logits.argmax(1) == labels[order]).double().mean())


def test_equal_weights_train_like_none():
    plain, weighted = make_engine(), make_engine()
    a, b = train(plain), train(weighted, weights=np.full(len(TRAIN), 0.25))
    assert a.loss == pytest.approx(b.loss, rel=1e-5)
    theirs = parameters(weighted)
    for name, value in parameters(plain).items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-4)


def test_an_image_of_weight_zero_teaches_nothing():
    """Relabelling it changes no parameter; with weight one it does."""
    weights = np.ones(len(TRAIN))
    weights[3] = 0
    ignored, relabelled, counted = make_engine(), make_engine(), make_engine()
    for engine in (relabelled, counted):
        engine.task.labels = engine.task.labels.clone()
        engine.task.labels[TRAIN[3]] = (engine.task.labels[TRAIN[3]] + 1) % CLASSES
    train(ignored, weights=weights)
    train(relabelled, weights=weights)
    train(counted, weights=np.ones(len(TRAIN)))
    assert same_tensors(parameters(ignored), parameters(relabelled))
    assert not same_tensors(parameters(ignored), parameters(counted))


def test_label_smoothing_is_in_the_training_loss_and_not_in_the_scores():
    plain, smooth = make_engine(config()), make_engine(config(label_smoothing=0.3))
    assert np.array_equal(plain.score(TRAIN, "eval"), smooth.score(TRAIN, "eval"))
    assert train(plain).loss != train(smooth).loss


def test_scores_are_the_loss_of_each_image_in_the_order_asked():
    engine, order = make_engine(), np.array([30, 2, 17, 5])
    with torch.no_grad():
        logits = engine.network.eval()(engine._batch(order))
    expected = functional.cross_entropy(logits, engine.task.labels[order], reduction="none")
    assert engine.score(order, "eval") == pytest.approx(expected.double().numpy(), rel=1e-5)
    assert engine.score(order[::-1].copy(), "eval") == pytest.approx(expected.double().numpy()[::-1], rel=1e-5)


def test_scores_in_train_mode_normalise_by_the_batch():
    engine, order = make_engine(), TRAIN[:16]
    network = copy.deepcopy(engine.network).train()
    with torch.no_grad():
        logits = torch.cat([network(engine._batch(order[:8])), network(engine._batch(order[8:]))])  # batch_size is 8
    expected = functional.cross_entropy(logits, engine.task.labels[order], reduction="none").double().numpy()
    assert engine.score(order, "train") == pytest.approx(expected, rel=1e-5)


def test_evaluation_by_hand_over_more_than_one_batch():
    index = np.concatenate([ALL, ALL[:30]])  # 80 images: two evaluation batches
    engine = make_engine()
    train(engine)
    evaluation = engine.evaluate(index)
    network = engine.network.eval()
    with torch.no_grad():
        features = network.backbone(engine._batch(index))
        logits = network.head(features)
    labels = engine.task.labels[index]
    assert evaluation.loss == pytest.approx(float(functional.cross_entropy(logits, labels)), rel=1e-5)
    assert evaluation.accuracy == float((logits.argmax(1) == labels).double().mean())
    assert np.array_equal(evaluation.true, pictures()[1][index])
    assert np.array_equal(evaluation.correct, evaluation.predicted == evaluation.true)
    assert evaluation.probabilities == pytest.approx(logits.softmax(1).numpy(), rel=1e-4)


def test_the_knn_of_an_evaluation_is_that_of_the_features_before_the_head():
    engine = make_engine()
    with torch.no_grad():
        features = engine.network.eval().backbone(engine._batch(ALL))
    assert engine.evaluate(ALL).knn == pytest.approx(by_double_loop(features, engine.task.labels))


def test_evaluating_and_scoring_leave_the_parameters_alone():
    engine = make_engine()
    before = parameters(engine)
    engine.evaluate(ALL)
    engine.score(TRAIN, "eval")
    engine.score(TRAIN, "train")
    assert same_tensors(before, parameters(engine))


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_the_config_names_the_optimiser(name, kind):
    engine = make_engine(config(optimizer=name, weight_decay=0.01, learning_rate=0.02))
    assert type(engine.optimizer) is kind
    (group,) = engine.optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.02, 0.01)
    assert len(group["params"]) == len(list(engine.network.parameters()))


@pytest.mark.parametrize(
    ("optimizer", "moved"),
    [
        # Nesterov momentum 0.9 on the first step: g + 0.9 g; the penalty is part of the gradient
        ("sgd", lambda p, g: p - 0.01 * 1.9 * (g + 0.1 * p)),
        # Adam's first step is the gradient's sign; the penalty is part of the gradient
        ("adam", lambda p, g: p - 0.01 * (g + 0.1 * p) / ((g + 0.1 * p).abs() + 1e-8)),
        # AdamW shrinks the parameter by itself
        ("adamw", lambda p, g: p * (1 - 0.01 * 0.1) - 0.01 * g / (g.abs() + 1e-8)),
    ],
)
def test_the_first_step_of_each_optimiser_by_hand(optimizer, moved):
    engine = make_engine(config(optimizer=optimizer, weight_decay=0.1))
    before = parameters(engine)["head.weight"]
    train(engine, TRAIN[:8], rate=0.01)
    after, gradient = parameters(engine)["head.weight"], engine.network.head.weight.grad
    torch.testing.assert_close(after, moved(before, gradient), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 1e-2), ("adamw", 1e-2), ("sgd", 3e-2)])
def test_every_optimiser_learns_the_pictures(optimizer, rate):
    engine = make_engine(config(optimizer=optimizer))
    first = train(engine, rate=rate)
    for _ in range(8):
        last = train(engine, rate=rate)
    assert last.loss < 0.6 * first.loss


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_restored_engine_goes_on_bit_for_bit(optimizer):
    engine, other = make_engine(config(optimizer=optimizer)), make_engine(config(optimizer=optimizer), seed=9)
    train(engine)
    saved = {name: value.clone() for name, value in engine.state().items()}
    other.restore(saved)
    assert same_tensors(engine.state(), other.state())
    assert train(engine) == train(other)
    assert same_tensors(engine.state(), other.state())
    assert not same_tensors(engine.state(), saved)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_restored_engine_goes_on_bit_for_bit_also_where_the_state_was_stored_in_another_memory_order(optimizer):
    """A file keeps (O, I, H, W) in plain order; the network on the device is channels_last."""
    engine, other = make_engine(config(optimizer=optimizer)), make_engine(config(optimizer=optimizer), seed=9)
    train(engine)
    other.restore({name: value.clone(memory_format=torch.contiguous_format) for name, value in engine.state().items()})
    assert train(engine) == train(other)
    assert same_tensors(engine.state(), other.state())


def test_restoring_into_an_engine_that_has_not_stepped_yet_needs_no_optimiser_state():
    engine, other = make_engine(), make_engine(seed=9)
    other.restore(engine.state())
    assert train(engine) == train(other)


def test_bf16_and_fp32_give_close_losses():
    """bfloat16 keeps 8 bits: a relative error of 2^-8 an operation."""
    full, half = make_engine(precision="fp32"), make_engine(precision="bf16")
    assert (full.precision, half.precision) == ("fp32", "bf16")
    a, b = full.evaluate(ALL).loss, half.evaluate(ALL).loss
    assert a != b
    assert a == pytest.approx(b, rel=0.02)
    assert train(full, rate=1e-4).loss == pytest.approx(train(half, rate=1e-4).loss, rel=0.05)


class Asked(TorchDispatchMode):
    """Counts `.item()` and what needs a size from the data, for which a GPU would have to be waited for.

    Copies to the CPU (`tolist`, `numpy`) do not come by here where everything is on it.
    """

    def __init__(self):
        super().__init__()
        self.times = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        self.times += function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_no_update_waits_for_the_device(optimizer):
    counts = []
    for order in (TRAIN[:16], TRAIN):
        with Asked() as asked:
            every = config(optimizer=optimizer, **EVERY_STEP)
            views = draw_views(every, 0, 1, np.arange(len(order)), len(order), (8, 8))
            train(make_engine(every), order, weights=np.ones(len(order)), views=views)
        counts.append(asked.times)
    assert counts[0] == counts[1]
