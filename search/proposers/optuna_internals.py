"""What we use of Optuna beyond its public interface, behind names of our own: any minor version of it may take it away.

Which versions have been tried is in pyproject.toml; tests/search/test_internals.py names every member, and fails with its
name where a version lacks it.
"""

from typing import Any

from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial


def stored(study: Study, trial: Trial) -> FrozenTrial:
    """The very trial that samplers read, of a study in memory: what is changed of it is changed for them."""
    return study._storage.get_trial(trial._trial_id)


def sharing(sampler: BaseSampler, common: Any) -> Any:
    """Have a sampler go on from what another of its kind has found the trials to have in common; None: from its own.

    Returns what it has then. None of a sampler that looks for nothing of that kind.
    """
    if not hasattr(sampler, "_search_space"):
        return common
    sampler._search_space = common or sampler._search_space
    return sampler._search_space
