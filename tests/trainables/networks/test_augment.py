"""Augmentation in pixels: operations against torchvision's, crops, erasing and mixing by hand, the same for every batch."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as theirs

from spaces.finetune import FinetuneConfig
from spaces.trial import TrialConfig
from tests.toy import CLASSES, TRAIN, make_engine, make_state, make_trial, pictures, same_tensors, without_seconds
from tests.trainables.networks.test_tasks import make_multi_label_state
from tests.trainables.test_views import CONFIGS, EVERYTHING
from trainables.budget import Budget
from trainables.curricula.base import Curriculum, Plan
from trainables.loop import train
from trainables.networks.augment import Mix, View, augmented, cut_views, main_images, mixed
from trainables.networks.engine import PLAIN
from trainables.networks.losses import mixed_loss
from trainables.networks.operations import PIXELS
from trainables.policies import OPERATIONS
from trainables.views import draw_views

GREY = torch.tensor([10.0, 20.0, 30.0]).view(1, 3, 1, 1)
each_config = pytest.mark.parametrize("fields", CONFIGS.values(), ids=CONFIGS)


def some_images(count: int = 1, size: int = 16) -> torch.Tensor:
    """uint8."""
    generator = np.random.default_rng(count)
    return torch.from_numpy(generator.integers(30, 220, (count, 3, size, size)).astype(np.uint8))


def affine(x, translate=(0, 0), shear=(0.0, 0.0), center=None):
    degrees = [math.degrees(math.atan(tangent)) for tangent in shear]
    bilinear = InterpolationMode.BILINEAR
    return theirs.affine(x.float(), 0, list(translate), 1.0, degrees, interpolation=bilinear, center=center)


THEIRS = {
    "identity": lambda x, m: x,
    "shear_x": lambda x, m: affine(x, shear=(m, 0.0), center=[0, 0]),
    "shear_y": lambda x, m: affine(x, shear=(0.0, m), center=[0, 0]),
    "translate_x": lambda x, m: affine(x, translate=(int(m * 16), 0)),
    "translate_y": lambda x, m: affine(x, translate=(0, int(m * 16))),
    "rotate": lambda x, m: theirs.rotate(x.float(), m, interpolation=InterpolationMode.BILINEAR),
    "brightness": lambda x, m: theirs.adjust_brightness(x, 1 + m),
    "colour": lambda x, m: theirs.adjust_saturation(x, 1 + m),
    "contrast": lambda x, m: theirs.adjust_contrast(x, 1 + m),
    "sharpness": lambda x, m: theirs.adjust_sharpness(x, 1 + m),
    "posterize": lambda x, m: theirs.posterize(x, int(m)),
    "solarize": lambda x, m: theirs.solarize(x, m),
    "autocontrast": lambda x, m: theirs.autocontrast(x),
    "equalize": lambda x, m: theirs.equalize(x),
}
STRENGTHS = {"rotate": (20.0, -45.0), "posterize": (4.0, 8.0), "solarize": (128.0, 0.0)}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_does_what_torchvisions_does(name):
    """Theirs cuts results to whole values, and its mean grey value is of such; ours stay as they are."""
    x, strengths = some_images(), STRENGTHS.get(name, (0.25, -0.5))
    for strength in strengths:
        expected = THEIRS[name](x, strength).float()
        torch.testing.assert_close(PIXELS[name](x.float(), torch.tensor([strength])), expected, rtol=0, atol=1.3)


def test_every_image_of_a_batch_has_its_own_strength():
    x = some_images(5).float()
    for name, operation in PIXELS.items():
        strengths = torch.tensor(STRENGTHS.get(name, (0.25, -0.5)) * 3)[:5]
        alone = torch.cat([operation(x[i : i + 1], strengths[i : i + 1]) for i in range(5)])
        assert torch.equal(operation(x, strengths), alone), name


def test_one_colour_is_neither_stretched_nor_equalized():
    x = torch.full((1, 3, 4, 4), 77.0)
    assert torch.equal(PIXELS["autocontrast"](x, torch.zeros(1)), x)
    assert torch.equal(PIXELS["equalize"](x, torch.zeros(1)), x)


def view(**parameters) -> View:
    return View({name: torch.tensor(values) for name, values in parameters.items()})


def test_a_crop_is_torchvisions_crop_scaled_up():
    x = some_images(2).float()
    shown = augmented(x, view(crop=[[0, 0, 16, 16], [4, 2, 12, 14]]), GREY)
    torch.testing.assert_close(shown[0], x[0], rtol=0, atol=1e-3)
    expected = theirs.resized_crop(x[1], 4, 2, 8, 12, [16, 16], antialias=False)
    # theirs repeats the pixel at the border of the crop, where ours sees what lies beyond
    torch.testing.assert_close(shown[1][:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], rtol=0, atol=1e-3)


def test_erasing_leaves_grey_in_the_box_alone():
    x = some_images(2).float()
    shown = augmented(x, view(erase=[[2, 3, 5, 9], [0, 0, 0, 0]]), GREY)
    expected = x.clone()
    expected[0, :, 2:5, 3:9] = GREY[0]
    assert torch.equal(shown, expected)


def test_what_is_erased_is_zero_to_the_network():
    engine = make_engine()
    batch = engine._batch(torch.arange(2), view(erase=[[0, 0, 8, 8], [0, 0, 0, 0]]))
    assert batch[0].abs().max() < 1e-6 < batch[1].abs().max()


def test_colour_jitter_is_torchvisions_brightness_contrast_and_saturation():
    x = some_images(2).float() / 255
    shown = augmented(x * 255, view(colour=[[1.2, 0.7, 1.5], [1.0, 1.0, 1.0]]), GREY)
    expected = theirs.adjust_saturation(theirs.adjust_contrast(theirs.adjust_brightness(x[0], 1.2), 0.7), 1.5)
    torch.testing.assert_close(shown[0] / 255, expected, rtol=0, atol=3e-3)  # our mean is of whole grey values
    torch.testing.assert_close(shown[1] / 255, x[1], rtol=0, atol=1e-6)


def mix(images, shares, blends, boxes) -> Mix:
    return Mix(torch.tensor(images), torch.tensor(shares), torch.tensor(blends), torch.tensor(boxes), View({}))


def test_images_are_blended_or_covered_by_hand():
    own, other = torch.full((2, 3, 4, 4), 100.0), torch.full((2, 3, 4, 4), 20.0)
    shown = mixed(own, other, mix([0, 0], [0.25, 0.75], [0.25, 1.0], [[0, 0, 0, 0], [1, 2, 3, 4]]))
    assert (shown[0] == 20 + 0.25 * 80).all()
    expected = own[1].clone()
    expected[:, 1:3, 2:4] = 20
    assert torch.equal(shown[1], expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_labels_are_mixed_as_torch_mixes_targets(smoothing):
    """Against cross-entropy with a mixed one-hot target."""
    engine = make_engine(TrialConfig(batch_size=8, label_smoothing=smoothing))
    logits, index = torch.randn(4, CLASSES, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3])
    pair = mix([1, 1, 7, 0], [0.3, 0.9, 0.5, 0.0], [1.0] * 4, [[0] * 4] * 4)
    one_hot = torch.eye(CLASSES)[engine.task.labels]
    target = one_hot[index] * pair.shares[:, None] + one_hot[pair.images] * (1 - pair.shares)[:, None]
    expected = functional.cross_entropy(logits, target, label_smoothing=smoothing)
    torch.testing.assert_close(engine._loss(logits, index, None, pair, PLAIN)[0], expected)


def test_both_labels_of_a_mixed_image_have_their_own_weight():
    own, other = torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])
    pair = mix([5, 6], [0.25, 1.0], [1.0, 1.0], [[0] * 4] * 2)
    by_hand = (0.25 * 4 * 1 + 0.75 * 2 * 10 + 1 * 3 * 2) / (0.25 * 4 + 0.75 * 2 + 3)
    weights = torch.tensor([[4.0, 2.0], [3.0, 7.0]], dtype=torch.float64)
    assert float(mixed_loss(own, other, weights, pair)) == pytest.approx(by_hand)
    shared = (2 * (0.25 * 1 + 0.75 * 10) + 1 * 2) / 3
    assert float(mixed_loss(own, other, torch.tensor([2.0, 1.0]), pair)) == pytest.approx(shared)


def test_a_hit_is_the_label_that_more_is_seen_of():
    pair = mix([5, 6, 7], [0.4, 0.5, 0.9], [1.0] * 3, [[0] * 4] * 3)
    assert main_images(torch.tensor([0, 1, 2]), pair).tolist() == [5, 1, 2]
    assert main_images(torch.tensor([0, 1, 2]), None).tolist() == [0, 1, 2]


# Through the loop


def seen_by(state) -> list[dict[int, torch.Tensor]]:
    """By epoch, what the network is shown of each image of the data set where it comes first."""
    engine, epochs = state.engine, []
    batch, plan = engine._batch, state.curriculum.plan

    def spy(index, view=None):
        x = batch(index, view)
        if view is not None:
            for number, pixels in zip(index.tolist(), x, strict=True):
                epochs[-1].setdefault(number, pixels.clone())
        return x

    object.__setattr__(state.curriculum, "plan", lambda *given: (epochs.append({}), plan(*given))[1])
    engine._batch = spy
    return epochs


class Few(Curriculum):
    """Every third image, the first of them twice."""

    def plan(self, state, difficulty, rng):
        return Plan(np.array([*range(0, len(self.labels), 3), 0]), 0.4)


@each_config
def test_arms_of_one_seed_see_the_same_pixels_of_a_common_image_in_whatever_batch(fields):
    seen = {}
    for arm, size in ((Curriculum, 8), (Few, 5)):
        state = make_state(TrialConfig(batch_size=size, **fields), epochs=2)
        state.curriculum = arm(pictures()[1][TRAIN])
        seen[arm] = seen_by(state)
        list(train(state))
    for all_of_them, few in zip(*seen.values(), strict=True):
        assert len(few) == 14 and len(all_of_them) == 40
        assert all(torch.equal(pixels, all_of_them[number]) for number, pixels in few.items())
    first, second = seen[Curriculum]
    assert any(not torch.equal(first[number], second[number]) for number in first)


@each_config
def test_a_trial_stopped_and_resumed_has_the_numbers_of_one_that_went_through(tmp_path, fields):
    setting = {"strategy": "finetune", "weights": "none", "epochs": 3}
    config = FinetuneConfig(batch_size=8, **fields)
    straight = make_trial(config, **setting)
    expected = [without_seconds(record) for record in straight.records()]
    stopped, resumed = make_trial(config, **setting), make_trial(config, **setting)
    records = [next(stopped.records())]
    stopped.save(tmp_path / "last.safetensors")
    resumed.restore(tmp_path / "last.safetensors")
    records += resumed.records()
    assert [without_seconds(record) for record in records] == expected
    assert same_tensors(straight.state.engine.state(), resumed.state.engine.state())


@each_config
def test_a_look_in_the_middle_of_an_epoch_changes_nothing(fields):
    ends = []
    for marks in (None, 9):
        state = make_state(TrialConfig(batch_size=8, **fields), epochs=99, budget=Budget(12, None, marks))
        losses = [record.train_loss for record in train(state)]
        ends.append((losses, state.engine.state()))
    assert ends[0][0] == ends[1][0] and same_tensors(ends[0][1], ends[1][1])


def test_every_field_changes_what_is_trained():
    losses = {}
    for name, fields in ({"nothing": {}} | CONFIGS).items():
        (record,) = train(make_state(TrialConfig(batch_size=8, **fields), epochs=1))
        losses[name] = record.train_loss
    assert len(set(losses.values())) == len(losses)


def test_a_batch_lies_in_channels_last_order_whatever_is_done_to_it():
    engine = make_engine(TrialConfig(batch_size=8, **EVERYTHING))
    views = draw_views(engine.config, 0, 1, np.arange(8), 50, engine.size)
    (cut,) = cut_views(views, [8], engine.device)
    batch = engine._batch(torch.arange(8), cut)
    assert batch.shape == (8, 3, 8, 8) and batch.is_contiguous(memory_format=torch.channels_last)


def test_a_multi_label_image_is_mixed_by_the_same_shares():
    state, targets = make_multi_label_state()
    logits = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    pair = mix([3, 4], [0.25, 0.6], [1.0, 1.0], [[0] * 4] * 2)
    wanted = torch.from_numpy(targets).float()
    target = wanted[[0, 1]] * pair.shares[:, None] + wanted[[3, 4]] * (1 - pair.shares)[:, None]
    expected = functional.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(state.engine._loss(logits, torch.tensor([0, 1]), None, pair, PLAIN)[0], expected)
