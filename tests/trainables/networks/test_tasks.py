"""The two tasks: multi-label maths against scikit-learn and by hand; both through the same loop."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, log_loss

from spaces.finetune import ScratchConfig
from tests.toy import HELD_OUT, TRAIN, make_state, pictures
from trainables.curricula.base import Curriculum
from trainables.loop import train
from trainables.metrics import average_precision, mean_average_precision
from trainables.networks.engine import Engine
from trainables.networks.models import build
from trainables.networks.tasks import MultiLabel, SingleLabel

SCORES = st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.1, 0.7, 3.0]), min_size=1, max_size=30)


@given(SCORES, st.data())
def test_average_precision_is_scikit_learns_ties_included(scores, data):
    relevant = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)).filter(any))
    ours = average_precision(np.array(scores), np.array(relevant))
    assert ours == pytest.approx(average_precision_score(relevant, scores), abs=1e-12)


def drawn(seed=0, images=40, classes=5):
    generator = np.random.default_rng(seed)
    targets = generator.random((images, classes)) < 0.3
    labels = generator.integers(0, classes, images)
    targets[np.arange(images), labels] = True
    logits = torch.from_numpy(generator.normal(size=(images, classes)))
    return logits, labels, targets


def multi_label(labels, targets):
    return MultiLabel(torch.from_numpy(labels), torch.from_numpy(targets))


def test_the_mean_over_the_classes_that_occur():
    logits, labels, targets = drawn()
    targets[:, 4] = False
    task, at = multi_label(labels, targets), torch.arange(40)
    expected = np.mean([average_precision_score(targets[:, c], logits[:, c].numpy()) for c in range(4)])
    assert mean_average_precision(task.judged(logits, at)) == pytest.approx(expected, abs=1e-12)
    assert mean_average_precision(multi_label(labels, np.zeros_like(targets)).judged(logits, at)) is None


def test_the_loss_is_binary_cross_entropy_on_logits():
    logits, labels, targets = drawn()
    each = [log_loss(targets[:, c], torch.sigmoid(logits[:, c]).numpy(), labels=[False, True]) for c in range(5)]
    task, at = multi_label(labels, targets), torch.arange(40)
    assert float(task.loss(logits, at, reduction="mean")) == pytest.approx(np.mean(each))
    assert task.loss(logits, at).shape == (40,) and float(task.loss(logits, at).mean()) == pytest.approx(np.mean(each))


def test_smoothing_pulls_each_target_towards_a_half():
    task = multi_label(np.array([0]), np.array([[True, False]]))
    logits = torch.tensor([[2.0, -1.0]])
    sure = torch.sigmoid(logits)[0]
    by_hand = -(0.9 * sure[0].log() + 0.1 * (1 - sure[0]).log() + 0.1 * sure[1].log() + 0.9 * (1 - sure[1]).log()) / 2
    assert float(task.loss(logits, torch.tensor([0]), smoothing=0.2)) == pytest.approx(float(by_hand))


def test_smoothing_pulls_towards_a_half_whatever_the_number_of_classes():
    task = multi_label(np.array([0]), np.array([[True, False, False]]))
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    yes, no = torch.sigmoid(logits)[0].log(), torch.sigmoid(-logits)[0].log()
    by_hand = -(0.9 * yes[0] + 0.1 * no[0] + 0.1 * yes[1:].sum() + 0.9 * no[1:].sum()) / 3
    assert float(task.loss(logits, torch.tensor([0]), smoothing=0.2)) == pytest.approx(float(by_hand))


def test_a_hit_is_any_label_of_the_image_as_the_report_counts():
    logits = torch.tensor([[3.0, 1.0, 0.0], [0.0, 1.0, 3.0], [0.0, 2.0, 1.0]])
    labels, targets = np.array([0, 0, 0]), np.array([[1, 0, 0], [1, 0, 1], [1, 0, 1]], dtype=bool)
    at = torch.arange(3)
    assert multi_label(labels, targets).hits(logits, at).tolist() == [True, True, False]
    assert SingleLabel(torch.from_numpy(labels)).hits(logits, at).tolist() == [True, False, False]


def test_one_label_each_makes_hits_those_of_the_single_label_task():
    logits, labels, _ = drawn()
    one_hot = np.eye(5, dtype=bool)[labels]
    at, single = torch.arange(40), SingleLabel(torch.from_numpy(labels))
    assert torch.equal(multi_label(labels, one_hot).hits(logits, at), single.hits(logits, at))


def make_multi_label_state(epochs=4):
    """The toy pictures, where each image of class 3 is also of class 0."""
    images, labels = pictures()
    targets = np.eye(4, dtype=bool)[labels]
    targets[labels == 3, 0] = True
    config = ScratchConfig(batch_size=8, learning_rate=3e-3)
    state = make_state(config, epochs=epochs)
    state.engine = Engine(build("small_cnn", 4, "none", 0), images, labels, config, "cpu", "fp32", targets)
    state.curriculum = Curriculum(labels[TRAIN])
    return state, targets


def test_the_loop_trains_it_and_records_the_mean_average_precision():
    state, targets = make_multi_label_state()
    records = list(train(state))
    assert all(0 <= r.metrics["map"] <= 1 for r in records) and records[-1].train_loss < records[0].train_loss
    last = state.evaluation
    assert last.correct.tolist() == [bool(targets[i, p]) for i, p in zip(HELD_OUT, last.predicted, strict=True)]
    assert records[-1].eval_accuracy == last.correct.mean()
    assert records[-1].eval_loss == pytest.approx(last.losses.mean())
    assert not np.allclose(last.probabilities.sum(axis=1), 1)  # each class has a probability of its own


def test_the_single_label_task_has_no_mean_average_precision():
    assert next(iter(train(make_state()))).metrics["map"] is None
