"""A name that means nothing is refused before data are touched, and a new sampler or scheduler is one declaration."""

import subprocess
import sys
from dataclasses import replace

import optuna
import pytest

from console import arguments
from console.errors import UsageError
from search import compare, divide, run
from search.options import SearchOptions
from search.proposers.samplers import SAMPLERS, Sampler, get_sampler
from search.racing.rule import Rule
from search.racing.topk import how_many
from search.schedulers import SCHEDULERS, Race, Scheduler, get_scheduler
from spaces.self_paced import SELF_PACED
from tests.search.test_samplers import SMALL, Spoken, finish

TINY = ["--data", "scenes:count=70", "--image-size", "16", "--epochs", "1", "--cpus-per-trial", "1"]
WRONG = [
    (["--space", "self-paced"], "Unknown space 'self-paced'. Did you mean 'self_paced'?"),
    (["--sampler", "tp"], "--sampler must be 'tpe', 'random', 'grid', 'cmaes', 'gp', 'motpe' or 'nsga2'; got 'tp'."),
    (
        ["--scheduler", "ash"],
        "--scheduler must be 'asha', 'pasha', 'topk', 'median', 'hyperband', 'front', 'pbt', 'pb2' or 'none'; got 'ash'.",
    ),
    (["--model", "resnet81"], "Unknown model 'resnet81'. Did you mean 'resnet18'?"),
    (["--model", "timm:resnet10"], "Unknown model 'timm:resnet10'. Did you mean 'timm:resnet10t'?"),
    (
        ["--model", "squeezenet1_1", "--image-size", "64"],
        "squeezenet1_1 has no linear layer that its logits",
    ),
    (
        ["--model", "maxvit_t", "--image-size", "64"],
        "maxvit_t takes no images of 64 pixels a side (Input size (16, 16)",
    ),
    (["--weights", "imagenet"], "There are no ImageNet weights for small_cnn. Pass --weights none or a file."),
    (["--model", "vit_tiny", "--image-size", "20"], "vit_tiny wants an --image-size that is a multiple of 8; got 20."),
    (["--data", "scnes"], "Unknown data set 'scnes'. Did you mean 'scenes'?"),
    (["--data", "no/such/folder"], "'no/such/folder' is neither a known data set"),
    (["--difficulty", "tru"], "--difficulty wants true, head, confusion, reference, a CSV"),
    (["--weights", "imagenot"], "imagenot. Pass --weights imagenet, none, or the path of a state dict."),
    (["--anchors", "as_ran"], "Unknown anchor of self_paced 'as_ran'. Did you mean 'as_run'?"),
]
WRONG_ARMS = [
    (["--strategies", "finetune,self_pased"], "Unknown space 'self_pased'. Did you mean 'self_paced'?"),
    (["--strategies", "finetune@nowhere.pth"], "No weights file at "),
    (["--strategies", "finetune", "--model", "resnet81"], "Unknown model 'resnet81'."),
    (["--strategies", "finetune", "--data", "scnes"], "Unknown data set 'scnes'."),
]


@pytest.fixture
def no_data(monkeypatch):
    """Whoever asks for the data has gone too far."""

    def touched(*asked, **more):
        raise AssertionError("data were touched")

    for place in ("search.planning.plan.load_data", "trainables.preparation.load_data",
                  "trainables.data.sources.build_or_open"):  # fmt: skip
        monkeypatch.setattr(place, touched)


def complaint(main, words, capsys) -> str:
    assert main(words) == arguments.WRONG_USAGE
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and said.startswith("Error: ")
    return said


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_a_wrong_name_is_refused_before_data_are_touched(words, said, no_data, capsys, tmp_path):
    base = [*TINY, "--samples", "1", "--out", str(tmp_path / "runs")]
    assert said in complaint(run.main, [*base, *words], capsys)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("words", "said"), WRONG_ARMS, ids=[" ".join(words) for words, _ in WRONG_ARMS])
def test_a_wrong_name_of_a_head_to_head_is_refused_before_data_are_touched(words, said, no_data, capsys, tmp_path):
    assert said in complaint(compare.main, [*TINY, "--out", str(tmp_path / "runs"), *words], capsys)
    assert not (tmp_path / "runs").exists()


def test_a_wrong_name_of_a_division_is_refused_before_data_are_touched(no_data, capsys, tmp_path):
    words = ["--data", "scenes:count=70", "--model", "resnet81", "--out", str(tmp_path / "division.csv")]
    assert "Unknown model 'resnet81'." in complaint(divide.main, words, capsys)


def test_what_search_exports_is_there_and_loads_nothing_before_it_is_asked_for():
    import search
    from search import from_python

    assert search.search is from_python.search and search.compare.__class__.__name__ == "_Callable"
    assert search.SearchOptions is SearchOptions and all(hasattr(search, name) for name in search.__all__)
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        search.serch  # noqa: B018
    script = "import sys, search; search.SearchOptions; assert not {'torch', 'ray'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_right_names_go_as_far_as_the_data(no_data, tmp_path):
    """So that the tests above could have failed."""
    with pytest.raises(AssertionError, match="data were touched"):
        run.main([*TINY, "--samples", "1", "--executor", "local", "--out", str(tmp_path / "runs")])


@pytest.mark.parametrize(
    ("get", "word", "meant"), [(get_sampler, "randm", "random"), (get_scheduler, "mdian", "median")]
)
def test_a_registry_names_the_nearest(get, word, meant):
    with pytest.raises(UsageError, match=f"'{word}'. Did you mean '{meant}'"):
        get(word)


def test_a_new_sampler_is_one_declaration(monkeypatch, capsys):
    drawn = []

    def make(address: int, samples: int) -> optuna.samplers.BaseSampler:
        drawn.append(address)
        return optuna.samplers.RandomSampler(seed=address)

    monkeypatch.setitem(SAMPLERS, "made_up", Sampler("made_up", "as it likes", make))
    assert arguments.read(SearchOptions, {"sampler": "made_up"}).sampler == "made_up"
    assert "nsga2, made_up" in " ".join(arguments.parser(SearchOptions, "search", "").format_help().split())
    assert run.main(["--list"]) == run.DONE and "made_up          as it likes" in capsys.readouterr().out
    made = Spoken(SMALL, 4, 0, "made_up")
    proposals = list(iter(lambda: finish_one(made), None))
    assert len(proposals) == 4 and len(set(drawn)) == 3  # the anchor is not drawn
    assert len({tuple(p.config.items()) for p in proposals}) == 4


def finish_one(made: Spoken):
    """The next proposal, told how it did."""
    proposal = made.ask()
    if proposal:
        finish(made, proposal)
    return proposal


@pytest.mark.ray
def test_a_new_stopping_scheduler_is_one_declaration(monkeypatch, capsys, tmp_path):
    races = []

    def make(race):
        from ray.tune.schedulers import FIFOScheduler

        class AfterOne(FIFOScheduler):
            """Stops every trial after its first epoch."""

            def on_trial_result(self, tune_controller, trial, result):
                return self.STOP

        races.append(race)
        return AfterOne()

    monkeypatch.setitem(SCHEDULERS, "made_up", Scheduler("made_up", "one epoch and no more", "stopping", make))
    assert arguments.read(SearchOptions, {"scheduler": "made_up"}).scheduler == "made_up"
    assert "none, made_up" in " ".join(arguments.parser(SearchOptions, "search", "").format_help().split())
    assert run.main(["--list"]) == run.DONE and "made_up          one epoch and no more" in capsys.readouterr().out
    words = [*TINY, "--epochs", "3", "--samples", "2", "--anchors", "none", "--scheduler", "made_up"]
    assert run.main([*words, "--executor", "local", "--out", str(tmp_path)]) == run.WRONG_USAGE
    assert "--scheduler made_up is Ray's" in capsys.readouterr().err
    assert run.main([*words, "--out", str(tmp_path), "--name", "r"]) == run.DONE
    assert capsys.readouterr().out.count("at epoch 1 of 1") == 2
    assert [(race.epochs, race.past) for race in races] == [(3, {})]


@pytest.mark.ray
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_can_be_made_and_says_what_it_does(name):
    from ray.tune.schedulers import TrialScheduler

    scheduler = SCHEDULERS[name]
    race = Race(SELF_PACED, seed=3, epochs=9, longest=900, images=100, interval=3, past={0: [(100, 0.5)]}, furthest=0)
    assert (scheduler.rule is None) != (scheduler.make is None)
    made = scheduler.rule(race) if scheduler.rule else scheduler.make(race)
    assert isinstance(made, Rule if scheduler.rule else TrialScheduler)
    assert scheduler.name == name and scheduler.says and (scheduler.kind != "population" or scheduler.pauses)


def test_a_slice_is_the_work_of_the_dearest_epoch():
    """100 images, 9 epochs, a pass that stands ready: 334 of 9.33 passes; where each epoch ranks all images too, 133."""
    race = Race(SELF_PACED, 3, epochs=9, longest=933, images=100, interval=3, past={}, furthest=0)
    assert race.slice == 99 and replace(race, longest=1233).slice == 133 and race.grace == 103
    assert [rung.level for rung in SCHEDULERS["asha"].rule(race).rungs] == [103, 309]
    assert [rung.level for rung in SCHEDULERS["pasha"].rule(race).rungs] == [99, 297, 891]
    assert SCHEDULERS["topk"].rule(replace(race, topk=2)).k == 2
    assert [how_many(samples) for samples in (1, 27, 35, 36, 90)] == [3, 3, 3, 4, 10]
