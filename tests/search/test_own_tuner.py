"""The code of docs/tuner.md as a reader types it: one Tuner after another on one private Ray, and the run made of each."""

import json
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
import ray
from ray import tune

from analysis import from_result_grid
from console.errors import UsageError
from records.epoch import EpochRecord
from records.files import read_text
from records.folder import best_weights
from search.executors import ray_environment
from spaces import self_paced

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "tuner.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module", autouse=True)
def a_ray(tmp_path_factory):
    """Two CPUs; results and working folder are the test's own."""
    place = tmp_path_factory.mktemp("own")
    folder = ray_environment.private_folder() / secrets.token_hex(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        for name in ray_environment.QUIET:  # what our own searches have Ray leave out
            patch.delenv(name, raising=False)
        patch.setattr("ray.train.constants.DEFAULT_STORAGE_PATH", str(place / "ray_results"))
        patch.chdir(place)
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80_000_000,
                 _temp_dir=str(folder))  # fmt: skip
        yield place
        ray.shutdown()


def block(saying: str) -> str:
    """The block of the page that holds these words."""
    (found,) = [each for each in BLOCKS if saying in each]
    return found


@pytest.fixture(scope="module")
def typed(a_ray) -> dict:
    """The names that the page's first block leaves."""
    names: dict = {}
    exec(block("ASHAScheduler(max_t=4)"), names)
    return names


def finite(grid) -> list[int]:
    return [int(result.metrics["epoch"]) for result in grid]


def test_a_searcher_and_a_scheduler_of_ray_s_find_a_config(typed):
    grid = typed["grid"]
    assert len(grid) == 4 and not grid.errors and max(finite(grid)) == 4
    best = grid.get_best_result()
    assert self_paced.contains(
        self_paced.with_fixed({"batch_size": 8}).build(best.config).model_dump() | {"batch_size": 32}
    )
    with best.checkpoint.as_directory() as place:
        kept = EpochRecord.from_row(json.loads(read_text(Path(place) / "best.safetensors", "record")))
        assert kept.eval_accuracy == best.metrics["best_accuracy"]


def test_a_result_is_a_run_that_the_report_reads(typed, a_ray):
    exec(block("from_result_grid"), typed)
    run, grid = typed["run"], typed["grid"]
    assert run.folder == a_ray / "runs" / "own_tuner" and len(run.finals) == 4
    for number, result in enumerate(grid):
        rows = run.records[run.records["trial"] == number]
        assert rows["eval_loss"].tolist() == result.metrics_dataframe["eval_loss"].tolist()
        state = "complete" if result.metrics["epoch"] == 4 else "pruned"
        assert run.finals.set_index("trial").loc[number, "state"] == state
        assert best_weights(run.folder, number).exists()
    assert set(run.about["space"]["search"]) <= set(self_paced.search) and run.about["space"]["fixed"] == {
        "batch_size": 8
    }
    for command in (
        ["analysis.report", "runs/own_tuner", "--out", "report"],
        ["search.export", "runs/own_tuner", "--out", "x"],
    ):
        done = subprocess.run([sys.executable, "-m", *command], cwd=a_ray, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "own_tuner" in (a_ray / "report" / "index.html").read_text()
    with pytest.raises(UsageError, match="is there already; nothing is overwritten"):
        from_result_grid(grid, run.folder, typed["SelfPaced"])


def test_an_illegal_value_is_an_error_in_the_result_and_a_failed_trial_of_the_run(typed, a_ray):
    grid = tune.Tuner(typed["SelfPaced"], param_space={"gate": tune.grid_search([7.0, 0.7])}).fit()
    assert grid.num_errors == 1 and "SelfPacedConfig.gate: must be a number in [0, 1]; got 7.0." in str(grid[0].error)
    assert grid[1].error is None and grid[1].metrics["done"]
    finals = from_result_grid(grid, a_ray / "runs" / "bad", typed["SelfPaced"]).finals.set_index("trial")
    assert finals["state"].to_dict() == {0: "failed", 1: "complete"}


def test_a_population_changes_fields_while_its_members_train(typed, a_ray):
    exec(block("PopulationBasedTraining"), typed)
    grid = typed["population"]
    assert not grid.errors and finite(grid) == [4] * 4
    rates = [result.metrics_dataframe["learning_rate"].nunique() for result in grid]
    assert max(rates) > 1  # under rate=constant nothing but an exchange changes it
    run = from_result_grid(grid, a_ray / "runs" / "population", typed["SelfPaced"])
    assert run.records.groupby("trial")["epoch"].apply(list).tolist() == [[1, 2, 3, 4]] * 4
    for number, result in enumerate(grid):
        own = run.records[run.records["trial"] == number]
        assert own["eval_loss"].iloc[-1] == result.metrics["eval_loss"]


def test_an_interrupted_tuner_is_restored_and_goes_on_from_its_checkpoints(typed, a_ray, monkeypatch):
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "0")  # Ray notes what it has done every ten seconds, else
    mark = a_ray / "stopped"  # Tuner.restore brings the callback back as well

    class Stops(tune.Callback):
        def on_trial_result(self, iteration, trials, trial, result, **info):
            if result["epoch"] == 3 and not mark.exists():
                mark.touch()
                raise KeyboardInterrupt

    given = {"param_space": {"gate": 0.6, "batch_size": 8}}
    keeps = tune.CheckpointConfig(checkpoint_frequency=1)
    cut = tune.Tuner(
        typed["SelfPaced"], **given, run_config=tune.RunConfig(name="cut", callbacks=[Stops()], checkpoint_config=keeps)
    )
    with pytest.raises(BaseException):  # noqa: B017
        cut.fit()
    place = a_ray / "ray_results" / "cut"
    again = tune.Tuner.restore(str(place), trainable=typed["SelfPaced"], resume_errored=True)
    grid = again.fit()
    assert finite(grid) == [4] and not grid.errors
    assert grid[0].metrics["iterations_since_restore"] < 4  # the others were trained before
    straight = tune.Tuner(typed["SelfPaced"], **given).fit()
    assert grid[0].metrics["eval_loss"] == straight[0].metrics["eval_loss"]


def test_mlflow_s_callback_logs_every_metric(typed, a_ray):
    mlflow = pytest.importorskip("mlflow")
    exec(block("MLflowLoggerCallback"), typed)
    config = tune.RunConfig(callbacks=typed["callbacks"])
    grid = tune.Tuner(typed["SelfPaced"], param_space={"gate": 0.6}, run_config=config).fit()
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("self_paced").experiment_id])
    assert run.info.status == "FINISHED" and run.data.params["gate"] == "0.6"
    assert run.data.metrics["eval_loss"] == pytest.approx(grid[0].metrics["eval_loss"])
    assert len(client.get_metric_history(run.info.run_id, "eval_accuracy")) == 4


@pytest.mark.parametrize(
    ("package", "home", "name"),
    [
        ("hyperopt", "ray.tune.search.hyperopt", "HyperOptSearch"),
        ("bayes_opt", "ray.tune.search.bayesopt", "BayesOptSearch"),
    ],
)
def test_other_searchers_as_they_are_installed(typed, package, home, name):
    pytest.importorskip(package)
    searcher = getattr(pytest.importorskip(home), name)(metric="eval_loss", mode="min")
    space = {"gate": self_paced.to_tune()["gate"]}
    grid = tune.Tuner(
        typed["SelfPaced"], param_space=space, tune_config=tune.TuneConfig(num_samples=2, search_alg=searcher)
    ).fit()
    assert finite(grid) == [4, 4]
