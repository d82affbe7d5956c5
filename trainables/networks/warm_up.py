"""An update before the first one that counts."""

import numpy as np

from console.progress import say
from trainables.networks.accelerate import first_line, unchanged
from trainables.networks.engine import Engine


def warm_up(engine: Engine) -> None:
    """Make an update that leaves no trace: a device's first calls, compiling and capturing are in no trial's seconds.

    A network that cannot be compiled is trained without, which is said.
    """
    images = np.arange(min(engine.config.batch_size, len(engine.inputs)))
    try:
        with unchanged(engine):
            engine.train(images, np.zeros(1))
    except RuntimeError as error:  # torch's word for whatever its compilers fail at
        if engine.accelerate != "compile":
            raise
        say(f"--accelerate compile does not fit {engine.network.name} ({first_line(error)}): it is trained without.")
        engine.forward = engine.network
