"""python -m benchmarks.searchers RUN [RUN...]: schedulers and samplers over recorded searches, replayed many times.

Each RUN is a table of benchmarks/recorded, or the folder of a run whose trials all ran to their end. A search draws
configs, gets their recorded curves epoch by epoch, and pays their work. The sampler `recorded` takes the recorded configs
in a random order, so that every curve is exact; `random` and `tpe` draw from the space, and get the curve of the nearest
recorded config: how often that is the very config, and how far it is otherwise, is said. One trial runs at a time.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ready import RECORD
from benchmarks.recorded import Curve, Recorded, read
from records.events import Asked, Ended, Epoch
from records.history import TrialHistory, best_first
from search.proposers.proposer import Hears, Proposer
from search.proposers.study import StudyProposer
from search.racing.halving import REDUCTION, Asha
from search.racing.rule import Look, Rule, evenly
from search.racing.topk import TopK, how_many
from search.schedulers import SCHEDULERS, Race
from spaces.space import Space

Maker = Callable[[Race], Rule]
RULES: dict[str, Maker] = {"none": lambda race: Rule()}
RULES |= {name: scheduler.rule for name, scheduler in SCHEDULERS.items() if scheduler.rule}
RULES |= {  # how much of a difference is the first rung's, and the number's that go on
    "asha, from an epoch": lambda race: Asha(evenly(race.slice, race.longest, REDUCTION)),
    "topk, k = 1": lambda race: TopK(race.slice, 1),
    "topk, 3 slices": lambda race: TopK(3 * race.slice, race.topk),
}
AGAINST = "asha"
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Outcome:
    """What one replayed search came to."""

    found: float  # validation accuracy of the chosen trial as far as it was trained
    whole: float  # and at full length
    epochs: int
    work: int
    exact: float  # share of configs that were recorded
    distance: float  # mean, of the others


class InOrder:
    """The recorded configs in a random order, each at most once."""

    def __init__(self, table: Recorded, samples: int, seed: int):
        self.samples, self.asked = samples, 0
        self.order = np.random.default_rng(seed).permutation(len(table.curves))[:samples]
        self.curves = table.curves

    def ask(self) -> Asked | None:
        if self.asked == len(self.order):
            return None
        self.asked += 1
        return Asked(self.asked - 1, {}, self.curves[self.order[self.asked - 1]].values)

    def adopt(self, asked: Asked) -> None:
        """Nothing: no replayed search is resumed."""

    def report(self, record: Any) -> None:
        """Nothing: the order is drawn."""

    def tell(self, trial: TrialHistory) -> None:
        """Nothing: the order is drawn."""


class Replay:
    """One search over a recorded one."""

    def __init__(self, table: Recorded, space: Space, proposer: Proposer, rule: Rule):
        self.table, self.space, self.proposer, self.rule = table, space, proposer, rule
        self.curves: dict[int, Curve] = {}
        self.trials: dict[int, TrialHistory] = {}
        self.distances: list[float] = []

    def run(self) -> Outcome:
        while (number := self._next()) is not None:
            self._train(number)
        for number in sorted(self.rule.waiting):
            self._end(number, "pruned")
        best = best_first(self.trials.values())[0]
        done = {number: len(trial.records) for number, trial in self.trials.items()}
        far = [each for each in self.distances if each > 0]
        assert best.best
        return Outcome(
            best.best.eval_accuracy,
            self.curves[best.number].final,
            sum(done.values()),
            sum(self.curves[number].work[epochs - 1] for number, epochs in done.items()),
            1 - len(far) / len(self.distances),
            statistics.fmean(far) if far else 0.0,
        )

    def _next(self) -> int | None:
        number = self.rule.promote()
        if number is not None:
            return number
        asked = self.proposer.ask()
        if asked is None:
            return self.rule.promote(last=True)
        self.curves[asked.trial], far = self.table.nearest(asked.values, self.space)
        self.distances.append(far)
        self.trials[asked.trial] = TrialHistory(asked)
        return asked.trial

    def _train(self, number: int) -> None:
        """As far as the rule lets it."""
        curve, trial = self.curves[number], self.trials[number]
        for place in range(len(trial.records), len(curve.work)):
            record = replace(RECORD, trial=number, epoch=place + 1, eval_accuracy=curve.accuracy[place],
                             eval_loss=curve.loss[place])  # fmt: skip
            trial.enter(Epoch(record))
            self.proposer.report(record)
            if place + 1 == len(curve.work):
                return self._end(number, "complete")
            assert trial.best
            decision = self.rule.report(
                number, Look(curve.work[place], trial.best.eval_accuracy, curve.accuracy[place])
            )
            if decision == "stop":
                return self._end(number, "pruned")
            if decision == "pause":
                return self.proposer.paused(trial) if isinstance(self.proposer, Hears) else None

    def _end(self, number: int, state: Any) -> None:
        self.trials[number].end(Ended(number, state))
        self.proposer.tell(self.trials[number])


def proposer_of(sampler: str, table: Recorded, space: Space, samples: int, seed: int) -> Proposer:
    if sampler == "recorded":
        return InOrder(table, samples, seed)
    return StudyProposer(space, samples, seed, sampler)


def outcomes(table: Recorded, sampler: str, make: Maker, samples: int, repeats: int, topk: int | None) -> list[Outcome]:
    """One for each seed, shared between schedulers; the recorded searches themselves were drawn on seed 0."""
    space, race = table.space, table.race(topk or how_many(samples))
    return [
        Replay(table, space, proposer_of(sampler, table, space, samples, seed), make(race)).run()
        for seed in range(1, repeats + 1)
    ]


def of_all(found: Sequence[Outcome], name: str) -> np.ndarray:
    return np.array([getattr(one, name) for one in found], dtype=float)


def interval(values: np.ndarray) -> str:
    """The mean, and the half width of its 95 % interval over the repeats."""
    half = NORMAL_95 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{values.mean():.2f} ± {half:.2f}"


def row(name: str, found: list[Outcome], against: list[Outcome], none: list[Outcome], best: float) -> list[str]:
    """One line of the table; accuracies in points."""
    accuracy, work = 100 * of_all(found, "found"), of_all(found, "work")
    return [
        name,
        interval(accuracy),
        interval(accuracy - 100 * of_all(against, "found")),
        interval(100 * best - accuracy),
        interval(100 * of_all(found, "whole")),
        f"{of_all(found, 'epochs').mean():.0f}",
        f"{work.mean() / of_all(none, 'work').mean():.3f}",
        f"{work.mean() / of_all(against, 'work').mean():.2f}",
    ]


HEAD = ["scheduler", "accuracy found", "less asha's", "regret", "its full length", "epochs", "work of none", "of asha"]


def lines(table: Recorded, asked: argparse.Namespace) -> Iterator[str]:
    """The table of one recorded search, in Markdown."""
    best = max(curve.final for curve in table.curves)
    yield f"\n{table.name}: {len(table.curves)} recorded trials of {table.epochs} epochs, the best {100 * best:.1f}"
    for sampler in asked.samplers:
        repeats = asked.repeats if sampler == "recorded" else min(asked.repeats, asked.drawn_repeats)
        found = {name: outcomes(table, sampler, RULES[name], asked.samples, repeats, asked.topk)
                 for name in dict.fromkeys((*asked.schedulers, "none", AGAINST))}  # fmt: skip
        exact = 100 * np.mean([of_all(each, "exact").mean() for each in found.values()])
        far = np.mean([of_all(each, "distance").mean() for each in found.values()])
        yield (f"\n{sampler}: {asked.samples} trials, {repeats} repeats; {exact:.0f} % of the configs were recorded, the "
               f"others are {far:.2f} from the nearest\n")  # fmt: skip
        yield "| " + " | ".join(HEAD) + " |\n| --- |" + " ---: |" * (len(HEAD) - 1)
        for name in asked.schedulers:
            yield "| " + " | ".join(row(name, found[name], found[AGAINST], found["none"], best)) + " |"


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    tables = [read(path) for path in asked.runs]
    if asked.record:
        asked.record.mkdir(parents=True, exist_ok=True)
        print("\n".join(f"wrote {table.write(asked.record)}" for table in tables))
        return 0
    for table in tables:
        for line in lines(table, asked):
            print(line, flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searchers", description=__doc__)
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="a table, or a run made with --scheduler none"
    )
    parser.add_argument("--repeats", type=int, default=100, help="searches of each kind, on seeds 1, 2, ...")
    parser.add_argument("--drawn-repeats", type=int, default=100, help="as many at most where configs are drawn")
    parser.add_argument("--samples", type=int, default=27, help="trials of a search")
    parser.add_argument("--topk", type=int, help="of topk; a ninth of --samples, and three at least")
    parser.add_argument("--schedulers", type=_names(RULES), default=list(RULES), help="with ';' between")
    parser.add_argument("--samplers", type=_names(("recorded", "random", "tpe")), default=["recorded", "random", "tpe"])
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="write the tables of these runs there, and stop")
    return parser


def _names(known: Any) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        if wrong := [name for name in text.split(";") if name not in known]:
            raise argparse.ArgumentTypeError(f"'{wrong[0]}' is none of {'; '.join(known)}")
        return text.split(";")

    return names


if __name__ == "__main__":
    sys.exit(main())
