"""Superpixels: the parts of an image that LIME hides and shows. H = W = pixels, s = superpixels of an image."""

import numpy as np
import numpy.typing as npt
from skimage.segmentation import slic

from trainables.data.dataset import Dataset, Pixels

WANTED, FEWEST = 60, 40  # with fewer, one superpixel is too much of the image for its weight to mean a place
SMALLEST = (
    4  # pixels of a superpixel, on average: hiding one behind its mean colour changes nothing where it is one pixel
)
FURTHER = 12  # more of them for each seed after the first: another number lays another grid
COMPACTNESS = (10.0, 20.0, 40.0)  # from following edges to squares, which are always as many as wanted
NOISE = 2.0  # grey levels, standard deviation
Superpixels = npt.NDArray[np.int64]  # (H, W), the number of each pixel's own, 0 to s - 1


def superpixels(pixels: Pixels, wanted: int = WANTED) -> Superpixels:
    """Of one image (H, W, 3), by SLIC (Achanta et al. 2012): the least compact division that has FEWEST or more.

    lime's own setting of quickshift gives 50 of them at 256 pixels a side, 3 at 64 and 1 at 32, whose explanation is
    the whole image. Images of fewer than 13 pixels a side, or of few colours, may still give fewer than FEWEST.
    """
    wanted = min(wanted, pixels.shape[0] * pixels.shape[1] // SMALLEST)
    for compactness in COMPACTNESS:
        found = slic(pixels, n_segments=wanted, compactness=compactness, start_label=0)
        _, place = np.unique(found, return_inverse=True)
        if place.max() + 1 >= FEWEST:
            break
    return np.asarray(place.reshape(found.shape), dtype=np.int64)


class Segments:
    """Superpixels of an image by seed, each computed once.

    SLIC draws nothing. A seed above 0 wants another number of superpixels, and adds noise that nobody sees: what an
    explanation owes to the accidents of segmentation shows then.
    """

    def __init__(self, data: Dataset):
        self.data = data
        self.known: dict[tuple[int, int], Superpixels] = {}

    def __call__(self, image: int, seed: int) -> Superpixels:
        """Of the image with this number."""
        if (image, seed) not in self.known:
            pixels = np.asarray(self.data.images[image])
            noise = np.random.default_rng(seed).normal(0, NOISE if seed else 0, pixels.shape)
            unclear = np.clip(pixels + noise, 0, 255).round().astype(np.uint8)
            self.known[image, seed] = superpixels(unclear, WANTED + FURTHER * seed)
        return self.known[image, seed]
