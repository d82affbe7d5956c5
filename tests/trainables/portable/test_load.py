"""A kept network is loaded from its file alone, says what its run recorded, and refuses what does not belong together."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from analysis.runs import load_run
from console.errors import UsageError
from records.files import read_text
from records.folder import best_weights
from search import run
from tests.trainables.networks.test_models import said
from trainables import load_model
from trainables.networks.features import backbone_digest
from trainables.networks.models import build
from trainables.portable.about import ModelAbout, columns_of
from trainables.portable.load import complete
from trainables.portable.model import PortableModel
from trainables.preparation import load_data

TINY = ["--data", "scenes:count=70", "--image-size", "16", "--executor", "local", "--epochs", "2", "--samples", "1",
        "--cpus-per-trial", "1", "--precision", "fp32"]  # fmt: skip
TEXTS = ("state", "record", "model")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "start.safetensors"
    save_file(build("small_cnn", 7, "none", 5, 16).torchvision_state(), file)
    return file


@pytest.fixture(scope="module")
def searched(tmp_path_factory, weights):
    """Two searches: of the whole network, and of the head on cached features."""
    out = tmp_path_factory.mktemp("runs")
    for name, space in (("whole", "finetune"), ("head", "transfer")):
        words = [*TINY, "--space", space, "--weights", str(weights), "--out", str(out), "--name", name]
        assert run.main(words) == run.DONE
    return out


def rewritten(file, tensors=None, **texts):
    """The file with other tensors or texts; a text that is None is left out."""
    kept = {name: read_text(file, name) for name in TEXTS} | texts
    save_file(load_file(file) if tensors is None else tensors, file, {k: v for k, v in kept.items() if v is not None})


def head_alone(file):
    """As the file was while the head was trained."""
    about = json.loads(read_text(file, "model")) | {"part": "head"}
    head = {name: tensor for name, tensor in load_file(file).items() if name.startswith("fc.")}
    rewritten(file, head, model=json.dumps(about))


def pictures(folder, split="test"):
    """The images of the split, and what the run recorded of them."""
    loaded = load_run(folder)
    recorded = loaded.predictions[0, split]
    data, _ = load_data(loaded.settings[0])
    return [Image.fromarray(np.asarray(data.images[at])) for at in recorded["image"]], recorded, data


@pytest.mark.parametrize("name", ["whole", "head"])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_predictions_are_those_of_the_run(searched, name, split):
    images, recorded, data = pictures(searched / name, split)
    model = load_model(searched / name)
    assert (model.classes, model.task, model.image_size) == (data.classes, "single_label", 16)
    rows = model.predict(images, batch_size=5)
    chances = np.array([[row[column] for column in columns_of(model.classes)] for row in rows])
    assert chances == pytest.approx(recorded["probabilities"], abs=1e-6)
    assert [row["predicted"] for row in rows] == [data.classes[at] for at in recorded["predicted"]]
    assert list(rows[0]) == ["path", "predicted", *(f"probability_{name}" for name in data.classes)]


@pytest.mark.parametrize("name", ["whole", "head"])
def test_the_file_alone_is_enough_where_neither_data_nor_weights_are(searched, name, tmp_path, monkeypatch):
    file = shutil.copy(best_weights(searched / name, 0), tmp_path / "b.safetensors")
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", str(tmp_path / "nowhere"))
    for place in ("trainables.preparation.load", "trainables.networks.models.imagenet_state"):
        monkeypatch.setattr(place, lambda *_: pytest.fail("something was read beside the file"))
    model, whole = load_model(str(file)), load_model(searched / name)
    x = torch.rand(3, 3, 16, 16)
    assert torch.equal(model(x), whole(x)) and not (tmp_path / "nowhere").exists()
    about = model.about
    assert (about.strategy, about.run.name, about.run.trial, about.run.data) == (
        {"whole": "finetune", "head": "transfer"}[name], name, 0, "scenes:count=70")  # fmt: skip
    best = load_run(searched / name).history.trials[0].best
    assert (about.metrics["epoch"], about.metrics["loss"]) == (best.epoch, best.eval_loss)
    assert about.config["learning_rate"] == load_run(searched / name).asked[0].config["learning_rate"]


def test_a_head_is_written_whole_in_the_end_and_is_small_before(searched, tmp_path):
    shutil.copytree(searched / "head", tmp_path / "head")
    file = best_weights(tmp_path / "head", 0)
    about, size = ModelAbout.read(file), file.stat().st_size
    assert about.part == "whole" and about.backbone == backbone_digest(load_model(file).network)
    before = load_file(file)
    head_alone(file)
    assert file.stat().st_size < size / 10
    images, recorded, _ = pictures(tmp_path / "head")
    said = np.stack(list(load_model(tmp_path / "head", 0).judge(images)))  # composed from head and weights
    assert said == pytest.approx(recorded["probabilities"], abs=1e-6)
    record = read_text(file, "record")
    assert complete(file) and not complete(file)
    assert read_text(file, "record") == record and ModelAbout.read(file) == about
    after = load_file(file)
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


def test_a_head_refuses_another_backbone_and_one_that_is_gone(searched, tmp_path, weights):
    file = tmp_path / "b.safetensors"
    shutil.copy(best_weights(searched / "head", 0), file)
    head_alone(file)
    setting = json.loads(read_text(file))
    save_file(build("small_cnn", 7, "none", 6, 16).torchvision_state(), tmp_path / "other.safetensors")
    rewritten(file, state=json.dumps(setting | {"weights": str(tmp_path / "other.safetensors")}))
    with pytest.raises(UsageError, match=r"other.safetensors' are not those that it was trained on; put these back"):
        load_model(file)
    rewritten(file, state=json.dumps(setting | {"weights": str(tmp_path / "gone.safetensors")}))
    with pytest.raises(
        UsageError, match=r"holds a head alone, and the network under it cannot be made again: No weights"
    ):
        load_model(file)
    rewritten(file, state="{}")
    with pytest.raises(UsageError, match="does not say how its trial was set: strategy is missing"):
        load_model(file)


def test_an_older_file_is_told_by_its_run_and_refused_alone(searched, tmp_path):
    for name in ("whole", "head"):
        shutil.copytree(searched / name, tmp_path / name)
        file = best_weights(tmp_path / name, 0)
        if name == "head":
            head_alone(file)
        rewritten(file, model=None)
        with pytest.raises(UsageError, match=r"does not say what network it is, .* pass the folder of its run"):
            load_model(file)
    own, told = load_model(searched / "whole").about, load_model(tmp_path / "whole").about
    assert own == told
    with pytest.raises(UsageError, match="holds a head alone and does not say what it was trained on"):
        load_model(tmp_path / "head")


CHANGES = [
    ({"architecture": "resnet99"}, "cannot be loaded: Unknown model 'resnet99'"),
    ({"architecture": "resnet50"}, "does not hold the resnet50 that it says"),
    ({"architecture": "x" * 300}, "architecture String should have at most 200"),
    ({"image_size": 10**9}, "image_size must be less than or equal to 1024"),
    ({"image_size": 24}, "prepares images otherwise than this version does"),
    (
        {"preprocessing": {"resize": "pad", "size": 16, "mean": [0, 0, 0], "std": [1, 1, 1], "scale": 1}},
        "otherwise than",
    ),
    (
        {"preprocessing": {"resize": "pad", "size": 16, "mean": [0, 0, 0], "std": [1, 1, 0]}},
        "preprocessing.std.2 must be",
    ),
    (
        {"preprocessing": {"resize": "zoom", "size": 16, "mean": [0, 0, 0], "std": [1, 1, 1]}},
        "preprocessing.resize must",
    ),
    ({"format": 2}, "format must be 1"),
    ({"classes": ["a"]}, "classes Tuple should have at least 2"),
    ({"classes": ["a", "b"]}, "does not hold the small_cnn that it says"),
    ({"classes": "abc"}, "classes must be a valid array"),
    ({"task": "regression"}, "task must be 'single_label'"),
    ({"kept": {"blocks": 1, "read_out": "mean"}}, "is for vision transformers"),
    ({"kept": {"blocks": -1, "read_out": "mean"}}, "kept.blocks must be greater"),
    ({"part": "head", "backbone": "0"}, "backbone String should match pattern"),
]


@pytest.mark.parametrize(("changed", "expected"), CHANGES, ids=[str(changed)[:40] for changed, _ in CHANGES])
def test_a_file_of_somebody_elses_is_held_to_what_it_may_say(searched, tmp_path, changed, expected):
    file = tmp_path / "b.safetensors"
    shutil.copy(best_weights(searched / "whole", 0), file)
    rewritten(file, model=json.dumps(json.loads(read_text(file, "model")) | changed))
    message = said(load_model, file)
    assert expected in message and "\n" not in message, message


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"format": 1}', "[" * 100_000])
def test_what_is_no_description_is_one_sentence(searched, tmp_path, text):
    file = tmp_path / "b.safetensors"
    shutil.copy(best_weights(searched / "whole", 0), file)
    rewritten(file, model=text)
    message = said(load_model, file)
    assert "does not say what network it is" in message and "\n" not in message


def test_what_is_asked_wrongly_is_one_sentence(searched, tmp_path):
    file = best_weights(searched / "whole", 0)
    assert "Trial 0 is one of a run folder" in said(load_model, file, 0)
    assert "has no network of trial 7; kept: 0." in said(load_model, searched / "whole", 7)
    assert "No network at" in said(load_model, tmp_path / "nothing")
    assert "is no run folder" in said(load_model, tmp_path)
    assert "device='tpu9' is none" in said(load_model, file, None, "tpu9")
    (tmp_path / "text").write_text("x")
    assert "cannot be read" in said(load_model, tmp_path / "text")


def test_pictures_of_every_kind_are_prepared_as_the_cache_prepares_them(searched, tmp_path):
    model = load_model(searched / "whole")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    by_path, by_image = model.preprocess(tmp_path / "a.png"), model.preprocess(Image.fromarray(pixels))
    assert torch.equal(by_path, by_image) and torch.equal(by_path, model.preprocess(pixels))
    assert by_path.shape == (3, 16, 16) and by_path.dtype == torch.float32 and 0 <= by_path.min() <= by_path.max() <= 1
    row, *_ = model.predict(tmp_path / "a.png")
    assert row["path"] == str(tmp_path / "a.png") and model.predict([pixels])[0] == row | {"path": None}


def test_what_is_no_picture_is_named_or_left_out(searched, tmp_path):
    model = load_model(searched / "whole")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    Image.new("RGB", (20, 20)).save(tmp_path / "good.png")
    files = [tmp_path / "good.png", tmp_path / "bad.jpg", tmp_path / "gone.png", tmp_path / "good.png"]
    with pytest.raises(UsageError, match=r"2 of 4 cannot be read as images: .*bad.jpg \(not an image"):
        model.predict(files)
    rows = model.predict(files, batch_size=1, skip_bad_images=True)
    assert [row["path"] for row in rows] == [str(files[0])] * 2
    with pytest.raises(UsageError, match=r"given as ndarray \(int64 where uint8"):
        model.predict([np.zeros((4, 4), np.int64)])
    assert model.predict([]) == []


def test_an_array_of_pictures_is_as_many(searched):
    model, stack = load_model(searched / "whole"), np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3), np.uint8)
    assert model.predict(stack) == model.predict(list(stack)) and len(model.predict(stack)) == 3


def test_several_labels_have_a_sigmoid_each(searched):
    whole = load_model(searched / "whole")
    several = PortableModel(whole.network, whole.about.model_copy(update={"task": "multi_label"}))
    x = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(several.probabilities(x), whole(x).sigmoid())
    assert whole.probabilities(x).sum().item() == pytest.approx(2)


def test_classes_of_one_name_have_columns_of_their_own():
    assert columns_of(("a", "b", "a")) == ["probability_a_0", "probability_b", "probability_a_2"]
