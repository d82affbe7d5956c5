"""The verdict's chapter: pairs in words and as tables, where a gain comes from, what the pick promised, image by image."""

import pandas as pd

from analysis.comparable import Section
from analysis.document import display
from analysis.document.parts import Chapter, Part, Picture, Sentences, Table
from analysis.figures.arms import styles_of
from analysis.figures.differences import forest, twin_curves
from analysis.statistics import ALPHA, FEWEST_SEEDS, smallest_p
from analysis.verdict import (
    BASES,
    OVERTUNING,
    decomposition,
    image_by_image,
    is_planned,
    is_twin,
    overtuning,
    pairs,
    relatives,
)
from console.wording import many

PANELS = 3  # curricula side by side


def verdict_chapters(section: Section, suffix: str) -> list[Chapter]:
    """Planned pairs in words, all pairs as a table, where a gain comes from, the overtuning gap, image by image."""
    table = pairs(section)
    if table.empty:
        return []
    parts: list[Part] = [Sentences(_how_coarse(table))]
    planned = table[table["planned"]]
    for basis in BASES:
        rows = planned[planned["basis"] == basis]
        if len(rows):
            parts.append(Sentences([f"{basis.capitalize()} ({rows['judged_on'].iloc[0]}):"]))
            parts.append(Sentences(rows["sentence"].tolist(), f"verdict{suffix}", listed=True))
    rows = planned[(planned["basis"] == "as trained") & planned["n"].gt(0)]
    if len(rows):
        drawn = forest(rows, lambda row: f"{row['a']} − {row['b']}", "Planned comparisons, as trained")
        caption = "Paired differences: dot the mean, line the 95 % t interval, grey the bootstrap interval."
        parts.append(Picture(f"verdict_planned{suffix}", caption, drawn))
    parts += [_pair_table(table, basis, suffix) for basis in BASES]
    return [
        Chapter(f"Verdict: {section.title}", parts + _origins(section, suffix), summary=_in_short(section, planned))
    ]


def _in_short(section: Section, planned: pd.DataFrame) -> list[str]:
    """The planned comparisons as trained, without the twins' own."""
    chosen = planned[planned["basis"] == "as trained"]
    own = chosen[~chosen["a"].map(lambda name: section.who[name].is_twin).astype(bool)]
    return [f"As trained: {text}" for text in own["sentence"]]


def _pair_table(table: pd.DataFrame, basis: str, suffix: str) -> Table:
    rows = table[table["basis"] == basis]
    name = f"verdict{suffix}" if basis == "as trained" else f"pairs_{basis.replace(' ', '_')}{suffix}"
    data = table if basis == "as trained" else rows
    return Table(name, f"Every pair of arms, {basis}.", data, display.verdicts(rows), folded=True)


def _how_coarse(table: pd.DataFrame) -> list[str]:
    n, families = int(table["n"].max()), table.groupby("planned")["family"].max()
    lines = []
    if n < FEWEST_SEEDS:
        return [f"The arms share {many(n, 'seed')}: no interval is invented and no verdict given."]
    if smallest_p(n) > ALPHA / max(1, families.max()):
        lines.append(
            f"With {n} seeds the exact test cannot give a p below {smallest_p(n):.2g} before correction, so no difference, "
            f"however large, is called better or worse here; the intervals say how large it looks."
        )
    if n == FEWEST_SEEDS:
        lines.append("A bootstrap of three values is no wider than their range (27 resamples, ten different means).")
    return lines


def _origins(section: Section, suffix: str) -> list[Part]:
    return [*_gain(section, suffix), *_overtuning(section, suffix), *_image_by_image(section, suffix)]


def _gain(section: Section, suffix: str) -> list[Part]:
    """Set size and order as a table, with intervals, and as curves."""
    split = decomposition(section)
    if split.empty:
        return []
    caption = (
        "Where a curriculum's gain over plain fine-tuning comes from, points: set size (its random twin minus the "
        "baseline) and order (the curriculum minus its random twin)."
    )
    drawn = forest(split, lambda row: f"{row['curriculum']}: {row['part']}", "Set size and order")
    styles = styles_of(list(section.who.values()))
    curves = twin_curves(section.records, _families(section, split), styles, section.eval_split)
    return [
        Table(f"gain{suffix}", caption, split, display.parts(split)),
        Picture(f"gain{suffix}", "The same, with intervals.", drawn),
        Picture(f"twins{suffix}", "Each curriculum, its twins and the baseline, per update.", curves),
    ]


def _overtuning(section: Section, suffix: str) -> list[Part]:
    gaps = overtuning(section)
    return [Table(f"overtuning{suffix}", OVERTUNING, gaps, display.gaps(gaps))] if len(gaps) else []


def _image_by_image(section: Section, suffix: str) -> list[Part]:
    images = image_by_image(section)
    if images.empty:
        return []
    caption = "Image by image: McNemar's exact test on the test images that two arms share (one split, one seed a row)."
    pairs = zip(images["a"], images["b"], strict=True)
    planned = images[[is_planned(section.who.get(a), section.who.get(b)) for a, b in pairs]]
    rows = planned if len(planned) else images
    return [Table(f"mcnemar{suffix}", caption, rows, display.mcnemar(rows), folded=True)]


def _families(section: Section, split: pd.DataFrame) -> dict[str, list[str]]:
    """Each curriculum of the table of parts with its twins and its baseline; PANELS of them at most."""
    arms, families = list(section.who.values()), {}
    for name in list(dict.fromkeys(split["curriculum"]))[:PANELS]:
        twins = [str(arm) for arm in arms if is_twin(section.who[name], arm)]
        _, baseline = relatives(section.who[name], arms)
        families[name] = [name, *twins, *([str(baseline)] if baseline else [])]
    return families


def methods() -> Chapter:
    """What the figures mean, for whoever wants to check them."""
    lines = [
        "Arms are compared on the same seeds; a seed fixes split, initialisation and order. Intervals of means and of "
        "paired differences are Student's t at 95 %; the bootstrap is the percentile interval of 9,999 resamples.",
        "p is Fisher's exact two-sided sign-flip permutation test of the paired differences; Holm p corrects it over its "
        "family: the planned comparisons (each arm against plain fine-tuning, each curriculum against its twins), or all "
        "other pairs. better or worse: Holm p at most 0.05; tie: the 95 % interval lies within one point; otherwise "
        "undecided.",
        "More seeds: what 80 % power takes at 5 % over the family (paired t test at Bonferroni's level, and enough seeds "
        "for the exact test to reach it), or what it takes to call a tie, whichever is less; assuming that the observed "
        "mean difference and its standard deviation are the true ones, which after three seeds is a guess.",
        "Equal updates and equal seconds compare the best accuracy so far, on the split that epochs are judged on, at the "
        "smaller of two arms' totals on a seed; test is known only at the selected epoch. Seconds are training and "
        "scoring, features and pretraining included, without evaluation.",
        "KNN: the share of the five nearest other images (features before the head, Euclidean) that have an image's own "
        "label.",
    ]
    return Chapter("How this was calculated", [Sentences(lines, listed=True)])
