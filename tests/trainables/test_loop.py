"""The loop: stop-save-restore equals straight through, and the baseline equals a loop written out here."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch.nn import functional

from spaces.self_paced import AS_DESCRIBED, AS_RUN, SelfPacedConfig
from spaces.trial import TrialConfig
from tests.toy import (
    CLASSES,
    HELD_OUT,
    TRAIN,
    make_engine,
    make_state,
    make_trial,
    pictures,
    same_tensors,
    without_seconds,
)
from trainables.loop import NonFiniteLoss, train
from trainables.networks.architecture import MEAN, STD
from trainables.networks.engine import batches
from trainables.networks.models import build
from trainables.seeds import rng
from trainables.segments import shuffled

GROWING = {"batch_size": 8, "gate": 0.2, "share_start": 0.3, "share_step": 0.2, "slow_epochs": 1}
CONFIGS = {
    "every second epoch scored": SelfPacedConfig(**GROWING, score_every=2),
    "batches ranked in train mode": SelfPacedConfig(**GROWING, ranking="batch", score_mode="train", score_every=2),
    "classes ranked, sgd": SelfPacedConfig(**GROWING, ranking="image_per_class", optimizer="sgd"),
    "adamw, flips, cosine": SelfPacedConfig(
        **GROWING, optimizer="adamw", weight_decay=0.1, augment="flips", rate="cosine"
    ),
    "accuracy steps": SelfPacedConfig(**{**GROWING, **AS_DESCRIBED.values}, rate_gate=0.2, label_smoothing=0.1),
    "as run": SelfPacedConfig(**{**GROWING, **AS_RUN.values}),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("stop", [1, 3])
def test_stop_save_and_restore_equals_straight_through_bit_for_bit(tmp_path, name, stop):
    straight = make_trial(CONFIGS[name], epochs=5)
    expected = [without_seconds(record) for record in straight.records()]
    stopped = make_trial(CONFIGS[name], epochs=5)
    records = list(islice(stopped.records(), stop))
    stopped.save(tmp_path / "last.safetensors")
    resumed = make_trial(CONFIGS[name], epochs=5)
    resumed.restore(tmp_path / "last.safetensors")
    records += resumed.records()
    assert [without_seconds(record) for record in records] == expected
    assert same_tensors(straight.state.engine.state(), resumed.state.engine.state())
    assert without_seconds(resumed.state.best) == without_seconds(straight.state.best)
    assert resumed.state.curriculum_state == straight.state.curriculum_state


def test_the_configs_above_really_grow_and_differ():
    """Else the test above would compare runs in which nothing happens."""
    runs = {name: list(make_trial(config, epochs=5).records()) for name, config in CONFIGS.items()}
    assert all(records[-1].share > records[0].share for records in runs.values())
    assert len({records[-1].eval_loss for records in runs.values()}) == len(CONFIGS)


def test_seconds_go_on_counting_after_a_restore(tmp_path):
    trial = make_trial(epochs=2)
    first = next(trial.records())
    trial.save(tmp_path / "last.safetensors")
    resumed = make_trial(epochs=2)
    resumed.restore(tmp_path / "last.safetensors")
    (second,) = resumed.records()
    assert second.train_seconds > first.train_seconds and second.eval_seconds > first.eval_seconds


def plain_loop(config: TrialConfig, epochs: int, seed: int) -> tuple[torch.nn.Module, list[float]]:
    """What anyone would write: Adam over shuffled batches of all the training images."""
    images, labels = pictures()
    network = build("small_cnn", CLASSES, "none", 0).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
    scale = (1 / (255 * torch.tensor(STD))).view(1, 3, 1, 1)
    shift = (-torch.tensor(MEAN) * 255 / (255 * torch.tensor(STD))).view(1, 3, 1, 1)
    losses = []
    for epoch in range(1, epochs + 1):
        network.train()
        order = TRAIN[rng(seed, epoch, "order").permutation(len(TRAIN))]
        for batch in np.split(order, range(8, 40, 8)):
            x = torch.from_numpy(images[batch]).permute(0, 3, 1, 2).float() * scale + shift
            loss = functional.cross_entropy(network(x), torch.from_numpy(labels[batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return network, losses


def test_the_baseline_equals_a_plain_pytorch_loop_bit_for_bit():
    config = TrialConfig(batch_size=8, learning_rate=3e-3)
    network, losses = plain_loop(config, epochs=3, seed=6)
    state = make_state(config, epochs=3, seed=6)
    records = list(train(state))
    assert same_tensors(state.engine.network.state_dict(), network.state_dict())
    assert [record.train_loss for record in records] == pytest.approx([np.mean(losses[i : i + 5]) for i in (0, 5, 10)])


def test_the_baseline_trains_on_everything_and_scores_nothing():
    records = list(train(make_state(TrialConfig(batch_size=8))))
    assert [(r.share, r.images, r.images_scored, r.score_seconds) for r in records] == [(1.0, 40, 0, 0.0)] * 3
    assert [r.class_counts for r in records] == [tuple(np.bincount(pictures()[1][TRAIN]))] * 3


def test_the_orders_permutation_is_filtered_and_positions_point_back():
    images = np.array([9, 2, 5])
    order, at = shuffled(0, 1, images, 10)
    everything = rng(0, 1, "order").permutation(10)
    assert order.tolist() == [i for i in everything if i in (9, 2, 5)]
    assert np.array_equal(images[at], order)


def test_weights_of_a_plan_stay_with_their_images():
    state = make_state(TrialConfig(batch_size=8), epochs=1)
    planned = state.curriculum.plan({}, None, rng(0, 1, "plan"))
    weights = np.arange(40) + 1.0
    object.__setattr__(planned, "weights", weights)
    object.__setattr__(state.curriculum, "plan", lambda *_: planned)
    seen = {}
    engine_train = state.engine.train

    def spy(order, rates, weights, *rest):
        seen.update(zip(order.tolist(), weights.tolist(), strict=True))
        return engine_train(order, rates, weights, *rest)

    state.engine.train = spy
    list(train(state))
    assert seen == dict(zip(TRAIN.tolist(), weights.tolist(), strict=True))


def test_a_stale_ranking_stays_as_it_was_scored():
    state = make_state(SelfPacedConfig(**GROWING, score_every=3), epochs=3)
    values = [state.difficulty.values for _ in train(state)]
    assert values[0] is values[1] is values[2]


def test_totals_add_up():
    state = make_state(CONFIGS["every second epoch scored"].model_copy(update={"share_step": 0.05}), epochs=5)
    records = list(train(state))
    images = [record.images for record in records]
    assert len(set(images)) > 1 and images[-1] < 40
    assert [record.images_trained for record in records] == np.cumsum(images).tolist()
    assert [record.updates for record in records] == np.cumsum([len(batches(np.arange(k), 8)) for k in images]).tolist()
    assert [record.images_scored for record in records] == [40, 40, 80, 80, 120]  # epochs 1, 3 and 5
    assert [sum(record.class_counts) for record in records] == images
    assert [record.epoch for record in records] == [1, 2, 3, 4, 5]
    assert [record.finished for record in records] == [False] * 4 + [True]
    assert records[-1].seconds == records[-1].train_seconds + records[-1].score_seconds > 0


def test_scoring_goes_on_at_a_whole_share_in_train_mode_only():
    whole = {"batch_size": 8, "share_start": 1.0}
    scored = [
        [record.images_scored for record in train(make_state(SelfPacedConfig(**whole, score_mode=mode)))]
        for mode in ("eval", "train")
    ]
    assert scored == [[0, 0, 0], [40, 80, 120]]


def test_a_record_says_which_split_it_was_judged_on_and_judges_all_of_it():
    state = make_state()
    evaluated = []
    evaluate = state.engine.evaluate
    state.engine.evaluate = lambda index: evaluated.append(index) or evaluate(index)
    state.eval_split = "a split's own name"
    assert [record.eval_split for record in train(state)] == ["a split's own name"] * 3
    assert all(np.array_equal(index, HELD_OUT) for index in evaluated) and len(evaluated) == 3


def test_the_learning_rate_of_a_record_is_that_of_its_first_update():
    records = list(train(make_state(TrialConfig(batch_size=8, rate="cosine", learning_rate=0.01), epochs=4)))
    # (1 + cos(pi p)) / 2 at p = 0, 1/4, 1/2, 3/4
    expected = [0.01, 0.01 * (2 + 2**0.5) / 4, 0.005, 0.01 * (2 - 2**0.5) / 4]
    assert [record.learning_rate for record in records] == pytest.approx(expected)


def test_the_rate_rule_learns_from_the_train_accuracy():
    config = TrialConfig(batch_size=8, rate="accuracy_steps", rate_gate=0.0, rate_gap_2=1.0, rate_factor_1=0.25)
    records = list(train(make_state(config)))
    assert [record.learning_rate for record in records] == [1e-3, 2.5e-4, 2.5e-4]  # gate 0 is reached by any epoch


def test_flips_are_drawn_anew_each_epoch_and_alike_for_common_images():
    flips = {}
    for share in (1.0, 0.4):
        state = make_state(SelfPacedConfig(batch_size=8, share_start=share, augment="flips", gate=1.0), epochs=2)
        engine_train, seen = state.engine.train, []

        def spy(order, rates, weights, views, *rest, engine_train=engine_train, seen=seen):
            seen.append(dict(zip(order.tolist(), views.parameters["flips"].tolist(), strict=True)))
            return engine_train(order, rates, weights, views, *rest)

        state.engine.train = spy
        list(train(state))
        flips[share] = seen
    assert flips[1.0][0] != flips[1.0][1]
    assert flips[0.4][0].items() <= flips[1.0][0].items() and len(flips[0.4][0]) == 16


def test_the_best_epoch_is_the_most_accurate_then_the_one_of_least_loss():
    state = make_state(epochs=6)
    records = list(train(state))
    assert state.best == min(records, key=lambda record: (-record.eval_accuracy, record.eval_loss, record.epoch))


def poison(state) -> None:
    with torch.no_grad():
        state.engine.network.head.bias[0] = torch.nan


def test_a_loss_that_is_not_finite_names_epoch_rate_and_config():
    state = make_state(TrialConfig(batch_size=8, learning_rate=1e-2, rate="epoch_steps", rate_epochs_1=1))
    records = train(state)
    next(records)
    poison(state)
    with pytest.raises(NonFiniteLoss) as raised:
        next(records)
    message = str(raised.value)
    assert message.startswith("the loss is not finite in epoch 2 at learning rate 0.005; config: learning_rate=0.01, ")
    assert "batch_size=8" in message and message.endswith(".")


def test_a_score_that_is_not_finite_ends_the_trial_before_it_ranks_anything():
    state = make_state(SelfPacedConfig(batch_size=8))
    poison(state)
    with pytest.raises(NonFiniteLoss, match=r"a score is not finite in epoch 1 at learning rate 0\.001; config: "):
        next(train(state))
    assert state.totals.images_trained == 0


def test_a_rate_that_makes_training_diverge_ends_the_trial():
    state = make_state(TrialConfig(batch_size=8, optimizer="sgd", learning_rate=10), epochs=40)
    state.engine.network.head.weight.data *= 1e30
    with pytest.raises(NonFiniteLoss, match="not finite in epoch 1 at learning rate 10; config: "):
        list(train(state))


def test_an_evaluation_loss_that_is_not_finite_names_the_rate_of_its_epoch():
    state = make_state(TrialConfig(batch_size=8, learning_rate=1e-2, rate="epoch_steps", rate_epochs_1=1), epochs=2)
    records = train(state)
    next(records)
    engine_train = state.engine.train
    state.engine.train = lambda *arguments: (engine_train(*arguments), poison(state))[0]
    with pytest.raises(NonFiniteLoss, match=r"the evaluation loss is not finite in epoch 2 at learning rate 0\.005;"):
        next(records)


def test_training_a_run_that_has_ended_gives_nothing_more():
    state = make_state(epochs=1)
    assert len(list(train(state))) == 1
    assert list(train(state)) == []


def test_engines_of_the_toy_are_alike():
    """The comparisons above start from one network."""
    assert same_tensors(make_engine().state(), make_state().engine.state())
