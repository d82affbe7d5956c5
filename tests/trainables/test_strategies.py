"""Strategies end to end on tiny data: frozen transfer, features, divisions, budgets, and the head-to-head."""

import itertools

import numpy as np
import pytest
import torch

from console.errors import UsageError
from spaces.registry import SPACES
from spaces.self_paced import SelfPacedConfig
from spaces.setting import Setting
from spaces.transfer import TransferConfig
from spaces.trial import TrialConfig, fields_of_part
from trainables.difficulty.division import REPORT_COUNTS, levels_of
from trainables.difficulty.scorers import head_scores, read_scores
from trainables.networks.feature_engine import FeatureEngine
from trainables.preparation import FeaturesKey, load_data, make_network
from trainables.trial import Trial

BASE = Setting(strategy="transfer", data="scenes:count=105", image_size=16, model="small_cnn", epochs=3, precision="fp32",
               difficulty="true")  # fmt: skip
TINY = ["--data", "scenes:count=105", "--image-size", "16", "--executor", "local", "--epochs", "3", "--precision", "fp32",
        "--cpus-per-trial", "1"]  # fmt: skip


def trained(setting: Setting, config) -> tuple[Trial, list]:
    trial = Trial(setting, config, 0)
    return trial, list(trial.records())


def buffers(trial: Trial) -> dict:
    return {k: v.clone() for k, v in trial.state.engine.network.backbone.state_dict().items()}


@pytest.mark.parametrize("name", SPACES)
def test_every_strategy_trains_and_its_totals_grow(name):
    config = SPACES[name].config(batch_size=8)
    _, records = trained(BASE.model_copy(update={"strategy": name}), config)
    assert [r.epoch for r in records] == [1, 2, 3] and records[-1].finished
    assert all(a.updates < b.updates and a.images_trained < b.images_trained for a, b in itertools.pairwise(records))
    assert {r.strategy for r in records} == {name}


@pytest.mark.parametrize("name", [name for name in SPACES if name != "scratch"])
def test_every_strategy_trains_a_head_on_features_and_leaves_the_network(name):
    space = SPACES[name]
    trial = Trial(BASE.model_copy(update={"strategy": name}), space.build({"batch_size": 8, **fields_of_part("head")} |
                  ({"resolution_start": 1.0} if name == "resolution" else {})), 0)  # fmt: skip
    before = buffers(trial)
    records = list(trial.records())
    assert isinstance(trial.state.engine, FeatureEngine) and len(records) == 3
    assert all(torch.equal(before[k], v) for k, v in buffers(trial).items())
    assert records[0].images_scored >= len(trial.split.train)  # the features are charged for


def test_a_head_on_images_shown_smaller_or_flipped_needs_the_network_itself():
    for fields in ({"resolution_start": 0.5}, {"augment": "flips"}, {"batchnorm": "batch"}):
        trial = Trial(BASE, TransferConfig(batch_size=8, **fields), 0)
        assert not isinstance(trial.state.engine, FeatureEngine)
        next(trial.records())


def test_a_self_paced_head_on_features_has_the_numbers_of_the_whole_network(monkeypatch):
    setting, config = BASE.model_copy(update={"strategy": "self_paced"}), SelfPacedConfig(batch_size=8, unfreeze="head")
    cached = trained(setting, config)[1]
    monkeypatch.setattr(TrialConfig, "on_features", False)
    whole = trained(setting, config)[1]
    assert [r.train_loss for r in cached] == pytest.approx([r.train_loss for r in whole], rel=1e-5)
    assert [r.images for r in cached] == [r.images for r in whole]


def test_a_frozen_backbone_does_not_drift_unless_asked_to():
    for batchnorm, augment in (("frozen", "none"), ("frozen", "flips")):
        trial = Trial(BASE, TransferConfig(batchnorm=batchnorm, augment=augment), 0)
        before = buffers(trial)
        list(trial.records())
        assert all(torch.equal(before[k], v) for k, v in buffers(trial).items())
    trial = Trial(BASE, TransferConfig(batchnorm="batch"), 0)
    before = buffers(trial)
    list(trial.records())
    moved = {k.split(".")[-1] for k, v in buffers(trial).items() if not torch.equal(before[k], v)}
    assert moved == {"running_mean", "running_var", "num_batches_tracked"}


def test_cached_features_give_the_numbers_of_the_whole_network(monkeypatch):
    """The whole frozen network, forwarded every epoch, against its features computed once."""
    from trainables import preparation
    from trainables.networks.engine import Engine

    cached = trained(BASE, TransferConfig(batch_size=8))[1]

    def slow(setting, config, data):
        network, charged = make_network(setting, len(data.classes))
        network.freeze(config.unfreeze, config.batchnorm)
        return Engine(network, data.images, data.labels, config, setting.device, setting.precision), charged

    monkeypatch.setattr("trainables.trial.make_engine", slow)
    whole = trained(BASE, TransferConfig(batch_size=8))[1]
    assert [r.train_loss for r in cached] == pytest.approx([r.train_loss for r in whole], rel=1e-5)
    assert [r.eval_accuracy for r in cached] == [r.eval_accuracy for r in whole]
    # features are charged for, those of the images that are trained on
    assert cached[0].images_scored == cached[0].images < 105 and whole[0].images_scored == 0
    assert preparation.make_engine is not slow


def test_features_are_shared_by_what_has_no_bearing_on_them():
    key = FeaturesKey.of(BASE)
    alike = {"strategy": "paced", "arm": "a", "epochs": 9, "max_updates": 5, "sizes": (1,), "protocol": "report"}
    assert FeaturesKey.of(BASE.model_copy(update=alike)) == key
    for name, value in {
        "data": "scenes",
        "image_size": 24,
        "model": "vit_tiny",
        "precision": "bf16",
        "seed": 1,
    }.items():
        assert FeaturesKey.of(BASE.model_copy(update={name: value})) != key
    pretrained = BASE.model_copy(update={"weights": "textures"})
    assert FeaturesKey.of(pretrained) == FeaturesKey.of(pretrained.model_copy(update={"seed": 1}))


def test_the_last_block_is_trained_where_asked():
    trial = Trial(BASE, TransferConfig(unfreeze="last_block"), 0)
    before = buffers(trial)
    list(trial.records())
    changed = {k.split(".")[1] for k, v in buffers(trial).items() if not torch.equal(before[k], v)}
    assert changed == {"2"}


def test_textures_are_learnt_once_and_charged_for_every_time():
    setting = BASE.model_copy(update={"weights": "textures", "model": "small_cnn"})
    random, _ = make_network(BASE, 7)
    first, charged = make_network(setting, 7)
    second, again = make_network(setting.model_copy(update={"seed": 5}), 7)
    assert charged == again and charged.images_trained > 0 and charged.train_seconds > 0 and charged.updates == 0
    assert all(
        torch.equal(a, b) for a, b in zip(first.backbone.parameters(), second.backbone.parameters(), strict=True)
    )
    assert not torch.equal(next(first.backbone.parameters()), next(random.backbone.parameters()))


def test_a_vision_transformer_goes_through_the_same_code():
    setting = BASE.model_copy(update={"model": "vit_tiny", "strategy": "finetune"})
    assert len(trained(setting, SPACES["finetune"].config(batch_size=16))[1]) == 3
    with pytest.raises(UsageError, match="multiple of 8"):
        Trial(setting.model_copy(update={"image_size": 20}), SPACES["finetune"].config(), 0)


def test_position_embeddings_are_interpolated_to_another_image_size(tmp_path):
    from trainables.networks.models import build

    small = build("vit_tiny", 7, "none", 0, 16)
    torch.save(small.torchvision_state(), tmp_path / "vit.pth")
    large = build("vit_tiny", 7, str(tmp_path / "vit.pth"), 0, 32)
    assert large.backbone.encoder.pos_embedding.shape[1] == 17
    assert torch.equal(large.backbone.conv_proj.weight, small.backbone.conv_proj.weight)


@pytest.mark.parametrize("updates", [1, 7, 23])
def test_a_budget_of_updates_is_kept_to_the_update(updates):
    setting = BASE.model_copy(update={"strategy": "finetune", "max_updates": updates, "epochs": 1000})
    trial, records = trained(setting, SPACES["finetune"].config(batch_size=8, rate="cosine"))
    assert records[-1].updates == updates and records[-1].finished
    assert trial.state.progress == 1.0


def test_the_stages_own_figures_are_those_of_its_images():
    setting = BASE.model_copy(update={"strategy": "manual_division", "epochs": 4})
    trial, records = trained(setting, SPACES["manual_division"].config(easy_part=0.25, medium_part=1 / 3))
    assert [r.stage for r in records] == ["easy", "easy+medium", "all", "all"]
    last = trial.state.evaluation
    assert records[-1].stage_accuracy == records[-1].eval_accuracy
    assert (
        records[-1].stage_loss
        == pytest.approx(float(last.losses.mean()), rel=1e-6)
        == pytest.approx(records[-1].eval_loss, rel=1e-4)
    )
    assert records[0].images < records[1].images < records[2].images


def test_levels_cut_each_class_by_the_reports_fractions(tmp_path):
    data, _ = load_data(BASE)
    levels = levels_of(data.difficulty, data, np.arange(data.count))
    for label in range(7):
        mine = levels[data.labels == label]
        assert [np.sum(mine == level) for level in (0, 1, 2)] == [5, 6, 4]  # 33, 38 and 29 % of 15
        hardness = data.difficulty[data.labels == label]
        assert hardness[mine == 0].max() <= hardness[mine == 2].min()
    assert sum(a + b for a, b in REPORT_COUNTS.values()) == 1973  # easy and medium images in section 8


def test_head_scores_of_the_training_split_know_nothing_of_other_images():
    generator = np.random.default_rng(0)
    features, train = generator.normal(size=(90, 5)).astype(np.float32), np.arange(60)
    labels = np.arange(90) % 3
    shifted = features + np.where(np.arange(90)[:, None] < 60, 0, 5).astype(np.float32)
    before, after = (head_scores(of, labels, train, seed=0).values for of in (features, shifted))
    assert np.array_equal(before[train], after[train])
    assert not np.array_equal(before[60:], after[60:])
    assert not np.array_equal(before[train], head_scores(features, labels, train, seed=1).values[train])  # other folds


def test_head_scores_are_higher_for_an_image_of_the_wrong_class():
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = (np.eye(3)[labels] * 4 + generator.normal(size=(60, 3))).astype(np.float32)
    features[0] = [0, 0, 8]  # labelled 0, looks like 2
    scores = head_scores(features, labels, np.arange(60), seed=0)
    assert scores.values.argmax() == 0 and scores.images_scored == 60
    assert np.array_equal(scores.values, head_scores(features, labels, np.arange(60), seed=0).values)


def test_no_label_outside_the_training_split_has_a_say_in_its_difficulty():
    generator = np.random.default_rng(0)
    labels, features = np.arange(60) % 3, generator.normal(size=(60, 3)).astype(np.float32)
    train, other = np.arange(40), labels.copy()
    other[40:] = (other[40:] + 1) % 3
    before, after = (head_scores(features, of, train, seed=0).values for of in (labels, other))
    assert np.array_equal(before[:40], after[:40]) and not np.array_equal(before[40:], after[40:])
    data, parts = load_data(BASE)
    hard = data.difficulty.copy()
    hard[parts.test] += 5
    levels = [levels_of(values, data, parts.train)[parts.train] for values in (data.difficulty, hard)]
    assert np.array_equal(*levels)


def test_a_staged_twin_keeps_the_stages():
    config = SPACES["manual_division"].config(batch_size=8, easy_part=0.25, medium_part=1 / 3, stage_rate_3=0.5)
    setting = BASE.model_copy(update={"strategy": "manual_division", "epochs": 4})
    _, partner = trained(setting, config)
    sizes = tuple(record.images for record in partner)
    _, twin = trained(setting.model_copy(update={"sizes": sizes}), config.model_copy(update={"order": "random"}))
    for name in ("stage", "images", "learning_rate", "share"):
        assert [getattr(r, name) for r in partner] == [getattr(r, name) for r in twin]
    assert partner[0].class_counts != twin[0].class_counts or partner[0].train_loss != twin[0].train_loss


CSV_MISTAKES = [
    ("path,level\n", "wants the columns path,difficulty"),
    ("path,difficulty\nnowhere/1,easy\n", "names 1 images that are not in"),
    ("path,difficulty\n{first},easy\n", "lacks 104 of the 105 images"),
]


@pytest.mark.parametrize(("text", "said"), CSV_MISTAKES)
def test_a_bad_difficulty_file_is_named(tmp_path, text, said):
    data, _ = load_data(BASE)
    (tmp_path / "d.csv").write_text(text.replace("{first}", data.paths[0]))
    with pytest.raises(UsageError, match=said):
        read_scores(tmp_path / "d.csv", data)


def write_division(path, words):
    data, _ = load_data(BASE)
    lines = [f"{name},{words(i, label)}" for i, (name, label) in enumerate(zip(data.paths, data.labels, strict=True))]
    path.write_text("path,difficulty\n" + "\n".join(lines) + "\n")
    return data


def test_a_division_by_hand_is_used_as_it_is(tmp_path):
    data = write_division(tmp_path / "d.csv", lambda i, label: ("easy", "medium", "hard")[i // 7 % 3])
    levels = levels_of(read_scores(tmp_path / "d.csv", data).values, data, np.arange(data.count))
    assert levels.tolist() == [i // 7 % 3 for i in range(105)]


def test_a_class_without_a_level_and_a_word_that_is_none_are_named(tmp_path):
    data = write_division(
        tmp_path / "d.csv", lambda i, label: "easy" if label == 2 else ("easy", "medium", "hard")[i // 7 % 3]
    )
    with pytest.raises(UsageError, match="has no medium image"):
        levels_of(read_scores(tmp_path / "d.csv", data).values, data, np.arange(data.count))
    write_division(tmp_path / "w.csv", lambda i, label: "esay")
    with pytest.raises(UsageError, match="Did you mean 'easy'"):
        read_scores(tmp_path / "w.csv", data)
