"""python -m analysis.explain RUN [RUN]: which parts of an image the selected network goes by, with LIME, and how surely.

Ribeiro et al. 2016, through the lime package; the report's section 5. Two runs (two initialisations) stand side by side.
n = perturbed images, s = superpixels, C = classes, H = W = pixels.
"""

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from lime.lime_image import ImageExplanation, LimeImageExplainer
from skimage.segmentation import quickshift

from analysis.document.parts import Chapter, Picture, Sentences, Table
from analysis.document.write import add_out, write_report
from analysis.figures import images
from analysis.ranking import ranked
from analysis.rulebook.outcomes import right
from analysis.runs import LoadedRun, load_with_epochs
from analysis.statistics import Floats
from console.arguments import DONE, Parser, guarded
from console.errors import UsageError
from console.progress import bar
from records.folder import best_weights
from records.kept import check_kept
from records.outputs import prepare_folder
from spaces.setting import Setting
from spaces.space import make_config
from trainables.data.dataset import Dataset
from trainables.machine import use_threads
from trainables.networks.engine import Engine
from trainables.networks.models import read_state
from trainables.preparation import load_data, make_network, opened_here
from trainables.strategies import get_strategy

BATCH = 256  # perturbed images in one forward pass
TOP = 5  # superpixels that speak most for the class, as in the report
NOISE = 2.0  # grey levels, standard deviation
Pixels = npt.NDArray[np.uint8]  # (H, W, 3) or (n, H, W, 3)
Superpixels = npt.NDArray[np.int64]  # (H, W), the number of each pixel's own
Mask = npt.NDArray[np.bool_]  # (H, W)
Predict = Callable[[Pixels], Floats]  # (n, H, W, 3) -> (n, C)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m analysis.explain", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="one run folder, or two to set side by side")
    parser.add_argument("--trial", type=int, metavar="N", help="which trial (the best whose network was kept)")
    parser.add_argument("--images", metavar="I,J,...", help="numbers of images in the data set, with commas")
    parser.add_argument("--correct", type=int, default=2, metavar="N", help="else so many that run 1 gets right (2)")
    parser.add_argument("--wrong", type=int, default=2, metavar="N", help="and so many that it gets wrong (2)")
    parser.add_argument("--samples", type=int, default=1000, metavar="N", help="perturbed images of each (1000)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="seeds of sampling and of segmentation (3)")
    add_out(parser, "explain")
    asked = parser.parse_args(words)
    return guarded(lambda: explain(asked))


def explain(asked: Namespace) -> int:
    """Write index.html, report.md, data/ and figures/. Raises UsageError before anything is computed."""
    if len(asked.runs) > 2:
        raise UsageError(f"One run or two can be explained side by side; got {len(asked.runs)}.")
    if asked.samples < 2 or asked.repeats < 1:
        raise UsageError("--samples must be at least 2 and --repeats at least 1.")
    runs = [load_with_epochs(folder) for folder in asked.runs]
    networks = [open_network(run, asked.trial if i == 0 else None) for i, run in enumerate(runs)]
    if len({network.data.digest for network in networks}) > 1:
        raise UsageError("The two runs have different data, so no image is in both; pass runs on one data set.")
    chosen = choose(networks[0], asked.images, asked.correct, asked.wrong)
    prepare_folder(asked.out, asked.overwrite)
    segments = Segments(networks[0].data)
    with bar("explaining", len(networks) * len(chosen) * (2 * asked.repeats - 1), "explanations") as advance:
        rows = [explain_image(network, segments, image, asked.samples, asked.repeats, advance)
                for network in networks for image in chosen]  # fmt: skip
    write_report([_chapter(networks, rows, asked.samples, asked.repeats)], runs, asked.out)
    print(f"{asked.out / 'index.html'}: {len(chosen)} images, {sum(row['seconds'] for row in rows):.0f} s")
    return DONE


class Explained(Engine):
    """An engine that says what it thinks of images that are in no data set."""

    def probabilities(self, images: Pixels) -> Floats:
        """(n, H, W, 3) uint8 -> (n, C) float64, in eval mode and the trial's precision."""
        self.network.eval()
        with torch.no_grad(), self._autocast():
            pixels = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2)
            logits = self.network(pixels.float().mul_(self.scale).add_(self.shift))
        return self.task.probabilities(logits.double()).cpu().numpy()


@dataclass(frozen=True)
class SelectedNetwork:
    """The network of a trial's selected epoch, with the data it was made for."""

    run: LoadedRun
    trial: int
    setting: Setting
    data: Dataset
    engine: Explained


def open_network(run: LoadedRun, trial: int | None) -> SelectedNetwork:
    """Rebuild the network of a trial; frozen transfer keeps its head only, so the backbone comes from its weights.

    Raises UsageError naming a missing or damaged checkpoint, or one of another trial.
    """
    trial = best_kept(run) if trial is None else trial
    path = best_weights(run.folder, trial)
    if trial not in run.asked or not path.is_file():
        kept = ", ".join(map(str, kept_trials(run))) or "none"
        raise UsageError(f"{run.folder} has no network of trial {trial} ({path.name} is not there); kept: {kept}.")
    check_kept(run.history, trial, path)
    setting = opened_here(run.settings[trial], f"Trial {trial} of {run.name}")
    use_threads(setting.threads)
    data, _ = load_data(setting)
    config = make_config(get_strategy(setting.strategy).config, run.asked[trial].config)
    network, _ = make_network(setting, len(data.classes), config)
    state = read_state(path)
    try:
        network.load_torchvision_state(state)
    except (RuntimeError, KeyError) as error:
        raise UsageError(f"{path} does not fit {setting.model} ({str(error).splitlines()[0]}).") from None
    engine = Explained(network, data.images, data.labels, config, setting.device, setting.precision, data.targets)
    return SelectedNetwork(run, trial, setting, data, engine)


def kept_trials(run: LoadedRun) -> list[int]:
    """The trials whose network is still there."""
    return [trial for trial in run.asked if best_weights(run.folder, trial).is_file()]


def best_kept(run: LoadedRun) -> int:
    """The best trial whose network is still there. Raises UsageError where none is."""
    rows = run.finals[run.finals["trial"].isin(kept_trials(run)) & run.finals["best_epoch"].notna()]
    if rows.empty:
        raise UsageError(f"{run.folder} keeps no network: a head-to-head removes them once test is opened, and a search "
                         f"keeps its best --keep. Pass a search's run folder.")  # fmt: skip
    return int(ranked(rows, run.measure.objective)["trial"].iloc[0])


def choose(network: SelectedNetwork, asked: str | None, correct: int, wrong: int) -> list[int]:
    """The asked images, or the most confident right and wrong ones of different classes, from the kept predictions."""
    if asked is not None:
        return [_number(word, network.data.count) for word in asked.split(",")]
    kept = network.run.predictions
    said = kept.get((network.trial, "test"), kept.get((network.trial, "validation")))
    if said is None:
        raise UsageError(f"{network.run.folder} keeps no predictions of trial {network.trial}; pass --images.")
    confident = np.argsort(-said["probabilities"].max(axis=1), kind="stable")
    hit = right(said)
    chosen = [at for wanted, count in ((hit, correct), (~hit, wrong))
              for at in _spread([i for i in confident if wanted[i]], said["true"], count)]  # fmt: skip
    if not chosen:
        raise UsageError("No image fits: --correct and --wrong are 0, or the network makes no mistake; pass --images.")
    return [int(said["image"][at]) for at in chosen]


def _spread(ranked: list[int], labels: npt.NDArray[np.int64], count: int) -> list[int]:
    """The first `count`, another class each time while there is one."""
    firsts = [at for place, at in enumerate(ranked) if labels[at] not in labels[ranked[:place]]]
    return [*firsts, *[at for at in ranked if at not in firsts]][:count]


def _number(word: str, count: int) -> int:
    if not word.strip().isdigit() or int(word) >= count:
        raise UsageError(f"--images wants numbers from 0 to {count - 1} with commas between; got '{word}'.")
    return int(word)


class Segments:
    """Superpixels of an image by seed: lime's own quickshift setting, each computed once.

    lime 0.2.0.1 drops the seed on the way to scikit-image, and there it would only break ties: on photographs every seed
    gives the same superpixels. So a seed above 0 also adds noise that nobody sees; what an explanation owes to the
    accidents of segmentation shows then.
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
            self.known[image, seed] = quickshift(unclear, kernel_size=4, max_dist=200, ratio=0.2, rng=seed)
        return self.known[image, seed]


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
        place = place.reshape(segments.shape)
        said = []
        for start in range(0, num_samples, batch_size):
            kept = data[start : start + batch_size].astype(bool)[:, place]
            said.append(classifier_fn(np.where(kept[..., None], image, fudged_image)))
        return data, np.concatenate(said)


def one_explanation(
    predict: Predict, image: Pixels, segments: Superpixels, samples: int, seed: int
) -> ImageExplanation:
    """LIME of the predicted class; the seed decides which superpixels are hidden in which sample."""
    explainer = Explainer(random_state=seed)
    return explainer.explain_instance(image, predict, top_labels=1, hide_color=None, num_samples=samples, batch_size=BATCH,
                                      segmentation_fn=lambda _: segments, random_seed=0)  # fmt: skip


def top_mask(explanation: ImageExplanation) -> Mask:
    """The superpixels that speak most for the predicted class, TOP at most, positive ones only."""
    _, mask = explanation.get_image_and_mask(explanation.top_labels[0], positive_only=True, num_features=TOP)
    return np.asarray(mask, dtype=np.bool_)


def agreement(masks: list[Mask]) -> float:
    """Mean intersection over union of every two masks; not a number for one. Two that outline nothing agree."""
    pairs = [float(np.sum(a & b)) / union if (union := int(np.sum(a | b))) else 1.0 for a, b in combinations(masks, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def explain_image(
    network: SelectedNetwork, segments: Segments, image: int, samples: int, repeats: int, advance: Callable[[int], None]
) -> dict[str, Any]:
    """One row: what is outlined, how sure the network is, and whether other seeds outline the same."""
    started = time.perf_counter()
    pixels, predict = np.asarray(network.data.images[image]), network.engine.probabilities

    def run(sampling: int, segmentation: int) -> ImageExplanation:
        found = one_explanation(predict, pixels, segments(image, segmentation), samples, sampling)
        advance(1)
        return found

    first = run(0, 0)
    by_sampling = [top_mask(first), *[top_mask(run(seed, 0)) for seed in range(1, repeats)]]
    by_segmentation = [top_mask(first), *[top_mask(run(0, seed)) for seed in range(1, repeats)]]
    said, classes = predict(pixels[None])[0], network.data.classes
    return {
        "run": network.run.name, "trial": network.trial, "image": image, "path": network.data.paths[image],
        "true": classes[network.data.labels[image]], "predicted": classes[int(said.argmax())],
        "confidence": float(said.max()), "superpixels": len(np.unique(first.segments)), "fit": float(first.score),
        "agreement_sampling": agreement(by_sampling), "agreement_segmentation": agreement(by_segmentation),
        "seconds": time.perf_counter() - started, "explanations": 2 * repeats - 1, "mask": by_sampling[0],
    }  # fmt: skip


def _chapter(networks: list[SelectedNetwork], rows: list[dict[str, Any]], samples: int, repeats: int) -> Chapter:
    pictured = [(f"{network.run.name}\n({Path(network.setting.weights).stem})", [_cell(network, row) for row in rows
                 if row["run"] == network.run.name and row["trial"] == network.trial]) for network in networks]  # fmt: skip
    table = pd.DataFrame([{k: v for k, v in row.items() if k != "mask"} for row in rows])
    each = table["seconds"].sum() / table["explanations"].sum()
    coarse = int((table["superpixels"] <= TOP).sum())
    lines = [
        f"Outlined: the {TOP} superpixels that speak most for the predicted class (LIME, {samples:,} perturbed images "
        f"of {networks[0].data.image_size} px, {each:.1f} s for each explanation on {networks[0].setting.device}, "
        f"{'bf16' if networks[0].engine.bf16 else 'fp32'}).",
        f"Agreement: mean overlap (intersection over union) of what is outlined under {repeats} seeds of the sampling, "
        "and of the segmentation. Where it is low, the outline is an accident of the seed and explains nothing.",
        *[f"{coarse} of the images have no more than {TOP} superpixels, so their outline says little."] * bool(coarse),
    ]
    texts = table.assign(**{name: [f"{value:.2f}" for value in table[name]] for name in
                            ("confidence", "fit", "agreement_sampling", "agreement_segmentation")},
                         seconds=[f"{value:.1f}" for value in table["seconds"]])  # fmt: skip
    picture = Picture("explanations", "LIME, a row per network.", lambda: images.explained(pictured))
    listed = Table("explanations", "Explanations and how far they agree.", table, texts)
    return Chapter("Explanations", [Sentences(lines), picture, listed])


def _cell(network: SelectedNetwork, row: dict[str, Any]) -> dict[str, Any]:
    right = row["true"] == row["predicted"]
    caption = f"{row['true']}" + ("" if right else f"\nas {row['predicted']}") + f", {row['confidence']:.0%}"
    agreed = row["agreement_sampling"], row["agreement_segmentation"]
    if not np.isnan(agreed).any():  # one repetition has nothing to agree with
        caption += f"\nagreement {agreed[0]:.2f} / {agreed[1]:.2f}"
    return {"image": np.asarray(network.data.images[row["image"]]), "mask": row["mask"], "caption": caption}


if __name__ == "__main__":
    sys.exit(main())
