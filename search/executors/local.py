"""Trials one after another in this process, without Ray."""

import traceback
from itertools import chain

from records.files import is_full_or_readonly
from records.folder import trial_folder
from records.history import Proposal
from search.campaign import OUT_OF_TIME, Campaign
from spaces.setting import Setting
from trainables.strategies import get_strategy
from trainables.trial import Trial, peak_memory_mb, reason_of


def run_local(campaign: Campaign, setting: Setting) -> None:
    """Run every trial that the campaign asks for. KeyboardInterrupt passes through; the open trial stays open."""
    for proposal in iter(campaign.ask, None):
        try:
            _run_one(campaign, setting, proposal)
        except Exception as error:
            if is_full_or_readonly(error):
                return campaign.out_of_room(proposal.number, reason_of(error))
            campaign.failed(proposal.number, reason_of(error), traceback.format_exc())


def _run_one(campaign: Campaign, setting: Setting, proposal: Proposal) -> None:
    setting = proposal.setting or setting
    config = get_strategy(setting.strategy).config(**proposal.config)
    started_before = trial_folder(campaign.folder, proposal.number).exists()
    trial = Trial(setting, config, proposal.number, campaign.folder)
    for record in chain(trial.resume() if started_before else [], trial.records()):
        campaign.epoch(record)
        if campaign.broken:
            return
        if not record.finished and campaign.over_time():
            return campaign.ended(proposal.number, "interrupted", OUT_OF_TIME)
    campaign.ended(proposal.number, "complete", peak_memory_mb=peak_memory_mb(setting.device))
