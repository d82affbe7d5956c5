"""One image under one network: LIME with other seeds, Grad-CAM beside it, and how far all of them agree."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.explaining.by_lime import Local, one_explanation
from analysis.explaining.grad_cam import Cam, grad_cam
from analysis.explaining.networks import SelectedNetwork
from analysis.explaining.overlap import agreement, chance, overlap
from analysis.explaining.superpixels import Segments
from analysis.statistics import Floats
from trainables.data.dataset import Pixels

NOTHING = float("nan"), float("nan")


@dataclass(frozen=True)
class Explanation:
    """What one network goes by in one image, as LIME and Grad-CAM have it; pairs are a share and its level by chance."""

    network: SelectedNetwork
    image: int  # its number in the data set
    said: Floats  # (C,) probabilities
    lime: Local  # with the first seed
    cam: Cam | None
    sampling: tuple[float, float]  # overlap of what is picked under other perturbed images
    segmentation: tuple[float, float]  # the same under other superpixels
    seconds: float
    explanations: int  # LIME's that were computed

    @property
    def pixels(self) -> Pixels:
        """(H, W, 3)"""
        return np.asarray(self.network.data.images[self.image])

    @property
    def predicted(self) -> str:
        return self.network.data.classes[int(self.said.argmax())]

    @property
    def second(self) -> tuple[float, float]:
        """The part of Grad-CAM's map that lies in LIME's superpixels, and their part of the image."""
        if self.lime.why_not or self.cam is None or not self.cam.values.any():
            return NOTHING
        return float(self.cam.values[self.lime.mask].sum() / self.cam.values.sum()), float(self.lime.mask.mean())

    def row(self) -> dict[str, Any]:
        """The same as one row of a table, without the maps."""
        true, network = self.network.true(self.image), self.network
        return {
            "run": network.run.name, "trial": network.trial, "image": self.image, "path": network.data.paths[self.image],
            "true": ", ".join(true), "predicted": self.predicted, "right": self.predicted in true,
            "confidence": float(self.said.max()), "superpixels": self.lime.count, "fit": self.lime.fit,
            "agreement_sampling": self.sampling[0], "chance_sampling": self.sampling[1],
            "agreement_segmentation": self.segmentation[0], "chance_segmentation": self.segmentation[1],
            "cam_inside": self.second[0], "cam_chance": self.second[1],
            "cam_layer": self.cam.layer if self.cam else "", "cam_cells": self.cam.cells if self.cam else 0,
            "why_not": self.lime.why_not or "", "seconds": self.seconds, "explanations": self.explanations,
        }  # fmt: skip


def explain_image(
    network: SelectedNetwork, segments: Segments, image: int, samples: int, repeats: int, advance: Callable[[int], None]
) -> Explanation:
    """Other seeds are asked only where the first explains something. `advance` is told of 2 * repeats - 1 in all."""
    started = time.perf_counter()
    pixels, predict = np.asarray(network.data.images[image]), network.engine.probabilities

    def ask(sampling: int, segmentation: int) -> Local:
        found = one_explanation(predict, pixels, segments(image, segmentation), samples, sampling)
        advance(1)
        return found

    said, first = predict(pixels[None])[0], ask(0, 0)
    cam = grad_cam(network.engine.network, network.engine.normalised(pixels[None]), int(said.argmax()))
    further = range(1, 1 if first.why_not else repeats)
    sampling = agreement([first, *[ask(seed, 0) for seed in further]])
    segmentation = agreement([first, *[ask(0, seed) for seed in further]])
    advance(2 * (repeats - 1 - len(further)))
    return Explanation(network, image, said, first, cam, sampling, segmentation, time.perf_counter() - started,
                       1 + 2 * len(further))  # fmt: skip


def between(first: Explanation, second: Explanation) -> dict[str, Any]:
    """One row: how far two networks go by the same superpixels of one image, and how far they would by chance."""
    explained = not (first.lime.why_not or second.lime.why_not)
    a, b = first.lime, second.lime
    return {
        "image": first.image, "path": first.network.data.paths[first.image],
        "predicted_first": first.predicted, "predicted_second": second.predicted,
        "overlap": overlap(a.mask, b.mask) if explained else float("nan"),
        "chance": chance(len(a.picked), len(b.picked), a.count) if explained else float("nan"),
    }  # fmt: skip
