"""--after runs/A,runs/B: which trials of earlier searches the sampler of this one may be told of, and how they stood.

They inform the sampler and nothing else: no table, verdict or count has them. What was taken over is written into run.json,
so that the run is resumed where the earlier ones are not. Ranges stay as they are: what was good elsewhere may lie outside
what would be left of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from console.errors import UsageError
from console.wording import many, value
from records.epoch import Objective, Row
from records.folder import read_run
from records.history import RANKED, RunHistory, TrialHistory, read_history
from records.tables import SETTING
from search.options import SearchOptions
from search.planning.space import make_space
from search.proposers.earlier import Observation, standings
from search.proposers.samplers import SAMPLERS, get_sampler
from spaces.registry import get_space
from spaces.setting import Setting
from spaces.space import Space, fields_of_row, within
from trainables.metrics import OBJECTIVES


@dataclass(frozen=True)
class Seen:
    """A trial of an earlier run that has a result."""

    config: Row
    complete: bool  # else it was stopped early, and stands below all that were not
    score: float  # of the metric of this search, more being better
    loss: float
    seconds: float


@dataclass(frozen=True)
class EarlierRun:
    """One of the runs named, and what of it could be drawn here."""

    path: str  # as given
    trials: int  # with a result
    observations: tuple[Observation, ...]  # best first
    setting: Row  # what tells on which images it picked

    def row(self) -> Row:
        """As run.json has it."""
        told = [{"values": one.values, "standings": list(one.standings)} for one in self.observations]
        return {"path": self.path, "trials": self.trials, "observations": told, "setting": self.setting}

    @classmethod
    def of(cls, row: Row) -> "EarlierRun":
        told = tuple(Observation(one["values"], tuple(one["standings"])) for one in row["observations"])
        return cls(row["path"], row["trials"], told, row["setting"])


@dataclass(frozen=True)
class Earlier:
    """What all of them give."""

    runs: tuple[EarlierRun, ...] = ()

    @property
    def observations(self) -> list[Observation]:
        return [one for run in self.runs for one in run.observations]

    def first(self, space: Space) -> list[Row]:
        """The values of each run's best trial, each once, but for what is an anchor here and runs anyway."""
        anchors = [space.anchor_values(anchor) for anchor in space.anchors]
        known = [{name: config[name] for name in space.active(config)} for config in anchors]
        found: list[Row] = []
        for run in self.runs:
            if run.observations[0].values not in (*known, *found):
                found.append(run.observations[0].values)
        return found

    def row(self) -> Row:
        """As run.json has it; nothing where no run was named."""
        return {"after": [run.row() for run in self.runs]} if self.runs else {}


def recorded(folder: Path) -> Earlier:
    """What a run that is gone on with took over when it began."""
    return Earlier(tuple(EarlierRun.of(row) for row in read_run(folder).get("after", ())))


def read_earlier(options: SearchOptions) -> Earlier:
    """What --after names. Raises UsageError for what is no search of this strategy, or has nothing legal here."""
    if options.after is None:
        return Earlier()
    sampler = get_sampler(options.sampler)
    if not sampler.informed:
        able = ", ".join(name for name, one in SAMPLERS.items() if one.informed)
        raise UsageError(
            f"--after wants a sampler that takes others' trials ({able}); got {sampler.name}. Pass one of them, or let "
            f"--configs try the best of an earlier run first."
        )
    space, _ = make_space(options)
    objective = Objective(options.metric, not OBJECTIVES[options.metric].higher_is_better)
    paths = [path.strip() for path in options.after.split(",")]
    _check_each_once(paths)
    return Earlier(tuple(_read(path, space, objective, sampler.objectives == 2) for path in paths))


def _check_each_once(paths: list[str]) -> None:
    """Raises UsageError for a run that is named twice, whose trials would count twice."""
    places = [Path(path).resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"--after names {path} twice; each run counts once.")


def _read(path: str, space: Space, objective: Objective, two: bool) -> EarlierRun:
    strategy, setting, seen = _of_table(path, objective) if Path(path).is_file() else _of_folder(path, objective)
    if strategy != space.strategy:
        raise UsageError(
            f"--after {path} is a search of {strategy}, and this is one of {space.strategy}; leave it out."
        )
    known = [one for one in seen if one.complete or not two]  # the seconds of a part say nothing of the whole
    if not known:
        raise UsageError(f"--after {path} has no trial with a result by {objective.metric}; leave it out.")
    rows = _observations(known, space, two)
    if not rows:
        raise UsageError(
            f"--after {path}: no config of its {many(len(known), 'trial')} could be drawn here (the best has "
            f"{_misfit(space, max(known, key=_rank).config)}); leave it out, or widen the space with --search."
        )
    return EarlierRun(path, len(known), tuple(rows), setting)


def _rank(one: Seen) -> tuple[bool, float, float]:
    """Sorts the best last, ties by loss as ever."""
    return one.complete, one.score, -one.loss


def _observations(seen: Sequence[Seen], space: Space, two: bool) -> list[Observation]:
    """Those that a draw could have given, best first; they stand among all, legal here or not."""
    order = sorted({_rank(one) for one in seen})
    by_score = standings([order.index(_rank(one)) for one in seen])
    by_time = standings([-one.seconds for one in seen]) if two else []
    found = []
    for place, one in sorted(enumerate(seen), key=lambda each: _rank(each[1]), reverse=True):
        config = _legal(space, one.config)
        if config is not None:
            values = {name: config[name] for name in space.active(config)}
            found.append(Observation(values, (by_score[place], *([by_time[place]] if two else []))))
    return found


def _legal(space: Space, config: Row) -> Row | None:
    """The whole config, if a draw of this space could give it; fields that its run did not have yet have their defaults."""
    try:
        whole = space.config(**config).model_dump()
    except ValueError:  # a field or a value that this version does not have
        return None
    return whole if space.contains(whole) else None


def _misfit(space: Space, config: Row) -> str:
    """The first field of a config that does not fit: 'gate 0.4'."""
    base = {name: info.default for name, info in space.config.model_fields.items()} | space.fixed
    for name, of in config.items():
        fits = within(space.search[name], of) if name in space.search else name in base and of == base[name]
        if not fits and (name not in base or space.matters(name, config)):
            return f"{name} {value(of)}"
    return "other fields"


def _of_folder(path: str, objective: Objective) -> tuple[str, Row, list[Seen]]:
    if not (Path(path) / "run.json").is_file():
        raise UsageError(
            f"--after {path} is no run: it has no run.json; pass folders that search.run made, with commas."
        )
    history = read_history(Path(path))
    if history.kind != "search":
        raise UsageError(
            f"--after {path} is a head-to-head, whose few configs were not drawn; pass the folder of a search."
        )
    trials = [one for trial in history.trials.values() if (one := _of_trial(trial, history, objective))]
    return history.run["setting"]["strategy"], _images(history.run["setting"]), trials


def _of_trial(trial: TrialHistory, history: RunHistory, objective: Objective) -> Seen | None:
    """None of a trial without a result, and of a population's member, which had several configs."""
    worth = trial.worth()
    if worth is None or trial.last is None or trial.fields or worth.figure(objective.metric) is None:
        return None
    return Seen(
        trial.asked.config, trial.state == "complete", objective.score(worth), worth.eval_loss, trial.last.seconds
    )


def _of_table(path: str, objective: Objective) -> tuple[str, Row, list[Seen]]:
    """A best.parquet: of one run, so that its trials can be ranked."""
    from records.parquet import read_rows  # not needed, and perhaps not installed, without a table

    rows = [row for row in read_rows(Path(path)) if not row.get(SETTING + "sizes") and row["state"] in RANKED]
    if not rows or len({row["run"] for row in rows}) > 1:
        raise UsageError(f"--after {path} is a table of {len({r['run'] for r in rows})} runs; pass that of one search.")
    metric = f"selection_{objective.metric}"
    seen = [Seen(_config(row), row["state"] == "complete", objective.turned(row[metric]), row["selection_loss"],
                 row["seconds"])
            for row in rows if row.get(metric) is not None]  # fmt: skip
    setting = {name.removeprefix(SETTING): of for name, of in rows[0].items() if name.startswith(SETTING)}
    return setting["strategy"], _images(setting), seen


def _config(row: Row) -> Row:
    """The columns of a table that are fields of its strategy."""
    return fields_of_row(get_space(row[SETTING + "strategy"]).config, row)


def _images(setting: Row) -> Row:
    return {name: setting.get(name) for name in ("data", "seed", "split", "protocol")}


def about_earlier(earlier: Earlier, setting: Setting, space: Space) -> list[str]:
    """What was taken over, in a line; and another where it was picked on images that this run may test on."""
    if not earlier.runs:
        return []
    paths = ", ".join(run.path for run in earlier.runs)
    trials, first = sum(run.trials for run in earlier.runs), len(earlier.first(space))
    said = [
        f"After {paths}: {len(earlier.observations)} of {many(trials, 'trial')} could be drawn here; the sampler is told "
        f"how each stood in its own run, {many(first, 'best config')} of theirs {'is' if first == 1 else 'are'} tried "
        f"first, and no figure of theirs counts."
    ]
    own = _images(setting.model_dump())
    mixed = [run.path for run in earlier.runs if run.setting["data"] == own["data"] and run.setting != own]
    if mixed:
        said.append(
            f"{', '.join(mixed)} had the same data in other parts, so configs were picked on images that this run may test "
            f"on: its test figures are not quite fresh."
        )
    return said
