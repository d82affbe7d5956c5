"""The verdict's chapter: pairs in words and as tables, where a gain comes from, what the pick promised, image by image."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Part, Picture, Sentences, Table
from analysis.figures.arms import styles_of
from analysis.figures.differences import forest, twin_curves
from analysis.rulebook.sentences import HOLDS, by_which_rule
from analysis.verdict import (
    OPTIMISM,
    all_pairs,
    decomposition,
    image_by_image,
    is_twin,
    optimism,
    pairs,
    plan_for,
    relatives,
)

PANELS = 3  # curricula side by side


def verdict_chapters(section: Section, suffix: str) -> list[Chapter]:
    """Planned pairs in words, all pairs as a table, where a gain comes from, what the pick promised, image by image."""
    found = all_pairs(section)
    if not found:
        return []
    table = pairs(section)
    planned = table[table["planned"]]
    parts: list[Part] = [Sentences(_conditions(section))]
    if len(planned):
        parts.append(Sentences(planned["sentence"].tolist(), f"verdict{suffix}", listed=True))
        margin = planned["margin"].iloc[0]
        drawn = partial(forest, planned, _asked, "Planned pairs", margin, section.measure)
        caption = f"Paired differences: dot the mean, line the {HOLDS}, band the margin of a tie."
        parts.append(Picture(f"verdict_planned{suffix}", caption, drawn))
    shown = display.verdicts(table, section.measure)
    parts.append(
        Table(f"verdict{suffix}", "Every pair of arms; only planned ones get a word.", table, shown, folded=True)
    )
    summary = planned["sentence"].tolist() or [NOTHING_PLANNED]
    return [Chapter(f"Verdict: {section.title}", parts + _origins(section, suffix), summary=summary)]


def _asked(pair: pd.Series) -> str:
    return f"{pair['a']} − {pair['b']}"


def _part_of(row: pd.Series) -> str:
    return f"{row['curriculum']}: {row['part']}"


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


def _origins(section: Section, suffix: str) -> list[Part]:
    return [*_gain(section, suffix), *_optimism(section, suffix), *_image_by_image(section, suffix)]


def _gain(section: Section, suffix: str) -> list[Part]:
    """Set size and order as a table, with intervals, and as curves."""
    split = decomposition(section)
    if split.empty:
        return []
    measure = section.measure
    caption = (
        f"Where a curriculum's gain over plain fine-tuning comes from, {measure.unit}{measure.of}: set size (its random "
        "twin minus the baseline) and order (the curriculum minus its random twin)."
    )
    drawn = partial(forest, split, _part_of, "Set size and order", measure=measure)
    styles = styles_of(list(section.who.values()))
    parts: list[Part] = [
        Table(f"gain{suffix}", caption, split, display.parts(split, measure)),
        Picture(f"gain{suffix}", "The same, with intervals.", drawn),
    ]
    families = _families(section, split)
    if families:
        curves = partial(twin_curves, section.records, families, styles, section.eval_split)
        parts.append(Picture(f"twins{suffix}", "Each curriculum, its twins and the baseline, per update.", curves))
    return parts


def _optimism(section: Section, suffix: str) -> list[Part]:
    gaps = optimism(section)
    return [Table(f"optimism{suffix}", OPTIMISM, gaps, display.gaps(gaps, section.measure))] if len(gaps) else []


def _image_by_image(section: Section, suffix: str) -> list[Part]:
    images = image_by_image(section)
    if images.empty:
        return []
    caption = "Image by image: McNemar's exact test on the test images that two arms share (one split, one seed a row)."
    named = zip(images["a"], images["b"], strict=True)
    planned = images[[_is_planned(section, a, b) for a, b in named]]
    rows = planned if len(planned) else images
    return [Table(f"mcnemar{suffix}", caption, rows, display.mcnemar(rows), folded=True)]


def _is_planned(section: Section, a: str, b: str) -> bool:
    both = a in section.sides and b in section.sides
    return both and plan_for(section, a, b).has(section.sides[a].arm, section.sides[b].arm)


def _families(section: Section, split: pd.DataFrame) -> dict[str, list[str]]:
    """Each curriculum of the table of parts with its twins and its baseline; PANELS of them at most.

    An arm that failed on every seed takes part in the table, and has no curve.
    """
    arms, families, with_curves = list(section.who.values()), {}, set(section.arms["arm"])
    for name in [name for name in dict.fromkeys(split["curriculum"]) if name in with_curves][:PANELS]:
        twins = [arm for arm in arms if is_twin(section.who[name], arm)]
        _, baseline = relatives(section.who[name], arms)
        members = [name, *map(str, twins), *([str(baseline)] if baseline else [])]
        families[name] = [member for member in members if member in with_curves]
    return families


def methods(sections: Sequence[Section] = ()) -> Chapter:
    """What the figures mean, for whoever wants to check them; of other metrics than accuracy where some section has one."""
    lines = [
        "Arms are compared on the same seeds; a seed fixes split, initialisation and order. The word of a planned pair "
        "follows from one interval, the t confidence sequence (Wang and Ramdas 2023, arXiv 2310.03722, the Gaussian "
        "mixture with g = 1), which holds at every look at once, so seeds may be added until it speaks. better or worse: "
        "it lies on one side of zero; tie: within the margin; otherwise undecided. The planned pairs of a run share an "
        "error of 5 % (Bonferroni); every other pair has an interval at 5 % of its own and no word.",
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
    return Chapter(
        "How this was calculated", [Sentences(lines + [OF_OTHERS.format(name) for name in others], listed=True)]
    )


OF_OTHERS = (
    "Runs picked by {0}: the verdict's differences are of {0} on test, turned so that more is better. What the test images "
    "alone leave open of them is the delete-a-group jackknife over 30 groups of the images (Efron and Tibshirani 1993), "
    "from the kept predictions. A failed training counts with its last {0}, or with that of one that has seen nothing."
)
