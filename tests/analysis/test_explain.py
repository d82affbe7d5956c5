"""LIME on tiny runs: the selected network is the one that was judged, seeds are seeds, and damage is one sentence."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from lime.lime_image import LimeImageExplainer
from safetensors.torch import load_file, save_file

from analysis import explain
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
    network = explain.open_network(load_run(searched / name), None)
    said = network.run.predictions[network.trial, "test"]
    again = network.engine.probabilities(np.asarray(network.data.images[said["image"]]))
    assert again == pytest.approx(said["probabilities"], abs=1e-5)


def probabilities(images: np.ndarray) -> np.ndarray:
    """Two classes: how bright the upper left quarter is."""
    bright = images[:, :8, :8].mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - bright, bright], axis=1)


def squares() -> np.ndarray:
    """Four superpixels of 8 x 8 pixels."""
    row, column = np.mgrid[:16, :16] // 8
    return 2 * row + column


def picture() -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 60, (16, 16, 3)).astype(np.uint8)
    image[:8, :8] = 255 - image[:8, :8]
    return image


def test_samples_and_predictions_are_those_of_lime_itself(capfd):
    image, segments = picture(), squares()
    fudged = np.full_like(image, 7)
    ours, theirs = explain.Explainer(random_state=3), LimeImageExplainer(random_state=3)
    data, said = ours.data_labels(image, fudged, segments, probabilities, 40, batch_size=16)
    their_data, their_said = theirs.data_labels(image, fudged, segments, probabilities, 40, batch_size=16)
    assert np.array_equal(data, their_data) and np.array_equal(said, their_said)


def test_there_is_no_second_progress_bar(capfd):
    explain.one_explanation(probabilities, picture(), squares(), 20, 0)
    assert capfd.readouterr().err == ""


def test_what_decides_is_outlined():
    image = picture()

    def needs_the_corner(images: np.ndarray) -> np.ndarray:
        kept = (images[:, :8, :8] == image[:8, :8]).mean(axis=(1, 2, 3))
        return np.stack([1 - kept, kept], axis=1)

    found = explain.one_explanation(needs_the_corner, image, squares(), 200, 0)
    assert found.top_labels == [1]
    label, weight = max(found.local_exp[1], key=lambda pair: pair[1])
    assert label == 0 and weight > 0.3
    assert explain.top_mask(found)[:8, :8].all()


def test_the_seed_decides_the_samples():
    runs = [explain.one_explanation(probabilities, picture(), squares(), 20, seed).local_exp[1] for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_agreement_by_hand():
    a = np.array([[True, True], [False, False]])
    b = np.array([[True, False], [False, False]])
    c = np.array([[False, False], [True, True]])
    assert explain.agreement([a, a]) == 1.0 and explain.agreement([a, b]) == 0.5 and explain.agreement([a, c]) == 0.0
    assert explain.agreement([a, b, c]) == pytest.approx(0.5 / 3)
    assert np.isnan(explain.agreement([a]))
    nothing = np.zeros_like(a)
    assert explain.agreement([nothing, nothing]) == 1.0 and explain.agreement([nothing, a]) == 0.0


def test_two_networks_stand_side_by_side(searched, tmp_path, capsys):
    words = [str(searched / "whole"), str(searched / "head"), "--correct", "1", "--wrong", "1", "--samples", "30",
             "--repeats", "2", "--out", str(tmp_path / "out")]  # fmt: skip
    assert explain.main(words) == run.DONE
    table = pd.read_parquet(tmp_path / "out" / "data" / "explanations.parquet")
    assert table["run"].tolist() == ["whole", "whole", "head", "head"] and (table["seconds"] > 0).all()
    assert table["image"].tolist()[:2] == table["image"].tolist()[2:]
    assert (table["true"] == table["predicted"]).tolist()[:2] == [True, False]
    assert table["agreement_sampling"].between(0, 1).all() and table["agreement_segmentation"].between(0, 1).all()
    assert (tmp_path / "out" / "figures" / "explanations.png").is_file()


def test_images_can_be_chosen(searched):
    network = explain.open_network(load_run(searched / "whole"), None)
    assert explain.choose(network, "3,0", 2, 2) == [3, 0]
    for words in ("x", "105", "-1"):
        with pytest.raises(UsageError, match="numbers from 0 to 104"):
            explain.choose(network, words, 2, 2)


def test_a_missing_network_is_named_with_those_that_were_kept(searched, tmp_path):
    shutil.copytree(searched / "whole", tmp_path / "whole")
    with pytest.raises(UsageError, match=r"no network of trial 7 .*kept: 0"):
        explain.open_network(load_run(tmp_path / "whole"), 7)
    remove_checkpoints(tmp_path / "whole", 0)
    with pytest.raises(UsageError, match="keeps no network"):
        explain.open_network(load_run(tmp_path / "whole"), None)


def test_a_damaged_network_is_named(searched, tmp_path):
    shutil.copytree(searched / "whole", tmp_path / "whole")
    path = best_weights(tmp_path / "whole", 0)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"best.safetensors cannot be read"):
        explain.open_network(load_run(tmp_path / "whole"), None)


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
        explain.open_network(loaded, None)


def test_a_network_that_is_ahead_of_the_ledger_is_explained(searched, tmp_path):
    shutil.copytree(searched / "whole", tmp_path / "whole")
    path = best_weights(tmp_path / "whole", 0)
    ahead = json.loads(read_text(path, "record")) | {"epoch": 3}
    save_file(load_file(path), path, {"record": json.dumps(ahead)})
    assert explain.open_network(load_run(tmp_path / "whole"), 0).trial == 0


def test_what_makes_no_sense_is_one_sentence(searched, capsys):
    whole = str(searched / "whole")
    for words, said in (([whole] * 3, "One run or two"), ([whole, "--repeats", "0"], "--repeats at least 1")):
        assert explain.main(words) == run.WRONG_USAGE
        assert said in capsys.readouterr().err


def test_superpixels_depend_on_the_seed_and_are_computed_once(searched):
    network = explain.open_network(load_run(searched / "whole"), None)
    segments = explain.Segments(network.data)
    assert segments(0, 1) is segments(0, 1) and segments(0, 1).shape == (16, 16)
    again = explain.Segments(network.data)
    assert np.array_equal(segments(0, 2), again(0, 2))


def test_a_head_to_head_is_explained_where_its_networks_were_kept(tmp_path):
    made = compare.main(["--data", "scenes:count=105", "--image-size", "16", "--executor", "local", "--epochs", "2",
                         "--cpus-per-trial", "1", "--precision", "fp32", "--strategies", "finetune", "--seeds", "1",
                         "--out", str(tmp_path), "--name", "h"])  # fmt: skip
    assert made == run.DONE
    loaded = load_run(tmp_path / "h")
    if explain.kept_trials(loaded):
        assert explain.open_network(loaded, None).setting.strategy == "finetune"
    else:
        with pytest.raises(UsageError, match="removes them once test is opened"):
            explain.open_network(loaded, None)


def test_a_network_of_a_gpu_is_opened_on_the_cpu_where_there_is_none(searched, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("trainables.preparation.gpus_here", lambda: 0)
    shutil.copytree(searched / "whole", tmp_path / "whole")
    run_json = read_run(tmp_path / "whole")
    run_json["setting"] |= {"device": "cuda", "precision": "auto"}
    write_json(tmp_path / "whole" / "run.json", run_json)
    network = explain.open_network(load_run(tmp_path / "whole"), None)
    assert network.setting.device == "cpu" and network.engine.probabilities(network.data.images[:2]).shape == (2, 7)
    assert "Trial 0 of whole was trained on a GPU and there is none here" in capsys.readouterr().err


def test_a_kept_network_that_holds_no_numbers_is_named(searched, tmp_path):
    shutil.copytree(searched / "whole", tmp_path / "whole")
    path = best_weights(tmp_path / "whole", 0)
    whose = {"record": read_text(path, "record")}
    save_file({name: value * float("nan") for name, value in load_file(path).items()}, path, whose)
    with pytest.raises(UsageError, match=r"best.safetensors has numbers that are not finite under "):
        explain.open_network(load_run(tmp_path / "whole"), None)
