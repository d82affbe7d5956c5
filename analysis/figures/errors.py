"""What the selected networks get wrong: by class, and class against class. Seeds pooled or averaged, and said so."""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from sklearn.metrics import confusion_matrix

from analysis.comparable import SINGLE, Section
from analysis.figures.drawing import Drawing, Panel
from analysis.figures.side_by_side import Arms, gid_of, shortened
from analysis.figures.style import SMALL
from analysis.rulebook.outcomes import right
from analysis.rulebook.plan import BASELINE
from console.wording import many
from records.files import Arrays

CONFUSIONS = 2  # matrices side by side
MOST_CLASSES = 12  # in one panel; more cannot be read


@dataclass(frozen=True)
class Errors:
    """What the shown arms of a head-to-head get wrong."""

    arms: Arms

    @property
    def words(self) -> dict[str, str]:
        return {"on": shown_split(self.arms.section)}

    @cached_property
    def table(self) -> pd.DataFrame:
        """Of errors_by_class; empty where no predictions were kept."""
        return errors_by_class(self.arms.section, self.arms.shown)

    @property
    def confused(self) -> list[str]:
        """The arms with a confusion matrix: the report's, and the baseline, before others.

        None of the multi-label task, where another class than the main one can be right.
        """
        if self.table.empty or self.arms.section.task != SINGLE:
            return []
        first = ("self_paced", BASELINE)
        kept = dict.fromkeys(self.table["arm"])
        return sorted(kept, key=lambda name: self.arms.section.who[name].strategy not in first)[:CONFUSIONS]


def shown_split(section: Section) -> str:
    """The split whose errors are shown: test, or the one epochs are judged on while test is closed."""
    return "test" if section.judged_on == "test" else section.eval_split


def said_by(section: Section, arm: str) -> list[tuple[int, Arrays]]:
    """(seed, predictions) of an arm on the split whose errors are shown, where they were kept."""
    rows = section.arms[section.arms["arm"] == arm]
    found = [(row["seed"], section.predictions(row, shown_split(section))) for _, row in rows.iterrows()]
    return [(seed, said) for seed, said in found if said is not None]


def errors_by_class(section: Section, arms: list[str]) -> pd.DataFrame:
    """A row per arm and class: images judged, share misclassified (mean, lowest, highest seed), times predicted."""
    rows = []
    for arm in arms:
        kept = [said for _, said in said_by(section, arm)]
        for label, name in enumerate(section.classes):
            known = [float(1 - right(said)[said["true"] == label].mean()) for said in kept if label in said["true"]]
            if not known:
                continue
            images, predicted = (int(sum(np.sum(said[k] == label) for said in kept)) for k in ("true", "predicted"))
            rows.append({"arm": arm, "class": name, "seeds": len(known), "images": images, "predicted": predicted,
                         "misclassified": np.mean(known), "lowest": min(known), "highest": max(known)})  # fmt: skip
    return pd.DataFrame(rows)


def _matrix(said: Arrays, classes: int) -> npt.NDArray[np.int64]:
    """(C, C) counts, true class by predicted class."""
    counts: npt.NDArray[np.int64] = confusion_matrix(said["true"], said["predicted"], labels=np.arange(classes))
    return counts


def never_predicted(table: pd.DataFrame) -> list[str]:
    """A sentence per arm that predicted some class for no image at all."""
    if table.empty:
        return []
    missed = table[table["predicted"] == 0].groupby("arm", sort=False)["class"].agg(", ".join)
    return [f"{arm} predicted {names} for no image at all." for arm, names in missed.items()]


def worst(table: pd.DataFrame, most: int = MOST_CLASSES) -> list[str]:
    """The classes that are misclassified most, over all arms; of few classes all, the worst first."""
    means = table.groupby("class", sort=False)["misclassified"].mean().sort_values(ascending=False, kind="stable")
    return [str(name) for name in means.index[:most]]


def class_panels(of: Errors) -> list[Panel]:
    """Share misclassified per class, a panel per arm beside its baseline; the thin line from lowest to highest seed."""
    there = set(of.table["arm"])
    arms = [name for name in of.arms.others if name in there]
    classes = worst(of.table)
    reaches = max(1.04 * float(of.table[of.table["class"].isin(classes)]["highest"].max()), 0.02)
    return [Panel(partial(_dots, of, name, classes, reaches), height=0.85 + 0.19 * len(classes)) for name in arms]


def _dots(of: Errors, name: str, classes: list[str], reaches: float, axes: Axes) -> None:
    base = of.arms.baseline(name)
    places = np.arange(len(classes))[::-1]
    for arm, aside in ((base, 0.13), (name, -0.13)):
        rows = of.table[of.table["arm"] == arm].set_index("class").reindex(classes)
        if arm is None or rows["misclassified"].isna().all():
            continue
        colour, gid = of.arms.colours[arm], gid_of(arm)
        axes.hlines(places + aside, rows["lowest"], rows["highest"], color=colour, lw=1.1, alpha=0.6, gid=gid)
        axes.plot(rows["misclassified"], places + aside, "o", color=colour, ms=4.5, label=of.arms.label(arm), gid=gid)
    axes.set_yticks(places, [shortened(each) for each in classes], fontsize=SMALL)
    axes.set(xlim=(-0.03 * reaches, reaches), ylim=(-0.6, len(classes) - 0.4),
             xlabel=f"share misclassified{f' (grey: {of.arms.label(base)})' if base else ''}")  # fmt: skip
    axes.set_title(of.arms.label(name))
    axes.grid(False, axis="x")


def classes_caption(of: Errors) -> str:
    """Which classes are missed most and least."""
    means = of.table.groupby("class", sort=False)["misclassified"].mean().sort_values(ascending=False, kind="stable")
    if means.nunique() == 1:
        said = f"Every class is misclassified alike on {of.words['on']}, {100 * means.iloc[0]:.0f} % of its images"
    else:
        first, last = means.index[0], means.index[-1]
        said = (
            f"Misclassified most on {of.words['on']}: {first}, {100 * means.iloc[0]:.0f} % of its images over all arms; "
            f"least: {last}, {100 * means.iloc[-1]:.0f} %"
        )
    left = len(means) - MOST_CLASSES
    return f"{said}.{f' Shown are the {MOST_CLASSES} worst of {len(means)} classes.' if left > 0 else ''}"


def pooled(of: Errors, arm: str) -> npt.NDArray[np.int64]:
    """(C, C) counts of an arm, all seeds together."""
    classes = len(of.arms.section.classes)
    total: npt.NDArray[np.int64] = np.sum([_matrix(said, classes) for _, said in said_by(of.arms.section, arm)], axis=0)
    return total


def block(total: npt.NDArray[np.int64], most: int = MOST_CLASSES) -> list[int]:
    """The classes with most errors to and from, in their own order; all of few."""
    wrong = total - np.diag(np.diag(total))
    errors = wrong.sum(axis=0) + wrong.sum(axis=1)
    return sorted(int(i) for i in np.argsort(-errors, kind="stable")[:most])


def confusion_panels(of: Errors) -> list[Panel]:
    """Confusion matrices, seeds pooled: images by true class (rows) and predicted class (columns)."""
    side = 1.5 + 0.22 * min(len(of.arms.section.classes), MOST_CLASSES)
    return [Panel(partial(_cells, of, name), width=max(side, 2.6), height=max(side, 2.4)) for name in of.confused]


def _cells(of: Errors, name: str, axes: Axes) -> None:
    total = pooled(of, name)
    shares = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
    kept = block(total)
    colour, gid = of.arms.colours[name], gid_of(name)
    for row, true in enumerate(kept):
        for column, predicted in enumerate(kept):
            if count := total[true, predicted]:
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour, lw=0, gid=gid,
                                         alpha=0.06 + 0.5 * float(shares[true, predicted])))  # fmt: skip
                axes.text(column, row, str(count), ha="center", va="center", fontsize=7)
    names = [shortened(of.arms.section.classes[i]) for i in kept]
    axes.set_xticks(range(len(kept)), names, rotation=60, ha="right", fontsize=SMALL, rotation_mode="anchor")
    axes.set_yticks(range(len(kept)), names, fontsize=SMALL)
    axes.set(xlabel="predicted", ylabel="true", xlim=(-0.5, len(kept) - 0.5), ylim=(len(kept) - 0.5, -0.5))
    axes.set_title(of.arms.label(name))
    axes.grid(False)


def confusion_caption(of: Errors) -> str:
    """What the first shown arm confuses most."""
    name, classes = of.confused[0], of.arms.section.classes
    total = pooled(of, name)
    wrong = total - np.diag(np.diag(total))
    true, predicted = (int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
    if not wrong.any():
        said = f"{of.arms.label(name)} confuses no class on {of.words['on']}"
    else:
        said = (
            f"{of.arms.label(name)} takes {classes[true]} for {classes[predicted]} most often: "
            f"{wrong[true, predicted]:,} of {many(total[true].sum(), 'image')}"
        )
    few = ""
    if len(classes) > MOST_CLASSES:
        kept = block(total)
        few = (
            f" Shown are the {MOST_CLASSES} of {len(classes)} classes with most errors, of each arm its own; "
            f"{100 * wrong[np.ix_(kept, kept)].sum() / max(wrong.sum(), 1):.0f} % of the errors lie between them."
        )
    return f"{said} (seeds pooled, {of.words['on']}).{few}"


def misclassified_images(section: Section, arm: str) -> pd.DataFrame:
    """A row per misclassified image of the arm's first seed, most confident first: image, true, predicted, confidence."""
    kept = [(seed, said) for seed, said in said_by(section, arm) if "probabilities" in said]
    if not kept:
        return pd.DataFrame()
    seed, said = kept[0]
    wrong = ~right(said)
    table = pd.DataFrame({"image": said["image"], "true": said["true"], "predicted": said["predicted"],
                          "confidence": said["probabilities"].max(axis=1).astype(float)})[wrong]  # fmt: skip
    names = dict(enumerate(section.classes))
    table = table.assign(seed=seed, true=table["true"].map(names), predicted=table["predicted"].map(names))
    return table.sort_values(["confidence", "image"], ascending=[False, True]).reset_index(drop=True)


OF_ERRORS: tuple[Drawing[Errors], ...] = (
    Drawing("errors_classes", classes_caption, class_panels, wants=lambda of: not of.table.empty),
    Drawing("errors_confusion", confusion_caption, confusion_panels, wants=lambda of: len(of.confused) > 0),
)
