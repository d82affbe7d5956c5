"""Where trials run: what fits, what is refused, what a node must have, and a two-node cluster that loses one node."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet
import pytest

from console.errors import UsageError
from records.files import write_json
from records.ledger import read_lines
from search import run
from search.executors import node_checks
from search.executors.node_checks import check_nodes
from search.executors.nodes import (
    Node,
    cause,
    explain,
    knock,
    lost_with_its_node,
    places,
    refuse_impossible,
    refuse_share,
    share_out,
)
from search.options import SearchOptions
from search.planning.defaults import complete
from search.planning.resume import options_of
from spaces.setting import Setting
from tests import made_runs
from trainables.preparation import load_data

each = pytest.mark.parametrize
TINY = ["--data", "scenes:count=105", "--image-size", "16", "--precision", "fp32", "--cpus-per-trial", "1"]
SMALL, GPUS = Node("a", 2, 0), Node("b", 16, 2)


# What fits


@each(("node", "cpus", "gpus", "fit"), [
    (SMALL, 1, 0, 2), (SMALL, 2, 0, 1), (SMALL, 3, 0, 0), (SMALL, 1, 1, 0),
    (GPUS, 1, 1, 2), (GPUS, 1, 2, 1), (GPUS, 1, 3, 0),
    (GPUS, 1, 0.25, 8), (GPUS, 4, 0.25, 4),
    (GPUS, 1, 0.4, 4),  # two on each, though 2 / 0.4 is five
    (GPUS, 1, 0.6, 2), (GPUS, 1, 1 / 3, 6),
])  # fmt: skip
def test_places_on_a_node(node, cpus, gpus, fit):
    assert node.places(cpus, gpus) == fit


@each(("nodes", "asked", "fill", "chosen"), [
    # nothing asked: on a machine without GPUs one trial on all cores
    ([Node("here", 2, 0)], (None, None, None), False, (0.0, 2, 1)),
    ([Node("here", 8, 0)], (None, 1, None), False, (0.0, 1, 1)),
    ([Node("here", 8, 0)], (None, None, 3), False, (0.0, 2, 3)),
    ([Node("here", 2, 0)], (None, None, 4), False, (0.0, 1, 4)),
    # on GPUs one per GPU, or one per share, with the cores shared out
    ([Node("here", 16, 2)], (None, None, None), False, (1.0, 8, 2)),
    ([Node("here", 16, 2)], (0.25, None, None), False, (0.25, 2, 8)),
    ([Node("here", 2, 1)], (0.1, None, None), False, (0.1, 1, 2)),
    # a cluster is filled
    ([Node("a", 4, 0), Node("b", 8, 0)], (None, None, None), True, (0.0, 4, 3)),
    ([Node("a", 4, 0), Node("b", 8, 0)], (None, 1, None), True, (0.0, 1, 12)),
    ([Node("a", 4, 0), Node("b", 16, 2)], (None, None, None), True, (1.0, 8, 2)),
    ([Node("a", 4, 0), Node("b", 16, 2)], (0.0, None, 4), True, (0.0, 4, 4)),
    ([Node("head", 0, 0), Node("b", 4, 0)], (None, None, None), True, (0.0, 4, 1)),
])  # fmt: skip
def test_what_is_left_open_is_chosen_by_what_there_is(nodes, asked, fill, chosen):
    gpus, cpus, at_once = share_out(nodes, *asked, fill)
    assert (gpus, cpus, at_once) == chosen
    if fill or not asked[2]:
        assert places(nodes, cpus, gpus) >= at_once


def test_the_number_at_a_time_is_explained():
    nodes = [Node("a", 4, 0), Node("b", 8, 0)]
    assert explain(nodes, 4, 0, 3) == "Cluster of 2 nodes (12 CPUs, 0 GPUs): 3 at a time, as many as fit."
    assert explain(nodes, 4, 0, 2).endswith("2 at a time, 3 would fit.")


def test_what_no_node_has_is_refused_with_what_there_is():
    with pytest.raises(UsageError) as caught:
        refuse_impossible([SMALL, GPUS], 4, 4, "head:6379")
    assert str(caught.value) == (
        "No node of the cluster at head:6379 has what one trial asks for (4 CPUs, 4 GPUs); it has a (2 CPUs, 0 GPUs), "
        "b (16 CPUs, 2 GPUs). Ask for less with --cpus-per-trial or --gpus-per-trial."
    )
    refuse_impossible([SMALL, GPUS], 4, 2, "head:6379")


@each("gpus", [1.5, 0.001, 2.25])
def test_a_share_that_ray_cannot_give_is_refused(gpus):
    with pytest.raises(UsageError, match=f"got {gpus:g}"):
        refuse_share(gpus)


def test_a_concurrency_that_was_not_asked_for_is_chosen_anew_on_resume(tmp_path):
    recorded = complete(SearchOptions(name="r")).model_dump() | {"concurrent": 7}
    for asked, expected in ((["name"], None), (["concurrent", "name"], 7)):
        write_json(tmp_path / "r" / "run.json", made_runs.about(1, 1) | {"options": recorded, "asked": asked})
        again = options_of(SearchOptions, {"name": "r", "out": str(tmp_path)}, "search")
        assert again.concurrent == expected and ("concurrent" in again.model_fields_set) == bool(expected)


# Addresses


def test_an_address_that_does_not_answer_is_a_quick_sentence(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers, and nobody else can
        port, started = taken.getsockname()[1], time.monotonic()
        words = [*TINY, "--address", f"127.0.0.1:{port}", "--out", str(tmp_path), "--name", "r"]
        assert run.main(words) == run.WRONG_USAGE
    assert f"No Ray cluster answers at --address 127.0.0.1:{port} (" in capsys.readouterr().err
    assert time.monotonic() - started < 10 and not list(tmp_path.iterdir())


@each(
    ("address", "said"), [("ray://head:10001", "is a Ray client's"), ("head", "wants HOST:PORT"), ("head:x", "wants")]
)
def test_an_address_of_another_kind_is_refused(address, said):
    with pytest.raises(UsageError, match=said):
        knock(address)


def test_local_is_a_private_ray_and_the_local_executor_wants_no_address():
    assert complete(SearchOptions(address="local")).address is None
    with pytest.raises(UsageError, match="--executor local runs in this process"):
        complete(SearchOptions(executor="local", address="head:6379"))


# What a lost worker is held to


@each(("said", "node", "why"), [
    ("The actor died unexpectedly before finishing this task.\n\tpid: 1\nThe actor is dead because its worker process "
     "has died. Worker exit type: SYSTEM_ERROR", False, "The actor is dead because its worker process has died"),
    ("The actor died unexpectedly before finishing this task.\n\tpid: 1\nThe actor died because its node has died. Node "
     "Id: 4868\n\tthe actor's node was terminated unexpectedly", True, "The actor died because its node has died"),
    ("Out of words", False, "Out of words"),
])  # fmt: skip
def test_a_lost_node_is_told_apart_from_a_lost_worker(said, node, why):
    assert lost_with_its_node(said) == node and cause(said) == why


# What a node must have


SETTING = Setting(strategy="finetune", data="scenes:count=70", image_size=16, model="small_cnn")


def looked_at(tmp_path, spoil=lambda came: came, setting=SETTING, node=GPUS):
    """check_nodes with this process in the place of a node; `spoil` changes what comes back."""

    def on_each(nodes, work, arguments, tick):
        came = {n: work(*(arguments[n] if isinstance(arguments, dict) else arguments)) for n in nodes}
        tick()
        return {n: spoil(said) for n, said in came.items()}

    tmp_path.mkdir(exist_ok=True)
    check_nodes([node], tmp_path, setting, on_each)


def test_a_fit_node_passes_and_nothing_is_left_in_the_run_folder(tmp_path):
    looked_at(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["log"]


@each(("change", "said"), [
    ({"versions": {}}, "Node b has torch not at all, where the search runs with"),
    ({"code": "f" * 64}, "another state of curriculum-tune (code ffffffffffff, where"),
    ({"missing": "No module named 'search'"}, "cannot import curriculum-tune (No module named 'search'); install it"),
    ({"seen": None}, "is not seen there; pass an --out that every node sees"),
    ({"seen": "other"}, "is another folder there; pass an --out"),
    ({"wrote": None}, "cannot be written there; pass an --out"),
    ({"network": "e" * 64}, "begins with another network (weights eeeeeeeeeeee, where"),
    ({"refused": "The disk is full."}, "Node b: The disk is full."),
])  # fmt: skip
def test_an_unfit_node_is_named_with_what_to_do(tmp_path, change, said):
    name = next(iter(change))
    later = name in ("network", "refused")
    with pytest.raises(UsageError) as caught:
        looked_at(tmp_path, lambda came: came | change if ("network" in came) == later else came)
    assert said in str(caught.value)


def test_a_node_that_is_lost_while_it_is_looked_at_is_named(tmp_path):
    with pytest.raises(UsageError, match="Node b did not answer when it was looked at"):
        looked_at(tmp_path, lambda came: OSError("gone"))


def test_other_data_on_a_node_are_refused_with_both_digests(tmp_path, monkeypatch):
    here = load_data(SETTING)
    monkeypatch.setattr(node_checks, "load_data", lambda setting: here)  # the driver's own are as wanted
    with pytest.raises(UsageError, match=r"Node b: The data in 'scenes:count=70' have digest \w{12}, where 0{12} was"):
        looked_at(tmp_path, setting=SETTING.model_copy(update={"data_digest": "0" * 64}))


def test_a_node_without_our_package_can_say_so(tmp_path):
    """What is sent to a node is unpacked there, and must not need what may be missing."""
    from ray import cloudpickle

    (tmp_path / "work").write_bytes(cloudpickle.dumps(node_checks.what_a_node_has()))
    there = "import sys; sys.modules['search'] = None; from ray import cloudpickle\n"
    there += "print(cloudpickle.loads(open('work', 'rb').read())('seen', []))"
    done = subprocess.run([sys.executable, "-c", there], cwd=tmp_path, capture_output=True, text=True)
    assert "'missing': " in done.stdout, done.stderr


# A real cluster of two nodes on this machine


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes of real Ray processes: two CPUs and two make-believe GPUs, and one CPU."""
    from ray.cluster_utils import Cluster

    os.makedirs("/tmp/ray", exist_ok=True)  # where Ray notes the newest cluster of the machine
    two = Cluster()
    quick = {"health_check_period_ms": 500, "health_check_initial_delay_ms": 500}  # to notice a lost node: else 13 s
    two.add_node(num_cpus=2, num_gpus=2, include_dashboard=False, _system_config=quick)
    two.second = two.add_node(num_cpus=1)
    yield two
    two.shutdown()


def asked(cluster, out: Path, name: str, *more: str) -> list[str]:
    return [*TINY, "--address", cluster.address, "--out", str(out), "--name", name, *more]


@pytest.mark.ray
def test_what_a_cluster_has_not_is_refused_before_anything_starts(cluster, tmp_path, capsys):
    assert run.main(asked(cluster, tmp_path, "r", "--gpus-per-trial", "3")) == run.WRONG_USAGE
    said = capsys.readouterr().err
    assert "has what one trial asks for (1 CPU, 3 GPUs); it has" in said and "(2 CPUs, 2 GPUs)" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.ray
def test_a_trial_sees_the_gpu_that_ray_assigned_to_it(cluster, tmp_path):
    import ray

    from search.executors.ray_session import ray_running
    from tests.trainables.test_tune import job
    from trainables.tune import StrategyTrainable

    with ray_running(cluster.address, 0, 0):
        kinds = [ray.remote(num_gpus=share, num_cpus=0)(StrategyTrainable) for share in (1, 0.5, 0.5)]
        trials = [kind.remote(config=job(tmp_path / str(i), number=i)) for i, kind in enumerate(kinds)]
        placed = [result["placed"] for result in ray.get([trial.train.remote() for trial in trials])]
        seen = ray.get([t.__ray_call__.remote(lambda self: os.environ["CUDA_VISIBLE_DEVICES"]) for t in trials])
        assert [where["gpus"] for where in placed] == [[gpu] for gpu in seen]
        whole, half, other_half = seen
        assert {whole, half} == {"0", "1"} and half == other_half
        assert {where["threads"] for where in placed} == {1}
        for trial in trials:
            ray.kill(trial)


@pytest.mark.ray
def test_a_search_outlives_the_loss_of_a_node(cluster, tmp_path, capfd):
    """Each node has trials when the second dies: its trial ends on the first, and --max-failures is not used up."""
    ledger, deaths = tmp_path / "r" / "ledger.jsonl", []

    def kill_the_second_node() -> None:
        second = cluster.second.node_id
        while not deaths:
            events = read_lines(tmp_path / "r") if ledger.exists() else []
            on_it = {e["trial"] for e in events if e["event"] == "placed" and e["node"] == second}
            if any(e["event"] == "epoch" and e["record"]["trial"] in on_it for e in events):
                deaths.append(on_it)
                cluster.remove_node(cluster.second, allow_graceful=False)
            time.sleep(0.05)

    killer = threading.Thread(target=kill_the_second_node, daemon=True)
    killer.start()
    words = ["--epochs", "80", "--samples", "4", "--scheduler", "none", "--anchors", "none", "--gpus-per-trial", "0"]
    assert run.main(asked(cluster, tmp_path, "r", *words)) == run.DONE
    killer.join(timeout=10)
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    said = capfd.readouterr().out
    assert "Cluster of 2 nodes (3 CPUs, 2 GPUs): 3 at a time, as many as fit." in said
    lost = [event["trial"] for event in events if event["event"] == "lost"]
    assert lost and set(lost) == deaths[0] and f"The node of trial {lost[0]} is lost" in said
    assert Counter(e["state"] for e in events if e["event"] == "ended") == {"complete": 4}
    rows = pyarrow.parquet.read_table(tmp_path / "r" / "records.parquet").to_pylist()
    assert sorted((row["trial"], row["epoch"]) for row in rows) == [(t, e) for t in range(4) for e in range(1, 81)]
    epochs = [(e["record"]["trial"], e["record"]["epoch"]) for e in events if e["event"] == "epoch"]
    assert len(set(epochs)) == len(epochs)
    assert len({e["node"] for e in events if e["event"] == "placed"}) == 2
    assert {e["threads"] for e in events if e["event"] == "placed"} == {1}
