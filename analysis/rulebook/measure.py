"""What a difference is of, and in which unit it is said: points of accuracy, nats of loss."""

from dataclasses import dataclass

from console.wording import signed
from records.epoch import ACCURACY, Objective
from trainables.metrics import Metric, get_metric


@dataclass(frozen=True)
class Measure:
    """The objective of a run as its verdict says it. Differences are turned so that more is better, whatever the metric.

    They are fractions where the metric lies in [0, 1], and then said in points, of accuracy without saying so; else they
    are in the metric's own unit. A margin is given in hundredths of the same.
    """

    objective: Objective = ACCURACY

    @property
    def metric(self) -> Metric:
        return get_metric(self.objective.metric)

    @property
    def title(self) -> str:
        return self.metric.title

    @property
    def unit(self) -> str:
        return self.metric.unit or "points"

    @property
    def digits(self) -> int:
        return self.metric.digits if self.metric.unit else 1

    @property
    def of(self) -> str:
        """'' of accuracy, else ' of balanced accuracy' or, where less is better, ' of loss avoided'."""
        if self.objective == ACCURACY:
            return ""
        return f" of {self.title}{' avoided' * self.objective.lower_is_better}"

    def scaled(self, difference: float) -> float:
        """In the unit."""
        return difference if self.metric.unit else 100 * difference

    def signed(self, difference: float) -> str:
        """'+2.1', '-0.021'."""
        return signed(self.scaled(difference), self.digits)

    def difference(self, of: float) -> str:
        """'+2.1 points', '+0.021 nats of loss avoided'."""
        return f"{self.signed(of)} {self.unit}{self.of}"

    def size(self, of: float) -> str:
        """'2.1 points', '0.021 nats of loss': of how much the better one is better."""
        less = "" if self.objective == ACCURACY else f" of {self.title}"
        return f"{abs(self.scaled(of)):.{self.digits}f} {self.unit}{less}"

    def margin(self, of: float) -> str:
        """'1 point', '0.01 nats of loss'."""
        shown = round(self.scaled(of), 9)
        unit = "point" if self.unit == "points" and shown == 1 else self.unit
        return f"{shown:g} {unit}" + ("" if self.objective == ACCURACY else f" of {self.title}")

    @property
    def rule(self) -> str:
        """What must be known to read its signs; nothing of what is more where it is better."""
        return f", {self.title} turned so that plus is less of it and better" * self.objective.lower_is_better


def measure_of(metric: str) -> Measure:
    """That of a run which picks by this metric."""
    return Measure(Objective(metric, not get_metric(metric).higher_is_better))
