"""Heads that are trained in one update: the numbers of each as alone, failures of one that stay its own, one order."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from records.epoch import EpochRecord
from spaces.setting import Setting
from trainables.loop import NonFiniteLoss
from trainables.networks.engine import Manner
from trainables.networks.joined import Request, can_join, train_together
from trainables.strategies import get_strategy
from trainables.together import Crew
from trainables.trial import Trial

CLOSE = {"rtol": 2e-5, "atol": 2e-6}  # of fp32 sums in another order
COUNT = 70


def head_trial(
    number: int = 0, strategy: str = "transfer", seed: int = 0, epochs: int = 3, folder=None, **config
) -> Trial:
    setting = Setting(strategy=strategy, data=f"scenes:count={COUNT}", image_size=16, model="small_cnn", epochs=epochs,
                      precision="fp32", seed=seed)  # fmt: skip
    made = get_strategy(strategy).config(**{"unfreeze": "head", "batch_size": 8, "learning_rate": 0.01} | config)
    return Trial(setting, made, number, folder)


def requests(configs: list[dict], manners: list[Manner], seed: int = 0) -> list[Request]:
    """An epoch of each head, the third with weights, of one length more than the one before."""
    rng, made = np.random.default_rng(seed), []
    for place, (config, manner) in enumerate(zip(configs, manners, strict=True)):
        engine = head_trial(place, **config).state.engine
        order = rng.permutation(COUNT)[: 30 + place]
        weights = rng.uniform(0.1, 2.0, len(order)) if place % 3 == 2 else None
        size = engine.config.batch_size
        updates = len(Request(engine, order, np.zeros(0), None, manner).edges) - 1
        made.append(Request(engine, order, np.linspace(0.02, 0.001, updates) * size / 8, weights, manner))
    return made


def tensors(request: Request) -> dict[str, torch.Tensor]:
    state = request.engine.state()
    return {name: value for name, value in state.items() if "backbone" not in name}


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_heads_trained_together_are_as_alone(optimizer):
    sizes, decays = (8, 8, 8, 5, 16, 30, 7), (0.0, 0.1, 0.0, 0.01, 0.0, 0.0, 0.5)
    configs = [
        {"optimizer": optimizer, "batch_size": size, "weight_decay": decay}
        for size, decay in zip(sizes, decays, strict=True)
    ]
    manners = [Manner(absolute=i % 4 == 2, keeps_losses=i % 2 == 0) for i in range(len(sizes))]
    alone, joined = requests(configs, manners), requests(configs, manners)
    for _ in range(2):  # the second epoch goes on with what the optimisers have gathered
        by_itself = [each.engine.train(each.order, each.rates, each.weights, None, each.manner) for each in alone]
        together = train_together(joined)
        for one, other, request, same in zip(by_itself, together, alone, joined, strict=True):
            assert (one.hits, one.images, one.updates) == (other.hits, other.images, other.updates)
            assert one.summed_loss == pytest.approx(other.summed_loss, rel=2e-6)
            assert (one.losses is None) == (other.losses is None)
            if one.losses is not None and other.losses is not None:
                np.testing.assert_allclose(one.losses, other.losses, **CLOSE)
            for name, value in tensors(request).items():
                torch.testing.assert_close(value, tensors(same)[name], **CLOSE)


def test_label_smoothing_keeps_heads_apart():
    configs = [{"label_smoothing": smoothing} for smoothing in (0.0, 0.2, 0.0)]
    alone, joined = requests(configs, [Manner()] * 3), requests(configs, [Manner()] * 3)
    one = [each.engine.train(each.order, each.rates, each.weights, None, each.manner).summed_loss for each in alone]
    assert [trained.summed_loss for trained in train_together(joined)] == pytest.approx(one, rel=2e-6)


def test_the_seconds_of_an_update_are_shared_out():
    found = train_together(requests([{}] * 2, [Manner()] * 2))  # of one width
    first, second = ((trained.seconds or 0) / trained.updates for trained in found)
    assert first == pytest.approx(second) and first > 0


def test_only_linear_heads_on_features_can_be_joined():
    assert can_join(head_trial().state.engine)
    assert not can_join(head_trial(strategy="finetune", unfreeze="all").state.engine)
    assert not can_join(head_trial(augment="flips").state.engine)


def live(trials: list[Trial]) -> dict[int, list[EpochRecord | BaseException]]:
    """What came of each of them, side by side."""
    crew, heard = Crew(), {trial.number: [] for trial in trials}
    for trial in trials:
        crew.add(trial)
    while len(crew):
        for trial, said in list(crew.step()):
            heard[trial.number].append(said.record or said.error)
            if said.record is None:
                crew.drop(trial.number)
    return {number: [one for one in said if one is not None] for number, said in heard.items()}


MEASURED = ("eval_loss", "eval_accuracy", "eval_knn", "train_loss", "train_accuracy", "learning_rate")
COUNTED = ("epoch", "images", "updates", "images_trained", "share", "class_counts", "finished", "looks", "seed")


@pytest.mark.parametrize("strategy", ["transfer", "self_paced", "infobatch", "superloss", "rcap"])
def test_trials_side_by_side_have_the_records_of_trials_alone(strategy):
    def trials() -> list[Trial]:
        return [head_trial(number, strategy, seed=number % 2, learning_rate=0.01 * (1 + number)) for number in range(5)]

    together = live(trials())
    for trial in trials():
        alone = list(trial.records())
        assert len(alone) == len(together[trial.number]) == 3
        for one, other in zip(alone, together[trial.number], strict=True):
            assert [getattr(one, name) for name in COUNTED] == [getattr(other, name) for name in COUNTED]
            figures = [getattr(one, name) for name in MEASURED]
            assert figures == pytest.approx([getattr(other, name) for name in MEASURED], rel=1e-4, abs=1e-6)


def test_one_that_diverges_fails_alone():
    def trials() -> list[Trial]:
        return [head_trial(number, learning_rate=rate) for number, rate in enumerate((0.01, 9.0, 0.02))]

    broken = trials()
    broken[1].state.engine.network.head.weight.data.fill_(float("nan"))
    found = live(broken)
    assert [type(one) for one in found[1]] == [NonFiniteLoss] and "at learning rate 9" in str(found[1][0])
    alone = [record.eval_loss for record in trials()[0].records()]
    assert [record.eval_loss for record in found[0]] == pytest.approx(alone, rel=1e-4)
    assert len(found[2]) == 3


def test_one_that_is_dropped_leaves_the_others_as_they_are():
    crew, trials = Crew(), [head_trial(number) for number in range(3)]
    for trial in trials:
        crew.add(trial)
    list(crew.step())
    crew.drop(1)
    left = [trial.number for trial, _ in crew.step()]
    crew.close()
    assert left == [0, 2] and len(crew) == 0 and [trial.state.epoch for trial in trials] == [2, 1, 2]


def test_two_runs_are_the_same_to_the_last_digit():
    def once():
        trials = [head_trial(number, seed=number) for number in range(6)]
        return {
            number: [replace(record, train_seconds=0.0, score_seconds=0.0, eval_seconds=0.0) for record in records]
            for number, records in live(trials).items()
        }

    assert once() == once()


def test_heads_share_one_backbone_and_begin_as_networks_of_their_own():
    first, second, other = (
        head_trial(number, seed=seed).state.engine.network for number, seed in ((0, 0), (1, 0), (2, 1))
    )
    assert first.backbone is second.backbone and first.head is not second.head
    assert torch.equal(first.head.weight, second.head.weight) and not torch.equal(first.head.weight, other.head.weight)
    with torch.no_grad():
        first.head.weight.add_(1)
    assert not torch.equal(first.head.weight, second.head.weight)


def test_a_checkpoint_of_a_head_holds_no_backbone_and_is_gone_on_with(tmp_path):
    whole, cut = head_trial(epochs=4), head_trial(epochs=4)
    expected = [record.eval_loss for record in whole.records()]
    records = cut.records()
    seen = [next(records).eval_loss, next(records).eval_loss]
    path = tmp_path / "c.safetensors"
    cut.save(path)
    assert path.stat().st_size < 40_000
    again = head_trial(epochs=4)
    again.restore(path)
    assert seen + [record.eval_loss for record in again.records()] == expected
