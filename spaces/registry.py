"""Every search space by its strategy's name."""

from console.errors import unknown
from spaces.finetune import FINETUNE, SCRATCH
from spaces.infobatch import INFOBATCH
from spaces.manual_division import MANUAL_DIVISION
from spaces.paced import PACED
from spaces.random_subset import RANDOM_SUBSET
from spaces.rcap import RCAP
from spaces.resolution import RESOLUTION
from spaces.rho_loss import RHO_LOSS
from spaces.self_paced import SELF_PACED
from spaces.seta import SETA
from spaces.space import Space
from spaces.superloss import SUPERLOSS
from spaces.transfer import TRANSFER

SPACES: dict[str, Space] = {
    space.strategy: space
    for space in (
        SCRATCH,
        TRANSFER,
        FINETUNE,
        RANDOM_SUBSET,
        MANUAL_DIVISION,
        SELF_PACED,
        PACED,
        INFOBATCH,
        SETA,
        RCAP,
        SUPERLOSS,
        RHO_LOSS,
        RESOLUTION,
    )
}


def get_space(name: str) -> Space:
    """The space of this name, or UsageError with the nearest name."""
    if name not in SPACES:
        raise unknown("space", name, SPACES)
    return SPACES[name]
