"""Every private member of Ray's and Optuna's that we touch is there, and one place alone touches those of each."""

import ast
import inspect
import re
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import ray
from optuna.samplers import TPESampler
from ray._private import worker
from ray._raylet import InnerGcsClient
from ray.experimental import internal_kv
from ray.tune.schedulers import PopulationBasedTraining, pb2, pbt
from ray.tune.schedulers.pb2 import PB2

from search.executors import ray_internals
from search.executors.population import make_pb2, make_pbt
from search.proposers import optuna_internals
from spaces.registry import SPACES

ROOT = Path(__file__).parents[2]
PLACES = {
    "search/executors/ray_internals.py",
    "search/executors/ray_node.py",  # a script that can import nothing of ours
    "search/proposers/optuna_internals.py",
}


def lacks(owner: str, member: str, package: str) -> str:
    return f"{package} {version(package)} has no {owner}.{member} any more; see pyproject.toml for the versions that do"


@pytest.mark.parametrize(
    ("owner", "member", "parameters"),
    [
        (pbt, "_PBTTrialState", ["trial"]),
        (PopulationBasedTraining, "_checkpoint_or_exploit", ["self", "trial", "tune_controller"]),
        (PopulationBasedTraining, "_get_new_config", ["self", "trial", "trial_to_clone"]),
        (PopulationBasedTraining, "_save_trial_state", ["self", "state", "time", "result", "trial"]),
        (PB2, "_get_new_config", ["self", "trial", "trial_to_clone"]),
        (PB2, "_save_trial_state", ["self", "state", "time", "result", "trial"]),
        (pb2, "_select_config", None),
        (worker, "_global_node", None),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)) if not isinstance(value, list) else "",
)
def test_ray_has_what_is_used_of_it(owner, member, parameters):
    assert hasattr(owner, member), lacks(owner.__name__, member, "ray")
    if parameters:
        found = list(inspect.signature(getattr(owner, member)).parameters)
        assert found[: len(parameters)] == parameters, f"ray {version('ray')}: {member} takes {found}"


def test_what_tune_asks_of_the_key_value_store_is_asked_in_time(monkeypatch):
    asked = []

    class Client:
        def internal_kv_get(self, key, namespace=None, timeout=None):
            asked.append((key, namespace, timeout))
            return b"value"

        def check_alive(self):
            return "alive"

    assert hasattr(internal_kv, "global_gcs_client"), lacks("internal_kv", "global_gcs_client", "ray")
    monkeypatch.setattr(internal_kv, "global_gcs_client", Client())
    ray_internals.ask_in_time()
    assert internal_kv._internal_kv_get("k", namespace="n") == b"value"
    assert asked == [(b"k", b"n", ray_internals.KV_SECONDS)] and internal_kv.global_gcs_client.check_alive() == "alive"
    for name in ("get", "put", "del", "keys", "exists"):
        takes = getattr(InnerGcsClient, f"internal_kv_{name}").__doc__
        assert "timeout=None" in takes, lacks(f"internal_kv_{name}", "timeout", "ray")


def test_ray_s_populations_keep_their_state_where_it_is_looked_for():
    space = SPACES["self_paced"]
    for made in (make_pbt(space, 0, 2, 0), make_pb2(space, 0, 2, 0)):
        for member in ("_trial_state", "_next_perturbation_sync"):
            assert hasattr(made, member), lacks(type(made).__name__, member, "ray")
        assert made._next_perturbation_sync == 2
    assert hasattr(made, "_hyperparam_bounds"), lacks("PB2", "_hyperparam_bounds", "ray")
    assert set(made.bounds) == set(space.mutable)
    state = pbt._PBTTrialState(SimpleNamespace(experiment_tag="0"))
    for member in ("last_perturbation_time", "last_train_time"):
        assert hasattr(state, member), lacks("_PBTTrialState", member, "ray")
    assert '"_temp_dir"' in inspect.getsource(ray.init), lacks("init", "_temp_dir", "ray")  # one of its **kwargs


def test_optuna_has_what_is_used_of_it():
    study = optuna.create_study(sampler=TPESampler(seed=0))
    trial = study.ask()
    for owner, member in ((study, "_storage"), (trial, "_trial_id"), (TPESampler(), "_search_space")):
        assert hasattr(owner, member), lacks(type(owner).__name__, member, "optuna")
    trial.suggest_float("rate", 0, 1)
    study.tell(trial, 0.5)
    optuna_internals.stored(study, trial).values = [0.25]
    assert study.get_trials(deepcopy=False)[0].values == [0.25], "what the storage gives is a copy by now"
    common = optuna_internals.sharing(TPESampler(), None)
    other = TPESampler()
    assert common is not None and optuna_internals.sharing(other, common) is common and other._search_space is common
    assert optuna_internals.sharing(optuna.samplers.RandomSampler(), common) is common


def test_nobody_else_touches_a_private_member():
    """Of whatever is not `self`, `cls` or a module of the same file: those are our own."""
    found = []
    for file in sorted(ROOT.glob("*/**/*.py")):
        name = file.relative_to(ROOT).as_posix()
        if name.startswith(("tests/", "benchmarks/", ".")) or name in PLACES or "site-packages" in name:
            continue
        source = file.read_text()
        if not re.search(r"\b(ray|optuna)\b", source):
            continue
        for node in ast.walk(ast.parse(source)):
            private = isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr)
            if private and ast.unparse(node.value) not in ("self", "cls", "super()"):
                found.append(f"{name}:{node.lineno} {ast.unparse(node)}")
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("ray", "optuna")):
                found += [f"{name}:{node.lineno} {each.name}" for each in node.names if each.name.startswith("_")]
    assert not found
