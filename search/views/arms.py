"""A head-to-head as its arms: what each has reached over its seeds so far, and where the planned pairs stand.

On test, as the verdict has it, once test was opened for any training; before that on the images that epochs are picked on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis.rulebook.outcomes import Outcome, Outcomes, Predictions, kept_predictions, outcomes
from analysis.rulebook.pairs import Pair, planned_pairs
from analysis.rulebook.plan import VerdictPlan, plan_of
from analysis.rulebook.sentences import interval
from console.errors import UsageError
from console.wording import many
from records.epoch import Row
from records.files import Arrays
from records.history import SAID, RunHistory, TrialHistory
from search.proposers.study import finite
from spaces.arm import Arm

DIGITS = 4  # of a figure in the table of trials


@dataclass(frozen=True)
class ArmSoFar:
    """One arm over the seeds that have come to their end."""

    arm: Arm
    trials: list[TrialHistory]  # one for each seed, as asked for
    figures: dict[int, float]  # by seed, of the run's objective
    planned: int  # seeds

    @property
    def mean(self) -> float:
        """Over the seeds so far; not a number without any."""
        return float(np.mean(list(self.figures.values()))) if self.figures else float("nan")

    @property
    def lowest(self) -> tuple[float, int]:
        """(figure, seed); there must be one."""
        seed = min(self.figures, key=lambda seed: (self.figures[seed], seed))
        return self.figures[seed], seed

    @property
    def highest(self) -> tuple[float, int]:
        seed = max(self.figures, key=lambda seed: (self.figures[seed], -seed))
        return self.figures[seed], seed

    @property
    def running(self) -> list[TrialHistory]:
        return [trial for trial in self.trials if trial.runs]

    @property
    def failed(self) -> int:
        return sum(trial.state == "failed" for trial in self.trials)

    @property
    def seeds(self) -> str:
        """'3 of 5', and how many of these trainings have failed."""
        return f"{len(self.figures)} of {self.planned}" + (f", {self.failed} failed" if self.failed else "")


@dataclass(frozen=True)
class Standing:
    """A head-to-head so far."""

    arms: list[ArmSoFar]
    pairs: list[Pair]  # planned, of which both arms have a figure
    plan: VerdictPlan
    split: str  # that the figures are of: 'test' or 'validation'

    @property
    def choices(self) -> list[str]:
        return [str(one.arm) for one in self.arms]

    @property
    def objective(self) -> str:
        """'test accuracy, mean over seeds'."""
        return f"{self.split} {self.plan.measure.title}, mean over seeds"


class Standings:
    """Where a head-to-head stands, look by look. Pairs are judged anew only when a training has ended or was tested."""

    def __init__(self, folder: Path):
        self.predictions = _remembered(kept_predictions(folder))
        self.judged: tuple[object, Outcomes, list[Pair]] | None = None

    def of(self, history: RunHistory) -> Standing:
        """A head-to-head's; `history` may have grown since the last look, or be another one."""
        trials = history.trials.values()
        by_arm: dict[Arm, list[TrialHistory]] = {}
        for trial in trials:
            if trial.arm is not None:
                by_arm.setdefault(trial.arm, []).append(trial)
        plan = plan_of(history.run, by_arm)
        on_test = history.run["setting"]["protocol"] == "report" or any(trial.test for trial in trials)
        found, pairs = self._judge(history, plan, on_test)
        arms = [ArmSoFar(arm, of, {seed: one.figure for seed, one in sorted(found.get(arm, {}).items())
                                   if finite(one.figure) is not None}, planned_seeds(history, arm))
                for arm, of in by_arm.items()]  # fmt: skip
        return Standing(arms, pairs, plan, "test" if on_test else "validation")

    def _judge(self, history: RunHistory, plan: VerdictPlan, on_test: bool) -> tuple[Outcomes, list[Pair]]:
        key = (id(history), [(n, one.state, one.test is None) for n, one in history.trials.items()])
        if self.judged is None or self.judged[0] != key:
            found = outcomes(history, self.predictions) if on_test else on_validation(history)
            self.judged = (key, found, planned_pairs(found, plan))
        return self.judged[1:]


def _remembered(read: Predictions) -> Predictions:
    """What was kept of a trial does not change. What cannot be read is left to those who report on it."""
    known: dict[int, Arrays] = {}

    def of(number: int) -> Arrays | None:
        if number not in known:
            try:
                said = read(number)
            except UsageError:
                return None
            if said is None:
                return None
            known[number] = said
        return known[number]

    return of


def on_validation(history: RunHistory) -> Outcomes:
    """As `outcomes`, of the images that epochs are picked on: what there is before test is opened."""
    found: Outcomes = {}
    images, metric = int(history.run["data"].get("validation", 0)), history.objective.metric
    for trial in history.trials.values():
        figure = trial.best.figure(metric) if trial.state == "complete" and trial.best else None
        if figure is not None and trial.arm is not None and trial.setting is not None:
            seconds = trial.over - trial.begun if trial.over and trial.begun else 0.0
            found.setdefault(trial.arm, {})[trial.setting.seed] = Outcome(figure, None, images, False, seconds)
    return found


def planned_seeds(history: RunHistory, arm: Arm) -> int:
    """Of an arm, as far as is known by now."""
    first: int = history.run.get("compare", {}).get("seeds", 1)
    return first + sum(len(each.seeds) for each in history.rounds if str(arm) in each.arms)


def arm_as_trial(one: ArmSoFar, standing: Standing, live: bool) -> FrozenTrial:
    """An arm as Optuna keeps it: worth the mean over its seeds, with the mean curve as its values per epoch.

    It runs until its last seed was judged, since a trial that has ended takes no further values; `live`: whether anybody
    is at the run.
    """
    runs = live and not _is_whole(one)
    state = TrialState.RUNNING if runs else TrialState.COMPLETE if one.figures else TrialState.FAIL
    trial = create_trial(
        state=state,
        values=[one.mean] if state == TrialState.COMPLETE else None,
        params={"arm": str(one.arm)},
        distributions={"arm": CategoricalDistribution(standing.choices)},
        user_attrs=attributes(one, standing),
        intermediate_values=mean_curve(one),
    )
    trial.datetime_start = datetime.fromtimestamp(one.trials[0].begun)
    ends = [of.over for of in one.trials if of.over is not None]
    trial.datetime_complete = None if runs else datetime.fromtimestamp(max(ends, default=one.trials[0].begun))
    return trial


def _is_whole(one: ArmSoFar) -> bool:
    """Whether nothing more is expected of it: every seed is over, and was judged where it is judged at all."""
    over = [trial for trial in one.trials if trial.state in SAID]
    untested = [
        of for of in over if of.state == "complete" and of.best and of.best.eval_split != "test" and not of.test
    ]
    return len(over) >= one.planned and not untested


def mean_curve(one: ArmSoFar) -> dict[int, float]:
    """By epoch, the mean over the seeds that are complete, or, before the first is, over those that run.

    As far as all of them go: a seed that falls out would make a step.
    """
    trials = [of for of in one.trials if of.state == "complete"] or [of for of in one.trials if of.records]
    curves = [[record.figure(of.objective.metric) for record in of.records] for of in trials]
    means = {epoch: _mean(values) for epoch, values in enumerate(zip(*curves, strict=False), start=1)}
    return {epoch: mean for epoch, mean in means.items() if mean is not None}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return finite(float(np.mean(known))) if known else None


def attributes(one: ArmSoFar, standing: Standing) -> Row:
    """What a person wants to know of an arm beside its mean."""
    row: Row = {"seeds": one.seeds}
    if one.figures:
        row |= {f"mean on {standing.split}": round(one.mean, DIGITS), "lowest": round(one.lowest[0], DIGITS),
                "highest": round(one.highest[0], DIGITS)}  # fmt: skip
    for pair in standing.pairs:
        if pair.a == one.arm:
            row[f"against {pair.b}"] = difference(pair)
    done = [of.last.seconds for of in one.trials if of.state == "complete" and of.last]
    if done:
        row["seconds of a training"] = round(float(np.mean(done)), 1)
    row["now"] = ", ".join(f"seed {_seed(of)} in epoch {len(of.records) + 1}" for of in one.running) or "-"
    return row


def _seed(trial: TrialHistory) -> int | str:
    return trial.setting.seed if trial.setting else "?"


def difference(pair: Pair) -> str:
    """'+2.1 points (+0.4 to +3.8, 14 seeds): better': what there is room for in one line."""
    if not pair.n:
        return "no seed of both yet"
    figures = f"{pair.measure.difference(pair.mean)} ({interval(pair)}, {many(pair.n, 'seed')})"
    return f"{figures}: {pair.word}" if pair.word else figures
