"""After the last trial: open test once for the best and once for the anchor it must beat, write the tables, say it all."""

from pathlib import Path

from analysis.rulebook.measure import Measure
from analysis.rulebook.uneven import is_uneven, recalls, uneven_lines
from console.layout import columns, ending, fitted, shown_path
from console.wording import clock
from records.epoch import ACCURACY, OWN, Objective
from records.folder import SHOWN, predictions_file
from records.predictions import read_prediction
from search.campaign import Campaign
from search.confirm import Confirmation, confirmed_lines
from search.planning.plan import Plan
from search.testing import Judged, best_of, difference
from search.views.terminal import called, config_words
from trainables.metrics import as_text, get_metric, titled


def trial_table(campaign: Campaign, most: int = 5) -> str:
    """The best few trials and every anchor, best first."""
    ranked = campaign.history.ranked()
    shown = [trial for place, trial in enumerate(ranked) if place < most or trial.asked.anchor]
    further = further_objective(campaign.history.objective)
    head = ["trial", "anchor", "state", "epoch", *further.values(), "accuracy", "loss", "KNN", "images", "time"]
    rows = [
        [str(trial.number), trial.asked.anchor or "-", trial.state, f"{best.epoch} of {len(trial.records)}",
         *(as_text(name, best.figure(name)) for name in further), f"{best.eval_accuracy:.3f}",
         as_text("loss", best.eval_loss), f"{best.eval_knn:.3f}",
         f"{trial.records[-1].images_trained:,}", clock(trial.records[-1].seconds)]
        for trial in shown if (best := trial.best)
    ]  # fmt: skip
    return columns([head, *rows], drop=("images", "KNN", "epoch", "state", "loss"))


def further_objective(objective: Objective) -> dict[str, str]:
    """Name and title of what was picked by, where it is neither accuracy nor loss."""
    return {} if objective.metric in OWN else {objective.metric: get_metric(objective.metric).title}


def by_which(objective: Objective) -> str:
    """' by balanced accuracy'; nothing of accuracy."""
    return "" if objective == ACCURACY else f" by {get_metric(objective.metric).title}"


def summary(plan: Plan, campaign: Campaign, judged: list[Judged], seconds: float, found: Confirmation | None) -> str:
    """Everything a person wants to know at the end, as plain text; `found`: what --confirm came to."""
    best, _ = best_of(campaign.history)
    if best is None:
        return (
            "No trial reached the end of an epoch; the reasons are above and in " + str(campaign.folder / "log") + "."
        )
    assert best.best
    split, by = best.best.eval_split, by_which(campaign.history.objective)
    called = "The search's pick" if found else "Best configuration"
    words = f"{called} (trial {best.number}): {config_words(best.asked)}"
    parts = [
        f"\nBest epochs on {split}{by}, {clock(seconds)} in all:\n\n{trial_table(campaign)}",
        f"\n{words}",
        *([_test_lines(plan, campaign, judged)] if plan.setting.protocol == "holdout" else [REPORT_WARNING]),
        worth_it(campaign, judged),
        *_uneven(campaign, judged),
        *(confirmed_lines(campaign, found) if found else []),
    ]
    return "\n".join(parts)


REPORT_WARNING = (
    "Protocol report: epochs and config were picked on the test split itself, so these figures are optimistic. "
    "They can be compared with the report's, not with held-out ones."
)


def _test_lines(plan: Plan, campaign: Campaign, judged: list[Judged]) -> str:
    if not judged:
        return f"Test was not opened{' but for what was promoted' * bool(plan.options.promote)}."
    lines = [
        f"  trial {j.trial.number}{called(j.trial)}: "
        f"accuracy {j.figures.accuracy:.3f}, loss {j.figures.loss:.3f}, KNN {j.figures.knn:.3f}"
        + "".join(f", {title} {value}" for title, value in titled(j.figures.metrics, j.trial.objective.metric))
        for j in judged
    ]
    times = "once" if len(campaign.history.tests()) == 1 else f"{len(campaign.history.tests())} times"
    head = f"On the {len(plan.split.test)} held-out test images, opened {times} in this run:"
    return "\n".join([head, *lines])


def _uneven(campaign: Campaign, judged: list[Judged]) -> list[str]:
    """Where classes are uneven: of the best trial and the best anchor, as far as they were judged on the same images."""
    run, (best, anchor) = campaign.history.run, best_of(campaign.history)
    if best is None or best.best is None or not is_uneven(run):
        return []
    shown = {trial.number: trial for trial in (best, anchor) if trial is not None}
    said = {each.trial.number: each.said for each in judged}
    on = "test" if said else best.best.eval_split
    if not said:
        files = {number: predictions_file(campaign.folder, number, on) for number in shown}
        said = {number: read_prediction(path)[1] for number, path in files.items() if path.exists()}
    classes = len(run["data"]["classes"])
    of = {f"trial {n}{called(shown[n])}": recalls([said[n]], classes) for n in shown if n in said}
    return uneven_lines(run, on, of)


def worth_it(campaign: Campaign, judged: list[Judged]) -> str:
    """Whether the search was worth it, in one sentence."""
    best, anchor = best_of(campaign.history)
    if anchor is None or best is None:
        return "No anchor was run, so there is nothing that the search had to beat."
    name, split = anchor.asked.anchor, best.best.eval_split if best.best else ""
    if all(trial.asked.anchor for trial in campaign.trials.values()):
        return "Only anchors were run, so there was no search to beat them."
    if best.asked.anchor:
        return (
            f"The search did not beat its anchors: {name} is the best of all {len(campaign.trials)} trials on "
            f"{split}{by_which(best.objective)}."
        )
    assert best.best and anchor.best
    by = best.objective
    measure, gain = Measure(by), by.score(best.best) - by.score(anchor.best)
    said = (
        f"The search beat its best anchor ({name}) by {measure.size(gain)} on {split}"
        if gain
        else f"The search did no better than its best anchor ({name}): on {split} their {measure.title} is the same"
    )
    if len(judged) < 2:
        return f"{said}; the best of many is picked there, so expect less on new images."
    found, half = difference(judged[0], judged[1])
    interval = f"{measure.signed(found - half)} to {measure.signed(found + half)}"
    return (
        f"{said}; on test, where nothing was picked, {'by' if gain else 'the difference is'} {measure.difference(found)} "
        f"(95 % interval over its images {interval}). One seed and one split carry no word; --confirm 3 trains the "
        f"best again on fresh ones."
    )


def next_commands(folder: Path, tables: bool) -> str:
    """Where things are, and what to type next."""
    here = shown_path(folder)
    if not tables:
        later = f"pyarrow is missing here; `python -m search.export {here}` writes the tables where it is not"
        return f"\n{fitted(f'Files: {here} ({later})')}"
    again = "schedule.parquet" if (folder / "schedule.parquet").exists() else "best.parquet --row 0"
    return ending(
        folder,
        SHOWN,
        (f"python -m analysis.report {here} --out {here}/report", f"python -m search.replay {here}/{again}"),
    )
