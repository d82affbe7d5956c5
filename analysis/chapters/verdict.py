"""The verdict in full, for whoever wants to check it: sentences, every pair, where a gain comes from, image by image."""

from collections.abc import Sequence

import pandas as pd

from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Folded, Part, Sentences, Table
from analysis.rulebook.sentences import by_which_rule
from analysis.verdict import OPTIMISM, all_pairs, decomposition, image_by_image, optimism, pairs, plan_for


def verdict_chapters(section: Section, label: str, suffix: str) -> list[Chapter]:
    """One chapter, its parts folded; none where nothing was compared."""
    if not all_pairs(section):
        return []
    table = pairs(section)
    planned = table[table["planned"]]
    parts: list[Part] = [Sentences(_conditions(section))]
    if len(planned):
        parts.append(
            Folded(f"Planned pairs in words ({len(planned)})", [Sentences(planned["sentence"].tolist(), listed=True)])
        )
    shown = display.verdicts(table, section.measure)
    every = Table(
        f"verdict{suffix}", "Every pair of arms; only planned ones get a word.", table, shown, list(table["a"])
    )
    parts.append(Folded(f"Every pair of arms ({len(table)})", [every]))
    parts += [*_gain(section, suffix), *_optimism(section, suffix), *_image_by_image(section, suffix)]
    return [Chapter("The verdict in full", parts, label)]


def _conditions(section: Section) -> list[str]:
    """Under which rule and on which images the words hold."""
    lines = []
    for name, plan in section.plans.items():
        if plan.pairs:
            rule = by_which_rule(plan)
            lines.append(f"{name}: {rule}.")
        else:
            lines.append(f"{name}: {NOTHING_PLANNED}")
    if section.fixed_test:
        lines.append(FIXED_TEST)
    return lines


NOTHING_PLANNED = (
    "No pair was planned (a curriculum against finetune or its random twin, or what --primary names), so no word is "
    "given."
)
FIXED_TEST = (
    "All seeds have the same test images, so what is said holds for these images; on new ones the intervals would be "
    "wider."
)


def _gain(section: Section, suffix: str) -> list[Part]:
    """Set size and order as a table, with intervals."""
    split = decomposition(section)
    if split.empty:
        return []
    measure = section.measure
    caption = (
        f"Where a curriculum's gain over plain fine-tuning comes from, {measure.unit}{measure.of}: set size (its random "
        "twin minus the baseline) and order (the curriculum minus its random twin)."
    )
    shown = display.parts(split, measure)
    return [Folded("Set size and order", [Table(f"gain{suffix}", caption, split, shown, list(shown["curriculum"]))])]


def _optimism(section: Section, suffix: str) -> list[Part]:
    gaps = optimism(section)
    gaps = gaps[gaps["arm"].isin(section.who)] if len(gaps) else gaps  # a search says it in its own chapter
    if not len(gaps):
        return []
    table = Table(f"optimism{suffix}", OPTIMISM, gaps, display.gaps(gaps, section.measure), list(gaps["arm"]))
    return [Folded("What the pick on validation promised", [table])]


def _image_by_image(section: Section, suffix: str) -> list[Part]:
    images = image_by_image(section)
    if images.empty:
        return []
    caption = "Image by image: McNemar's exact test on the test images that two arms share (one split, one seed a row)."
    named = zip(images["a"], images["b"], strict=True)
    planned = images[[_is_planned(section, a, b) for a, b in named]]
    rows = planned if len(planned) else images
    return [Folded(f"Image by image ({len(rows)} rows)", [_mcnemar(rows, caption, suffix)])]


def _mcnemar(rows: pd.DataFrame, caption: str, suffix: str) -> Table:
    return Table(f"mcnemar{suffix}", caption, rows, display.mcnemar(rows.head(SHOWN)))


SHOWN = 60  # rows of a table that is for checking; parquet has them all


def _is_planned(section: Section, a: str, b: str) -> bool:
    both = a in section.sides and b in section.sides
    return both and plan_for(section, a, b).has(section.sides[a].arm, section.sides[b].arm)


def methods(sections: Sequence[Section] = ()) -> Chapter:
    """What the figures mean, for whoever wants to check them; of other metrics than accuracy where some section has one."""
    lines = [
        "Arms are compared on the same seeds; a seed fixes split, initialisation and order. The word of a planned pair "
        "follows from one interval, the t confidence sequence (Wang and Ramdas 2023, arXiv 2310.03722, the Gaussian "
        "mixture with g = 1), which holds at every look at once, so seeds may be added until it speaks. better or worse: "
        "it lies on one side of zero; tie: within the margin; otherwise undecided. The planned pairs of a run share an "
        "error of 5 % (Bonferroni); every other pair has an interval at 5 % of its own, "
        "which so needs fewer seeds to be finite, and no word. An interval is cut by what earlier looks excluded, so it "
        "need not lie evenly around the mean.",
        "The deviation of the differences is never taken below what the test images alone give it, sqrt((q - d²) / n) "
        "with q the share of the images that one of the two gets right, d the difference, n the images: seeds that agree "
        "by luck prove nothing. A failed training counts with its last finite accuracy (of validation under "
        "holdout, as it has no network to test), or with chance.",
        "More seeds: the median, and the middle four fifths, of what a pair would need in 400 futures drawn from what "
        "the seeds so far leave possible.",
        "Intervals of an arm's own mean are Student's t at 95 %, for one look. Seconds are training and scoring, "
        "features and pretraining included, without evaluation.",
        "KNN: the share of the five nearest other images (features before the head, Euclidean) that have an image's own "
        "label.",
    ]
    others = dict.fromkeys(section.measure.title for section in sections if not section.by_accuracy)
    said = Sentences(lines + [OF_OTHERS.format(name) for name in others], listed=True)
    return Chapter("How this was calculated", [Folded("The rules, and where they come from", [said])])


OF_OTHERS = (
    "Runs picked by {0}: the verdict's differences are of {0} on test, turned so that more is better. What the test images "
    "alone leave open of them is the delete-a-group jackknife over 30 groups of the images (Efron and Tibshirani 1993), "
    "from the kept predictions. A failed training counts with its last {0}, or with that of one that has seen nothing."
)
