"""The optimiser of a config."""

import torch

from spaces.trial import TrialConfig
from trainables.networks import models
from trainables.networks.optimizers import make_optimizer


def test_sgd_begins_with_no_momentum_rather_than_with_whatever_memory_holds():
    """An update that fp16 leaves out at the very beginning would keep it."""
    network = models.build("small_cnn", 3, "none", 0, 16)
    made = make_optimizer(network, TrialConfig(optimizer="sgd"))
    slots = [made.state[parameter]["momentum_buffer"] for parameter in network.parameters()]
    assert slots and not any(slot.any() for slot in slots)


def test_that_is_the_first_step_of_sgd_as_it_was():
    first, second = (models.build("small_cnn", 3, "none", 0, 16) for _ in range(2))
    ours = make_optimizer(first, TrialConfig(optimizer="sgd", learning_rate=0.1))
    theirs = torch.optim.SGD(second.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    images, labels = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 0])
    for network, optimizer in ((first, ours), (second, theirs)):
        network.eval()
        for _ in range(3):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(one, other)
