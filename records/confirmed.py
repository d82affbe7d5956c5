"""What a search's trials came to on fresh seeds: read from the folder `confirm` of its run."""

import math
import statistics
from dataclasses import dataclass
from pathlib import Path

from records.epoch import ACCURACY, Objective, Row
from records.folder import ledger_file
from records.history import read_history

CONFIRM = "confirm"  # the folder, a head-to-head of its own, inside the run's
TRIAL = "trial-"  # what an arm's config is called, before the number of the search's trial


@dataclass(frozen=True)
class Confirmed:
    """One trial of the search, on the fresh seeds on which its training came to its end."""

    validation: float  # mean figure of the selected epochs
    tests: dict[int, float]  # test figure by seed
    failed: int
    objective: Objective = ACCURACY  # what the figures are of
    validation_sd: float = math.nan  # between the seeds, each with a split of its own; of one seed not a number

    @property
    def seeds(self) -> int:
        return len(self.tests)

    @property
    def test(self) -> float:
        """Mean figure; not a number without a seed."""
        return statistics.fmean(self.tests.values()) if self.tests else math.nan

    @property
    def test_sd(self) -> float:
        return statistics.stdev(self.tests.values()) if len(self.tests) > 1 else math.nan

    @property
    def score(self) -> float:
        """What ranks it: the mean on validation, more being better."""
        return self.objective.turned(self.validation)

    def row(self) -> Row:
        """As columns of best.parquet."""
        known, metric = bool(self.tests), self.objective.metric
        return {
            "confirmed_seeds": self.seeds,
            "confirmed_failed": self.failed,
            f"confirmed_selection_{metric}": self.validation if known else None,
            f"confirmed_test_{metric}": self.test if known else None,
            "confirmed_test_sd": self.test_sd if self.seeds > 1 else None,
        }


NOT_CONFIRMED = Confirmed(math.nan, {}, 0)


def confirmed_trials(folder: Path) -> dict[int, Confirmed]:
    """{trial of the search: what it came to}; empty where nothing was confirmed."""
    if not ledger_file(folder / CONFIRM).exists():
        return {}
    picked: dict[int, list[float]] = {}
    tests: dict[int, dict[int, float]] = {}
    failed: dict[int, int] = {}
    history = read_history(folder / CONFIRM)
    by = history.objective
    for trial in history.trials.values():
        if trial.arm is None or trial.setting is None or not (trial.arm.config or "").startswith(TRIAL):
            continue
        number = int(str(trial.arm.config).removeprefix(TRIAL))
        failed[number] = failed.get(number, 0) + (trial.state == "failed")
        if trial.test and trial.best:
            selected, tested = trial.best.figure(by.metric), trial.test.figure(by.metric)
            picked.setdefault(number, []).append(math.nan if selected is None else selected)
            tests.setdefault(number, {})[trial.setting.seed] = math.nan if tested is None else tested
    return {n: Confirmed(statistics.fmean(picked[n]) if n in picked else math.nan, tests.get(n, {}), failed[n], by,
                         statistics.stdev(picked[n]) if len(picked.get(n, ())) > 1 else math.nan)
            for n in failed}  # fmt: skip
