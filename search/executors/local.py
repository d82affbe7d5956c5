"""Trials one after another in this process, without Ray."""

import traceback
from itertools import chain

from records.events import Asked
from records.files import is_full_or_readonly
from records.folder import last_checkpoint, trial_folder
from search.campaign import OUT_OF_TIME, Campaign
from search.racing.rule import Rule
from search.referee import Referee
from spaces.setting import Setting
from trainables.strategies import get_strategy
from trainables.trial import Trial, peak_memory_mb, reason_of


def run_local(campaign: Campaign, setting: Setting, referee: Referee | None = None) -> None:
    """Run every trial that the campaign asks for. KeyboardInterrupt passes through; the open trial stays open.

    Without a referee, every trial runs to its end.
    """
    referee = referee or Referee(campaign, Rule())
    for asked in iter(referee.next, None):
        try:
            _run_one(campaign, setting, referee, asked)
        except Exception as error:
            if is_full_or_readonly(error):
                return campaign.out_of_room(asked.trial, reason_of(error))
            campaign.failed(asked.trial, reason_of(error), traceback.format_exc())
    referee.close()


def _run_one(campaign: Campaign, setting: Setting, referee: Referee, asked: Asked) -> None:
    """Train a trial until it is over, or pauses with its checkpoint written."""
    setting = asked.setting or setting
    config = get_strategy(setting.strategy).config(**asked.config)
    started_before = trial_folder(campaign.folder, asked.trial).exists()
    trial = Trial(setting, config, asked.trial, campaign.folder)
    for record in chain(trial.resume() if started_before else [], trial.records()):
        campaign.epoch(record)
        if campaign.broken:
            return
        if record.finished:
            break
        decision = "stop" if campaign.hopeless(record) else referee.judge(record)
        if decision == "pause":
            trial.save(last_checkpoint(campaign.folder, asked.trial))
            return campaign.paused(asked.trial)
        if decision == "stop":
            return campaign.ended(asked.trial, "pruned", peak_memory_mb=peak_memory_mb(setting.device))
        if campaign.over_time():
            return campaign.ended(asked.trial, "interrupted", OUT_OF_TIME)
    campaign.ended(asked.trial, "complete", peak_memory_mb=peak_memory_mb(setting.device))
