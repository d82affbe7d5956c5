"""Every search space by its strategy's name."""

from spaces.errors import unknown
from spaces.self_paced import SELF_PACED
from spaces.space import Space

SPACES: dict[str, Space] = {space.strategy: space for space in (SELF_PACED,)}


def get_space(name: str) -> Space:
    """The space of this name, or UsageError with the nearest name."""
    if name not in SPACES:
        raise unknown("space", name, SPACES)
    return SPACES[name]
