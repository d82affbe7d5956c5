"""Trials in this process, without Ray: one after another, or side by side where they train heads on the same features."""

import traceback
from contextlib import closing

from records.epoch import EpochRecord
from records.events import Asked
from records.files import is_full_or_readonly
from records.folder import last_checkpoint, trial_folder
from search.campaign import OUT_OF_TIME, Campaign
from search.racing.rule import Rule
from search.referee import Referee
from spaces.setting import Setting
from trainables.machine import peak_memory_mb
from trainables.strategies import get_strategy
from trainables.together import Crew, Heard
from trainables.trial import Trial, reason_of

TOGETHER = 64  # heads in one update, where nothing speaks against it; more gain little and hold more in memory


def run_local(campaign: Campaign, setting: Setting, referee: Referee | None = None, at_once: int = 1) -> None:
    """Run every trial that the campaign asks for. KeyboardInterrupt passes through; open trials stay open.

    Without a referee, every trial runs to its end. `at_once`: heads on features that are trained side by side, at most;
    any other trial has the process to itself.
    """
    referee = referee or Referee(campaign, Rule())
    with closing(Crew()) as crew:
        while not campaign.broken and (_fill(campaign, setting, referee, crew, at_once) or len(crew)):
            for trial, heard in crew.step():
                if not _heard(campaign, referee, trial, heard):
                    crew.drop(trial.number)
                if campaign.broken:
                    return
    if not campaign.broken:
        referee.close()


def _fill(campaign: Campaign, setting: Setting, referee: Referee, crew: Crew, at_once: int) -> bool:
    """Begin trials while there is room for them; whether one that has the process to itself was run."""
    ran = False
    while len(crew) < at_once and not campaign.broken and (asked := referee.next(last=not len(crew))):
        ran = _start(campaign, setting, referee, asked, crew if at_once > 1 else None) or ran
    return ran


def _start(campaign: Campaign, setting: Setting, referee: Referee, asked: Asked, crew: Crew | None) -> bool:
    """Begin a trial, and run it where it does not join the crew; whether it is over with that.

    When this returns, nothing of such a trial is left in memory: the next one is to have the room.
    """
    try:
        trial = _begun(campaign, setting, referee, asked)
        if trial and crew is not None and crew.takes(trial):
            crew.add(trial)
            return False
        if trial:
            _run_alone(campaign, referee, trial)
        return trial is not None
    except Exception as error:
        _failed(campaign, asked.trial, error)
        return True


def _begun(campaign: Campaign, setting: Setting, referee: Referee, asked: Asked) -> Trial | None:
    """The trial, taken up where an earlier process left it; None where it is over with that."""
    setting = asked.setting or setting
    config = get_strategy(setting.strategy).config(**asked.config)
    started_before = trial_folder(campaign.folder, asked.trial).exists()
    trial = Trial(setting, config, asked.trial, campaign.folder)
    known = trial.resume() if started_before else []
    return trial if all(_goes_on(campaign, referee, trial, record) for record in known) else None


def _heard(campaign: Campaign, referee: Referee, trial: Trial, heard: Heard) -> bool:
    """Enter what came of the step of one that is trained along with others; whether it goes on."""
    if heard.error:
        _failed(campaign, trial.number, heard.error)
    elif heard.record is None:
        _complete(campaign, trial)
    return heard.record is not None and _goes_on(campaign, referee, trial, heard.record)


def _run_alone(campaign: Campaign, referee: Referee, trial: Trial) -> None:
    """Train a trial until it is over, or pauses with its checkpoint written."""
    for record in trial.records():
        if not _goes_on(campaign, referee, trial, record):
            return
    _complete(campaign, trial)


def _goes_on(campaign: Campaign, referee: Referee, trial: Trial, record: EpochRecord) -> bool:
    """Enter an epoch; whether the trial is to have another one."""
    campaign.epoch(record)
    if campaign.broken:
        return False
    number, peak = trial.number, peak_memory_mb(trial.setting.device)
    if record.finished:
        _complete(campaign, trial)
        return False
    decision = "stop" if campaign.hopeless(record) else referee.judge(record)
    if decision == "pause":
        trial.save(last_checkpoint(campaign.folder, number))
        campaign.paused(number)
    elif decision == "stop":
        campaign.ended(number, "pruned", peak_memory_mb=peak)
    elif campaign.over_time():
        campaign.ended(number, "interrupted", OUT_OF_TIME)
    else:
        return True
    return False


def _complete(campaign: Campaign, trial: Trial) -> None:
    campaign.ended(trial.number, "complete", peak_memory_mb=peak_memory_mb(trial.setting.device))


def _failed(campaign: Campaign, number: int, error: BaseException) -> None:
    if not isinstance(error, Exception):
        raise error
    if is_full_or_readonly(error):
        campaign.out_of_room(number, reason_of(error))
    else:
        campaign.failed(number, reason_of(error), "".join(traceback.format_exception(error)))
