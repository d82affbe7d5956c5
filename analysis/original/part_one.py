"""The report's Part 1, from scratch and transfer: its figures, and ours where one of these runs has them."""

from typing import Any

import pandas as pd

from analysis.comparable import Section
from analysis.original import published
from analysis.tables import arm_summary


def part_one(sections: list[Section]) -> pd.DataFrame:
    """The report's Part 1, a row per thing it trained: its figures, and ours where one of these runs has it."""
    return pd.DataFrame([_part_row(row, sections) for row in published.PART_1])


def _part_row(theirs: published.PartOne, sections: list[Section]) -> dict[str, Any]:
    row = {"trained": theirs.label, "report_accuracy": theirs.accuracy, "report_loss": theirs.loss,
           "report_epochs": theirs.epochs, "report_remark": theirs.remark}  # fmt: skip
    found = [(section, summary) for section in sections if section.data == theirs.data
             for _, summary in arm_summary(section).iterrows() if _matches(theirs, section, summary)]  # fmt: skip
    if not found:
        return row | {"ours": "not run"}
    section, best = max(found, key=lambda pair: _weight(theirs, *pair))
    trial = section.arms[section.arms["arm"] == best["arm"]]
    ours = {"ours": best["arm"], "run": best["run"], "seeds": best["seeds"], "judged_on": best["judged_on"]}
    figures = ("accuracy", "accuracy_low", "accuracy_high", "loss", "selection_accuracy", "best_epoch", "epochs")
    ours |= {name: best[name] for name in figures}
    return row | ours | _training(section, trial) | {"remark": _shortened(section, theirs, best)}


def _weight(theirs: published.PartOne, section: Section, ours: pd.Series) -> tuple[object, ...]:
    """What trained as theirs before what stands in for it, the most seeds, the report's config, the best."""
    own = not _stands_in(theirs, section, ours)
    return own, ours["seeds"], ours["anchor"] in published.CONFIG, ours["selection_accuracy"]


def _matches(theirs: published.PartOne, section: Section, ours: pd.Series) -> bool:
    """Whether it trained as theirs, or stands in for it."""
    if ours["twin"]:
        return False
    same = (ours["model"], ours["init"], section.task) == (theirs.model, theirs.init, theirs.task)
    return bool((same and ours["trains_as"] in theirs.strategy) or _stands_in(theirs, section, ours))


def _stands_in(theirs: published.PartOne, section: Section, ours: pd.Series) -> str:
    """'frozen, not fine-tuned': why a vision transformer is not theirs and yet the nearest to it; nothing of any other."""
    if theirs.model != "vit_b_16" or section.task != "single_label":
        return ""
    trained = str(ours["trains_as"]) in theirs.strategy
    if theirs.init == "imagenet":  # weights that cannot be had
        other = trained and str(ours["model"]) == "vit_s_14" and str(ours["init"]) not in ("none", "textures")
        return f"{ours['model']} from {ours['init']}, not {theirs.model} from {theirs.init}" * other
    if (ours["model"], ours["init"]) != (theirs.model, theirs.init):
        return ""
    if theirs.task == "multi_label":
        return "one label an image, not several" * trained
    return "frozen, not fine-tuned" * (str(ours["trains_as"]) == "transfer")


def _training(section: Section, arms: pd.DataFrame) -> dict[str, Any]:
    """Train loss and accuracy in the selected epoch, seeds averaged."""
    keys = arms[["run", "trial", "best_epoch"]].rename(columns={"best_epoch": "epoch"})
    rows = section.records.merge(keys, on=["run", "trial", "epoch"])
    return {"train_loss": rows["train_loss"].mean(), "train_accuracy": rows["train_accuracy"].mean()}


def _shortened(section: Section, theirs: published.PartOne, ours: pd.Series) -> str:
    """What is not as in the report, in words."""
    said = [other] if (other := _stands_in(theirs, section, ours)) else []
    said += [f"{section.image_size} px of {published.IMAGE_SIZE}"] * (section.image_size != published.IMAGE_SIZE)
    said += [f"{ours['epochs']:.0f} epochs of {theirs.epochs}"] * (ours["epochs"] < theirs.epochs)
    said += [f"{len(section.classes)} classes of 47"] * (section.data == "dtd" and len(section.classes) != 47)
    said += ["picked on validation"] * (section.protocol == "holdout")
    return "; ".join(said)
