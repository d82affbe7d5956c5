"""A driver without a GPU whose trials run on those of a cluster: what it prepares itself, it prepares on its CPU."""

import pytest

from search import head_to_head
from search.executors import node_checks
from search.executors.nodes import Node
from search.options import SearchOptions
from search.planning.plan import Plan, make_plan
from search.proposers.contestants import Contestant
from spaces.arm import Arm
from spaces.registry import SPACES


@pytest.fixture
def plan(monkeypatch, tmp_path) -> Plan:
    """Of a search that needs features for its difficulty, and weights that are made where they are used."""
    monkeypatch.setattr("search.planning.defaults._nodes", lambda options, here: [Node("a", 4, 2, "abc")])
    for place in ("search.planning.defaults", "trainables.preparation"):
        monkeypatch.setattr(f"{place}.gpus_here", lambda: 0)
    return make_plan(
        SearchOptions(
            space="paced",
            data="scenes:count=70",
            image_size=16,
            model="small_cnn",
            weights="textures",
            precision="fp32",
            address="10.0.0.1:6379",
            out=str(tmp_path),
            name="r",
        )
    )


def test_a_search_is_planned_for_gpus_that_are_elsewhere(plan):
    assert plan.setting.device == "cuda" and plan.options.gpus_per_trial == 1


def test_the_arms_of_a_head_to_head_are_checked_on_the_cpu(plan):
    config = SPACES["paced"].config(unfreeze="head")
    head_to_head._check(plan, [Contestant(Arm("paced"), config, None)])


def test_the_network_of_the_nodes_is_held_against_one_made_on_the_cpu(plan, tmp_path):
    (tmp_path / "run").mkdir()
    own = node_checks.network_digest(plan.setting.model_copy(update={"device": "cpu"}), len(plan.data.classes))
    node = Node("a", 4, 2, "abc")
    node_checks._check_data(
        [node], tmp_path / "run", plan.setting, plan.data, lambda nodes, work, arguments, tick: {node: {"network": own}}
    )
