"""What is legal (configs), searched (spaces) and tried first (anchors), and who competes (arms). No torch, no Ray.

`from spaces import self_paced` gives the space of that name, a plugin's as well. Inside the package modules are named in
full.
"""

from console.plugins import load_plugins
from spaces.registry import SPACES, get_space
from spaces.space import Space

__all__ = ["SPACES", "Space", "get_space"]

# After their modules, whose names most of them share, are loaded: importing such a module again does not put it back.
globals().update(SPACES)


def __getattr__(name: str) -> Space:
    """The space of a plugin. Raises AttributeError for anything else."""
    if not name.startswith("_"):
        load_plugins()
        if name in SPACES:
            return SPACES[name]
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'; spaces: {', '.join(SPACES)}")
