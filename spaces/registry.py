"""Every search space by its strategy's name."""

from console.errors import unknown
from spaces.finetune import FINETUNE, SCRATCH
from spaces.manual_division import MANUAL_DIVISION
from spaces.paced import PACED
from spaces.self_paced import SELF_PACED
from spaces.space import Space
from spaces.transfer import TRANSFER

SPACES: dict[str, Space] = {
    space.strategy: space for space in (SCRATCH, TRANSFER, FINETUNE, MANUAL_DIVISION, SELF_PACED, PACED)
}


def get_space(name: str) -> Space:
    """The space of this name, or UsageError with the nearest name."""
    if name not in SPACES:
        raise unknown("space", name, SPACES)
    return SPACES[name]
