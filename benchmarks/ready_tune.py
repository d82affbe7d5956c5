"""Our own Ray trainable around a trial that trains nothing."""

from pathlib import Path
from typing import Any

from benchmarks.ready import ReadyTrial
from spaces.setting import Setting
from trainables.strategies import get_strategy
from trainables.tune import StrategyTrainable


class Ready(StrategyTrainable):
    """All of StrategyTrainable but the training: no data, no network."""

    def begin(self, setting: Setting, values: dict[str, Any], number: int, folder: Path) -> None:
        config = get_strategy(setting.strategy).config(**values)
        self.trial = ReadyTrial(setting, config, number)  # type: ignore[assignment]
        self.records = self.trial.records()
