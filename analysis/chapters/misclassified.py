"""TODO."""

from analysis.comparable import Section
from analysis.difficulty import SHOWN
from analysis.document.parts import Chapter, Picture, Table
from analysis.figures import images
from analysis.figures.errors import misclassified_images
from analysis.runs import setting_of
from trainables.preparation import load_data


def add_misclassified(chapters: list[Chapter], sections: list[Section]) -> None:
    """Put a sheet of misclassified images into the chapter of each section. Raises UsageError where the data are gone."""
    for number, section in enumerate(sections):
        chapter = next((c for c in chapters if c.title == f"Part 2: {section.title}"), None)
        chapter = chapter or next((c for c in chapters if c.title == f"Search: {section.runs[-1].name}"), None)
        if chapter is None:
            continue
        arm = _to_show(section)
        table = misclassified_images(section, arm)
        if table.empty:
            continue
        data, _ = load_data(setting_of(section.runs[0]))
        shown = table.head(SHOWN)
        captions = [f"{row.true}\nas {row.predicted}, {row.confidence:.0%}" for row in shown.itertuples()]
        figure = images.image_sheet([data.images[i] for i in shown["image"]], captions, f"Misclassified by {arm}")
        seed = shown["seed"].iloc[0]
        caption = (
            f"The {len(shown)} most confident of {len(table)} images that {arm} (seed {seed}) gets wrong: true class, "
            f"predicted class, confidence."
        )
        suffix = f"_{number + 1}" if len(sections) > 1 else ""
        named = table.assign(path=[data.paths[i] for i in table["image"]])
        texts = named.head(SHOWN).assign(confidence=[f"{c:.3f}" for c in shown["confidence"]]).astype(str)
        chapter.parts.append(Picture(f"misclassified{suffix}", caption, figure))
        chapter.parts.append(
            Table(f"misclassified{suffix}", "The same as a table; parquet has all of them.", named, texts, folded=True)
        )


def _to_show(section: Section) -> str:
    """The best self-paced arm, as in the report's figure 22, else the best arm."""
    arms = section.arms[~section.arms["arm"].str.contains("/", regex=False)]
    own = arms[arms["base"] == "self_paced"]
    chosen = own if len(own) else arms
    return str(chosen.groupby("arm")["selection_accuracy"].mean().idxmax())
