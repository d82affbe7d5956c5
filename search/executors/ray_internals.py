"""What we use of Ray beyond its public interface, behind names of our own: any minor version of Ray may take it away.

`ray_node.py` alone does so beside this, since it can import nothing of ours. Which versions have been tried is in
pyproject.toml; tests/search/test_internals.py names every member, and fails with its name where a version lacks it.
"""

from functools import partial
from typing import Any, cast

from ray.experimental import internal_kv
from ray.tune.experiment import Trial
from ray.tune.schedulers import PopulationBasedTraining
from ray.tune.schedulers.pb2 import PB2
from ray.tune.schedulers.pbt import _PBTTrialState

KV_SECONDS = 20.0  # Ray waits as long as its C++ lives, and meanwhile no signal is heard in that thread


class _InTime:
    """Ray's client of its head, whose questions to the key-value store come back as errors when the head is gone."""

    def __init__(self, client: Any):
        self._client = client

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._client, name)
        return partial(asked, timeout=KV_SECONDS) if name.startswith("internal_kv_") else asked


def ask_in_time() -> None:
    """From now until `ray.shutdown`, nothing that Tune asks of the key-value store takes longer than KV_SECONDS."""
    internal_kv.global_gcs_client = _InTime(internal_kv.global_gcs_client)  # type: ignore[assignment]


class Exchanges(PopulationBasedTraining):
    """Ray's population, whose steps can be told of and changed."""

    def exchange_next(self, epoch: int) -> None:
        """All members wait for each other at this epoch."""
        self._next_perturbation_sync = epoch

    def enter(self, trial: Any, epoch: int) -> None:
        """A member that has had its last exchange at this epoch."""
        state = _PBTTrialState(trial)
        state.last_perturbation_time = epoch
        self._trial_state[trial] = state

    def trained(self, trial: Any) -> int:
        """The last epoch that Ray was told of."""
        return int(self._trial_state[trial].last_train_time)

    def before_exchange(self, trial: Any) -> None:
        """A member is about to be kept, or to take over another's state."""
        raise NotImplementedError

    def new_config(self, trial: Any, donor: Any) -> dict[str, Any]:
        """What a member goes on with that takes over the state of `donor`."""
        raise NotImplementedError

    def _checkpoint_or_exploit(self, trial: Any, *more: Any) -> None:
        self.before_exchange(trial)
        super()._checkpoint_or_exploit(trial, *more)

    def _get_new_config(self, trial: Any, trial_to_clone: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.new_config(trial, trial_to_clone), {}


class Modelling(Exchanges, PB2):
    """Ray's PB2 in the same way. It keeps every result as a row of `data`."""

    @property
    def bounds(self) -> dict[str, Any]:
        """The ends of each field that is modelled."""
        return cast(dict[str, Any], self._hyperparam_bounds)

    def kept(self, trial: Any) -> None:
        """A result of this member has been made a row of `data`."""
        raise NotImplementedError

    def suggested(self, trial: Any, donor: Any) -> dict[str, Any]:
        """Ray's own choice of a new config. `donor` need have nothing but a name and a config."""
        new, _ = PB2._get_new_config(self, trial, cast(Trial, donor))
        return new

    def _save_trial_state(self, state: Any, time: int, result: dict[str, Any], trial: Any) -> None:
        super()._save_trial_state(state, time, result, trial)
        self.kept(trial)
