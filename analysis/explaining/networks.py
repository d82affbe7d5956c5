"""The network of a trial's selected epoch, opened again, and the images to ask it about. n = images, C = classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from analysis.ranking import ranked
from analysis.rulebook.outcomes import right
from analysis.runs import LoadedRun
from analysis.statistics import Floats
from console.errors import UsageError
from records.folder import best_weights
from records.kept import check_kept
from spaces.setting import Setting
from spaces.space import make_config
from trainables.data.dataset import Dataset, Pixels
from trainables.machine import use_threads
from trainables.networks.engine import Engine
from trainables.networks.models import read_state
from trainables.preparation import load_data, make_network, opened_here
from trainables.strategies import get_strategy


class Explained(Engine):
    """An engine that says what it thinks of images that are in no data set."""

    def probabilities(self, images: Pixels) -> Floats:
        """(n, H, W, 3) uint8 -> (n, C) float64, in eval mode and the trial's precision."""
        self.network.eval()
        with torch.no_grad(), self._autocast():
            logits = self.network(self.normalised(images))
        return self.task.probabilities(logits.double()).cpu().numpy()

    def normalised(self, images: Pixels) -> torch.Tensor:
        """(n, H, W, 3) uint8 -> (n, 3, H, W) float32 on the device, as the network takes them."""
        pixels = torch.from_numpy(np.array(images)).to(self.device).permute(0, 3, 1, 2)
        return pixels.float().mul_(self.scale).add_(self.shift)


@dataclass(frozen=True)
class SelectedNetwork:
    """The network of a trial's selected epoch, with the data it was made for."""

    run: LoadedRun
    trial: int
    setting: Setting
    data: Dataset
    engine: Explained

    def true(self, image: int) -> list[str]:
        """The classes that the image with this number has: one, or all of them where the task is multi-label."""
        several = self.data.targets
        labels = [self.data.labels[image]] if several is None else np.flatnonzero(several[image])
        return [self.data.classes[label] for label in labels]


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
    if said is None or "probabilities" not in said:
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
