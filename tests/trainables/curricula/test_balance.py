"""Uneven classes: repeats and weights by hand, by scikit-learn, and by properties; what a trial records of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from spaces.finetune import FinetuneConfig
from spaces.self_paced import SelfPacedConfig
from spaces.trial import TrialConfig
from tests.toy import TRAIN, make_state, make_trial, same_tensors, without_seconds
from trainables.curricula.balance import balanced, class_weights
from trainables.curricula.base import Plan
from trainables.curricula.self_paced import SelfPaced
from trainables.curricula.yoked import Yoked
from trainables.loop import train
from trainables.seeds import rng
from trainables.segments import shuffled

LABELS = st.lists(st.integers(0, 3), min_size=2, max_size=40).map(lambda labels: np.array(labels, dtype=np.int64))
UNEVEN = np.repeat([0, 1, 2, 3], [20, 12, 6, 2])  # of the 40 training pictures, in their order


def uneven_state(config, labels=UNEVEN, **more):
    """The toy with other classes: 20, 12, 6 and 2 images."""
    state = make_state(config, **more)
    state.engine.task.labels[TRAIN] = state.engine.task.labels.new_tensor(labels)
    object.__setattr__(state.curriculum, "labels", labels)
    return state


def test_repeats_by_hand():
    """Of class 1, two for three of class 0: both come once, and the first in the order of all images once more."""
    labels = np.array([0, 0, 0, 1, 1, 2])
    order = rng(0, 1, "balance").permutation(6).tolist()
    first = min((3, 4), key=order.index)
    plan = balanced(Plan(np.arange(6), 1.0), labels, rng(0, 1, "balance"))
    assert sorted(plan.images.tolist()) == sorted([0, 1, 2, 3, 4, first, 5, 5, 5]) and plan.share == 1.0


def test_it_acts_on_what_was_chosen_and_weights_stay_with_their_images():
    labels = np.array([0, 0, 0, 1, 1, 2])
    images = np.array([5, 0, 1, 3])
    plan = balanced(Plan(images, 0.5, weights=images + 0.5), labels, rng(0, 1, "balance"))
    assert sorted(plan.images.tolist()) == [0, 1, 3, 3, 5, 5] and np.array_equal(plan.weights, plan.images + 0.5)


@given(labels=LABELS, data=st.data(), seed=st.integers(0, 99))
def test_every_chosen_class_comes_as_often_as_the_largest(labels, data, seed):
    images = np.array(data.draw(st.lists(st.integers(0, len(labels) - 1), min_size=1, unique=True)))
    plan = balanced(Plan(images, 1.0), labels, np.random.default_rng(seed))
    counts = np.bincount(labels[images])
    assert set(np.bincount(labels[plan.images]).tolist()) - {0} == {counts.max()}
    times = np.bincount(plan.images, minlength=len(labels))
    assert set(np.flatnonzero(times)) == set(images.tolist())
    for label in np.unique(labels[images]):
        of_class = times[images[labels[images] == label]]
        assert of_class.max() - of_class.min() <= 1


@given(count=st.integers(1, 30), data=st.data())
def test_without_repeats_the_order_is_the_permutation_filtered(count, data):
    images = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True)))
    order, at = shuffled(3, 2, images, count)
    everything = rng(3, 2, "order").permutation(count)
    assert order.tolist() == everything[np.isin(everything, images)].tolist() and np.array_equal(images[at], order)


@given(images=st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_repeats_are_spread_and_leave_the_first_ones_in_their_order(images):
    images = np.array(images)
    order, at = shuffled(0, 1, images, 10)
    assert sorted(order.tolist()) == sorted(images.tolist()) and np.array_equal(images[at], order)
    assert sorted(at.tolist()) == list(range(len(images)))
    firsts = [int(images[place]) for place in at if place == np.flatnonzero(images == images[place])[0]]
    everything = rng(0, 1, "order").permutation(10)
    assert firsts == everything[np.isin(everything, images)].tolist()


def test_repeats_do_not_all_come_last():
    _, at = shuffled(0, 1, np.tile(np.arange(100), 2), 100)
    assert 0.3 < (at[:100] >= 100).mean() < 0.7


def test_class_weights_by_hand():
    """40 / (4 * 20), 40 / (4 * 12), 40 / (4 * 6), 40 / (4 * 2)."""
    assert class_weights(UNEVEN).tolist() == pytest.approx([0.5, 5 / 6, 5 / 3, 5])


@given(LABELS)
def test_class_weights_are_scikit_learns(labels):
    weights = class_weights(labels)
    classes = np.unique(labels)
    assert weights[classes] == pytest.approx(compute_class_weight("balanced", classes=classes, y=labels))
    assert np.delete(weights, classes).sum() == 0
    assert weights[labels].sum() == pytest.approx(len(labels))


def weights_given(config, **more) -> dict[int, list]:
    """What each image counts in the first epoch, by its number in the training split."""
    state, seen = uneven_state(config, epochs=1, **more), {}
    engine_train, place = state.engine.train, {int(image): i for i, image in enumerate(TRAIN)}

    def spy(order, rates, weights, *rest):
        for image, weight in zip(order.tolist(), np.asarray(weights).tolist(), strict=True):
            seen.setdefault(place[image], []).append(weight)
        return engine_train(order, rates, weights, *rest)

    state.engine.train = spy
    list(train(state))
    return seen


def test_images_count_by_their_class():
    seen = weights_given(TrialConfig(batch_size=8, class_weight="balanced"))
    assert seen == {i: [pytest.approx(class_weights(UNEVEN)[UNEVEN[i]])] for i in range(40)}


def test_a_mixed_image_counts_by_both_classes():
    seen = weights_given(TrialConfig(batch_size=8, class_weight="balanced", mixup=0.4))
    own = {i: weights[0][0] for i, weights in seen.items()}
    assert own == {i: pytest.approx(class_weights(UNEVEN)[UNEVEN[i]]) for i in range(40)}
    assert {round(weights[0][1], 4) for weights in seen.values()} <= set(np.round(class_weights(UNEVEN), 4))


def test_class_weights_multiply_the_curriculums_own():
    soft = SelfPacedConfig(batch_size=8, soft="linear", share_start=0.5)
    alone, both = weights_given(soft), weights_given(soft.model_copy(update={"class_weight": "balanced"}))
    assert both == {i: [pytest.approx(w[0] * class_weights(UNEVEN)[UNEVEN[i]])] for i, w in alone.items()}


def test_balanced_sampling_is_recorded_and_charged_as_it_is_trained():
    records = list(train(uneven_state(TrialConfig(batch_size=8, sampling="balanced"), epochs=2)))
    assert [(r.images, r.distinct, r.chosen, r.class_counts, r.share) for r in records] == [
        (80, 40, 40, (20, 20, 20, 20), 1.0)
    ] * 2
    assert [r.images_trained for r in records] == [80, 160] and [r.updates for r in records] == [10, 20]


def test_a_curriculum_chooses_and_balancing_repeats():
    config = SelfPacedConfig(batch_size=8, share_start=0.5, gate=1.0, sampling="balanced")
    (record,) = train(uneven_state(config, epochs=1))
    counts = [count for count in record.class_counts if count]
    assert record.distinct == 20 and set(counts) == {max(counts)} and record.images == sum(counts)


def test_a_twin_chooses_as_many_images_as_its_partner_did():
    config = SelfPacedConfig(batch_size=8, share_start=0.4, share_step=0.2, gate=0.0, sampling="balanced")
    records = list(train(uneven_state(config, epochs=3)))
    twin = uneven_state(config.model_copy(update={"order": "random"}), epochs=3)
    twin.curriculum = Yoked(UNEVEN, SelfPaced(UNEVEN, twin.config), tuple(r.chosen for r in records))
    twin.curriculum_state = twin.curriculum.begin()
    assert [r.distinct for r in train(twin)] == [r.distinct for r in records] == [16, 24, 24]


def test_even_classes_are_left_as_they_are():
    configs = [TrialConfig(batch_size=8, **fields) for fields in ({}, {"sampling": "balanced"})]
    ends = [[without_seconds(r) for r in train(uneven_state(config, np.arange(40) % 4))] for config in configs]
    assert ends[0] == ends[1] and {r.distinct for r in ends[0]} == {40}


@pytest.mark.parametrize("fields", [{"class_weight": "balanced"}, {"sampling": "balanced", "mixup": 0.4}])
def test_it_goes_on_from_a_checkpoint_to_the_digit(tmp_path, fields):
    config, setting = FinetuneConfig(batch_size=8, **fields), {"strategy": "finetune", "weights": "none", "epochs": 2}
    straight, stopped, resumed = (make_trial(config, **setting) for _ in range(3))
    expected = [without_seconds(record) for record in straight.records()]
    records = [next(stopped.records())]
    stopped.save(tmp_path / "last.safetensors")
    resumed.restore(tmp_path / "last.safetensors")
    records += resumed.records()
    assert [without_seconds(record) for record in records] == expected
    assert same_tensors(straight.state.engine.state(), resumed.state.engine.state())
