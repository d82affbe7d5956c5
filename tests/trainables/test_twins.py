"""A random twin differs from its partner in the order of images alone, whatever scoring does to the network."""

import pytest
import torch

from spaces.self_paced import SelfPacedConfig
from tests.toy import make_trial, same_tensors
from trainables.trial import Trial

AS_RUN = SelfPacedConfig(batch_size=8, share_start=0.5, ranking="batch", score_mode="train")


def statistics(trial: Trial) -> dict[str, torch.Tensor]:
    """BatchNorm's running statistics as they are."""
    return {name: tensor.clone() for name, tensor in trial.state.engine.network.named_buffers()}


def before_training(trial: Trial) -> list[dict[str, torch.Tensor]]:
    """Train it; the statistics before each epoch's first update."""
    seen, train = [], trial.state.engine.train

    def spy(*arguments):
        seen.append(statistics(trial))
        return train(*arguments)

    trial.state.engine.train = spy
    list(trial.records())
    return seen


def random_twin(config: SelfPacedConfig, sizes: tuple[int, ...] | None) -> Trial:
    """A twin of these sizes, or without them the random order on its own."""
    return make_trial(config.model_copy(update={"order": "random"}), sizes=sizes)


@pytest.mark.parametrize("sizes", [(24, 24, 24), None])
def test_a_random_order_starts_from_its_partners_batchnorm_statistics_and_pays_nothing(sizes):
    partner, twin = make_trial(AS_RUN), random_twin(AS_RUN, sizes)
    fresh, after_scoring, of_twin = statistics(partner), before_training(partner)[0], before_training(twin)[0]
    assert not same_tensors(fresh, after_scoring)
    assert same_tensors(after_scoring, of_twin)
    assert partner.state.totals.images_scored == 3 * len(partner.split.train)
    assert (twin.state.totals.images_scored, twin.state.totals.score_seconds) == (0, 0.0)


@pytest.mark.parametrize("sizes", [(24, 44), None])
def test_a_random_order_scores_at_its_partners_epochs_also_once_the_share_is_whole(sizes):
    config = AS_RUN.model_copy(update={"score_every": 2, "gate": 0.0, "share_step": 0.5})
    seen = []
    for trial in (make_trial(config, epochs=4), random_twin(config, sizes)):
        list(trial.records())
        seen.append(trial.state.scored_at)
    assert seen == [3, 3]


def test_a_random_order_scores_nothing_where_scoring_moves_nothing():
    twin = random_twin(AS_RUN.model_copy(update={"score_mode": "eval"}), (24, 24, 24))
    list(twin.records())
    assert twin.state.scored_at == 0
