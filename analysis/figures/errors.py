"""What the selected networks get wrong: by class, and class against class. Seeds pooled or averaged, and said so."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from analysis.comparable import SINGLE, Section
from analysis.figures.arms import Arms, Styles
from analysis.figures.drawing import Drawing
from analysis.figures.style import legend_below, panels, styled
from analysis.rulebook.outcomes import right
from analysis.rulebook.plan import BASELINE
from console.wording import many
from records.files import Arrays

CONFUSIONS = 2  # matrices side by side


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


def misclassified_share(table: pd.DataFrame, styles: Styles) -> Figure:
    """Share misclassified per class, arms side by side; the thin line goes from the lowest to the highest seed."""
    arms, classes = list(dict.fromkeys(table["arm"])), list(dict.fromkeys(table["class"]))
    with styled():
        figure, axes = panels(figsize=(max(7.5, 1.25 * len(classes)), 4.3), layout="constrained")
        width = 0.8 / len(arms)
        for i, arm in enumerate(arms):
            rows = table[table["arm"] == arm].set_index("class").reindex(classes)
            at = np.arange(len(classes)) + (i - (len(arms) - 1) / 2) * width
            axes.bar(at, rows["misclassified"], width * 0.92, color=styles[arm]["color"], label=arm,
                     edgecolor="white", lw=0)  # fmt: skip
            axes.vlines(at, rows["lowest"], rows["highest"], color="black", lw=0.9)
        axes.set_xticks(range(len(classes)), classes, rotation=15 if len(classes) > 5 else 0)
        axes.set(ylabel="share misclassified", ylim=(0, None))
        axes.grid(False, axis="x")
        legend_below(figure, axes)
        seeds = int(table["seeds"].max())
        axes.set_title(f"Misclassified images by class ({many(seeds, 'seed')})", fontsize=11)
        return figure


def confusions(section: Section, arms: list[str]) -> Figure:
    """Confusion matrices, seeds pooled: images by true class (rows) and predicted class (columns)."""
    with styled():
        side = 0.55 * len(section.classes) + 1.6
        figure, places = panels(1, len(arms), figsize=(side * len(arms) + 0.8, side), layout="constrained",
                                      squeeze=False)  # fmt: skip
        for axes, arm in zip(places[0], arms, strict=True):
            total = np.sum([_matrix(said, len(section.classes)) for _, said in said_by(section, arm)], axis=0)
            shares = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
            axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            for (row, column), count in np.ndenumerate(total):
                if count:
                    colour = "white" if shares[row, column] > 0.5 else "black"
                    axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
            ticks = range(len(section.classes))
            axes.set_xticks(ticks, section.classes, rotation=60, ha="right", fontsize=8)
            axes.set_yticks(ticks, section.classes, fontsize=8)
            axes.set(xlabel="predicted")
            axes.set_title(arm, fontsize=10)
            axes.grid(False)
            axes.spines[:].set_visible(False)
        places[0][0].set_ylabel("true")
        return figure


def misclassified_images(section: Section, arm: str) -> pd.DataFrame:
    """A row per misclassified image of the arm's first seed, most confident first: image, true, predicted, confidence."""
    kept = said_by(section, arm)
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
    Drawing(
        "errors_classes",
        "Share of each class misclassified on {on}.",
        lambda of: misclassified_share(of.table, of.arms.styles),
        wants=lambda of: not of.table.empty,
    ),
    Drawing(
        "errors_confusion",
        "Confusion on {on}, seeds pooled.",
        lambda of: confusions(of.arms.section, of.confused),
        wants=lambda of: len(of.confused) > 0,
    ),
)
