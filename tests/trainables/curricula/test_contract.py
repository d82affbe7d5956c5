"""What every strategy's curriculum promises, for any config its own space could draw."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.registry import SPACES
from tests.toy import draws
from trainables.curricula.base import Difficulty, Feedback, Plan
from trainables.strategies import STRATEGIES, Facts, make_curriculum

pytestmark = pytest.mark.parametrize("name", STRATEGIES)
LABELS = st.lists(st.integers(0, 3), min_size=2, max_size=80).map(lambda labels: np.array(labels, dtype=np.int64))
ACCURACIES = st.lists(st.floats(0, 1), max_size=25)
SEEDS = st.integers(0, 2**16)


def draw_curriculum(data, name, labels):
    space = SPACES[name]
    generator = np.random.default_rng(len(labels))
    levels = generator.integers(0, 3, len(labels)).astype(float)
    facts = Facts(labels, fixed=levels, shuffle=generator.permutation(len(labels)))
    return make_curriculum(name, facts, space.build(data.draw(draws(space))))


def some_difficulty(count: int, seed: int) -> Difficulty:
    generator = np.random.default_rng(seed)
    return Difficulty(generator.exponential(size=count), generator.permutation(count))


def plan_of(curriculum, state, seed: int) -> Plan:
    """The plan for a state, with everything random given by `seed`."""
    difficulty = some_difficulty(len(curriculum.labels), seed)
    return curriculum.plan(state, difficulty, np.random.default_rng(seed))


def state_after(curriculum, accuracies):
    """After so many epochs of a training that is planned to have a few more."""
    state = curriculum.begin()
    for epoch, accuracy in enumerate(accuracies):
        images = plan_of(curriculum, state, epoch).images
        losses = np.random.default_rng(epoch).exponential(size=len(images)) if curriculum.wants_losses else None
        progress = (epoch + 1) / (len(accuracies) + 3)
        state = curriculum.learn(state, Feedback(accuracy, progress, images, losses))
    return state


@given(data=st.data(), labels=LABELS, accuracies=ACCURACIES, seed=SEEDS)
def test_a_plan_names_images_of_the_training_split_once_each(name, data, labels, accuracies, seed):
    curriculum = draw_curriculum(data, name, labels)
    images = plan_of(curriculum, state_after(curriculum, accuracies), seed).images
    assert images.dtype == np.int64 and images.ndim == 1
    assert 1 <= len(images) <= len(labels)
    assert images.min() >= 0 and images.max() < len(labels)
    assert len(np.unique(images)) == len(images)


@given(data=st.data(), labels=LABELS, accuracies=ACCURACIES, seed=SEEDS)
def test_share_and_weights_of_a_plan_are_legal(name, data, labels, accuracies, seed):
    curriculum = draw_curriculum(data, name, labels)
    plan = plan_of(curriculum, state_after(curriculum, accuracies), seed)
    assert 0 < plan.share <= 1 and 0 < plan.scale <= 1
    if plan.weights is not None:
        assert plan.weights.shape == plan.images.shape
        assert np.isfinite(plan.weights).all() and (plan.weights >= 0).all() and plan.weights.sum() > 0


@given(data=st.data(), labels=LABELS, accuracies=ACCURACIES, seed=SEEDS)
def test_the_same_call_gives_the_same_answer(name, data, labels, accuracies, seed):
    curriculum = draw_curriculum(data, name, labels)
    state = state_after(curriculum, accuracies)
    first, second = plan_of(curriculum, state, seed), plan_of(curriculum, state, seed)
    assert np.array_equal(first.images, second.images) and first.share == second.share
    assert curriculum.learn(state, Feedback(0.9)) == curriculum.learn(state, Feedback(0.9))
    assert curriculum.scoring(state) == curriculum.scoring(state)


@given(data=st.data(), labels=LABELS, accuracies=ACCURACIES, seed=SEEDS)
def test_plan_and_learn_modify_nothing_that_they_are_given(name, data, labels, accuracies, seed):
    curriculum = draw_curriculum(data, name, labels)
    state, difficulty = state_after(curriculum, accuracies), some_difficulty(len(labels), seed)
    before = copy.deepcopy((state, difficulty.values, difficulty.order, curriculum.labels))
    curriculum.plan(state, difficulty, np.random.default_rng(seed))
    curriculum.learn(state, Feedback(1.0))
    curriculum.scoring(state)
    after = (state, difficulty.values, difficulty.order, curriculum.labels)
    assert before[0] == after[0]
    assert all(np.array_equal(a, b) for a, b in zip(before[1:], after[1:], strict=True))


@given(data=st.data(), labels=LABELS, accuracies=ACCURACIES, seed=SEEDS)
def test_a_state_survives_json(name, data, labels, accuracies, seed):
    curriculum = draw_curriculum(data, name, labels)
    state = state_after(curriculum, accuracies)
    read = json.loads(json.dumps(state))
    assert read == state
    assert np.array_equal(plan_of(curriculum, read, seed).images, plan_of(curriculum, state, seed).images)
    assert curriculum.learn(read, Feedback(1.0)) == curriculum.learn(state, Feedback(1.0))


@given(data=st.data(), labels=LABELS)
def test_what_a_curriculum_wants_scored_is_legal(name, data, labels):
    curriculum = draw_curriculum(data, name, labels)
    scoring = curriculum.scoring(curriculum.begin())
    assert scoring is None or (scoring.every >= 1 and scoring.mode in ("eval", "train"))
