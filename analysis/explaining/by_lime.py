"""LIME (Ribeiro et al. 2016), through the lime package: a linear model of what hiding parts of an image does.

n = perturbed images, s = superpixels, C = classes, H = W = pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from lime.lime_image import LimeImageExplainer

from analysis.explaining.superpixels import FEWEST, Superpixels
from analysis.statistics import Floats
from trainables.data.dataset import Pixels

BATCH = 256  # perturbed images in one forward pass
TOP = 5  # superpixels of each sign that are shown, as in the report
BELIEVED = 0.3  # of the variance: a model that follows the network less than this explains something else
STILL = 0.01  # of the probability: where hiding parts moves it less, no part matters
Mask = npt.NDArray[np.bool_]  # (H, W)
Predict = Callable[[Pixels], Floats]  # (n, H, W, 3) -> (n, C)


@dataclass(frozen=True)
class Local:
    """What the linear model says of the predicted class of one image."""

    segments: Superpixels  # (H, W)
    label: int  # the predicted class
    weights: Floats  # (s,), above zero where showing the superpixel speaks for the class
    fit: float  # R squared, adjusted for as many weights; not a number where there are no more images than weights
    moved: float  # between the highest and the lowest probability of the class over the perturbed images

    @cached_property
    def picked(self) -> list[int]:
        """The superpixels that speak most for the class, TOP at most."""
        return self._first(self.weights)

    @cached_property
    def against(self) -> list[int]:
        """Those that speak most against it, TOP at most."""
        return self._first(-self.weights)

    @property
    def mask(self) -> Mask:
        """(H, W), the pixels of `picked`."""
        return np.isin(self.segments, self.picked)

    @property
    def count(self) -> int:
        """s"""
        return len(self.weights)

    @property
    def why_not(self) -> str | None:
        """Why this explains nothing, in a few words; None where it does."""
        if self.count < FEWEST:
            return f"{self.count} superpixels are too few"
        if self.moved < STILL:
            return f"hiding parts moves the probability by {self.moved:.3f} at most"
        if not self.fit >= BELIEVED:  # not a number is not believed either
            return "too few perturbed images" if np.isnan(self.fit) else f"fit {self.fit:.2f} is too poor"
        return None if self.picked else "no part speaks for it"

    def _first(self, weights: Floats) -> list[int]:
        ranked = np.argsort(-weights, kind="stable")[:TOP]
        return [int(one) for one in ranked if weights[one] > 0]


class Explainer(LimeImageExplainer):
    """lime's, without its own progress bar and a hundred times quicker at making the perturbed images."""

    def data_labels(
        self, image: Pixels, fudged_image: Pixels, segments: Superpixels, classifier_fn: Predict, num_samples: int,
        batch_size: int = BATCH,
    ) -> tuple[npt.NDArray[np.int64], Floats]:  # fmt: skip
        """The same draws and images as lime's: which superpixels stay (n, s), and what the network says (n, C)."""
        names, place = np.unique(segments, return_inverse=True)
        data = self.random_state.randint(0, 2, num_samples * len(names)).reshape((num_samples, len(names)))
        data[0, :] = 1
        place = np.repeat(place.reshape(*segments.shape, 1), image.shape[2], axis=2)
        kept = (-data).astype(
            np.uint8
        )  # every bit set where a superpixel stays: bytes are chosen faster than by np.where
        said = []
        for start in range(0, num_samples, batch_size):
            shown = np.take(kept[start : start + batch_size], place, axis=1)
            shown &= image ^ fudged_image
            shown ^= fudged_image
            said.append(classifier_fn(shown))
        self.said = np.concatenate(said)
        return data, self.said


def one_explanation(predict: Predict, image: Pixels, segments: Superpixels, samples: int, seed: int) -> Local:
    """LIME of the predicted class; the seed decides which superpixels are hidden in which sample."""
    explainer = Explainer(random_state=seed)
    found = explainer.explain_instance(image, predict, top_labels=1, hide_color=None, num_samples=samples,
                                       batch_size=BATCH, segmentation_fn=lambda _: segments, random_seed=0)  # fmt: skip
    label = int(found.top_labels[0])
    weights = np.zeros(int(segments.max()) + 1)
    for superpixel, weight in found.local_exp[label]:
        weights[superpixel] = weight
    return Local(segments, label, weights, adjusted(found.score, samples, len(weights)),
                 float(np.ptp(explainer.said[:, label])))  # fmt: skip


def adjusted(fit: float, samples: int, weights: int) -> float:
    """R squared of a linear model, less what as many weights would explain of noise; not a number without more samples."""
    spare = samples - weights - 1
    return 1 - (1 - float(fit)) * (samples - 1) / spare if spare > 0 else float("nan")
