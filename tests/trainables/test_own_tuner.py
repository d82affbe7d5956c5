"""The trainable for a Tuner of one's own, without Ray; tests/search/test_own_tuner.py has it under Ray."""

import json
import pickle

import pytest

from console.errors import UsageError
from records.epoch import EpochRecord
from records.files import read_text
from spaces.self_paced import SELF_PACED
from trainables import trainable
from trainables.metrics import OBJECTIVES
from trainables.tune import StrategyTrainable, TrialTrainable

SMALL = {"data": "scenes:count=70", "image_size": 16, "epochs": 4}
GIVEN = {"gate": 0.5, "learning_rate": 1e-3, "batch_size": 8}


@pytest.fixture(scope="module")
def SelfPaced():
    return trainable("self_paced", **SMALL)


def figures_of(result: dict) -> dict:
    """What does not depend on the clock or the process."""
    clock = ("seconds", "_s", "_mb", "pid", "timestamp", "_restore")
    return {n: v for n, v in result.items() if isinstance(v, (int, float)) and not n.endswith(clock)}


def test_it_and_ours_are_the_same_class_below(SelfPaced):
    assert issubclass(SelfPaced, TrialTrainable) and issubclass(StrategyTrainable, TrialTrainable)
    for step in ("step", "reset_config"):
        assert getattr(SelfPaced, step) is getattr(StrategyTrainable, step) is getattr(TrialTrainable, step)


def test_every_recorded_number_is_a_flat_metric(SelfPaced):
    trial = SelfPaced(dict(GIVEN))
    results = [trial.train() for _ in range(4)]
    assert [r["done"] for r in results] == [False, False, False, True] and [r["epoch"] for r in results] == [1, 2, 3, 4]
    record = trial.trial.state.last
    for name, value in record.row().items():
        if isinstance(value, (int, float)) and name not in ("trial", "seed"):
            assert results[-1][name] == value, name
    counts = [results[-1][f"class_counts/{number}"] for number in range(7)]
    assert tuple(counts) == record.class_counts and results[-1]["seconds"] == record.seconds
    ours = {
        name: value
        for name, value in results[-1].items()
        if name not in ("config", "date", "hostname", "node_ip", "trial_id")
    }
    assert all(isinstance(value, (int, float)) for value in ours.values())


def test_the_best_so_far_is_each_metric_s_own(SelfPaced):
    trial = SelfPaced(dict(GIVEN))
    results = [trial.train() for _ in range(4)]
    for name in ("accuracy", "loss", "balanced_accuracy", "macro_f1"):
        better = max if OBJECTIVES[name].higher_is_better else min
        for upto in range(1, 5):
            assert results[upto - 1][f"best_{name}"] == better(r[f"eval_{name}"] for r in results[:upto])


def test_a_checkpoint_holds_all_that_is_needed_to_go_on_and_the_best_network(SelfPaced, tmp_path):
    straight = SelfPaced(dict(GIVEN))
    expected = [figures_of(straight.train()) for _ in range(4)]
    first = SelfPaced(dict(GIVEN))
    first.train(), first.train()
    first.save_checkpoint(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.safetensors", "trial.json", "trial.safetensors"]
    best = EpochRecord.from_row(json.loads(read_text(tmp_path / "best.safetensors", "record")))
    assert best == first.trial.state.best
    second = SelfPaced(dict(GIVEN))
    second.train()  # of a life before
    second.load_checkpoint(str(tmp_path))
    results = [second.train() for _ in range(2)]
    wanted = [each | {"training_iteration": each["training_iteration"] - 1} for each in expected[2:]]
    for each, of_straight in zip(results, wanted, strict=True):
        assert {n: v for n, v in figures_of(each).items() if of_straight.get(n) != v} == {}
    second.save_checkpoint(str(tmp_path))
    assert len(json.loads((tmp_path / "trial.json").read_text())["records"]) == 4
    over = SelfPaced(dict(GIVEN))
    over.load_checkpoint(str(tmp_path))
    assert over.train()["done"]  # as Tuner.restore asks of a trial that is over


def test_a_population_may_change_mutable_fields_and_no_other(SelfPaced, tmp_path):
    donor = SelfPaced(dict(GIVEN))
    donor.train()
    donor.save_checkpoint(str(tmp_path))
    member = SelfPaced(GIVEN | {"gate": 0.9})
    member.train(), member.train()
    assert member.reset_config(GIVEN | {"learning_rate": 5e-4})
    member.load_checkpoint(str(tmp_path))
    result = member.train()
    assert (result["epoch"], result["learning_rate"]) == (2, 5e-4)
    assert [record.epoch for record in member._recorded()] == [1, 2]  # the donor's first, and its own
    stranger = SelfPaced(GIVEN | {"batch_size": 16})
    with pytest.raises(UsageError) as raised:
        stranger.load_checkpoint(str(tmp_path))
    able = ", ".join(name for name in SELF_PACED.config.model_fields if SELF_PACED.config.is_mutable(name))
    assert str(raised.value) == (
        f"batch_size cannot change from 8 to 16 while a trial runs; a population may change {able}."
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"gate": 7.0}, "SelfPacedConfig.gate: must be a number in [0, 1]; got 7.0."),
        ({"gat": 0.7}, "Unknown field of SelfPacedConfig 'gat'. Did you mean 'gate'?"),
    ],
)
def test_a_config_that_is_not_legal_is_an_exception_as_ray_expects(SelfPaced, config, said):
    with pytest.raises(UsageError) as raised:
        SelfPaced(config)
    assert str(raised.value).startswith(said)
    assert isinstance(pickle.loads(pickle.dumps(raised.value)), UsageError)  # it travels from a worker


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strategy": "self-paced"}, "Unknown strategy 'self-paced'. Did you mean 'self_paced'?"),
        ({"imagesize": 16}, "Unknown setting 'imagesize'. Did you mean 'image_size'?"),
        ({"data_digest": "0"}, "Unknown setting 'data_digest'. Did you mean"),
        ({"epochs": 0}, "--epochs must be greater than or equal to 1; got 0."),
        ({"model": "resnet81"}, "Unknown model 'resnet81'. Did you mean 'resnet18'?"),
        ({"data": "scens"}, "Unknown data set 'scens'. Did you mean 'scenes'?"),
        ({"metric": "acc"}, "Unknown metric 'acc'. Known: "),
        ({"metric": "map"}, "--metric map is no figure of --task single_label"),
        ({"weights": "/nowhere.pth"}, "No weights file at /nowhere.pth."),
        ({"difficulty": "hard"}, "No difficulty file at "),
        ({"split": "folders"}, "--split folders is for data that come as train/ and test/, and scenes do not"),
        ({"model": "vit_tiny", "image_size": 20}, "vit_tiny wants an --image-size that is a multiple of 8; got 20."),
        ({"strategy": "scratch", "weights": "imagenet"}, "scratch starts from random weights; drop --weights imagenet"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_a_wrong_setting_is_refused_at_once(given, said):
    with pytest.raises(UsageError) as raised:
        trainable(**({"strategy": "self_paced"} | given))
    assert str(raised.value).startswith(said)


def test_what_is_left_open_is_chosen_as_the_command_line_does(tmp_path, monkeypatch):
    from search.options import SearchOptions
    from search.planning.defaults import complete
    from search.planning.plan import make_setting

    monkeypatch.chdir(tmp_path)
    for space, more in (("self_paced", {}), ("transfer", {"image_size": 32}), ("scratch", {"metric": "loss"})):
        asked = SearchOptions(space=space, executor="local", cpus_per_trial=1, gpus_per_trial=0, name="x", **more)
        assert trainable(space, threads=1, device="cpu", **more).setting == make_setting(complete(asked))
