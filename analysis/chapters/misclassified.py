"""The images that a section's network gets wrong, as a sheet and as a table; needs the data set at hand."""

from functools import partial

import pandas as pd

from analysis.comparable import Section
from analysis.document.parts import Folded, Part, Sheet, Table
from analysis.figures.errors import misclassified_images
from analysis.figures.images import image_sheet
from analysis.runs import setting_of
from trainables.data.dataset import Dataset
from trainables.preparation import load_data

SHOWN = 24  # images on a sheet


def misclassified(section: Section, suffix: str) -> list[Part]:
    """A sheet of the most confident ones, and a table of all; nothing where no predictions were kept.

    Raises UsageError where the data are gone or have changed.
    """
    if section.arms.empty:
        return []
    arm = _to_show(section)
    table = misclassified_images(section, arm)
    if table.empty:
        return []
    data, _ = load_data(setting_of(section.runs[0]))
    return [_sheet(table, arm, data, suffix), _table(table, data, suffix)]


def _sheet(table: pd.DataFrame, arm: str, data: Dataset, suffix: str) -> Sheet:
    shown = table.head(SHOWN)
    captions = [f"{row.true}\nas {row.predicted}, {row.confidence:.0%}" for row in shown.itertuples()]
    draw = partial(image_sheet, [data.images[i] for i in shown["image"]], captions, f"Misclassified by {arm}")
    caption = (
        f"The {len(shown)} most confident of {len(table)} images that {arm} (seed {shown['seed'].iloc[0]}) gets wrong: "
        f"true class, predicted class, confidence."
    )
    return Sheet(f"misclassified{suffix}", caption, draw)


def _table(table: pd.DataFrame, data: Dataset, suffix: str) -> Folded:
    named = table.assign(path=[data.paths[i] for i in table["image"]])
    shown = named.head(SHOWN)
    texts = shown.assign(confidence=[f"{c:.3f}" for c in shown["confidence"]]).astype(str)
    rows = Table(f"misclassified{suffix}", "The same as a table; parquet has all of them.", named, texts)
    return Folded(f"The {len(shown)} most confident as a table", [rows])


def _to_show(section: Section) -> str:
    """The best self-paced arm, as in the report's figure 22, else the best arm."""
    arms = section.arms[section.arms["arm_order"].isna()]
    own = arms[arms["base"] == "self_paced"]
    chosen = own if len(own) else arms
    by = section.measure.objective
    means = chosen.groupby("arm")[f"selection_{by.metric}"].mean()
    return str(means.idxmin() if by.lower_is_better else means.idxmax())
