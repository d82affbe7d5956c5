"""A search as Optuna's study, rebuilt from the ledger, and which of its fields mattered."""

import warnings
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis.runs import LoadedRun
from records.epoch import ACCURACY, Objective
from spaces.space import within

STATES = ("complete", "pruned")  # of trials that count
MOST_FORESTED = 256  # trials, evenly spread over a long search: fANOVA takes seconds per thousand


def rebuild(run: LoadedRun) -> optuna.Study:
    """The study in memory, from the ledger: searched values and best figure of every trial that was not lost.

    A pruned trial counts with its best epoch so far. Anchors that no draw could have given are left out, as the sampler
    was not told of them either.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: json_to_distribution(text) for name, text in run.about["space"]["search"].items()}
    found = [trial for row in run.finals.itertuples() if (trial := _frozen(run, space, row)) is not None]
    return study_of(found, run.measure.objective)


def trials_of(study: optuna.Study) -> list[FrozenTrial]:
    """As they are: Optuna would copy a thousand trials on every look."""
    return study.get_trials(deepcopy=False)


def study_of(trials: list[FrozenTrial], by: Objective = ACCURACY) -> optuna.Study:
    """A study in memory that holds these trials."""
    study = optuna.create_study(direction="minimize" if by.lower_is_better else "maximize")
    study.add_trials(trials)
    return study


def _frozen(run: LoadedRun, space: dict[str, BaseDistribution], row: Any) -> FrozenTrial | None:
    values = run.asked[row.trial].values
    fits = all(name in space and within(space[name], v) for name, v in values.items())
    if row.state not in STATES or row.best_epoch is None or np.isnan(row.best_epoch) or not values or not fits:
        return None
    return create_trial(
        state=TrialState.COMPLETE,  # with its best value: Optuna's plots leave pruned trials out
        value=getattr(row, f"selection_{run.measure.objective.metric}"),
        params=values,
        distributions={name: space[name] for name in values},
        user_attrs={"trial": row.trial, "state": row.state, "seconds": row.seconds},
    )


def importances(study: optuna.Study) -> dict[str, float]:
    """How much each field that every trial has decides the value, most first (fANOVA, Hutter et al. 2014)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=16, max_depth=16, seed=0)
        trials = trials_of(study)[:: -(-len(trials_of(study)) // MOST_FORESTED)]
        shared = set.intersection(*(set(trial.params) for trial in trials))
        varied = [n for n in sorted(shared) if len({str(trial.params[n]) for trial in trials}) > 1]
        if not varied or len({trial.value for trial in trials}) < 2:
            return dict.fromkeys(varied, 0.0)
        weights = optuna.importance.get_param_importances(study_of(trials), evaluator=evaluator, params=varied)
        return {name: float(weight) for name, weight in weights.items()}
