"""The figures and the sentences of the 2024 student report that this project grew out of (docs: "What is reproduced").

All on RSSCN7 at 256 px, one run each; every figure of Table 1 is the best of 50 to 100 epochs, picked on the test split.
"""

from dataclasses import dataclass
from typing import Any

# report, Table 1: accuracy, loss, KNN
TABLE_1 = {
    ("transfer", "imagenet"): (0.88, 0.38, 0.66),
    ("transfer", "dtd"): (0.86, 0.39, 0.59),
    ("manual_division", "imagenet"): (0.94, 0.22, 0.92),
    ("self_paced", "imagenet"): (0.97, 0.13, 0.94),
    ("self_paced", "dtd"): (0.92, 0.32, 0.84),
}
IMAGE_SIZE = 256  # pixels
TRAINING_IMAGES = 2240  # four fifths of 2,800; the rest is test
EPOCHS = {"transfer": 100, "self_paced": 100, "manual_division": 230, "finetune": 40, "scratch": 90}
CONFIG = ("as_run", "frozen", "report_parts", "plain")  # anchors that do what the report did


@dataclass(frozen=True)
class PartOne:
    """One row of Part 1: what the report trained, on what, and what it got."""

    label: str
    strategy: tuple[str, ...]
    model: str
    data: str
    init: str
    epochs: int
    loss: float
    accuracy: float
    remark: str
    task: str = "single_label"


PART_1 = (
    PartOne("ResNet18 from scratch on DTD", ("scratch",), "resnet18", "dtd", "none", 90, 2.41, 0.52,
            "validation; 47 classes"),
    PartOne("frozen ResNet18, DTD to RSSCN7", ("transfer",), "resnet18", "rsscn7", "dtd", 50, 0.5297, 0.855357, "test"),
    PartOne("frozen ResNet18, ImageNet to RSSCN7", ("transfer",), "resnet18", "rsscn7", "imagenet", 50, 0.4009, 0.8625,
            "test; best at epoch 23"),
    PartOne("ViT-B/16 from scratch on DTD", ("scratch",), "vit_b_16", "dtd", "none", 40, 0.1177, 0.80,
            "test; multi-label, any label hit counts", task="multi_label"),
    PartOne("ViT-B/16, DTD to RSSCN7", ("finetune",), "vit_b_16", "rsscn7", "dtd", 40, 1.78, 0.39,
            "test; learning rate 1e-4"),
    PartOne("ViT-B/16, ImageNet to RSSCN7", ("finetune",), "vit_b_16", "rsscn7", "imagenet", 40, 1.93, 0.61,
            "test; loss on the training set; softmax before cross-entropy"),
)  # fmt: skip


def table_1(base: str | None, init: str, twin: bool) -> tuple[float, float, float] | None:
    """The report's accuracy, loss and KNN for an arm; a twin has none."""
    return None if twin else TABLE_1.get((base or "", init))


def trains_as(strategy: str, config: dict[str, Any]) -> str | None:
    """The strategy of the report that it trains as: its namesake where the whole network sees whole images, or a part
    of it by transfer, which plain training of the head is too. None where that is none of the report's.
    """
    unfreeze, whole_images = config.get("unfreeze", "all"), config.get("resolution_start", 1.0) == 1.0
    if strategy == "transfer" or (strategy == "finetune" and unfreeze == "head" and whole_images):
        return "transfer"
    return strategy if unfreeze == "all" and whole_images else None
