"""A head-to-head in optuna-dashboard: arms with their means and pairs, live and when it is over."""

import json
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from records.follow import LedgerFollower
from records.history import read_history
from search.views.arms import Standings
from search.views.importances import FEWEST, Importances
from search.views.names import study_name
from search.views.optuna_study import SharedStudy, StudyMirror, shared_storage
from spaces.registry import get_space
from spaces.setting import Setting
from tests import made_runs
from tests.made_runs import about, append, asked, ended, epoch

CONFIG = get_space("self_paced").build({}).model_dump()
ARMS = ("finetune", "self_paced", "self_paced/random")
# best validation accuracy by arm and seed; on test each has 0.05 less
FIGURES = {
    "finetune": [0.50, 0.52, 0.54, 0.51, 0.52, 0.50],
    "self_paced": [0.60, 0.63, 0.63, 0.61, 0.62, 0.60],
    "self_paced/random": [0.70, 0.40, 0.40, 0.50, 0.60, 0.40],
}
PLANNED = [["self_paced", "finetune"], ["self_paced", "self_paced/random"]]


def run_json(seeds: int = 3, **changes: Any) -> dict:
    compare = {"strategies": "finetune,self_paced", "seeds": seeds}
    verdict = {"primary": PLANNED, "margin": 0.01, "level": 0.95}
    made = about(3 * seeds, 2, **changes) | {"kind": "head_to_head", "compare": compare, "verdict": verdict}
    made["data"] |= {"validation": 60_000, "test": 60_000}  # so many that they alone leave little open
    return made


def begin(number: int, arm: str, seed: int) -> dict:
    setting = Setting(strategy=arm.split("/")[0], arm=arm, seed=seed).model_dump()
    return asked(number, {}, CONFIG, "as_run", setting=setting)


def training(number: int, arm: str, seed: int) -> list[dict]:
    """It learns for one epoch, and is as good in the second one."""
    best = FIGURES[arm][seed]
    return [begin(number, arm, seed), epoch(number, 1, best - 0.1, 2, seed=seed), epoch(number, 2, best, 2, seed=seed),
            ended(number, "complete")]  # fmt: skip


def trainings(seeds: int) -> list[dict]:
    each = [(arm, seed) for seed in range(seeds) for arm in ARMS]
    return [event for number, (arm, seed) in enumerate(each) for event in training(number, arm, seed)]


def judged(seeds: int) -> list[dict]:
    each = [(arm, seed) for seed in range(seeds) for arm in ARMS]
    return [{"event": "test", "trial": number, "accuracy": FIGURES[arm][seed] - 0.05, "loss": 1.0, "knn": 0.4}
            for number, (arm, seed) in enumerate(each)]  # fmt: skip


class Seen:
    """A head-to-head that is written by hand, and its study."""

    def __init__(self, folder: Path, run: dict):
        self.folder = made_runs.write(folder, run, [])
        self.follower = LedgerFollower(folder)
        self.mirror = StudyMirror(folder, self.follower.run, folder / "study.journal")
        self.look()

    def look(self, *events: dict, live: bool = True) -> bool:
        append(self.folder, *events)
        self.follower.read()
        anew = self.mirror.update(self.follower.history, live)
        self.follower.history.changed.clear()
        return anew

    def study(self) -> optuna.Study:
        """As any other program reads it from the file."""
        storage = JournalStorage(JournalFileBackend(str(self.folder / "study.journal")))
        return optuna.load_study(study_name=self.mirror.name, storage=storage)

    def arms(self) -> dict[str, optuna.trial.FrozenTrial]:
        return {trial.params["arm"]: trial for trial in self.study().trials}

    def note(self, of: str = "") -> str:
        """The study's, or an arm's."""
        key = "dashboard:" if not of else f"dashboard:{self.arms()[of]._trial_id}:"
        attrs = self.study()._storage.get_study_system_attrs(0)
        parts = [name for name in attrs if name.startswith(f"{key}note_str:")]
        return "".join(attrs[f"{key}note_str:{part}"] for part in range(len(parts)))


@pytest.fixture(autouse=True)
def somebody_is_at_it(monkeypatch):
    """Else what still runs counts as interrupted at each look."""
    monkeypatch.setattr("records.follow.is_live", lambda folder: True)


@pytest.fixture
def seen(tmp_path) -> Seen:
    return Seen(tmp_path / "run", run_json())


def test_an_arm_is_worth_the_mean_of_its_seeds_and_no_seed_is_a_parameter(seen):
    seen.look(*trainings(3), *judged(3), live=False)
    study, arms = seen.study(), seen.arms()
    assert list(arms) == list(ARMS) and study.metric_names == ["test accuracy, mean over seeds"]
    assert {name: round(trial.value, 6) for name, trial in arms.items()} == {
        "finetune": 0.47,
        "self_paced": 0.57,
        "self_paced/random": 0.45,
    }
    assert study.best_trial.params == {"arm": "self_paced"}  # one seed of its twin was better than all of its own
    twin = arms["self_paced/random"].user_attrs
    assert (twin["lowest"], twin["highest"], twin["seeds"]) == (0.35, 0.65, "3 of 3")
    assert arms["self_paced"].intermediate_values == {1: pytest.approx(0.52), 2: pytest.approx(0.62)}


def test_the_pairs_stand_there_as_the_rulebook_has_them(tmp_path):
    seen = Seen(tmp_path / "run", run_json(6))
    seen.look(*trainings(6), *judged(6), live=False)
    said = seen.arms()["self_paced"].user_attrs
    first = said["against finetune"]
    assert first.startswith("+10.0 points (+") and first.endswith(", 6 seeds): better")
    assert "against finetune" not in seen.arms()["finetune"].user_attrs
    pairs = Standings(seen.folder).of(read_history(seen.folder)).pairs
    for pair, words in zip(pairs, ("better", "undecided"), strict=True):
        low, high = (f"{100 * end:+.1f}" for end in (pair.low, pair.high))
        assert f"| {pair.a} against {pair.b} | {100 * pair.mean:+.1f} | {low} to {high} | 6 | {words}" in seen.note()
    assert "- self_paced against finetune: +10.0 points (" in seen.note("finetune")
    assert "| 1 | 5 | 0.400 | 2 | 0.350 | complete |" in seen.note("self_paced/random")
    assert seen.note().startswith(
        "**1 of 2 planned pairs decided so far.** Differences in points on test, seed by seed."
    )


def test_its_plots_show_every_seed_and_every_pair(tmp_path):
    seen = Seen(tmp_path / "run", run_json(6))
    seen.look(*trainings(6), *judged(6), live=False)
    attrs = seen.study()._storage.get_study_system_attrs(0)
    graphs = {}
    for name in ("arms", "differences"):
        parts = [key for key in attrs if key.startswith(f"dashboard:plot_data:{name}:")]
        graphs[name] = json.loads("".join(attrs[f"dashboard:plot_data:{name}:{part}"] for part in range(len(parts))))
    dots, means = graphs["arms"]["data"]
    assert len(dots["x"]) == 18 and means["y"] == list(ARMS)[::-1] and means["x"][2] == pytest.approx(0.465)
    (points,) = graphs["differences"]["data"]
    assert points["y"] == ["self_paced : self_paced/random", "self_paced : finetune"]
    assert points["marker"]["symbol"] == ["circle-open", "circle"] and points["x"][1] == pytest.approx(10.0)
    (first, _) = Standings(seen.folder).of(read_history(seen.folder)).pairs
    assert points["error_x"]["array"][1] == pytest.approx(100 * (first.high - first.mean))
    assert graphs["differences"]["layout"]["shapes"][0]["x1"] == 1.0


def test_a_live_one_is_followed_on_validation_until_test_is_opened(seen):
    assert seen.look(begin(0, "finetune", 0), epoch(0, 1, 0.3, 2, seed=0))  # a new arm is a choice of all trials
    arm = seen.arms()["finetune"]
    assert arm.state == TrialState.RUNNING and arm.intermediate_values == {1: 0.3}
    assert arm.user_attrs["now"] == "seed 0 in epoch 2" and arm.user_attrs["seeds"] == "0 of 3"
    seen.look(epoch(0, 2, 0.50, 2, seed=0), ended(0, "complete"), *training(1, "self_paced", 0))
    assert not seen.look(*training(2, "finetune", 1), begin(3, "self_paced", 1))  # nothing is made anew
    arms = seen.arms()
    assert (
        arms["finetune"].user_attrs["mean on validation"] == 0.51 and arms["finetune"].user_attrs["seeds"] == "2 of 3"
    )
    assert arms["finetune"].intermediate_values == {1: pytest.approx(0.36), 2: pytest.approx(0.51)}  # of both seeds
    assert (
        arms["self_paced"].user_attrs["now"] == "seed 1 in epoch 1" and arms["self_paced"].state == TrialState.RUNNING
    )
    assert "| self_paced against finetune | +10.0 | too few seeds for an interval | 1 |" in seen.note()
    assert "test is not opened yet" in seen.note() and seen.study().metric_names == [
        "validation accuracy, mean over seeds"
    ]


def test_following_gives_what_reading_the_finished_one_gives(tmp_path):
    events = [*trainings(3), *judged(3)]
    live, whole = Seen(tmp_path / "live", run_json()), Seen(tmp_path / "whole", run_json())
    for start in range(0, len(events), 5):
        live.look(*events[start : start + 5])
    live.look(live=False)
    whole.look(*events, live=False)
    for name, arm in whole.arms().items():
        other = live.arms()[name]
        assert (arm.state, arm.values, arm.user_attrs) == (other.state, other.values, other.user_attrs)
        assert arm.intermediate_values == other.intermediate_values and whole.note(name) == live.note(name)
    assert whole.note() == live.note() and len(live.study().trials) == 3


def test_made_again_over_the_same_file_nothing_is_doubled(seen):
    seen.look(*trainings(3), *judged(3), live=False)
    before = seen.note()
    again = StudyMirror(seen.folder, seen.follower.run, seen.folder / "study.journal")
    again.update(seen.follower.history, live=False)
    assert len(seen.study().trials) == 3 and seen.note() == before


def test_one_that_was_stopped_shows_the_mean_so_far_and_goes_on_when_it_is_resumed(seen):
    seen.look(*trainings(1), begin(3, "finetune", 1), ended(3, "interrupted", "Ctrl-C"), live=False)
    arm = seen.arms()["finetune"]
    assert (arm.state, arm.value, arm.user_attrs["seeds"]) == (TrialState.COMPLETE, 0.5, "1 of 3")
    assert seen.look({"event": "resumed", "samples": 9}, begin(3, "finetune", 1))
    assert seen.arms()["finetune"].state == TrialState.RUNNING and len(seen.study().trials) == 3


def test_a_failed_training_counts_as_it_does_in_the_verdict_and_an_arm_without_a_figure_has_failed(seen):
    seen.look(*trainings(1), *judged(1), begin(3, "finetune", 1), ended(3, "failed", "ValueError: no"), live=False)
    arm = seen.arms()["finetune"]
    assert arm.user_attrs["seeds"] == "2 of 3, 1 failed"
    assert arm.value == pytest.approx((0.45 + 1 / 3) / 2)  # with chance among three classes
    assert "failed: ValueError: no" in seen.note("finetune")
    other = Seen(seen.folder.parent / "other", run_json())
    other.look(begin(0, "finetune", 0), ended(0, "failed", "ValueError: no"), live=False)
    assert other.arms()["finetune"].state == TrialState.FAIL


def test_a_further_round_is_planned_for_the_arms_that_it_names(seen):
    seen.look(*trainings(3), *judged(3))
    assert all(arm.state == TrialState.COMPLETE for arm in seen.arms().values())
    assert seen.look({"event": "round", "seeds": [3, 4], "arms": ["finetune", "self_paced"]}, begin(9, "finetune", 3))
    arms = seen.arms()
    assert arms["finetune"].user_attrs["seeds"] == "3 of 5" and arms["finetune"].state == TrialState.RUNNING
    assert arms["self_paced/random"].user_attrs["seeds"] == "3 of 3"


def test_under_protocol_report_test_is_what_epochs_are_picked_on(tmp_path):
    seen = Seen(tmp_path / "run", run_json(protocol="report"))
    events = trainings(2)
    for event in events:
        if event["event"] == "epoch":
            event["record"]["eval_split"] = "test"
    seen.look(*events)
    assert seen.study().metric_names == ["test accuracy, mean over seeds"]
    assert seen.arms()["finetune"].user_attrs["mean on test"] == 0.51


def test_where_less_is_better_the_study_goes_down(tmp_path):
    run = run_json()
    run["setting"] |= {"metric": "loss", "lower_is_better": True}
    seen = Seen(tmp_path / "run", run)
    seen.look(*trainings(3), live=False)
    study = seen.study()
    assert study.direction.name == "MINIMIZE" and study.metric_names == ["validation loss, mean over seeds"]
    assert all(math.isclose(trial.value, 0.55) for trial in study.trials)


def test_beside_other_runs_it_keeps_its_trials(tmp_path):
    folder = made_runs.write(tmp_path / "run", run_json(), [*trainings(3), *judged(3)])
    follower, storage = LedgerFollower(folder), shared_storage()
    follower.read()
    mirror = SharedStudy(folder, follower.run, "many/run", storage)
    assert not mirror.update(follower.history)
    (study,) = storage.get_all_studies()
    assert study.study_name == "many/run: finetune, self_paced on scenes at 64 px"
    assert [trial.params["arm"] for trial in storage.get_all_trials(study._study_id)] == list(ARMS)


def test_a_study_is_named_by_what_is_compared():
    many = run_json() | {"compare": {"strategies": "finetune, paced,seta,rcap,rho_loss", "seeds": 1}}
    assert study_name("table", many) == "table: finetune, paced, seta and 2 more on scenes at 64 px"


def importances(storage, study: int) -> Any:
    """What the pages answer; 'the pages' where they are asked themselves."""
    said = []
    pages = Importances(lambda environ, start: [b'"the pages"'], storage)
    path = f"/api/studies/{study}/param_importances"
    body = b"".join(pages({"PATH_INFO": path}, lambda status, headers: said.append(status)))
    return json.loads(body)


def test_importances_of_few_trials_and_of_arms_are_withheld(seen):
    seen.look(*trainings(3), *judged(3), live=False)
    assert importances(seen.mirror.storage, 0) == {"param_importances": []}
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=FEWEST - 1)
    assert importances(storage, 0) == {"param_importances": []}
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert importances(storage, 0) == importances(storage, 7) == "the pages"
