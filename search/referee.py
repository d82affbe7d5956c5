"""Between a campaign and the rule that stops its trials early: who is judged, who is next, and what a resumed run knows."""

from collections.abc import Iterable

from records.epoch import EpochRecord
from records.events import Asked, Ended, Epoch, Event
from records.history import SAID
from records.ledger import read_events
from search.campaign import Campaign
from search.racing.rule import Decision, Look, Rule


class Referee:
    """Tells the rule of a campaign's trials. Anchors are no rivals: they are never judged and run to their end."""

    def __init__(self, campaign: Campaign, rule: Rule):
        self.campaign, self.rule = campaign, rule
        self.called: int | None = None  # a trial that is promoted and has not begun yet
        self.heard: set[int] = set()  # trials whose failure the rule knows of

    def restore(self, events: Iterable[Event]) -> None:
        """Take the race up where an earlier process left it, which may have died between an epoch and its judgement."""
        best: dict[int, float] = {}
        for event in events:
            if isinstance(event, Epoch):
                self._tell_again(event.record, best)
            elif isinstance(event, Ended) and event.state in SAID:
                self.rule.end(event.trial)
        self._tell_of_failures()
        for number in sorted(self.rule.waiting):
            if not self.campaign.trials[number].waits:
                self.campaign.paused(number)

    def judge(self, record: EpochRecord) -> Decision:
        """What becomes of a trial that has ended an epoch; the campaign has heard of it already."""
        trial = self.campaign.trials[record.trial]
        by = trial.objective
        top = by.score(trial.best) if trial.best else by.before_any
        return self.decide(record.trial, Look(self._work(record), top, by.score(record)))

    def decide(self, number: int, look: Look) -> Decision:
        """The same of what an executor was told, for one whose campaign hears later."""
        return "go_on" if self._is_anchor(number) else self.rule.report(number, look)

    def next(self, last: bool = True) -> Asked | None:
        """The next trial to run: one that is promoted, else a new one; None where there is none, or no more are wanted.

        `last`: nothing else runs, so that what is promoted then need not wait to be compared.
        """
        if (number := self.promoted()) is not None:
            return self.take(number)
        asked = self.campaign.ask()
        if asked is not None or self.campaign.stopped or not last:
            return asked
        number = self.promoted(last=True)
        return None if number is None else self.take(number)

    def promoted(self, last: bool = False) -> int | None:
        """A paused trial that is to go on, the same until it is taken. `last`: nothing else runs or will begin."""
        if self.campaign.stopped or self.campaign.over_time():
            return None
        self._tell_of_failures()
        if self.called is None:
            self.called = self.rule.promote(last)
        return self.called

    def take(self, number: int) -> Asked:
        """The promoted trial goes on."""
        self.called = None
        return self.campaign.promoted(number)

    def close(self) -> list[int]:
        """The search has come to its end: who still waits is stopped. Gives their numbers.

        Where it was cut short, they wait until it is gone on with.
        """
        left = [] if self.campaign.stopped or self.campaign.over_time() else sorted(self.rule.waiting)
        for number in left:
            self.rule.end(number)
            self.campaign.ended(number, "pruned")
        return left

    def _tell_again(self, record: EpochRecord, best: dict[int, float]) -> None:
        by, number = self.campaign.history.objective, record.trial
        score = by.score(record)
        if record.looks:
            best[number] = max(best.get(number, score), score)
        if not record.finished:
            self.decide(number, Look(self._work(record), best.get(number, by.before_any), score))

    def _tell_of_failures(self) -> None:
        for number, trial in self.campaign.trials.items():
            if trial.state == "failed" and number not in self.heard and not self._is_anchor(number):
                self.heard.add(number)
                self.rule.end(number, failed=True)

    def _work(self, record: EpochRecord) -> int:
        return record.work(self.campaign.trials[record.trial].asked.config)

    def _is_anchor(self, number: int) -> bool:
        return self.campaign.trials[number].asked.anchor is not None


def make_referee(campaign: Campaign, rule: Rule | None) -> Referee:
    """The referee of a campaign that begins, or that is gone on with. No rule: every trial runs to its end."""
    referee = Referee(campaign, rule or Rule())
    if rule and campaign.trials:
        referee.restore(read_events(campaign.folder))
    return referee
