"""What a person sees while a search runs: a line per trial that ends and, on a terminal, a live bar below them."""

import contextlib
import time
from collections import Counter
from typing import Any

from console.arguments import stdout_to_draw
from console.layout import cells, fitted, width
from console.notebook import Output, drawn_bar, in_notebook
from console.wording import clock, many, printable, value
from records.epoch import ACCURACY
from records.events import Asked
from records.history import TrialHistory, rank
from trainables.metrics import as_text, get_metric

SILENCE = 60.0  # seconds without a line after which a pipe or a log file is told how far it is


class Terminal:
    """Watches a campaign. Without rich, or into a pipe, it prints plain lines only."""

    def __init__(self, samples: int, epochs: int):
        self.samples, self.epochs = samples, epochs
        self.started = self.spoke = time.monotonic()
        self.trials: dict[int, TrialHistory] = {}
        self.output = Output() if in_notebook() else None
        self.live = None if self.output else _live(self)

    def __enter__(self) -> "Terminal":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._redraw(last=True)
        if self.live:
            self.live.stop()

    def _redraw(self, last: bool = False) -> None:
        """Of a notebook; a terminal's bar is drawn anew by itself."""
        if self.output:
            lines = [" · ".join([*self.counts(), self._times()]), *self.best()] if last else self.status()
            self.output.show("\n".join([drawn_bar(self.fraction()), *lines]), last)

    def expects(self, samples: int) -> None:
        """There are to be so many trials in all."""
        self.samples = samples

    def asked(self, trial: TrialHistory) -> None:
        self.trials[trial.number] = trial

    def epoch(self, trial: TrialHistory) -> None:
        """The live bar reads the trial by itself; where there is none, long silence is broken."""
        self._redraw()
        if not (self.live or self.output) and time.monotonic() - self.spoke >= SILENCE:
            self.say(self.status()[0])

    def ended(self, trial: TrialHistory) -> None:
        self.say(self._line(trial))
        self._redraw()

    def say(self, text: str) -> None:
        text = printable(text)
        if self.live:
            self.live.console.print(fitted(text), highlight=False, markup=False, soft_wrap=True)
        else:
            print(text, flush=True)
        self.spoke = time.monotonic()

    def _line(self, trial: TrialHistory) -> str:
        done = sum(other.state != "running" for other in self.trials.values())
        name = f"trial {trial.number}{called(trial)}"
        head = f"[{done:>{len(str(self.samples))}}/{self.samples}] {name:<22} {trial.state:<8}"
        if trial.state == "failed":
            return f"{head} {trial.reason}"
        if not trial.best:
            return f"{head} {trial.reason or 'no epoch was reached'}"
        seconds = trial.records[-1].seconds
        best = f"{trial.best.eval_split} {picked_by(trial)} at epoch {trial.best.epoch} of {len(trial.records)}"
        said = f"{head} {best}, {clock(seconds)}"
        return f"{said}  {self._some_words(trial.asked, width() - cells(said) - 2)}".rstrip()

    def _some_words(self, asked: Asked, most: int) -> str:
        """Three fields; on a terminal as many of them as there are columns for."""
        tries = (config_words(asked, most=count) for count in ((3, 2, 1) if self.live else (3,)))
        return next((words for words in tries if not self.live or cells(words) <= most), "")

    def status(self) -> list[str]:
        """The lines under the bar: how many trials are where, the best so far, the time left."""
        running = [b for b in self.trials.values() if b.runs]
        at = ", ".join(f"trial {b.number} epoch {self._epoch(b)}" for b in running)
        doing = f"running: {at}" if at else self._between()
        return [" · ".join([*self.counts(), doing, self._times()]), *self.best()]

    def _epoch(self, trial: TrialHistory) -> str:
        """'3/12'; without an end where a budget of updates takes more and smaller epochs."""
        done = len(trial.records)
        return f"{done}/{self.epochs}" if done <= self.epochs else str(done)

    def _between(self) -> str:
        """What goes on while no trial runs."""
        return (
            "starting" if not self.trials else "finishing" if len(self.trials) >= self.samples else "between two trials"
        )

    def counts(self) -> list[str]:
        """'7 complete', '2 failed': the trials that have ended, by state."""
        states = Counter[str](trial.state for trial in self.trials.values())
        states["paused"] = sum(trial.state == "running" and trial.waits for trial in self.trials.values())
        return [f"{states[s]} {s}" for s in ("complete", "pruned", "failed", "interrupted", "paused") if states[s]]

    def best(self) -> list[str]:
        """One line about the best trial so far, or none; of a head-to-head, where the best is luck, about the arms."""
        if any(trial.setting for trial in self.trials.values()):
            return self._arms()
        best = min((trial for trial in self.trials.values() if trial.best), key=rank, default=None)
        if best is None or best.best is None:
            return []
        words = config_words(best.asked, most=6)
        name = f"trial {best.number}{called(best)}"
        return [f"best {picked_by(best)} in {name}" + (f": {words}" if words else "")]

    def _arms(self) -> list[str]:
        """'mean validation accuracy: finetune 0.865 (5 seeds), ...', in the order they were named in."""
        of: dict[str, list[TrialHistory]] = {}
        for trial in self.trials.values():
            if trial.best and trial.state == "complete":
                of.setdefault(str(trial.arm), []).append(trial)
        said = [f"{arm} {mean_of(trials)} ({many(len(trials), 'seed')})" for arm, trials in of.items()]
        if not said:
            return []
        first = next(iter(of.values()))[0]
        assert first.best
        figure = get_metric(first.objective.metric).title
        return [f"mean {first.best.eval_split} {figure}: {', '.join(said)}"]

    def fraction(self) -> float:
        """Of the planned epochs, counting trials that ended early as whole."""
        done = sum(
            self.epochs if b.state != "running" else min(self.epochs, len(b.records)) for b in self.trials.values()
        )
        return done / (self.samples * self.epochs)

    def left(self) -> float | None:
        """Seconds to the expected end, if the rest takes as long as what is done; None while that says too little."""
        spent, done = time.monotonic() - self.started, self.fraction()
        return max(0.0, spent / done - spent) if done > 0.02 else None

    def _times(self) -> str:
        left = self.left()
        about = "" if left is None else f", about {clock(left)} left"
        return f"{clock(time.monotonic() - self.started)} so far{about}"


def picked_by(trial: TrialHistory) -> str:
    """'0.912', or 'balanced accuracy 0.812': the figure of its best epoch that it is picked by."""
    name = trial.objective.metric
    said = as_text(name, trial.best.figure(name) if trial.best else None)
    return said if trial.objective == ACCURACY else f"{get_metric(name).title} {said}"


def mean_of(trials: list[TrialHistory]) -> str:
    """The mean, over these, of the figure of the best epoch that it is picked by."""
    name = trials[0].objective.metric
    figures = [figure for trial in trials if trial.best and (figure := trial.best.figure(name)) is not None]
    return as_text(name, sum(figures) / len(figures) if figures else None)


def called(trial: TrialHistory) -> str:
    """' (as_run)', or in a head-to-head ' (finetune, seed 1)'."""
    if trial.setting:
        return f" ({trial.arm}, seed {trial.setting.seed})"
    return f" ({trial.asked.anchor})" if trial.asked.anchor else ""


def _live(terminal: Terminal) -> Any:
    """A rich live display of the terminal's status; None into a pipe, or without rich."""
    with contextlib.suppress(ImportError):
        from rich.console import Console, Group
        from rich.live import Live
        from rich.padding import Padding
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        console = Console(file=stdout_to_draw())
        if not console.is_terminal:
            return None

        def draw() -> Group:
            lines = [Text(printable(line), overflow="ellipsis", no_wrap=True) for line in terminal.status()]
            bar = ProgressBar(total=1.0, completed=terminal.fraction(), width=60)
            return Group(Padding(bar, 0), *lines)  # the padding ends the bar's line

        return Live(get_renderable=draw, console=console, refresh_per_second=4, transient=True, redirect_stderr=False)
    return None


def config_words(asked: Asked, most: int | None = None) -> str:
    """'learning_rate 0.00098, rate cosine, ...': the searched fields that mean something in this config."""
    names = list(asked.values)
    names.sort(key=lambda name: name not in ("learning_rate", "rate", "ranking"))
    words = [f"{name} {value(asked.values[name])}" for name in names]
    more = [f"and {len(words) - most} more"] if most is not None and len(words) > most else []
    return ", ".join(words[:most] + more)
