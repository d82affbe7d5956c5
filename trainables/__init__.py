"""Training one trial: the loop, its curricula and rates, data, networks, and the trainables that Ray runs.

What others may use is here, loaded when it is first asked for: importing the package loads neither torch nor Ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.own_tuner import trainable
    from trainables.portable.load import load_model
    from trainables.portable.model import PortableModel

__all__ = ["PortableModel", "load_model", "trainable"]
HOMES = {
    "PortableModel": "trainables.portable.model",
    "load_model": "trainables.portable.load",
    "trainable": "trainables.own_tuner",
}


if not TYPE_CHECKING:  # a type checker knows the names above, and so finds a misspelt one

    def __getattr__(name: str) -> object:
        """Load what is exported. Raises AttributeError for anything else."""
        if name in HOMES:
            return getattr(import_module(HOMES[name]), name)
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
