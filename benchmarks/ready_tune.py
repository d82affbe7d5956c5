"""Our own Ray trainable around a trial that trains nothing."""

from typing import Any

from benchmarks.ready import ReadyTrial
from spaces.setting import Setting
from trainables.strategies import get_strategy
from trainables.tune import StrategyTrainable


class Ready(StrategyTrainable):
    """All of StrategyTrainable but the training: no data, no network."""

    def _begin(self, setting: Setting, values: dict[str, Any]) -> None:
        self.trial = ReadyTrial(setting, get_strategy(setting.strategy).config(**values), self.number)  # type: ignore[assignment]
        self.records = self.trial.records()
