"""Trials one after another in this process, without Ray."""

import traceback
from itertools import chain

from search.campaign import Campaign
from search.study import Proposal
from spaces.setting import Setting
from trainables.store import trial_folder
from trainables.strategies import get_strategy
from trainables.trial import Trial, peak_memory_mb, reason_of


def run_local(campaign: Campaign, setting: Setting) -> None:
    """Run every trial that the campaign asks for. KeyboardInterrupt passes through; the open trial stays open."""
    for proposal in iter(campaign.ask, None):
        try:
            _run_one(campaign, setting, proposal)
        except Exception as error:
            campaign.failed(proposal.number, reason_of(error), traceback.format_exc())


def _run_one(campaign: Campaign, setting: Setting, proposal: Proposal) -> None:
    setting = proposal.setting or setting
    config = get_strategy(setting.strategy).config(**proposal.config)
    started_before = trial_folder(campaign.folder, proposal.number).exists()
    trial = Trial(setting, config, proposal.number, campaign.folder)
    for record in chain(trial.resume() if started_before else [], trial.records()):
        campaign.epoch(record)
        if not record.finished and campaign.over_time():
            return campaign.ended(proposal.number, "interrupted", "the time budget is spent")
    campaign.ended(proposal.number, "complete", peak_memory_mb=peak_memory_mb(setting.device))
