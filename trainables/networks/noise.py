"""torch's own generator, for what networks draw themselves: dropout and stochastic depth.

It has a state that no checkpoint holds, so it is seeded for each pass and put back afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Within: torch draws what follows from `seed`, on the CPU and on `device`. Afterwards: as if nothing was drawn."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU, also those of others
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
