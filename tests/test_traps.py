"""One test for each mistake that the report's authors, or we, have made once and that no figure gives away.

Whole batches ranked where images are meant; scoring that moves BatchNorm; a learning rate that never reaches the
optimiser; training in order of difficulty; a selection that loses classes; labels out of step with predictions; test
images seen while training; a share that drifts in floats; randomness that no seed decides. Two more are tested where
they belong: a frozen backbone that drifts (test_strategies.py) and orders that are one (curricula/test_fixed.py).
"""

from typing import get_args

import numpy as np
import pytest
import torch

from spaces.self_paced import SelfPacedConfig
from spaces.trial import TrialConfig
from tests.toy import (
    COUNT,
    HELD_OUT,
    TRAIN,
    make_engine,
    make_state,
    make_trial,
    pictures,
    same_tensors,
    without_seconds,
)
from tests.trainables.networks.test_knn import by_double_loop
from trainables.curricula.base import Feedback
from trainables.curricula.share import millionths
from trainables.loop import train
from trainables.preparation import load_data, make_network
from trainables.rates import RULES
from trainables.seeds import Purpose, rng
from trainables.segments import shuffled


def spy_on(engine, method: str, known=None) -> list[np.ndarray]:
    """The image indices that reach this method of the engine from now on; `known` answers in its place."""
    seen, real = [], getattr(engine, method)

    def call(index, *arguments, **named):
        seen.append(index)
        return (known or real)(index, *arguments, **named)

    setattr(engine, method, call)
    return seen


def trained_on(ranking: str, hardness: np.ndarray, share: float) -> np.ndarray:
    """The images of the data set that the first epoch trains on, where scoring finds this hardness (50,)."""
    state = make_state(SelfPacedConfig(batch_size=8, share_start=share, ranking=ranking), epochs=1)
    spy_on(state.engine, "score", known=lambda index, mode: hardness[index])
    seen = spy_on(state.engine, "train")
    list(train(state))
    return seen[0]


HARDNESS = np.random.default_rng(8).permutation(COUNT).astype(float)  # (50,) of each image of the data set


def test_images_are_ranked_where_images_are_meant():
    easiest = TRAIN[np.argsort(HARDNESS[TRAIN])][:16]  # 0.4 x 40
    assert sorted(trained_on("image", HARDNESS, 0.4)) == sorted(easiest)


def test_whole_batches_are_ranked_where_the_run_as_it_was_is_meant():
    scored = TRAIN[rng(0, 1, "score").permutation(40)].reshape(5, 8)  # the batches in which images were scored
    easiest = scored[np.argsort(HARDNESS[scored].mean(axis=1))][:2]  # 0.4 x 5
    assert sorted(trained_on("batch", HARDNESS, 0.4)) == sorted(easiest.ravel())


def buffers(engine) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in engine.network.named_buffers()}


@pytest.mark.parametrize(("mode", "moves"), [("eval", False), ("train", True)])
def test_scoring_moves_batchnorm_in_train_mode_and_not_in_eval_mode(mode, moves):
    engine = make_engine()
    engine.train(TRAIN[:8], np.array([1e-3]))  # statistics other than the initial ones
    before = buffers(engine)
    engine.score(TRAIN, mode)
    assert len(before) == 9  # mean, variance and counter of three layers
    assert same_tensors(before, buffers(engine)) == (not moves)
    assert all(torch.equal(before[k], v) != moves for k, v in buffers(engine).items())


def test_evaluating_moves_no_batchnorm():
    engine = make_engine()
    engine.train(TRAIN[:8], np.array([1e-3]))
    before = buffers(engine)
    engine.evaluate(HELD_OUT)
    assert same_tensors(before, buffers(engine))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("rate", RULES)
def test_the_rule_reaches_the_optimiser_at_every_step(optimizer, rate):
    steps = {"rate_epochs_1": 1, "rate_gate": 0.0, "rate_gap_2": 1.0}  # both kinds of steps fall once, after epoch 1
    state = make_state(TrialConfig(batch_size=8, optimizer=optimizer, rate=rate, learning_rate=0.01, **steps), epochs=2)
    used, step = [], state.engine.optimizer.step

    def spy():
        used.append({group["lr"] for group in state.engine.optimizer.param_groups})
        return step()

    state.engine.optimizer.step = spy
    records = list(train(state))
    assert len(used) == records[-1].updates == 10
    if rate == "cosine":
        expected = [0.01 * (1 + np.cos(np.pi * i / 10)) / 2 for i in range(10)]
    else:
        expected = [0.01] * 5 + [0.01 if rate == "constant" else 0.005] * 5
    assert all(len(rates) == 1 for rates in used)
    assert [rate for rates in used for rate in rates] == pytest.approx(expected)


def orders(config, epochs=2) -> list[np.ndarray]:
    """The images in the order they were trained on, epoch by epoch."""
    state = make_state(config, epochs=epochs)
    seen = spy_on(state.engine, "train")
    list(train(state))
    return seen


def test_the_selected_images_are_trained_on_shuffled_and_not_by_difficulty():
    order = trained_on("image", HARDNESS, 0.4)
    assert order.tolist() == [i for i in TRAIN[rng(0, 1, "order").permutation(40)] if i in order]
    steps = np.diff(HARDNESS[order])
    assert (steps > 0).any() and (steps < 0).any()


def test_two_curricula_that_share_a_seed_meet_their_common_images_in_the_same_order():
    everything = orders(TrialConfig(batch_size=8))
    some = orders(SelfPacedConfig(batch_size=8, share_start=0.4, gate=1.0))
    other = orders(SelfPacedConfig(batch_size=8, share_start=0.5, gate=1.0, ranking="batch"))
    for full, part, third in zip(everything, some, other, strict=True):
        assert (len(full), len(part), len(third)) == (40, 16, 16)
        assert part.tolist() == [i for i in full if i in part]
        assert third.tolist() == [i for i in full if i in third]


def test_every_epoch_has_an_order_of_its_own():
    first, second = orders(TrialConfig(batch_size=8))
    assert first.tolist() != second.tolist()


def counts(ranking: str) -> tuple[int, ...]:
    """Class counts in the record of an epoch on half of the images, where class 3 is hardest throughout."""
    labels = pictures()[1]
    state = make_state(SelfPacedConfig(batch_size=8, share_start=0.5, ranking=ranking), epochs=1)
    spy_on(state.engine, "score", known=lambda index, mode: labels[index] + HARDNESS[index] / 100)
    seen = spy_on(state.engine, "train")
    (record,) = train(state)
    assert record.class_counts == tuple(np.bincount(labels[seen[0]], minlength=4))
    return record.class_counts


def test_a_selection_that_loses_classes_is_recorded_and_ranking_within_classes_loses_none():
    assert np.bincount(pictures()[1][TRAIN]).tolist() == [11, 11, 9, 9]
    assert counts("image") == (11, 9, 0, 0)
    # 5.5, 5.5, 4.5 and 4.5 rounded down are 18; the two missing go to the first of four equal remainders
    assert counts("image_per_class") == (6, 6, 4, 4)


def test_labels_features_and_predictions_are_in_step_on_a_shuffled_split():
    engine, labels = make_engine(), pictures()[1]
    engine.train(TRAIN, np.full(5, 1e-2))
    shuffled_index = np.random.default_rng(1).permutation(COUNT)
    straight, mixed = engine.evaluate(np.arange(COUNT)), engine.evaluate(shuffled_index)
    assert mixed.true.tolist() == labels[shuffled_index].tolist()
    assert mixed.predicted.tolist() == straight.predicted[shuffled_index].tolist()
    assert mixed.probabilities == pytest.approx(straight.probabilities[shuffled_index], abs=1e-5)
    assert mixed.accuracy == straight.accuracy
    with torch.no_grad():
        features = engine.network.eval().backbone(engine._batch(shuffled_index))
    assert mixed.knn == pytest.approx(by_double_loop(features, torch.from_numpy(labels[shuffled_index])))
    out_of_step = by_double_loop(features, torch.from_numpy(labels))
    assert mixed.knn != pytest.approx(out_of_step)  # else the line above could not fail


def test_under_holdout_no_test_image_reaches_the_engine_while_training():
    trial = make_trial(protocol="holdout")
    seen = [spy_on(trial.state.engine, method) for method in ("train", "score", "evaluate")]
    batches = spy_on(trial.state.engine, "_batch")
    records = list(trial.records())
    met = set(np.concatenate([index for calls in (*seen, batches) for index in calls]).tolist())
    assert met == set(trial.split.train) | set(trial.split.validation)
    assert len(trial.split.test) and met.isdisjoint(trial.split.test)
    assert {record.eval_split for record in records} == {"validation"}


def test_under_report_every_record_says_that_it_was_judged_on_test():
    trial = make_trial(protocol="report")
    judged = spy_on(trial.state.engine, "evaluate")
    records = list(trial.records())
    assert {record.eval_split for record in records} == {"test"}
    assert len(judged) == 3 and all(np.array_equal(index, trial.split.test) for index in judged)


def test_the_share_neither_drifts_nor_overshoots():
    """2,240 images, 70 batches of 32, 0.05 a step; at 0.40 and 0.50 floats lose a batch."""
    curriculum = make_state(SelfPacedConfig(slow_epochs=1, gate=0.5)).curriculum
    drifting, state, batches = 0.1, curriculum.begin(), {}
    while state["share"] < 1_000_000:
        batches[state["share"]] = (int(drifting * 70), state["share"] * 70 // 1_000_000)
        drifting, state = drifting + 0.05, curriculum.learn(state, Feedback(0.9))
    assert {share: pair for share, pair in batches.items() if pair[0] != pair[1]} == {
        400_000: (27, 28),
        500_000: (34, 35),
    }
    assert state["share"] == millionths(1.0) and len(batches) == 18


def same_setting(seed: int):
    """A trial and its records, whatever state the process's own random numbers are in."""
    torch.manual_seed(np.random.SeedSequence().entropy % 2**31)
    np.random.seed(None)
    trial = make_trial(SelfPacedConfig(batch_size=8, augment="flips", ranking="batch"), seed=seed)
    return trial, [without_seconds(record) for record in trial.records()]


def test_one_setting_gives_identical_records_and_parameters():
    (first, records), (second, again) = same_setting(3), same_setting(3)
    assert records == again
    assert same_tensors(first.state.engine.state(), second.state.engine.state())


def test_another_seed_changes_the_split():
    splits = [load_data(make_trial(seed=seed).setting)[1] for seed in (3, 4)]
    for part in ("train", "validation", "test"):
        assert getattr(splits[0], part).tolist() != getattr(splits[1], part).tolist()


def test_another_seed_changes_the_initialisation():
    networks = [make_network(make_trial(seed=seed).setting, 7)[0].state_dict() for seed in (3, 3, 4)]
    assert same_tensors(networks[0], networks[1])
    for name in ("head.weight", "backbone.blocks.0.0.weight"):
        assert not torch.equal(networks[0][name], networks[2][name])


def test_another_seed_changes_the_order_of_training_and_of_scoring():
    seen = {}
    for seed in (3, 4):
        state = make_state(SelfPacedConfig(batch_size=8, share_start=1.0, score_mode="train"), epochs=1, seed=seed)
        trained, scored = spy_on(state.engine, "train"), spy_on(state.engine, "score")
        list(train(state))
        seen[seed] = trained[0].tolist(), scored[0].tolist()
    assert seen[3][0] != seen[4][0] and sorted(seen[3][0]) == sorted(seen[4][0])
    assert seen[3][1] != seen[4][1] and sorted(seen[3][1]) == sorted(seen[4][1])
    assert shuffled(3, 1, np.arange(40), 40)[0].tolist() == [TRAIN.tolist().index(i) for i in seen[3][0]]


def test_no_two_purposes_or_epochs_share_their_numbers():
    purposes = get_args(Purpose)
    drawn = {
        tuple(rng(seed, epoch, purpose).integers(2**31, size=4))
        for seed in (0, 1)
        for epoch in (0, 1)
        for purpose in purposes
    }
    assert len(purposes) >= 6 and len(drawn) == 2 * 2 * len(purposes)
