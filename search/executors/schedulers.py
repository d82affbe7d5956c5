"""Ray's side of a rule that stops trials early: its decisions as Ray's, with trials that pause on our own checkpoints."""

from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.racing.rule import Decision, Look
from search.referee import Referee

__all__ = ["NotKept", "Refereed", "TrialScheduler", "make_fifo"]

AS_RAY_SAYS: dict[Decision, str] = {
    "go_on": TrialScheduler.CONTINUE,
    "pause": TrialScheduler.PAUSE,
    "stop": TrialScheduler.STOP,
}


class NotKept:
    """Ray pickles its searcher, scheduler and callbacks to restore them; ours are made anew from the ledger instead."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Refereed(NotKept, FIFOScheduler):
    """Asks the referee. Ray's ASHA never pauses (ray#44256), and none of Ray's outlives its process; the referee does both.

    A trial that Ray knows is started again by Ray; one that was paused in an earlier process is given out by the searcher.
    """

    def __init__(self, referee: Referee, at_once: int):
        super().__init__()  # type: ignore[no-untyped-call]
        self.referee, self.at_once = referee, at_once
        self.known: dict[int, Any] = {}  # Ray's trials by our number

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self.known[trial.config["number"]] = trial

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if "record" not in result:  # it has failed, and is done
            return TrialScheduler.CONTINUE
        look = Look(result["images"], result["best_score"], result["score"])
        return AS_RAY_SAYS[self.referee.decide(trial.config["number"], look)]

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        number = self.promoted()
        if number in self.known and self.known[number].status == "PAUSED":  # else its checkpoint is still being written
            self.referee.take(number)
            return self.known[number]
        self._stop_who_is_left(tune_controller)
        return next((trial for trial in tune_controller.get_trials() if trial.status == "PENDING"), None)

    def promoted(self) -> int | None:
        """Who is to go on as soon as there is a place; None also while all places are taken."""
        if self.referee.campaign.at_work() >= self.at_once:
            return None
        return self.referee.promoted(last=self._nothing_else())

    def _nothing_else(self) -> bool:
        """Whether no trial runs, and none will begin."""
        campaign = self.referee.campaign
        return not campaign.at_work() and not campaign.waiting()

    def _stop_who_is_left(self, tune_controller: Any) -> None:
        """When the search has nothing more to do, what still waits is stopped."""
        if not self._nothing_else() or self.promoted() is not None:
            return
        for number in self.referee.close():
            if number in self.known:
                tune_controller.stop_trial(self.known[number])


def make_fifo() -> TrialScheduler:
    """Every trial runs to its end."""
    return FIFOScheduler()
