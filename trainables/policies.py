"""RandAugment and TrivialAugment: which operations there are, how strong they get, and what is drawn for each image.

RandAugment (Cubuk et al. 2020): so many operations on each image, all of one magnitude of 30. TrivialAugment (Müller and
Hutter 2021, "wide"): one operation on each image, of a magnitude drawn anew. Operations and ranges are torchvision's, with
one departure: TrivialAugment's shifts of up to 32 pixels are taken as that part of 224, since images here may be smaller.
What the operations do to pixels is in networks/operations.py. N = images.
"""

import numpy as np

from spaces.trial import TrialConfig
from trainables.data.dataset import Floats32, Ints

MAGNITUDES = 31
STEPS = np.arange(MAGNITUDES) / (MAGNITUDES - 1)  # from the weakest to the strongest, in [0, 1]
SIGNED = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "colour", "contrast", "sharpness")
OPERATIONS = ("identity", *SIGNED, "posterize", "solarize", "autocontrast", "equalize")


def _ranges(shear: float, shift: float, degrees: float, blend: float, bits: int) -> Floats32:
    """(operations, MAGNITUDES): how strong each operation is at each magnitude, in its own unit.

    Shears are tangents, shifts parts of the side, rotations degrees, blends what a factor differs from one by; posterize
    has the bits that are left, solarize the value from which pixels are turned over.
    """
    most = dict(zip(SIGNED, (shear, shear, shift, shift, degrees, *[blend] * 4), strict=True))
    rows = {name: STEPS * most.get(name, 0.0) for name in OPERATIONS}
    rows["posterize"] = 8 - np.round(STEPS * bits)
    rows["solarize"] = 255 * (1 - STEPS)
    return np.stack([rows[name] for name in OPERATIONS]).astype(np.float32)


RANGES = {
    "randaugment": _ranges(shear=0.3, shift=150 / 331, degrees=30.0, blend=0.9, bits=4),
    "trivialaugment": _ranges(shear=0.99, shift=32 / 224, degrees=135.0, blend=0.99, bits=6),
}


def draw_operations(config: TrialConfig, generator: np.random.Generator, count: int) -> tuple[Ints, Floats32]:
    """Which operations (count, L) are done to each image, by their place in OPERATIONS, and how strong each is."""
    layers = config.randaugment_ops if config.policy == "randaugment" else 1
    chosen = generator.integers(0, len(OPERATIONS), (count, layers))
    magnitudes = generator.integers(0, MAGNITUDES, (count, layers))
    signs = generator.integers(0, 2, (count, layers)) * 2 - 1
    if config.policy == "randaugment":
        magnitudes = np.full_like(chosen, config.randaugment_magnitude)
    signed = np.isin(chosen, [OPERATIONS.index(name) for name in SIGNED])
    strengths = RANGES[config.policy][chosen, magnitudes] * np.where(signed, signs, 1)
    return chosen, strengths.astype(np.float32)
