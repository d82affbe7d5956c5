"""What networks draw themselves: the same in every training of an epoch, and nobody else's numbers disturbed."""

import pytest
import torch
from torch.nn import functional

from spaces.self_paced import SelfPacedConfig
from spaces.trial import TrialConfig
from tests.toy import make_state, make_trial, same_tensors, without_seconds
from trainables.budget import Budget
from trainables.loop import train
from trainables.networks.noise import seeded

CPU = torch.device("cpu")
RANKED_IN_TRAIN_MODE = SelfPacedConfig(batch_size=8, score_mode="train", share_start=0.5, gate=0.1)


def with_dropout(engine) -> None:
    """Half of the features are dropped in train mode, and whole images' features in one of five cases."""
    head = engine.network.head

    def drop(module, given):
        kept = functional.dropout(given[0], 0.5, module.training)
        return functional.dropout1d(kept[None], 0.2, module.training)[0]

    head.register_forward_pre_hook(drop)


def trial(config=None, **setting):
    made = make_trial(config or RANKED_IN_TRAIN_MODE, **setting)
    with_dropout(made.state.engine)
    return made


def test_a_seed_gives_the_same_numbers_and_leaves_the_generator_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    drawn = []
    for seed in (1, 1, 2):
        with seeded(seed, CPU):
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.rand(4), expected)


def test_the_generator_is_put_back_where_training_fails():
    before = torch.random.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(1, CPU):
        raise ZeroDivisionError(torch.rand(1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_dropout_replays_to_the_digit_whatever_was_drawn_before():
    runs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        runs.append([without_seconds(record) for record in trial().records()])
    assert runs[0] == runs[1]
    plain = [record.train_loss for record in make_trial(RANKED_IN_TRAIN_MODE).records()]
    assert plain != [record.train_loss for record in runs[0]]


def test_dropout_goes_on_from_a_checkpoint_to_the_digit(tmp_path):
    straight = trial()
    expected = [without_seconds(record) for record in straight.records()]
    stopped, resumed = trial(), trial()
    records = [next(stopped.records())]
    stopped.save(tmp_path / "last.safetensors")
    torch.rand(7)
    resumed.restore(tmp_path / "last.safetensors")
    records += resumed.records()
    assert [without_seconds(record) for record in records] == expected
    assert same_tensors(straight.state.engine.state(), resumed.state.engine.state())


def test_a_look_in_the_middle_of_an_epoch_draws_nothing():
    ends = []
    for marks in (None, 9):
        state = make_state(TrialConfig(batch_size=8), epochs=99, budget=Budget(12, None, marks))
        with_dropout(state.engine)
        ends.append(([record.train_loss for record in train(state)], state.engine.state()))
    assert ends[0][0] == ends[1][0] and same_tensors(ends[0][1], ends[1][1])


def test_epochs_and_seeds_drop_other_features():
    drawn = []
    for seed in (0, 1):
        state = make_state(TrialConfig(batch_size=8), epochs=2, seed=seed)
        state.engine.network.head.register_forward_pre_hook(
            lambda module, _: drawn.append(torch.rand(1).item()) if module.training else None
        )
        list(train(state))
    assert len(set(drawn)) == len(drawn) == 20


def test_a_scoring_pass_does_not_shift_what_training_draws():
    """So an arm that scores and one that does not drop the same features of the same batch."""
    drawn = []
    for mode in ("eval", "train"):
        state = make_state(SelfPacedConfig(batch_size=8, share_start=1.0, score_mode=mode), epochs=1)
        with_dropout(state.engine)
        masks, engine_train = [], state.engine.train
        state.engine.train = lambda *given, masks=masks, go=engine_train: (masks.append(torch.rand(1)), go(*given))[1]
        list(train(state))
        drawn.append(masks)
    assert len(drawn[0]) == 1 and torch.equal(drawn[0][0], drawn[1][0])
