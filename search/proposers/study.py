"""Who proposes the next config: anchors first, then an Optuna study that is asked and told.

The study lives in memory and can be rebuilt from the ledger. The draws for a trial come from (seed, trial number), so they
repeat as long as the same results are known when it is asked.
"""

import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna.trial import Trial as StudyTrial

from records.epoch import ACCURACY, EpochRecord, Objective, Row
from records.events import Asked
from records.history import TrialHistory
from search.proposers import optuna_internals
from search.proposers.earlier import Observation, as_here
from search.proposers.front import Front
from search.proposers.samplers import get_sampler, make_sampler
from spaces.space import Space
from trainables.metrics import get_metric

STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "interrupted": TrialState.FAIL,
}


def values_of(trial: TrialHistory, two: bool) -> list[float] | None:
    """What a trial is worth to a study: the metric and, of two objectives, seconds; None where there is no number.

    Of two objectives only a complete trial has both: the seconds of a part are not those of the whole.
    """
    record = trial.worth() if trial.state == "complete" or not two else None
    value = None if record is None else finite(record.figure(trial.objective.metric))
    if value is None or trial.last is None:
        return None
    return [value, trial.last.seconds] if two else [value]


def finite(value: float | None) -> float | None:
    """The value, or None where it is no number that a study takes."""
    return value if value is not None and math.isfinite(value) else None


def direction(objective: Objective) -> StudyDirection:
    """As Optuna has it."""
    return StudyDirection.MINIMIZE if objective.lower_is_better else StudyDirection.MAXIMIZE


def best_possible(objective: Objective) -> float:
    """The best score that there can be: of a metric without a unit 1, or 0 where less is better; of loss 0."""
    if objective.lower_is_better:
        return 0.0
    return math.inf if get_metric(objective.metric).unit else 1.0


class StudyProposer:
    """Asks the study for configs and tells it how they did; knows nothing of processes or files."""

    def __init__(
        self,
        space: Space,
        samples: int,
        seed: int,
        sampler: str,
        objective: Objective = ACCURACY,
        earlier: Sequence[Observation] = (),
        first: Sequence[Row] = (),
    ):
        """`earlier`: trials of other searches that the sampler is told of; `first`: values that are tried after anchors."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, self.samples, self.seed, self.sampler = space, samples, seed, get_sampler(sampler)
        self.objective, self.two = objective, self.sampler.objectives == 2
        directions = [direction(objective), *[StudyDirection.MINIMIZE] * self.two]
        self.study = optuna.create_study(directions=directions)
        self.earlier, self.first = earlier, first
        self.front = Front(best_possible(objective))
        self.grid = self.sampler.points(space) if self.sampler.points else []
        self.common: Any = None  # Optuna's notes on the fields that all trials have
        self.asked = 0
        self.open: dict[int, StudyTrial] = {}  # by our number, while they run; withheld ones are not here
        self.waiting: dict[int, StudyTrial] = {}  # those that were paused; the study has them as pruned

    def ask(self) -> Asked | None:
        """The next proposal, or None when all samples have been asked for."""
        if self.asked >= self.samples:  # more where run.json, edited by hand, says less than was asked for already
            return None
        return self._next()

    def _next(self) -> Asked:
        number, self.asked = self.asked, self.asked + 1
        if number < len(self.space.anchors):
            return self._anchor(number)
        place = number - len(self.space.anchors)
        if place < len(self.first) or self.earlier:
            values = self.first[place] if place < len(self.first) else self._informed(number)
            self._enqueue(number, values, optuna.samplers.RandomSampler(seed=0))
            return Asked(number, self.space.build(values).model_dump(), values)
        if self.grid:
            self.study.enqueue_trial(self.grid[number - len(self.space.anchors)])
        trial = self._open(number)
        values = self._suggest(trial)
        return Asked(number, self.space.build(values).model_dump(), values)

    def adopt(self, asked: Asked) -> None:
        """A trial that was asked for in an earlier process is the study's again, as if it had just been drawn."""
        if self.sampler.replayed:
            drawn = self._next()
            assert drawn.config == asked.config, f"trial {asked.trial} was drawn otherwise before"
            return
        self.asked += 1
        if not asked.withheld:
            self._enqueue(asked.trial, asked.values, optuna.samplers.RandomSampler(seed=0))

    def hopeless(self, record: EpochRecord) -> bool:
        """Whether even the most that the trial may come to is dominated; an anchor is trained to its end in any case."""
        return self._look(record) and not record.finished and record.trial >= len(self.space.anchors)

    def _look(self, record: EpochRecord) -> bool:
        """Enter an epoch into the front; it is entered once, however often it is looked at."""
        if not self.two or record.trial not in self.open:
            return False
        score = self.objective.score(record)
        return self.front.hopeless(record.trial, record.epoch, record.seconds, score)

    def report(self, record: EpochRecord) -> None:
        """An epoch of a running trial."""
        self._look(record)
        value = record.figure(self.objective.metric)
        if record.trial in self.open and not self.two and value is not None:
            self.open[record.trial].report(value, step=record.epoch)

    def tell(self, trial: TrialHistory) -> None:
        """How a trial ended; Optuna takes the value of a pruned one from what was reported last.

        Of two objectives, a pruned one is told by the most that it could have become (proposers/front.py).
        """
        if trial.number in self.waiting:
            return self._correct(self.waiting.pop(trial.number), trial)
        told = self.open.pop(trial.number, None)
        if told is None:
            return
        if self.two:
            return self._tell_point(told, trial)
        state = STATES["failed"] if trial.state == "pruned" and not trial.best else STATES[trial.state]
        values = values_of(trial, self.two) if trial.state == "complete" else None
        state = TrialState.FAIL if trial.state == "complete" and values is None else state  # without an epoch
        self.study.tell(told, values, state=state)

    def paused(self, trial: TrialHistory) -> None:
        """A trial waits, perhaps for good: the sampler learns from it as from a pruned one until more is known."""
        told = self.open.pop(trial.number, None)
        if told is not None and trial.best:
            self.study.tell(told, state=TrialState.PRUNED)
            self.waiting[trial.number] = told

    def _correct(self, told: StudyTrial, trial: TrialHistory) -> None:
        """What the study has of a trial that was paused and is over now. Optuna lets nothing be told twice, but what its
        storage in memory gives is the very trial that samplers read."""
        stored = optuna_internals.stored(self.study, told)
        figures = {each.epoch: each.figure(self.objective.metric) for each in trial.records}
        stored.intermediate_values = {epoch: value for epoch, value in figures.items() if value is not None}
        values = values_of(trial, self.two)
        if values is not None:
            stored.state, stored.values = STATES[trial.state], values
        if trial.state == "failed":
            stored.state, stored.values = TrialState.FAIL, None

    def _tell_point(self, told: StudyTrial, trial: TrialHistory) -> None:
        if trial.state == "complete" and (values := values_of(trial, two=True)):
            self.front.complete(trial.number)
            self.study.tell(told, values)
        elif bound := self.front.leave(trial.number) if trial.state == "pruned" else None:
            self.study.tell(told, [self.objective.turned(bound[1]), bound[0]])
        else:
            self.front.leave(trial.number)
            self.study.tell(told, state=TrialState.FAIL)

    def enough(self) -> None:
        """No further trials are wanted than those that have been asked for."""
        self.samples = self.asked

    def _informed(self, number: int) -> Row:
        """A draw from a study that has the earlier searches' trials as well, older than all of this one."""
        sampler = make_sampler(self.sampler, self.seed, number, self.samples)
        study = optuna.create_study(directions=self.study.directions, sampler=sampler)
        own = self.study.get_trials(deepcopy=False)
        study.add_trials([*self._as_trials(own), *own])
        return self._suggest(study.ask())

    def _as_trials(self, own: list[FrozenTrial]) -> list[FrozenTrial]:
        """The earlier trials with scores of this search, each where it stood in its own."""
        signs = [1.0 if way == StudyDirection.MAXIMIZE else -1.0 for way in self.study.directions]
        scores = [[s * t.values[i] for t in own if t.state.is_finished() and t.values] for i, s in enumerate(signs)]
        spaces = self.space.search
        return [
            create_trial(
                values=[s * as_here(at, known) for s, at, known in zip(signs, one.standings, scores, strict=True)],
                params=one.values,
                distributions={name: spaces[name] for name in one.values},
            )
            for one in self.earlier
        ]

    def _anchor(self, number: int) -> Asked:
        anchor = self.space.anchors[number]
        config = self.space.anchor_values(anchor)
        values = {name: config[name] for name in self.space.active(config)}
        withheld = not self.space.contains(config)
        if not withheld:
            self._enqueue(number, values, self._make_sampler(number))
        return Asked(number, config, values, anchor.name, withheld)

    def _enqueue(self, number: int, values: dict[str, Any], sampler: optuna.samplers.BaseSampler) -> None:
        """These values as the study's next trial; every value is given, so the sampler draws nothing."""
        self.study.sampler = sampler
        self.study.enqueue_trial(values)
        self.open[number] = self.study.ask()
        self._suggest(self.open[number])

    def _open(self, number: int) -> StudyTrial:
        self.study.sampler = self._make_sampler(number)
        self.open[number] = self.study.ask()
        return self.open[number]

    def _suggest(self, trial: StudyTrial) -> dict[str, Any]:
        """A value for each searched field that means something beside the values drawn before it."""
        values: dict[str, Any] = {}
        for name in self.space.active({}):
            if self.space.matters(name, values):
                values[name] = _draw(trial, name, self.space.search[name])
        return values

    def _make_sampler(self, number: int) -> optuna.samplers.BaseSampler:
        sampler = make_sampler(self.sampler, self.seed, number, self.samples)
        # a new one would go through all trials again for what they have in common
        self.common = optuna_internals.sharing(sampler, self.common)
        return sampler


def _draw(trial: StudyTrial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
