"""How Ray starts the trials of a search: those that run at once start at once."""

import os

import pytest
from ray import tune

from search.campaign import Campaign
from search.executors.ray_tune import run_on_ray
from search.options import SearchOptions
from search.proposers.study import StudyProposer
from search.views.terminal import Terminal
from spaces.registry import SPACES
from spaces.setting import Setting


@pytest.mark.parametrize(("scheduler", "at_once"), [("median", 3), ("none", 3), ("pbt", 8)])
def test_workers_are_not_waited_for_one_by_one(tmp_path, monkeypatch, scheduler, at_once):
    """A population is there as a whole; of other trials as many are begun as run, while their processes are started."""
    begun = []
    monkeypatch.setenv("TUNE_MAX_PENDING_TRIALS_PG", "1")  # put back afterwards
    monkeypatch.setattr(tune.Tuner, "fit", lambda tuner: begun.append(os.environ["TUNE_MAX_PENDING_TRIALS_PG"]))
    space = SPACES["self_paced"]
    campaign = Campaign(tmp_path, {"kind": "search"}, StudyProposer(space, 8, 0, "random"), 3, None, Terminal(8, 4))
    options = SearchOptions(space="self_paced", samples=8, epochs=4, scheduler=scheduler, concurrent=3,
                            cpus_per_trial=1, gpus_per_trial=0, exchange_epochs=2)  # fmt: skip
    run_on_ray(campaign, space, Setting(strategy="self_paced", epochs=4), options, 400, 100)
    campaign.ledger.close()
    assert begun == [str(at_once)]  # Ray reads it when it begins
