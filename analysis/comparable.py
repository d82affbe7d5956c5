"""Which runs may stand in one table: same data, same protocol, same split, same metric. Everything else is kept apart.

An arm is a strategy (or a twin, or a search's choice) in one run; a section's `arms` has a row per arm and seed.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.original.published import trains_as
from analysis.ranking import ranked
from analysis.rulebook.measure import Measure
from analysis.rulebook.outcomes import Outcome, outcomes
from analysis.rulebook.plan import ACCURACY, VerdictPlan, plan_of
from analysis.runs import LoadedRun
from console.errors import UsageError
from records.files import Arrays
from records.folder import read_run
from records.places import without_folders
from spaces.arm import Arm
from trainables.metrics import METRICS, shown_beside

SINGLE = "single_label"  # the task of runs from before there was another
MEASURES = ("accuracy", "loss", "knn")
COSTS = ("best_epoch", "epochs", "seconds", "updates", "images_trained", "images_scored")


@dataclass(frozen=True)
class Side:
    """One arm of a head-to-head, as it may stand in a pair."""

    arm: Arm
    run: str
    outcomes: dict[int, Outcome]  # by seed


@dataclass(frozen=True)
class Section:
    """Runs whose figures can be compared: one data digest, one protocol, one way to split, one task, one metric."""

    runs: tuple[LoadedRun, ...]

    @property
    def protocol(self) -> str:
        return str(self.runs[0].about["setting"]["protocol"])

    @property
    def data(self) -> str:
        """Its name; of a folder of the user's, the last part of the path."""
        return without_folders(str(self.runs[0].about["data"]["name"]))

    @property
    def image_size(self) -> int:
        return int(self.runs[0].about["setting"]["image_size"])

    @property
    def classes(self) -> list[str]:
        return self.runs[0].classes

    @property
    def eval_split(self) -> str:
        return self.runs[0].eval_split

    @property
    def fixed_test(self) -> bool:
        """Whether all seeds are tested on the same images."""
        return bool(self.runs[0].about["setting"].get("split"))

    @property
    def title(self) -> str:
        task = "" if self.task == SINGLE else ", multi-label"
        resize = self.runs[0].about["setting"].get("resize", "squash")
        how = "" if resize == "squash" else f", --resize {resize}"
        picked = "" if self.by_accuracy else f", picked by {self.measure.title}"
        return f"{self.data}, {self.image_size} px{how}{task}, protocol {self.protocol}{picked}"

    @property
    def measure(self) -> Measure:
        """What everything in it was picked by, and how differences of it are said."""
        return self.runs[0].measure

    @property
    def by_accuracy(self) -> bool:
        return self.measure == ACCURACY

    @property
    def task(self) -> str:
        return str(self.runs[0].about["setting"].get("task", SINGLE))

    @cached_property
    def arms(self) -> pd.DataFrame:
        """A row per arm and seed; empty where no trial has come to an end."""
        return named(self._unnamed, self.apart)

    @cached_property
    def _unnamed(self) -> pd.DataFrame:
        return pd.concat([arms_of(run) for run in self.runs], ignore_index=True)

    @cached_property
    def apart(self) -> frozenset[str]:
        """The runs whose arms carry the run's name."""
        return of_one_name(self.runs, self._unnamed)

    @cached_property
    def who(self) -> dict[str, Arm]:
        """The arms of head-to-heads by their names in `arms`; what a search chose competes with nobody by name."""
        rows = self.arms[~self.arms["searched"]].drop_duplicates("arm")
        columns = [f"arm_{each.name}" for each in fields(Arm)]
        values = ([value if isinstance(value, str) else None for value in row] for row in rows[columns].to_numpy())
        with_a_result = [Arm(str(strategy), *more) for strategy, *more in values]
        return {str(arm): arm for arm in (*with_a_result, *(side.arm for side in self.sides.values()))}

    @cached_property
    def contestants(self) -> tuple[Arm, ...]:
        """The arms of its head-to-heads, whether or not anything has come of them yet."""
        trials = (trial for run in self.runs if run.head_to_head for trial in run.history.trials.values())
        return tuple(dict.fromkeys(trial.arm or Arm(trial.setting.strategy) for trial in trials if trial.setting))

    @cached_property
    def sides(self) -> dict[str, Side]:
        """What came of each arm on each seed, failed trainings included, by the arms' names."""
        found = {}
        for run in self.runs:
            if run.head_to_head:
                for arm, by_seed in outcomes(run.history, run.on_test).items():
                    side = Side(replace(arm, run=run.name) if run.name in self.apart else arm, run.name, by_seed)
                    found[str(side.arm)] = side
        return found

    @cached_property
    def plans(self) -> dict[str, VerdictPlan]:
        """What each head-to-head asked beforehand, by its name."""
        runs = {run.name: run for run in self.runs if run.head_to_head}
        arms = {name: [side.arm for side in self.sides.values() if side.run == name] for name in runs}
        return {name: plan_of(run.about, arms[name]) for name, run in runs.items()}

    @cached_property
    def records(self) -> pd.DataFrame:
        """The epochs of the arms, with their arm's name; trials of a search that it did not choose are left out."""
        whole = pd.concat([run.records.assign(run=run.name) for run in self.runs], ignore_index=True)
        return whole.merge(self.arms[["run", "trial", "arm"]], on=["run", "trial"])

    @property
    def metrics(self) -> list[str]:
        """The names of further metrics that a reader is shown: those with figures, what was picked by first."""
        known: dict[str, float | None] = {name: 0.0 for name in METRICS if self.arms[f"selection_{name}"].notna().any()}
        return shown_beside(known, self.measure.objective.metric)

    @property
    def judged_on(self) -> str:
        """What the arms' figures are of: "test", or "selection" while test has not been opened for all of them."""
        return "test" if self.arms["test_accuracy"].notna().all() else "selection"

    def run(self, name: str) -> LoadedRun:
        return next(run for run in self.runs if run.name == name)

    def predictions(self, arm: pd.Series, split: str) -> Arrays | None:
        """What the selected network of a row of `arms` says of each image; None where it was not kept."""
        return self.run(arm["run"]).predictions.get((arm["trial"], split))


def sections(runs: list[LoadedRun]) -> list[Section]:
    """The runs in groups that may be compared. Raises UsageError for two runs of one name."""
    names = [run.name for run in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"Two of these runs are called '{twice}'; a report tells runs apart by name. Rename a copy.")
    groups: dict[tuple[str, ...], list[LoadedRun]] = {}
    for run in runs:
        groups.setdefault(_key(run), []).append(run)
    return [Section(tuple(group)) for group in groups.values()]


def _key(run: LoadedRun) -> tuple[str, ...]:
    setting = run.about["setting"]
    split = f"file {setting['split']}" if setting.get("split") else f"by seed, without {setting.get('spared_seed')}"
    return (
        run.about["data"]["digest"],
        setting["protocol"],
        split,
        setting.get("task", SINGLE),
        _clock(run),
        run.measure.title,
    )


def _clock(run: LoadedRun) -> str:
    """Arms that were each ended by a clock compare with those of the same seconds on the same machine alone."""
    seconds = (run.about.get("budget") or {}).get("seconds")
    return f"{seconds:g} s on {run.about.get('machine', {}).get('processor')}" if seconds else ""


def arms_of(run: LoadedRun) -> pd.DataFrame:
    """A head-to-head: every completed trial, once test was opened only those that it was opened for.
    A search: its best trial and its anchors, as figures of one seed."""
    used = run.records.groupby("trial")[["updates", "images_trained", "images_scored"]].max()
    finals = run.finals[run.finals["best_epoch"].notna()].join(used, on="trial")
    chosen = _of_head_to_head(run, finals) if run.head_to_head else _of_search(run, finals)
    rows = chosen.assign(run=run.name, searched=not run.head_to_head)
    facts = [_facts(run, trial) for trial in rows["trial"]]
    figures = [f"{split}_{name}" for split in ("selection", "test") for name in (*MEASURES, *METRICS)]
    rows = rows.reindex(columns=list(dict.fromkeys((*rows.columns, *figures))))
    rows = rows.astype(dict.fromkeys(figures, float)).reset_index(drop=True)
    if not run.head_to_head:
        rows["strategy"] = [
            f"{name}, {_choice(run, trial)}" for name, trial in zip(rows["strategy"], rows["trial"], strict=True)
        ]
    extra = pd.DataFrame(facts, columns=["base", "init", "model", "image_size", "anchor", "trains_as"])
    return pd.concat([rows.rename(columns={"strategy": "arm"}), extra], axis=1)


def _of_head_to_head(run: LoadedRun, finals: pd.DataFrame) -> pd.DataFrame:
    return finals[(finals["state"] == "complete") & ~finals["trial"].isin(run.untested)]


def _of_search(run: LoadedRun, finals: pd.DataFrame) -> pd.DataFrame:
    """The trials that test was opened for; before that, the best one and the anchors."""
    opened = finals[finals["test_accuracy"].notna()]
    if len(opened) and run.eval_split != "test":
        return opened
    best_first = ranked(finals, run.measure.objective)["trial"]
    anchored = [n for n in best_first if run.asked[n].anchor]
    return finals[finals["trial"].isin([*best_first[:1], *anchored])]


def _choice(run: LoadedRun, trial: int) -> str:
    anchor = run.asked[trial].anchor
    return f"anchor {anchor}" if anchor else f"best of {len(run.asked)}"


def _facts(run: LoadedRun, trial: int) -> tuple[object, ...]:
    """Strategy, initialisation, network, pixels and anchor of one trial, and the report's strategy that it trains as."""
    setting, asked = run.settings[trial], run.asked[trial]
    start, theirs = initialisation(setting.weights), trains_as(setting.strategy, asked.config)
    return setting.strategy, start, setting.model, setting.image_size, asked.anchor, theirs


def initialisation(weights: str) -> str:
    """imagenet, dtd, textures, none, or the file's name: from the run that made the file, else from its name."""
    path = Path(weights)
    maker = path.parents[2] / "run.json" if len(path.parents) > 2 else path
    if path.suffix and maker.name == "run.json" and maker.is_file():
        return str(read_run(maker.parent)["data"]["name"])
    known = ("imagenet", "dtd", "textures")
    return next((name for part in reversed(path.parts) for name in known if name in part.lower()), path.stem)


def of_one_name(runs: Iterable[LoadedRun], arms: pd.DataFrame) -> frozenset[str]:
    """The runs that have an arm whose name occurs in another run too; an arm that only ever failed has no row in `arms`."""
    asked = [(run.name, str(arm)) for run in runs if run.head_to_head
             for arm in {trial.arm for trial in run.history.trials.values()} if arm is not None]  # fmt: skip
    names = pd.concat([arms[["run", "arm"]], pd.DataFrame(asked, columns=["run", "arm"])])
    return frozenset(names["run"][names.groupby("arm")["run"].transform("nunique").to_numpy() > 1])


def named(arms: pd.DataFrame, apart: Collection[str]) -> pd.DataFrame:
    """Arms of two runs keep apart: where a name occurs in several runs, the run's name is added to all arms of these runs.

    To all of them, so that a twin and its curriculum, or an arm and its baseline, still show that they belong together.
    """
    shared = arms["run"].isin(list(apart))
    tagged = arms["arm"].where(~shared, arms["arm"] + " [" + arms["run"] + "]")
    return arms.assign(arm=tagged, arm_run=arms["run"].where(shared, None))
