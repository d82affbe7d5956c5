"""A run as a notebook wants it: data frames, figures, the verdict in words, the network. Read when first asked for.

A run that still goes on is as it was when it was opened; open it again for what came since.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pandas as pd
from matplotlib.figure import Figure

from analysis.chapters.contents import make_report
from analysis.comparable import Section, sections
from analysis.document.parts import Drawn, Report
from analysis.report import report as write_report
from analysis.runs import LoadedRun, load_run
from analysis.verdict import pairs
from console.errors import UsageError, unknown
from console.wording import many
from records.confirmed import CONFIRM, confirmed_trials
from records.epoch import Row
from records.found_runs import find_runs, is_run
from records.history import RunHistory
from records.ledger import is_live
from records.tables import best_rows, prediction_rows

if TYPE_CHECKING:
    from trainables.portable.model import PortableModel


class Run:
    """One run folder, of a search or a head-to-head. Every property raises UsageError for what is damaged or missing."""

    def __init__(self, folder: str | Path):
        """Raises UsageError where this is no run."""
        self.folder = Path(folder).absolute()
        self._loaded: LoadedRun = load_run(self.folder)
        self._live = is_live(self.folder)

    def __repr__(self) -> str:
        data, kind = self.about["data"]["name"], "head-to-head" if self._loaded.head_to_head else "search"
        ended = sum(trial.state != "running" for trial in self.history.trials.values())
        return f"<Run {self.name}: {kind} on {data}, {many(ended, 'trial')} of {self.history.samples} ended; {self.folder}>"

    @property
    def name(self) -> str:
        return self._loaded.name

    @property
    def about(self) -> Row:
        """run.json: options, setting, data, versions, machine, and the command that repeats the run."""
        return self._loaded.about

    @property
    def history(self) -> RunHistory:
        """Its trials with their records, by number, as the ledger tells them."""
        return self._loaded.history

    @property
    def records(self) -> pd.DataFrame:
        """A row per trial and epoch."""
        return self._loaded.records

    @property
    def finals(self) -> pd.DataFrame:
        """A row per trial: how it ended (running, while it does), its selected epoch, test where opened, what it cost."""
        finals = self._loaded.finals
        if not self._live or finals.empty:
            return finals
        runs = finals["trial"].map(lambda number: self.history.trials[number].state == "running")
        return finals.assign(state=finals["state"].mask(runs, "running"))

    @cached_property
    def best(self) -> pd.DataFrame:
        """The trials that have a result, best first, with their configs and settings, as in best.parquet."""
        return pd.DataFrame(best_rows(self.history, confirmed_trials(self.folder)))

    @property
    def config(self) -> Row:
        """The config of the best trial, field by field; of a population's member that of its best epoch."""
        trial = self.history.trials[int(self._row(0)["trial"])]
        return trial.asked.config | trial.fields.get(trial.best.epoch if trial.best else 0, {})

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What each trial's selected network says of each image it was judged on: a row per trial, split and image.

        `path` is relative to the data's folder; `true` and `predicted` are numbers of `classes`. Kept networks are looked
        at when this is first asked for.
        """
        return pd.DataFrame(prediction_rows(self.folder, self.history))

    @property
    def classes(self) -> list[str]:
        return self._loaded.classes

    @property
    def figures(self) -> list[str]:
        """The names that `figure` takes: what a report would show of this run."""
        return list(self._pictures)

    def figure(self, name: str) -> Figure:
        """One figure of the report, by its name or what that begins with; a notebook shows it. Raises UsageError."""
        known = self._pictures
        found = next((each for each in known if each.startswith(name)), None) if name not in known else name
        if found is None:
            raise unknown("figure", name, known)
        return known[found].figure

    @property
    def summary(self) -> list[str]:
        """What a report says in short, a sentence each."""
        return self._report.summary

    def verdict(self) -> pd.DataFrame:
        """A row per pair of arms: word and sentence of those planned beforehand, means and intervals.

        Of a search: of its confirmation on fresh seeds. Raises UsageError where nothing was compared.
        """
        if not self._loaded.head_to_head:
            if is_run(self.folder / CONFIRM):
                return Run(self.folder / CONFIRM).verdict()
            raise UsageError(
                f"{self.name} is a search of one strategy on one seed, of which no verdict follows; search with "
                f"confirm=3, or compare strategies with search.compare."
            )
        return pairs(self._section)

    def report(
        self, out: str | Path = "report", images: bool = False, overwrite: bool = False, figures: bool = False
    ) -> Path:
        """Write page, Markdown and tables into a folder, `figures` too for a paper; returns the page. Raises UsageError."""
        return _report([self], out, images, overwrite, figures)

    def model(self, row: int = 0) -> "PortableModel":
        """The kept network of a row of `best`, ready to predict. Raises UsageError where it was not kept."""
        from trainables import load_model  # loads PyTorch, which reading a run does without

        return load_model(self.folder, trial=int(self._row(row)["trial"]))

    def _row(self, number: int) -> Row:
        rows = best_rows(self.history, confirmed_trials(self.folder))
        if not 0 <= number < len(rows):
            raise UsageError(f"{self.name} has {many(len(rows), 'trial')} with a result; row {number} is none of them.")
        return rows[number]

    @cached_property
    def _section(self) -> Section:
        if self.records.empty:
            raise UsageError(f"{self.name} has no epoch yet; open it again after the first one.")
        (found,) = sections([self._loaded])
        return found

    @cached_property
    def _report(self) -> Report:
        return make_report([self._section])

    @cached_property
    def _pictures(self) -> dict[str, Drawn]:
        return {part.name: part for part in self._report.parts if isinstance(part, Drawn)}


class Runs(Sequence[Run]):
    """Several runs, in the order named; their tables have a column `run`."""

    def __init__(self, folders: Iterable[str | Path]):
        """Raises UsageError where one of them is no run."""
        self._runs = tuple(map(Run, folders))

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._runs))

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, place: int) -> Run: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Run, ...]: ...
    def __getitem__(self, place: int | slice) -> Run | tuple[Run, ...]:
        return self._runs[place]

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    @property
    def records(self) -> pd.DataFrame:
        """As of one run; what a run does not have is missing there."""
        return self._joined("records")

    @property
    def finals(self) -> pd.DataFrame:
        """As of one run."""
        return self._joined("finals")

    @property
    def best(self) -> pd.DataFrame:
        """As of one run, run after run."""
        return self._joined("best")

    @property
    def predictions(self) -> pd.DataFrame:
        """As of one run."""
        return self._joined("predictions")

    def report(
        self, out: str | Path = "report", images: bool = False, overwrite: bool = False, figures: bool = False
    ) -> Path:
        """One report of all of them; returns the page. Raises UsageError."""
        return _report(self, out, images, overwrite, figures)

    def _joined(self, table: str) -> pd.DataFrame:
        frames: list[Any] = [getattr(run, table).assign(run=run.name) for run in self._runs]
        return pd.concat(frames, ignore_index=True)


def open_run(path: str | Path | Iterable[str | Path]) -> Run | Runs:
    """The run of a folder; or the runs of a folder of them, of a pattern such as "runs/*", or of several names.

    Raises UsageError where there is none.
    """
    if isinstance(path, str | Path) and is_run(Path(path)):
        return Run(path)
    return Runs(find_runs(path))


def _report(runs: Iterable[Run], out: str | Path, images: bool, overwrite: bool, figures: bool) -> Path:
    folders = [run.folder for run in runs]
    write_report(folders, Path(out), images=images, overwrite=overwrite, figures=figures)
    return Path(out).absolute() / "index.html"
