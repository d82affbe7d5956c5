"""The command line: flags from one declaration, and one sentence for every mistake."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from console import arguments
from console.errors import UsageError
from search import run
from search.options import SearchOptions
from search.planning.defaults import complete, parse_duration
from search.planning.plan import make_plan

PLAIN = ["--data", "scenes:count=70", "--image-size", "32", "--executor", "local", "--samples", "1", "--epochs", "1"]


def complaint(capsys: pytest.CaptureFixture, *words: str) -> str:
    """What a wrong command line is answered; it must end with status 2, in one line, and leave nothing running."""
    try:
        status = run.main(list(words))
    except SystemExit as stop:
        status = stop.code
    error = capsys.readouterr().err.strip()
    assert status == run.WRONG_USAGE and "\n" not in error
    return error


MISTAKES = [
    (["--space", "self-paced"], "Unknown space 'self-paced'. Did you mean 'self_paced'? Known: "),
    (["--set", "share_start=0"], "SelfPacedConfig.share_start: must be a number in (0, 1]; got '0'."),
    (["--set", "gate"], "--set wants field=value; got 'gate'."),
    (["--set", "gaet=0.9"], "Unknown field of self_paced 'gaet'. Did you mean 'gate'?"),
    (["--search", "gate=0.9:0.5"], "--search gate wants low below high; got '0.9:0.5'."),
    (["--search", "gate=0.5:2"], "SelfPacedConfig.gate: must be a number in [0, 1]; got '2'."),
    (["--samples", "0"], "--samples must be greater than or equal to 1; got '0'."),
    (["--samples", "many"], "--samples must be a valid integer; got 'many'."),
    (["--sampler", "tp"], "--sampler must be 'tpe', 'random', 'grid', 'cmaes', 'gp', 'motpe' or 'nsga2'; got 'tp'."),
    (["--protocol", "test"], "--protocol must be 'holdout' or 'report'; got 'test'."),
    (["--model", "resnet81"], "Unknown model 'resnet81'. Did you mean 'resnet18'?"),
    (["--anchors", "as_ran"], "Unknown anchor of self_paced 'as_ran'. Did you mean 'as_run'?"),
    (["--time-budget", "soon"], "--time-budget wants a time like 90s, 30m or 2h; got 'soon'."),
    (["--gpus-per-trial", "99"], "--gpus-per-trial 99: this machine has "),
    (["--gpus-per-trial", "1.5"], "--gpus-per-trial above 1 must be a whole number; got 1.5."),
    (["--cpus-per-trial", "4096"], "--cpus-per-trial 4096: this machine has "),
    (
        ["--scheduler", "pbt", "--samples", "4"],
        "is Ray's; pass --scheduler none, asha, pasha, topk, median or hyperband with --executor local.",
    ),
    (["--topk", "0"], "--topk must be greater than or equal to 1; got '0'."),
    (["--concurrent", "2"], "--executor local runs one trial at a time"),
    (["--name", "../up"], "--name must be letters, digits"),
    (["--split", "nowhere.csv"], "No split file at nowhere.csv"),
    (["--weights", "nowhere.pth"], "nowhere.pth. Pass --weights imagenet, none, or the path of a state dict."),
    (["--data", "scnes"], "'scnes'"),
    (["--frobnicate", "1"], "Unknown flag --frobnicate. See --help."),
    (["--epoch", "3"], "Unknown flag --epoch; did you mean --epochs?"),
    (["--image_size=16"], "Unknown flag --image_size; did you mean --image-size?"),
    (["self_paced"], "Unrecognized arguments: self_paced. See --help."),
    (["--scheduler", "ashaa"], "'pb2' or 'none'; got 'ashaa'. Did you mean 'asha'?"),
    (["--precision", "fp23"], "'bf16', 'fp16', 'tf32' or 'fp32'; got 'fp23'. Did you mean 'fp32'?"),
    (["--confirm-seeds", "3"], "--confirm-seeds has an effect beside --confirm alone; pass that too, or leave it out."),
    (["--topk", "3"], "--topk has an effect beside --scheduler topk alone"),
    (["--exchange-epochs", "3"], "--exchange-epochs has an effect beside --scheduler pbt or --scheduler pb2 alone"),
    (["--max-failures", "3"], "--max-failures has an effect beside --executor ray alone"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_answered_in_one_sentence(words, said, capsys, tmp_path):
    assert said in complaint(capsys, *PLAIN, "--out", str(tmp_path / "runs"), *words)
    assert not list(tmp_path.glob("runs/*/*"))


def test_an_output_folder_that_cannot_be_written_is_named(capsys, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert "cannot be written" in complaint(capsys, *PLAIN, "--out", str(tmp_path / "file" / "runs"))


def test_bad_images_are_named_and_counted_and_may_be_left_out(capsys, tmp_path):
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(random.integers(0, 255, (20, 20, 3), np.uint8)).save(tmp_path / "set" / name / f"{i}.png")
    (tmp_path / "set" / "a" / "9.jpg").write_bytes(b"\xff\xd8 cut off")
    words = [
        *PLAIN,
        "--data",
        str(tmp_path / "set"),
        "--model",
        "small_cnn",
        "--weights",
        "none",
        "--out",
        str(tmp_path),
    ]
    said = complaint(capsys, *words)
    assert "1 of 13 files" in said and "a/9.jpg" in said and "--skip-bad-images" in said
    assert run.main([*words, "--skip-bad-images", "--name", "skipped"]) == run.DONE


def test_every_option_has_a_flag_and_a_sentence():
    text = arguments.parser(SearchOptions, "search", "").format_help()
    for name, info in SearchOptions.model_fields.items():
        assert "--" + name.replace("_", "-") in text and info.description


def test_help_needs_no_torch():
    script = "import sys; sys.modules['torch'] = None; from search.run import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and "--space" in done.stdout


def test_defaults_depend_on_the_data():
    drawn, photographs = (complete(SearchOptions(data=data)) for data in ("scenes:count=70", "rsscn7"))
    assert (drawn.image_size, drawn.model, drawn.weights) == (64, "small_cnn", "none")
    assert (photographs.image_size, photographs.model, photographs.weights) == (256, "resnet18", "imagenet")


def test_run_names_are_safe_file_names():
    assert "/" not in complete(SearchOptions(data="/some where/images (old)")).name


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), (None, None)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


def test_a_plan_says_what_will_run(tmp_path):
    options = arguments.read(SearchOptions, {"data": "scenes:count=70", "image_size": 32, "out": str(tmp_path),
                                             "set": ["rate=constant"], "search": ["batch_size=8,16"]})  # fmt: skip
    plan = make_plan(options)
    assert plan.dropped == ("as_run", "as_described")[1:] and plan.space.fixed == {"rate": "constant"}
    assert plan.setting.data_digest == plan.data.digest
    assert "batch_size" in plan.space.search and "rate" not in plan.space.search


def test_changed_data_are_refused():
    from trainables.preparation import load_data

    plan = make_plan(SearchOptions(data="scenes:count=70", image_size=32, out="/tmp", name="never-made"))
    with pytest.raises(UsageError, match="they have changed since"):
        load_data(plan.setting.model_copy(update={"data_digest": "0" * 64}))


def test_torch_and_torchvision_of_different_builds_are_named(monkeypatch, tmp_path):
    import builtins

    from trainables import pairing
    from trainables.data import dtd
    from trainables.networks.models import build

    real = builtins.__import__

    def broken(name, *more, **others):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(UsageError, match="of different builds"):
        pairing.check()
    with pytest.raises(UsageError, match="of different builds"):
        build("resnet18", 7, "none", 0)
    with pytest.raises(UsageError, match="of different builds"):
        dtd._download(tmp_path / "dtd")


def test_a_driver_without_a_gpu_is_told_so_before_anything_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("search.planning.defaults.gpus_here", lambda: 0)
    said = complaint(capsys, *PLAIN, "--space", "finetune", "--gpus-per-trial", "1", "--out", str(tmp_path))
    assert said.endswith("--gpus-per-trial 1: this machine has 0 GPUs that torch can use; pass 0 to use the CPU.")
    assert not any(tmp_path.iterdir())
