"""What --precision means on which device, and fp16 with its scaled losses, on a CPU as far as that goes."""

import numpy as np
import pytest
import torch

from console.errors import UsageError
from spaces.finetune import FinetuneConfig
from spaces.setting import Setting
from spaces.trial import TrialConfig
from tests.toy import TRAIN, make_engine, same_tensors
from trainables import preparation
from trainables.networks import precision
from trainables.networks.precision import autocast, check_precision, make_scaler, multiply_in, numbers_of

RATES = np.full(5, 1e-2)
SETTING = Setting(strategy="finetune", data="scenes:count=70", image_size=16, model="small_cnn")


def card(monkeypatch, major: int, minor: int) -> None:
    """From now on this machine has a GPU of this compute capability."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (major, minor))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")


@pytest.fixture
def backends(monkeypatch):
    """Puts back what belongs to the process."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before


@pytest.mark.parametrize(
    ("capability", "auto"), [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((7, 0), "fp16"), ((6, 1), "fp32")]
)
def test_auto_is_the_fastest_that_a_gpu_multiplies_itself(monkeypatch, capability, auto):
    card(monkeypatch, *capability)
    assert numbers_of("cuda", "auto") == auto
    for asked in ("bf16", "fp16", "tf32", "fp32"):
        assert numbers_of("cuda", asked) == asked


def test_auto_on_a_cpu_is_bf16_or_fp32_and_of_an_absent_gpu_fp32(monkeypatch):
    for fast, auto in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(precision, "bf16_is_fast", lambda device, fast=fast: fast)
        assert numbers_of("cpu", "auto") == auto
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert numbers_of("cuda", "auto") == "fp32" and numbers_of("cuda", "fp16") == "fp16"


@pytest.mark.parametrize("asked", ["fp16", "tf32"])
def test_a_cpu_refuses_what_is_for_gpus(asked):
    with pytest.raises(UsageError, match=f"^--precision {asked} is for GPUs, .* pass auto, bf16 or fp32.$"):
        check_precision("cpu", asked)
    with pytest.raises(UsageError, match=asked):
        preparation.make_engine(SETTING.model_copy(update={"precision": asked}), FinetuneConfig(), None)


def test_tf32_is_refused_where_a_gpu_has_none_and_not_where_it_is_not_known(monkeypatch):
    check_precision("cuda", "tf32")
    card(monkeypatch, 8, 6)
    check_precision("cuda", "tf32")
    card(monkeypatch, 7, 5)
    with pytest.raises(UsageError, match=r"wants .* 8.0 or above, and Some GPU has 7.5; pass auto, fp16 or fp32.$"):
        check_precision("cuda", "tf32")
    check_precision("cuda", "fp16")


def test_what_was_trained_on_a_gpu_is_opened_on_a_cpu_in_what_that_has(monkeypatch):
    monkeypatch.setattr(preparation, "gpus_here", lambda: 0)
    made = {"device": "cuda", "accelerate": "graph"}
    for asked, here in (("fp16", "fp32"), ("tf32", "fp32"), ("bf16", "bf16"), ("auto", "auto")):
        opened = preparation.on_this_machine(SETTING.model_copy(update=made | {"precision": asked}))
        assert (opened.device, opened.precision, opened.accelerate) == ("cpu", here, "none")
    assert preparation.on_this_machine(SETTING) is SETTING


@pytest.mark.parametrize(("numbers", "rounded"), [("fp32", False), ("bf16", False), ("fp16", False), ("tf32", True)])
def test_float32_is_multiplied_as_asked_in_convolutions_and_matrices(backends, monkeypatch, numbers, rounded):
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype, enabled: (kind, dtype, enabled))
    for before in (True, False):  # the trial before was of another precision
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = before
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(numbers)
        kind, dtype, enabled = autocast(torch.device("cuda"), numbers, True)
        assert (kind, enabled) == ("cuda", half is not None) and (half is None or dtype == half)
        assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == rounded
        assert torch.backends.cudnn.benchmark
    autocast(torch.device("cuda"), numbers, False)
    assert not torch.backends.cudnn.benchmark


def test_a_cpu_leaves_what_is_of_gpus_alone(backends):
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = True, False
    multiply_in(torch.device("cpu"), "fp32")
    autocast(torch.device("cpu"), "fp32", True)
    assert torch.backends.cudnn.allow_tf32 and not torch.backends.cudnn.benchmark


def test_only_full_batches_have_kernels_tried_out(monkeypatch):
    seen = []
    monkeypatch.setattr("trainables.networks.engine.autocast", lambda *given: seen.append(given[2]) or autocast(*given))
    make_engine(TrialConfig(batch_size=16)).train(TRAIN, np.full(3, 1e-3))
    assert seen == [True, True, False]


def test_fp16_learns_what_fp32_does():
    full, half = make_engine(), make_engine(precision="fp16")
    a, b = ([engine.train(TRAIN, RATES).loss for _ in range(4)] for engine in (full, half))
    assert a != b and b == pytest.approx(a, rel=0.05)
    assert half.scaler.get_scale() == 65536 and not full.scaler.is_enabled()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_an_update_whose_gradients_overflow_is_left_out_and_the_scale_halved(optimizer):
    engine = make_engine(TrialConfig(batch_size=8, optimizer=optimizer, weight_decay=0.1), precision="fp16")
    engine.train(TRAIN[:8], RATES[:1])
    before = {name: value.clone() for name, value in engine.state().items()}
    engine.scaler.update(3e38)  # so large that scaled gradients are infinite
    shown = engine.train(TRAIN[:8], RATES[:1])
    after = engine.state()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert np.isfinite(shown.loss) and after["scaler.scale"] == pytest.approx(1.5e38)
    assert {name for name in changed if "running" not in name and "tracked" not in name} == {"scaler.scale"} | (
        {"scaler._growth_tracker"} & changed
    )
    engine.scaler.update(1024.0)
    engine.train(TRAIN[:8], RATES[:1])
    assert not torch.equal(before["network.head.weight"], engine.state()["network.head.weight"])


def test_a_checkpoint_has_the_scale_and_goes_on_bit_for_bit():
    engine, other = make_engine(precision="fp16"), make_engine(precision="fp16", seed=9)
    engine.train(TRAIN, RATES)
    engine.scaler.update(2048.0)
    engine.train(TRAIN, RATES)
    kept = {name: value.clone() for name, value in engine.state().items()}
    other.restore(kept)
    assert other.scaler.get_scale() == 2048 and other.state()["scaler._growth_tracker"] == 10
    assert same_tensors(kept, other.state())
    assert engine.train(TRAIN, RATES) == other.train(TRAIN, RATES) and same_tensors(engine.state(), other.state())


def test_other_precisions_write_no_scale_and_pass_over_one():
    engine, half = make_engine(), make_engine(precision="fp16")
    half.train(TRAIN, RATES)
    assert not any(name.startswith("scaler.") for name in engine.state())
    engine.restore(half.state())
    assert not any(name.startswith("scaler.") for name in engine.state())
    fresh = make_engine(precision="fp16")
    fresh.restore({name: value for name, value in half.state().items() if not name.startswith("scaler.")})
    assert fresh.scaler.get_scale() == 65536
    assert not make_scaler(torch.device("cpu"), "bf16").is_enabled()
