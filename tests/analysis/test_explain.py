"""Explanations of tiny runs: the selected network is the one that was judged, and damage is one sentence."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from analysis import explain
from analysis.explaining.explanation import explain_image
from analysis.explaining.networks import choose, kept_trials, open_network
from analysis.explaining.superpixels import FEWEST, Segments
from analysis.runs import load_run
from console.errors import UsageError
from records.files import read_text, write_json
from records.folder import best_weights, read_run, remove_checkpoints
from search import compare, run

TINY = ["--data", "scenes:count=105", "--image-size", "16", "--executor", "local", "--epochs", "2", "--samples", "1",
        "--cpus-per-trial", "1", "--precision", "fp32"]  # fmt: skip


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Two searches on the same data: all layers trained, and the head on a frozen backbone."""
    out = tmp_path_factory.mktemp("runs")
    for name, space in (("whole", "finetune"), ("head", "transfer")):
        assert run.main([*TINY, "--space", space, "--out", str(out), "--name", name]) == run.DONE
    return out


@pytest.mark.parametrize("name", ["whole", "head"])
def test_the_rebuilt_network_is_the_one_that_was_judged(searched, name):
    network = open_network(load_run(searched / name), None)
    said = network.run.predictions[network.trial, "test"]
    again = network.engine.probabilities(np.asarray(network.data.images[said["image"]]))
    assert again == pytest.approx(said["probabilities"], abs=1e-5)


def test_two_networks_stand_side_by_side(searched, tmp_path, capsys):
    words = [str(searched / "whole"), str(searched / "head"), "--correct", "1", "--wrong", "1", "--samples", "150",
             "--repeats", "2", "--figures", "--out", str(tmp_path / "out")]  # fmt: skip
    assert explain.main(words) == run.DONE
    table = pd.read_parquet(tmp_path / "out" / "data" / "explanations.parquet")
    assert table["run"].tolist() == ["whole", "head"] * 2 and (table["seconds"] > 0).all()
    assert table["image"].tolist()[::2] == table["image"].tolist()[1::2]
    assert (table["true"] == table["predicted"]).tolist()[::2] == [True, False] == table["right"].tolist()[::2]
    explained = table[table["why_not"] == ""]
    assert len(explained) and explained["agreement_sampling"].between(0, 1).all() and (explained["fit"] >= 0.3).all()
    assert explained["agreement_segmentation"].between(0, 1).all() and (table["superpixels"] >= FEWEST).all()
    assert (explained["chance_sampling"] < 0.1).all() and (table["cam_cells"] >= 4).all()
    assert table.loc[table["why_not"] != "", "agreement_sampling"].isna().all()
    between = pd.read_parquet(tmp_path / "out" / "data" / "between.parquet")
    assert between["image"].tolist() == table["image"].tolist()[::2]
    page = (tmp_path / "out" / "report.md").read_text()
    assert page.startswith("# What finetune and transfer look at on scenes\n") and "by chance" in page
    assert (tmp_path / "out" / "figures" / "explanations.png").is_file()


def test_several_labels_are_several_true_classes_and_one_of_them_is_right(searched):
    network = open_network(load_run(searched / "whole"), None)
    classes, targets = network.data.classes, np.zeros((network.data.count, 7), dtype=bool)
    targets[:, :6], parking = True, int(np.flatnonzero(network.data.labels == 6)[0])
    several = replace(network, data=replace(network.data, targets=targets))
    for trained, true, right in ((several, ", ".join(classes[:6]), True), (network, classes[6], False)):
        found = explain_image(trained, Segments(trained.data), parking, 100, 1, lambda _: None)
        row = replace(found, said=np.eye(7)[2] * 0.9).row()
        assert (row["true"], row["right"], row["predicted"]) == (true, right, classes[2])
        assert np.isnan(row["agreement_sampling"])  # one seed has nothing to agree with


def test_a_page_is_called_by_strategies_or_by_runs_of_one_strategy(searched):
    whole, head = (open_network(load_run(searched / name), None) for name in ("whole", "head"))
    assert explain.title_of([head]) == "What transfer looks at on scenes"
    assert explain.title_of([whole, whole]) == "What whole and whole look at on scenes"


def test_images_can_be_chosen(searched):
    network = open_network(load_run(searched / "whole"), None)
    assert choose(network, "3,0", 2, 2) == [3, 0]
    for words in ("x", "105", "-1"):
        with pytest.raises(UsageError, match="numbers from 0 to 104"):
            choose(network, words, 2, 2)


def test_a_missing_network_is_named_with_those_that_were_kept(searched, tmp_path):
    shutil.copytree(searched / "whole", tmp_path / "whole")
    with pytest.raises(UsageError, match=r"no network of trial 7 .*kept: 0"):
        open_network(load_run(tmp_path / "whole"), 7)
    remove_checkpoints(tmp_path / "whole", 0)
    with pytest.raises(UsageError, match="keeps no network"):
        open_network(load_run(tmp_path / "whole"), None)


def test_a_damaged_network_is_named(searched, tmp_path):
    shutil.copytree(searched / "whole", tmp_path / "whole")
    path = best_weights(tmp_path / "whole", 0)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"best.safetensors cannot be read"):
        open_network(load_run(tmp_path / "whole"), None)


@pytest.mark.parametrize(("changed", "said"), [
    ({"trial": 3}, r"best.safetensors is of trial 3 with seed 0, not of trial 0 with seed 0; "),
    ({"seed": 5}, r"best.safetensors is of trial 0 with seed 5, not of trial 0 with seed 0; "),
    ({"epoch": None}, r"is not of the best epoch of trial 0 of whole \(\d\): it is of its epoch \d, or of another run"),
    ({"eval_loss": 9.5}, r"is not of the best epoch of trial 0 of whole "),
    ({"strategy": "transfer"}, r"is not of the best epoch of trial 0 of whole "),
    (None, r"does not say whose network it is"),
    (7, r"does not say whose network it is"),
    ({"unknown": 1}, r"does not say whose network it is"),
])  # fmt: skip
def test_a_network_of_another_trial_epoch_or_run_is_refused(searched, tmp_path, changed, said):
    shutil.copytree(searched / "whole", tmp_path / "whole")
    loaded, path = load_run(tmp_path / "whole"), best_weights(tmp_path / "whole", 0)
    record = json.loads(read_text(path, "record"))
    if changed == {"epoch": None}:  # the other one of the two
        changed = {"epoch": 3 - record["epoch"]}
    written = record | changed if isinstance(changed, dict) else changed
    save_file(load_file(path), path, None if written is None else {"record": json.dumps(written)})
    with pytest.raises(UsageError, match=said):
        open_network(loaded, None)


def test_a_network_that_is_ahead_of_the_ledger_is_explained(searched, tmp_path):
    shutil.copytree(searched / "whole", tmp_path / "whole")
    path = best_weights(tmp_path / "whole", 0)
    ahead = json.loads(read_text(path, "record")) | {"epoch": 3}
    save_file(load_file(path), path, {"record": json.dumps(ahead)})
    assert open_network(load_run(tmp_path / "whole"), 0).trial == 0


def test_what_makes_no_sense_is_one_sentence(searched, capsys):
    whole = str(searched / "whole")
    for words, said in (([whole] * 3, "One run or two"), ([whole, "--repeats", "0"], "--repeats at least 1")):
        assert explain.main(words) == run.WRONG_USAGE
        assert said in capsys.readouterr().err


def test_superpixels_depend_on_the_seed_and_are_computed_once(searched):
    network = open_network(load_run(searched / "whole"), None)
    segments = Segments(network.data)
    assert segments(0, 1) is segments(0, 1) and segments(0, 1).shape == (16, 16)
    again = Segments(network.data)
    assert np.array_equal(segments(0, 2), again(0, 2))
    assert not np.array_equal(segments(0, 2), segments(0, 1))


def test_a_head_to_head_is_explained_where_its_networks_were_kept(tmp_path):
    made = compare.main(["--data", "scenes:count=105", "--image-size", "16", "--executor", "local", "--epochs", "2",
                         "--cpus-per-trial", "1", "--precision", "fp32", "--strategies", "finetune", "--seeds", "1",
                         "--out", str(tmp_path), "--name", "h"])  # fmt: skip
    assert made == run.DONE
    loaded = load_run(tmp_path / "h")
    if kept_trials(loaded):
        assert open_network(loaded, None).setting.strategy == "finetune"
    else:
        with pytest.raises(UsageError, match="removes them once test is opened"):
            open_network(loaded, None)


def test_a_network_of_a_gpu_is_opened_on_the_cpu_where_there_is_none(searched, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("trainables.preparation.gpus_here", lambda: 0)
    shutil.copytree(searched / "whole", tmp_path / "whole")
    run_json = read_run(tmp_path / "whole")
    run_json["setting"] |= {"device": "cuda", "precision": "auto"}
    write_json(tmp_path / "whole" / "run.json", run_json)
    network = open_network(load_run(tmp_path / "whole"), None)
    assert network.setting.device == "cpu" and network.engine.probabilities(network.data.images[:2]).shape == (2, 7)
    assert "Trial 0 of whole was trained on a GPU and there is none here" in capsys.readouterr().err


def test_a_kept_network_that_holds_no_numbers_is_named(searched, tmp_path):
    shutil.copytree(searched / "whole", tmp_path / "whole")
    path = best_weights(tmp_path / "whole", 0)
    whose = {"record": read_text(path, "record")}
    save_file({name: value * float("nan") for name, value in load_file(path).items()}, path, whose)
    with pytest.raises(UsageError, match=r"best.safetensors has numbers that are not finite under "):
        open_network(load_run(tmp_path / "whole"), None)


def test_images_that_are_too_small_are_said_to_be(tmp_path):
    words = ["8" if word == "16" else word for word in TINY]
    assert run.main([*words, "--space", "finetune", "--out", str(tmp_path), "--name", "small"]) == run.DONE
    assert (
        explain.main([str(tmp_path / "small"), "--correct", "1", "--wrong", "0", "--out", str(tmp_path / "out")]) == 0
    )
    row = pd.read_parquet(tmp_path / "out" / "data" / "explanations.parquet").iloc[0]
    assert row["superpixels"] < FEWEST and row["explanations"] == 1 and np.isnan(row["agreement_sampling"])
    page = (tmp_path / "out" / "report.md").read_text()
    assert f"LIME does not explain image {row['image']} (small): {row['superpixels']} superpixels are too few." in page
