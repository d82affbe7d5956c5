"""--precision and --accelerate from flag to engine: refused before anything is made, said where asked for, passed on."""

import pytest

from console.arguments import DONE, WRONG_USAGE
from console.errors import UsageError
from search import run
from search.divide import main as divide
from search.executors.node_checks import what_a_node_prepares
from spaces.finetune import FinetuneConfig
from spaces.setting import Setting
from trainables import preparation
from trainables.own_tuner import trainable

TINY = ["--data", "scenes:count=70", "--image-size", "16", "--epochs", "1", "--cpus-per-trial", "1"]
SEARCH = [*TINY, "--space", "finetune", "--samples", "1", "--executor", "local", "--precision", "fp32"]
SETTING = Setting(strategy="finetune", data="scenes:count=70", image_size=16, model="small_cnn", precision="fp32")


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "fp32; into"), (["--accelerate", "auto"], "fp32, accelerate none (auto: not measured on a GPU yet); into"),
     (["--accelerate", "none"], "fp32; into"), (["--accelerate", "compile"], "fp32, networks compiled; into")],
)  # fmt: skip
def test_what_updates_are_made_by_is_said_where_it_was_asked_for(tmp_path, capsys, words, said):
    assert run.main([*SEARCH, *words, "--out", str(tmp_path), "--dry-run"]) == DONE
    assert f"GPU each, {said}" in capsys.readouterr().out


@pytest.mark.parametrize(("way", "warmed"), [("auto", 0), ("none", 0), ("compile", 1)])
def test_an_engine_is_made_as_the_setting_says(monkeypatch, way, warmed):
    calls = []
    monkeypatch.setattr(preparation, "warm_up", lambda engine: calls.append(engine.accelerate))
    setting = SETTING.model_copy(update={"accelerate": way})
    data, _ = preparation.load_data(setting)
    engine, _ = preparation.make_engine(setting, FinetuneConfig(), data)
    assert engine.accelerate == way and engine.precision == "fp32" and calls == [way] * warmed


def test_a_setting_from_before_has_neither_graphs_nor_compiled_networks():
    before = SETTING.model_dump()
    del before["accelerate"]
    assert Setting(**before).accelerate == "auto"


@pytest.mark.parametrize("more", [{"precision": "tf32"}, {"accelerate": "graph"}])
def test_a_node_that_cannot_compute_so_says_it(tmp_path, more):
    setting = SETTING.model_copy(update=more)
    said = what_a_node_prepares()(setting.model_dump_json(), str(tmp_path / "log"))
    assert set(said) == {"refused"} and "is for GPUs" in said["refused"]


def test_a_trainable_of_ones_own_is_refused_where_its_device_is_known():
    trainable("finetune", data="scenes:count=70", precision="fp16")  # Ray says where
    with pytest.raises(UsageError, match="--precision fp16 is for GPUs"):
        trainable("finetune", data="scenes:count=70", precision="fp16", device="cpu")


def test_a_division_is_refused_before_anything_is_written(tmp_path, capsys):
    words = [*TINY[:4], "--cpus-per-trial", "1", "--precision", "fp16", "--out", str(tmp_path / "d.csv")]
    assert divide(words) == WRONG_USAGE
    assert "--precision fp16 is for GPUs" in capsys.readouterr().err and not list(tmp_path.iterdir())
