"""python -m benchmarks.networks --root RSSCN7: one network of each family on RSSCN7, from random weights unless told.

Prints a Markdown table: seconds of training, images trained per second, validation accuracy of the best epoch, and whether
a second training gives the same figures. One seed: the accuracies say that a network trains, and do not rank networks.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from console.wording import many
from records.epoch import EpochRecord
from spaces.finetune import FinetuneConfig
from spaces.setting import Setting
from trainables.trial import Trial

NETWORKS = (
    "resnet18",
    "regnet_x_400mf",
    "densenet121",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "convnext_tiny",
    "shufflenet_v2_x1_0",
    "mnasnet1_0",
    "googlenet",
    "swin_t",
    "timm:resnet10t",
    "timm:vit_tiny_patch16_224",
)
CONFIG = FinetuneConfig(learning_rate=3e-4, rate="cosine", augment="flips", optimizer="adamw")


@dataclass(frozen=True)
class Measured:
    name: str
    parameters: int
    curve: tuple[EpochRecord, ...]
    replayed: int  # epochs that were trained a second time
    same: bool

    def line(self) -> str:
        last, best = self.curve[-1], max(record.eval_accuracy for record in self.curve)
        word = "exact" if self.same else "other figures"
        exact = f"{word} ({many(self.replayed, 'epoch')})" if self.replayed else "not tried"
        return (
            f"| {self.name} | {self.parameters / 1e6:.1f} | {last.train_seconds:.0f} | "
            f"{last.images_trained / last.train_seconds:.1f} | {best:.3f} | {exact} |"
        )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("--data", default="rsscn7", help="rsscn7, or what --data of search.run takes (rsscn7)")
    parser.add_argument("--root", help="folder that holds rsscn7")
    parser.add_argument("--size", type=int, default=96, help="pixels a side (96)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--replay", type=int, default=1, help="epochs that are trained a second time (1)")
    parser.add_argument("--weights", default="none", help="imagenet: each network's own (none)")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="names with commas (one of each family)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    asked = parser.parse_args(words)
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"{asked.data} at {asked.size} px, {asked.epochs} epochs, weights {asked.weights}, {asked.threads} threads, "
          f"{asked.precision}, torch {torch.__version__}, load average before {loads}\n")  # fmt: skip
    print("| network | million parameters | seconds | images/s | accuracy | replay |")
    print("| --- | ---: | ---: | ---: | ---: | --- |", flush=True)
    for name in asked.networks.split(","):
        print(measure(_setting(asked, name), asked.replay).line(), flush=True)
    return 0


def _setting(asked: argparse.Namespace, name: str) -> Setting:
    return Setting(
        strategy="finetune",
        data=asked.data,
        data_root=asked.root,
        image_size=asked.size,
        model=name,
        weights=asked.weights,
        epochs=asked.epochs,
        threads=asked.threads,
        precision=asked.precision,
    )


def measure(setting: Setting, replay: int) -> Measured:
    """Train, then train the first `replay` epochs again from the start and compare all figures but the seconds."""
    trial = Trial(setting, CONFIG, 0)
    parameters = sum(parameter.numel() for parameter in trial.state.engine.network.parameters())
    curve = tuple(trial.records())
    again = list(islice(Trial(setting, CONFIG, 0).records(), replay)) if replay else []
    same = all(_figures(a) == _figures(b) for a, b in zip(curve, again, strict=False))
    return Measured(setting.model, parameters, curve, len(again), same)


def _figures(record: EpochRecord) -> tuple[float, ...]:
    return record.train_loss, record.train_accuracy, record.eval_loss, record.eval_accuracy, record.eval_knn


if __name__ == "__main__":
    sys.exit(main())
