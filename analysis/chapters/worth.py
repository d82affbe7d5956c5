"""Whether a search was worth it: its best trial against its best anchor, on fresh seeds where it was confirmed."""

import re

import pandas as pd

from analysis.comparable import Section, sections
from analysis.ranking import ranked
from analysis.rulebook.answer import NOT_SHOWN, Answer, answer
from analysis.rulebook.conditions import picked_by
from analysis.runs import LoadedRun, load_run
from analysis.verdict import all_pairs, image_by_image
from console.wording import many
from records.confirmed import CONFIRM, TRIAL
from records.folder import ledger_file
from trainables.metrics import as_text

ENDED = ("complete", "pruned")
NO_WORD = "One seed and one split carry no word; --confirm 3 trains the best again on fresh ones"


def confirmation(run: LoadedRun) -> Section | None:
    """The head-to-head of the search's best trials and its anchors on fresh seeds; None where there is none to read."""
    folder = run.folder / CONFIRM
    if not ledger_file(folder).is_file():
        return None
    confirmed = load_run(folder)
    (found,) = sections([confirmed])
    return None if confirmed.records.empty or not found.sides else found


def search_answer(section: Section, run: LoadedRun) -> Answer:
    """In one word, and what was found against what."""
    found = _found(section, run)
    confirmed = confirmation(run)
    if confirmed is None or not all_pairs(confirmed):
        return found
    said = answer(all_pairs(confirmed))
    return Answer(said.word, f"{found.text.removesuffix(f' {NO_WORD}.')} On fresh seeds: {by_trial(said.text, run)}")


def by_trial(text: str, run: LoadedRun) -> str:
    """'self_paced+trial-4' as 'trial 4', and of an anchor 'anchor as_run'."""

    def said(found: re.Match[str]) -> str:
        number = int(found[1])
        anchor = run.asked[number].anchor if number in run.asked else None
        return f"anchor {anchor}" if anchor else f"trial {number}"

    return re.sub(rf"\b\w+\+{TRIAL}(\d+)", said, text)


def _found(section: Section, run: LoadedRun) -> Answer:
    """The best trial that has ended against the best anchor, on validation and, image by image, on test."""
    by = run.measure.objective
    rows = ranked(_ended(run), by)
    anchored = rows["trial"].map(lambda trial: bool(run.asked[trial].anchor)).astype(bool)
    best, anchors = rows.iloc[0], rows[anchored]
    figure = as_text(by.metric, best[f"selection_{by.metric}"])
    said = (
        f"The best of {many(len(run.asked), 'trial')}, trial {best['trial']}, has {run.measure.title} {figure} on "
        f"{run.eval_split}{picked_by(run.about)}"
    )
    if anchors.empty or anchored.all():
        return Answer(NOT_SHOWN, f"{said}{_on_test(best, by.metric)}; there is no draw and anchor to compare.")
    anchor = anchors.iloc[0]
    name = run.asked[anchor["trial"]].anchor
    if best["trial"] == anchor["trial"]:
        return Answer(NOT_SHOWN, f"{said}{_on_test(best, by.metric)}: no draw beat the anchor {name} there. {NO_WORD}.")
    said += f", its best anchor {name} {as_text(by.metric, anchor[f'selection_{by.metric}'])}"
    if best[f"selection_{by.metric}"] == anchor[f"selection_{by.metric}"]:
        return Answer(NOT_SHOWN, f"{said}: no draw was better than its best anchor there. {NO_WORD}.")
    if run.eval_split == "test":
        return Answer(
            NOT_SHOWN, f"{said}. Both were picked on test itself, so both are optimistic, the best of many the more so."
        )
    return Answer(NOT_SHOWN, f"{said}{_on_new_images(section, run, best, anchor)} {NO_WORD}.")


def _ended(run: LoadedRun) -> pd.DataFrame:
    """The trials with a result, without those that still train, unless there are no others."""
    known = run.finals.dropna(subset="best_epoch")
    over = known[[run.history.trials[trial].state in ENDED for trial in known["trial"]]]
    return over if len(over) else known


def _on_new_images(section: Section, run: LoadedRun, best: pd.Series, anchor: pd.Series) -> str:
    """The rest of the sentence: what test says of the two, or that nothing is known yet."""
    tested = image_by_image(section)
    own = section.arms[section.arms["run"] == run.name]
    mine = own[own["trial"].isin([best["trial"], anchor["trial"]])]["arm"]
    pair = tested[tested["a"].isin(mine) & tested["b"].isin(mine)] if len(tested) else tested
    if pair.empty or pd.isna(best["test_accuracy"]) or pd.isna(anchor["test_accuracy"]):
        return ". The best of many is picked there, so expect less on new images."
    row, name = pair.iloc[0], run.measure.objective.metric
    figures = [as_text(name, of[f"test_{name}"]) for of in (best, anchor)]
    tested_by = "" if section.by_accuracy else "of accuracy, "
    return (
        f"; on test {figures[0]} against {figures[1]} "
        f"({tested_by}McNemar p {row['p']:.2g} on {row['images']} images, one split)."
    )


def _on_test(row: pd.Series, metric: str) -> str:
    tested = row[f"test_{metric}"]
    return "" if pd.isna(tested) or row["selected_on"] == "test" else f", {as_text(metric, tested)} on test"
