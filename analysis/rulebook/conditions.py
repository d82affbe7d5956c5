"""Under which conditions a verdict holds: data, network, protocol, split and budget, in words."""

from pathlib import Path

from console.wording import many
from records.epoch import ACCURACY, Objective, Row
from trainables.metrics import get_metric

PICKED = {
    "holdout": "epochs picked on validation, test opened once per training",
    "report": "epochs picked on test itself",
}


def conditions(run: Row) -> str:
    """'rsscn7 at 128 px, resnet18 from imagenet, a split of its own for each seed, ...'; `run`: a run.json."""
    setting, data = run["setting"], run["data"]
    split = _split(setting.get("split"), setting.get("spared_seed") is not None)
    network = f"{trained(run)} from {Path(setting['weights']).name}"
    picked = PICKED[setting["protocol"]].replace("epochs picked", f"epochs picked{picked_by(run)}")
    parts = [f"{data['name']} at {setting['image_size']} px", network, split, picked, budget(run)]
    return ", ".join(part for part in parts if part)


def trained(run: Row) -> str:
    """'resnet18', or 'head of a frozen resnet18' where nothing else is trained; `run`: a run.json."""
    fixed, network = run["space"].get("fixed") or {}, str(run["setting"]["model"])
    alone = fixed.get("unfreeze") == "head" or run["options"].get("train") == "head"
    return f"head of a frozen {network}" if alone else network


def _split(split: str | None, spared: bool) -> str:
    if not split:
        left_out = ", tested without the images that configs were picked on" if spared else ""
        return f"a split of its own for each seed{left_out}"
    whose = "the data's own test split" if split == "folders" else "one split"
    return f"{whose} for all seeds, so it holds for these test images"


def picked_by(run: Row) -> str:
    """' by balanced accuracy'; nothing of accuracy."""
    by = Objective.of(run["setting"])
    return "" if by == ACCURACY else f" by {get_metric(by.metric).title}"


def budget(run: Row) -> str:
    """'1,120 updates each, judged at 20 common marks'; what runs of old had no words for stays unsaid."""
    asked = run.get("budget") or {}
    marks = f", judged at {many(asked['marks'], 'common mark')}" if asked.get("marks") else ""
    updates = asked.get("updates") or asked.get("head_updates")  # the latter alone where every arm is a head
    if updates:
        return f"{many(updates, 'update')} each{marks}"
    if asked.get("seconds"):
        where = run.get("machine", {}).get("processor") or "one machine"
        return f"{asked['seconds']:g} s each of training, scoring and preparation on one machine ({where}){marks}"
    return ""
