"""Who competes in a head-to-head: a strategy, from which weights, in which order of images."""

from dataclasses import dataclass, replace

ORDERS = ("random", "hard_first")  # a curriculum's twins: its controls, of the same sizes in another order


@dataclass(frozen=True)
class Arm:
    """One contestant. Two arms are the same one where all fields are."""

    strategy: str
    weights: str | None = None  # the name of the state dict it starts from; None: the run's own weights
    order: str | None = None  # of a twin, one of ORDERS; None: the strategy's own order
    run: str | None = None  # where arms of several runs stand side by side
    config: str | None = None  # what its config is called where a run has several of one strategy; None: its own anchor

    @property
    def is_twin(self) -> bool:
        return self.order is not None

    @property
    def partner(self) -> "Arm":
        """Of a twin, the arm whose sizes it replays; any other arm is its own."""
        return replace(self, order=None)

    def twin(self, order: str) -> "Arm":
        """The same in another order."""
        return replace(self, order=order)

    def of(self, strategy: str) -> "Arm":
        """The arm of another strategy beside this one: from the same weights, in the same run, at its own anchor."""
        return replace(self, strategy=strategy, order=None, config=None)

    def __str__(self) -> str:
        config = f"+{self.config}" if self.config else ""
        weights = f"@{self.weights}" if self.weights else ""
        order = f"/{self.order}" if self.order else ""
        return f"{self.strategy}{config}{weights}{order}" + (f" [{self.run}]" if self.run else "")

    @classmethod
    def read(cls, text: str) -> "Arm":
        """The arm that runs of format 1 wrote as 'strategy@weights/order'."""
        last = text.rpartition("/")
        name, order = (last[0], last[2]) if last[2] in ORDERS and last[0] else (text, None)
        strategy, _, weights = name.partition("@")
        return cls(strategy, weights or None, order)
