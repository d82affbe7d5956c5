"""The GPU path on a GPU: skipped, and said at the end of the tests, where torch sees none.

Searches and runs: test_cuda_runs.py. On which device, and to which tolerance: device.py."""

import gc
import json
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
import torch

from benchmarks import gpu_work
from console.errors import UsageError
from spaces.registry import SPACES
from spaces.setting import Setting
from spaces.trial import TrialConfig, fields_of_part
from tests.device import DEVICE, HALF_TOLERANCE, TOLERANCE, needs_the_device, on_a_gpu
from tests.toy import CLASSES, TRAIN, pictures
from trainables.networks import models
from trainables.networks.engine import Engine
from trainables.networks.noise import seeded
from trainables.trial import Trial

pytestmark = needs_the_device

BASE = Setting(strategy="finetune", data="scenes:count=105", image_size=16, model="small_cnn", epochs=2,
               precision="fp32", difficulty="true", device=DEVICE)  # fmt: skip
NUMBERS = ("train_loss", "eval_loss")


def config(strategy: str = "finetune", **fields) -> TrialConfig:
    return SPACES[strategy].config(batch_size=8, learning_rate=1e-4, **fields)


def trial_of(setting: Setting = BASE, folder=None, **fields) -> Trial:
    return Trial(setting, config(setting.strategy, **fields), 0, folder)


def losses(records) -> list[float]:
    return [getattr(record, name) for record in records for name in NUMBERS]


def allocated() -> int:
    gc.collect()
    return torch.cuda.memory_allocated() if DEVICE == "cuda" else 0


@pytest.mark.parametrize("name", SPACES)
def test_every_strategy_trains_an_epoch_on_the_device(name):
    trial = trial_of(BASE.model_copy(update={"strategy": name}))
    before = trial.state.engine.network.head.weight.detach().clone()
    record = next(trial.records())
    assert record.epoch == 1 and np.isfinite(losses([record])).all() and record.updates > 0
    places = {tensor.device.type for tensor in trial.state.engine.network.state_dict().values()}
    assert places == {trial.state.engine.inputs.device.type} == {DEVICE}
    assert not torch.equal(before, trial.state.engine.network.head.weight)


def test_a_head_on_cached_features_trains_on_the_device():
    setting = BASE.model_copy(update={"strategy": "transfer"})
    trial = trial_of(setting, **fields_of_part("head"))
    record = next(trial.records())
    assert trial.state.engine.head_of and np.isfinite(losses([record])).all()
    assert trial.state.engine.network.head.weight.device.type == DEVICE


def test_an_augmented_epoch_trains_on_the_device():
    fields = {"augment": "flips", "crop": 0.5, "colour_jitter": 0.4, "policy": "randaugment", "random_erasing": 0.5,
              "mixup": 0.4, "cutmix": 1.0, "class_weight": "balanced"}  # fmt: skip
    assert np.isfinite(losses([next(trial_of(**fields).records())])).all()


def test_the_device_has_the_numbers_of_the_cpu():
    there, here = trial_of(), trial_of(BASE.model_copy(update={"device": "cpu"}))
    assert losses(there.records()) == pytest.approx(losses(here.records()), rel=TOLERANCE)


def test_scores_and_evaluations_are_those_of_the_cpu():
    images, labels = pictures()
    every, made = np.arange(50), []
    for device in (DEVICE, "cpu"):
        network = models.build("small_cnn", CLASSES, "none", 0, 8)
        made.append(Engine(network, images, labels, TrialConfig(batch_size=8), device, "fp32"))
    assert made[0].score(TRAIN, "eval") == pytest.approx(made[1].score(TRAIN, "eval"), rel=TOLERANCE)
    there, here = (engine.evaluate(every) for engine in made)
    assert there.losses == pytest.approx(here.losses, rel=TOLERANCE) and there.knn == pytest.approx(here.knn, abs=0.05)
    assert there.predicted.dtype == here.predicted.dtype and np.mean(there.predicted == here.predicted) > 0.9


def test_a_trial_that_is_trained_again_has_its_numbers_to_the_stated_tolerance():
    first, again = (losses(trial_of().records()) for _ in range(2))
    assert again == pytest.approx(first, rel=TOLERANCE)
    other = losses(trial_of(BASE.model_copy(update={"seed": 1})).records())
    assert other != pytest.approx(first, rel=TOLERANCE)  # else the tolerance would say nothing


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_trial_that_is_resumed_from_a_checkpoint_goes_on_as_if_nothing_was(tmp_path, optimizer):
    whole = list(trial_of(optimizer=optimizer).records())
    begun = trial_of(optimizer=optimizer)
    next(begun.records())
    begun.save(tmp_path / "c.safetensors")
    resumed = trial_of(optimizer=optimizer)
    resumed.restore(tmp_path / "c.safetensors")
    (last,) = resumed.records()
    assert last.epoch == 2 and losses([last]) == pytest.approx(losses(whole[1:]), rel=TOLERANCE)
    assert resumed.state.engine.network.head.weight.device.type == DEVICE


WORKER = """
import json, sys
from spaces.registry import SPACES
from spaces.setting import Setting
from trainables.trial import Trial
trial = Trial(Setting.model_validate_json(sys.argv[1]), SPACES["finetune"].config(batch_size=8, learning_rate=1e-4), 0)
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps([loss for record in trial.records() for loss in (record.train_loss, record.eval_loss)]))
"""


def test_two_trials_in_processes_on_one_gpu_have_the_numbers_of_one_alone():
    alone = losses(trial_of().records())
    command, pipes = [sys.executable, "-c", WORKER, BASE.model_dump_json()], {"stdin": -1, "stdout": -1, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:
        for process in (one, other):
            assert process.stdout.readline() == "ready\n"
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in (one, other):
            assert json.loads(process.stdout.readline()) == pytest.approx(alone, rel=TOLERANCE)


def test_trials_in_threads_on_streams_have_the_numbers_of_one_alone():
    job = gpu_work.Job("ways", "small_cnn", 16, DEVICE, "fp32", images=64, batch=16)
    images, labels = gpu_work.images_of(job)
    alone, *several = [gpu_work.engine_of(job, images, labels) for _ in range(4)]
    gpu_work.Together(job, [alone])()
    gpu_work.Together(job, several)()
    for engine in several:
        torch.testing.assert_close(engine.network.head.weight, alone.network.head.weight, rtol=TOLERANCE, atol=1e-5)


@on_a_gpu
def test_a_trial_that_is_over_gives_its_memory_back():
    """All of it but what trials share (images, a frozen backbone), which is there after the first one already."""
    list(trial_of().records())
    before = allocated()
    trial = trial_of()
    list(trial.records())
    assert allocated() > before
    del trial
    assert allocated() == before


@on_a_gpu
def test_a_process_that_is_used_again_holds_one_trial_at_a_time(tmp_path):
    pytest.importorskip("ray")
    from trainables.tune import TrialTrainable

    class Bare(TrialTrainable):
        def __init__(self):
            """Ray's own wants a cluster."""

    setting, worker, peaks = BASE.model_copy(update={"model": "resnet18", "image_size": 32}), Bare(), []
    for number in range(2):
        torch.cuda.reset_peak_memory_stats()
        worker.begin(setting, {"batch_size": 8}, number, tmp_path)
        next(worker.records)
        peaks.append(torch.cuda.max_memory_allocated())
    assert peaks[1] < 1.2 * peaks[0]  # 44 MB of weights, and twice that of Adam's


@on_a_gpu
def test_the_peak_is_of_the_trial_and_not_of_the_process():
    from trainables.machine import peak_memory_mb

    peaks = []
    for setting in (BASE.model_copy(update={"model": "resnet18", "image_size": 64}), BASE):
        trial = trial_of(setting)
        next(trial.records())
        peaks.append(peak_memory_mb(DEVICE))
        del trial
        gc.collect()
    assert 0 < peaks[1] < peaks[0] / 2


@pytest.mark.parametrize("word", get_args(Setting.model_fields["precision"].annotation))
def test_every_precision_trains_and_is_near_fp32(word):
    setting = BASE.model_copy(update={"precision": word})
    exact = losses([next(trial_of().records())])
    try:
        found = losses([next(trial_of(setting).records())])
    except UsageError as error:
        pytest.skip(f"this device has none: {error}")
    assert found == pytest.approx(exact, rel=TOLERANCE if word == "fp32" else HALF_TOLERANCE)


@on_a_gpu
def test_fp32_is_not_tf32():
    """The kernels of a convolution: 24 bits are 4,096 times finer than 12."""
    images = np.random.default_rng(0).integers(0, 256, (32, 64, 64, 3), dtype=np.uint8)
    network = models.build("resnet18", CLASSES, "none", 0, 64)
    exact = {}
    for device, word in (("cpu", "fp32"), (DEVICE, "fp32"), (DEVICE, "tf32")):
        try:
            engine = Engine(network, images, np.zeros(32, np.int64), TrialConfig(), device, word)
            exact[device, word] = engine.features(np.arange(32))
        except UsageError as error:
            pytest.skip(f"this device has none: {error}")
    off = {key: np.abs(value - exact["cpu", "fp32"]).max() for key, value in exact.items()}
    assert off[DEVICE, "fp32"] < 1e-4
    if torch.cuda.get_device_capability() >= (8, 0):
        assert off[DEVICE, "tf32"] > 3 * off[DEVICE, "fp32"]


@pytest.mark.parametrize("word", ["graph", "compile", "auto"])
@pytest.mark.parametrize("name", ["finetune", "self_paced"])
def test_an_accelerated_trial_has_the_numbers_of_an_eager_one(name, word):
    """Batches of 8 of 67 images: the last one is short, and does not fit the graph of a full one."""
    if "accelerate" not in Setting.model_fields:
        pytest.skip("this version has no --accelerate")
    setting = BASE.model_copy(update={"strategy": name, "accelerate": "none"})
    eager = losses(trial_of(setting).records())
    try:
        faster = trial_of(setting.model_copy(update={"accelerate": word}))
    except UsageError as error:
        pytest.skip(f"not on this device: {error}")
    assert losses(faster.records()) == pytest.approx(eager, rel=TOLERANCE)
    if word == "graph":
        assert faster.state.engine.graph.fits


def test_what_networks_draw_follows_from_the_seed_and_leaves_the_generators_alone():
    device = torch.device(DEVICE)
    before = torch.cuda.get_rng_state() if DEVICE == "cuda" else torch.get_rng_state()
    drawn = []
    for seed in (1, 1, 2):
        with seeded(seed, device):
            drawn.append(torch.rand(4, device=device))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(before, torch.cuda.get_rng_state() if DEVICE == "cuda" else torch.get_rng_state())
