"""Explanations as a chapter of a report: sentences, figures of a few images each, tables."""

from functools import partial

import pandas as pd

from analysis.document.display import DASH, plain
from analysis.document.parts import Chapter, Folded, Part, Sentences, Sheet, Table
from analysis.explaining.by_lime import TOP
from analysis.explaining.explanation import Explanation, between
from analysis.explaining.grad_cam import CELLS
from analysis.figures.explanations import Cell, explained
from console.wording import many

SHOWN = 4  # images in a figure
Rows = list[list[Explanation]]  # of each image, one per network in the order of the runs


def chapter(rows: Rows, samples: int, repeats: int) -> Chapter:
    """Everything that is to be shown of the images."""
    parts: list[Part] = [Sentences(said(rows, samples, repeats))]
    for start in range(0, len(rows), SHOWN):
        shown, number = rows[start : start + SHOWN], start // SHOWN + 1
        draw = partial(explained, [_row(row) for row in shown], [_name(one) for one in shown[0]])
        images = ", ".join(str(row[0].image) for row in shown)
        parts.append(Sheet("explanations" if number == 1 else f"explanations_{number}", _caption(shown, images), draw))
    parts.append(_table(rows))
    if len(rows[0]) > 1:
        parts.append(_between(rows))
    return Chapter("Explanations", parts)


def said(rows: Rows, samples: int, repeats: int) -> list[str]:
    """What was done, what came of it, and what could not be explained, a sentence or two each."""
    first, every = rows[0][0], [one for row in rows for one in row]
    each = sum(one.seconds for one in every) / sum(one.explanations for one in every)
    engine, size = first.network.engine, first.network.data.image_size
    lines = [
        f"LIME hides superpixels and fits a linear model to what the network then says ({samples:,} perturbed images of "
        f"{size} px, {each:.1f} s for each explanation on {first.network.setting.device}, "
        f"{engine.precision}). Shown are the {TOP} that speak most for the predicted class and the {TOP} "
        f"that speak most against it. Its fit is the part of the variance that the linear model follows.",
        _agreed(every, repeats),
        *_compared(rows),
        _cams(every),
        *_not_explained(every),
    ]
    return [line for line in lines if line]


def _agreed(every: list[Explanation], repeats: int) -> str:
    table = pd.DataFrame([one.row() for one in every])
    if repeats < 2 or table["agreement_sampling"].isna().all():
        return ""
    return (
        f"Under {repeats} seeds what speaks for the class overlaps by {plain(table['agreement_sampling'].mean(), 2)} with "
        f"other perturbed images and by {plain(table['agreement_segmentation'].mean(), 2)} with other superpixels "
        f"(intersection over union, mean over what could be explained); superpixels picked at random would by "
        f"{plain(table['chance_sampling'].mean(), 2)}. Where an image's overlap is near that, its outline is an "
        f"accident of the seed."
    )


def _compared(rows: Rows) -> list[str]:
    if len(rows[0]) < 2:
        return []
    table = pd.DataFrame([between(*row) for row in rows]).dropna(subset="overlap")
    if table.empty:
        return ["The two networks cannot be compared: no image is explained under both."]
    differing = int((table["predicted_first"] != table["predicted_second"]).sum())
    more = f"; of {differing} they predict different classes" if differing else ""
    return [f"The two networks' explanations overlap by {table['overlap'].mean():.2f}, by chance "
            f"{table['chance'].mean():.2f} (mean of {many(len(table), 'image')} explained under both{more})."]  # fmt: skip


def _cams(every: list[Explanation]) -> str:
    """What Grad-CAM was read from, and how much of it lies where LIME's superpixels are."""
    without = sorted({one.network.run.name for one in every if one.cam is None})
    found = sorted({f"{one.cam.layer} ({one.cam.cells} × {one.cam.cells})" for one in every if one.cam})
    lines = [f"Grad-CAM finds no map with places in it in the network of {' and of '.join(without)}."] * bool(without)
    if found:
        inside = pd.DataFrame([one.second for one in every], columns=["inside", "chance"]).dropna()
        lines.append(
            f"Grad-CAM weighs by the gradient the last map of features that has {CELLS} cells a side or more, else the "
            f"last that has two (of a vision transformer the tokens that go into its last block): {', '.join(found)}."
        )
        if len(inside):
            lines.append(f"Of its map {inside['inside'].mean():.0%} lies in the superpixels that LIME picks, which are "
                         f"{inside['chance'].mean():.0%} of the image.")  # fmt: skip
    return " ".join(lines)


def _not_explained(every: list[Explanation]) -> list[str]:
    """The reasons why LIME explains nothing, each with its images."""
    reasons: dict[str, list[str]] = {}
    for one in every:
        if one.lime.why_not:
            reasons.setdefault(one.lime.why_not, []).append(f"{one.image} ({one.network.run.name})")
    return [f"LIME does not explain image {', '.join(images)}: {why}." for why, images in reasons.items()]


def _caption(shown: Rows, images: str) -> str:
    explained = sum(one.lime.why_not is None for row in shown for one in row)
    asked = f"{many(sum(map(len, shown)), 'prediction')} of {'images' if len(shown) > 1 else 'image'} {images}"
    colours = "blue speaks for the predicted class, orange against it"
    return f"LIME explains {explained} of {asked}: {colours}. Grad-CAM is a second opinion."


def _name(one: Explanation) -> str:
    return f"{one.network.run.name}, trial {one.network.trial}"


def _row(row: list[Explanation]) -> tuple[str, list[Cell]]:
    first = row[0]
    return f"image {first.image}\n{', '.join(first.network.true(first.image))}", [_cell(one) for one in row]


def _cell(one: Explanation) -> Cell:
    wrong = "" if one.row()["right"] else " (wrong)"
    fit = f"fit {plain(one.lime.fit, 2)}"
    agreed = f", agreement {one.sampling[0]:.2f}, by chance {one.sampling[1]:.2f}" if one.sampling[0] >= 0 else ""
    return Cell(
        image=one.pixels,
        weights=None if one.lime.why_not else shown_weights(one),
        segments=one.lime.segments,
        heat=one.cam.values if one.cam else None,
        title=f"{one.predicted}, {one.said.max():.0%}{wrong}",
        notes=(f"– {one.lime.why_not}" if one.lime.why_not else fit + agreed, _cam_note(one)),
    )


def shown_weights(one: Explanation) -> list[float]:
    """(s,) LIME's weights where they are shown, else 0."""
    shown = {*one.lime.picked, *one.lime.against}
    return [float(weight) if place in shown else 0.0 for place, weight in enumerate(one.lime.weights)]


def _cam_note(one: Explanation) -> str:
    if one.cam is None:
        return "– no map of places"
    return f"{one.cam.cells} × {one.cam.cells} cells" if one.cam.values.any() else "– nothing speaks for it"


def _table(rows: Rows) -> Folded:
    data = pd.DataFrame([one.row() for row in rows for one in row])
    numbers = {"confidence": 2, "fit": 2, "agreement_sampling": 2, "chance_sampling": 2, "agreement_segmentation": 2,
               "chance_segmentation": 2, "cam_inside": 2, "cam_chance": 2, "seconds": 1}  # fmt: skip
    texts = data.assign(**{name: [plain(value, digits) for value in data[name]] for name, digits in numbers.items()})
    texts = texts.replace({"why_not": {"": DASH}, "cam_layer": {"": DASH}})
    names = {name: name.replace("_", " ").replace("cam", "Grad-CAM") for name in texts.columns}
    caption = "Explanations, and how far they agree beside the level of chance."
    shown = texts.drop(columns="explanations").rename(columns=names)
    return Folded("Every explanation in numbers", [Table("explanations", caption, data, shown)])


def _between(rows: Rows) -> Table:
    first, second = (one.network.run.name for one in rows[0])
    data = pd.DataFrame([between(*row) for row in rows])
    texts = pd.DataFrame({
        "image": data["image"].astype(str), "path": data["path"], f"{first} says": data["predicted_first"],
        f"{second} says": data["predicted_second"], "overlap": [plain(value, 2) for value in data["overlap"]],
        "by chance": [plain(value, 2) for value in data["chance"]],
    })  # fmt: skip
    return Table("between", "How far the two networks go by the same superpixels of each image.", data, texts)
