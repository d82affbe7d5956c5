"""A run as one file: the same run to every reader, the same bytes each time, and no harm in a stranger's file."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from analysis.comparable import initialisation, sections
from analysis.comparison import main as comparison
from analysis.run import open_run
from analysis.runs import load_run
from analysis.verdict import pairs
from console.errors import UsageError
from console.progress import amount
from records.files import write_arrays
from records.found_runs import find_runs
from records.history import read_history
from records.packed import _small, pack, unpacked
from records.predictions import read_prediction
from search.export import main as export

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def packed(tmp_path) -> Path:
    pack(GOLDEN / "head_to_head", tmp_path / "study.zip")
    return tmp_path / "study.zip"


def test_a_packed_run_is_found_as_a_run_of_its_name(packed):
    for named in (packed, str(packed), packed.parent, f"{packed.parent}/*"):
        (folder,) = find_runs(named)
        assert folder.name == "study"
    trials = read_history(folder).trials
    assert trials.keys() == read_history(GOLDEN / "head_to_head").trials.keys() and trials


def test_what_is_read_of_it_is_what_is_read_of_the_folder(packed):
    one, other = open_run(packed), open_run(GOLDEN / "head_to_head")
    columns = [name for name in other.finals if name != "run"]
    assert one.finals[columns].equals(other.finals[columns])


def test_the_verdict_is_to_the_digit_that_of_the_folder(packed):
    """The images that two arms both get wrong narrow what the test images leave open, so their predictions go along."""
    one, other = (pairs(sections([load_run(folder)])[0]) for folder in (unpacked(packed), GOLDEN / "head_to_head"))
    assert (other["floor"] > 0).all()
    assert one.equals(other)


def test_probabilities_go_along_where_the_metric_needs_them(tmp_path):
    for metric, kept in (("accuracy", False), ("loss", True)):
        run = shutil.copytree(GOLDEN / "head_to_head", tmp_path / metric)
        about = json.loads((run / "run.json").read_text())
        about["setting"]["metric"] = metric
        (run / "run.json").write_text(json.dumps(about))
        pack(run, tmp_path / f"{metric}.zip")
        said = load_run(unpacked(tmp_path / f"{metric}.zip")).on_test(0)
        assert said and ("probabilities" in said) == kept
        assert all(array.dtype == np.int64 for name, array in said.items() if name in ("image", "true", "predicted"))


def test_the_same_run_is_packed_into_the_same_bytes(packed, tmp_path):
    pack(GOLDEN / "head_to_head", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == packed.read_bytes()


def test_a_confirmation_goes_along_and_a_torn_last_line_does_not(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(GOLDEN / "search", run)
    shutil.copytree(GOLDEN / "head_to_head", run / "confirm")
    whole = (run / "ledger.jsonl").read_bytes()
    (run / "ledger.jsonl").write_bytes(whole + b'{"event": "ep')
    pack(run, tmp_path / "run.zip")
    folder = unpacked(tmp_path / "run.zip")
    assert (folder / "ledger.jsonl").read_bytes() == whole
    assert read_history(folder / "confirm").trials
    assert sorted(path.name for path in folder.iterdir()) == ["confirm", "ledger.jsonl", "predictions", "run.json"]
    assert {path.name[5:] for path in (folder / "confirm" / "predictions").iterdir()} == {"test.safetensors"}


@pytest.mark.parametrize("highest", [0, 1, 127, 128, 32767, 32768, 2**31])
def test_numbers_are_as_short_as_hold_them(highest, tmp_path):
    numbers = np.array([0, highest])
    (short,) = _small({"image": numbers}, by_accuracy=True).values()
    assert short.dtype.kind == "i" and short.tolist() == numbers.tolist()


def test_a_network_that_says_one_class_goes_along(tmp_path):
    run = shutil.copytree(GOLDEN / "head_to_head", tmp_path / "run")
    path = sorted((run / "predictions").glob("*.test.safetensors"))[0]
    epoch, said = read_prediction(path)
    said["true"][:], said["predicted"][:] = 0, 0
    said["correct"] = said["true"] == said["predicted"]
    write_arrays(path, said, json.dumps({"epoch": epoch}))
    pack(run, tmp_path / "one.zip")
    _, again = read_prediction(unpacked(tmp_path / "one.zip") / "predictions" / path.name)
    assert again["predicted"].tolist() == [0] * len(said["true"])


def test_a_pack_that_fails_leaves_the_old_file(packed, tmp_path):
    before, run = packed.read_bytes(), shutil.copytree(GOLDEN / "head_to_head", tmp_path / "run")
    sorted((run / "predictions").glob("*.test.safetensors"))[-1].write_bytes(b"damaged")
    with pytest.raises(UsageError, match="cannot be read"):
        pack(run, packed)
    assert packed.read_bytes() == before and not list(tmp_path.glob(".*"))


def test_a_run_and_its_file_side_by_side_are_one(tmp_path):
    run = shutil.copytree(GOLDEN / "head_to_head", tmp_path / "runs" / "a")
    pack(run, tmp_path / "runs" / "a.zip")
    pack(run, tmp_path / "runs" / "b.zip")
    assert [folder.name for folder in find_runs(tmp_path / "runs")] == ["a", "b"]
    assert [folder.name for folder in find_runs(f"{tmp_path}/runs/*")] == ["a", "b"]


def test_a_file_that_was_written_anew_is_read_anew(packed):
    first = unpacked(packed)
    assert unpacked(packed) == first
    pack(GOLDEN / "search", packed)
    assert read_history(unpacked(packed)).trials.keys() == read_history(GOLDEN / "search").trials.keys()


ODD = {
    "../run.json": "holds '../run.json'",
    "/run.json": "holds '/run.json'",
    "run.json/ledger.jsonl": "holds 'run.json/ledger.jsonl'",
    "best.pickle": "holds 'best.pickle'",
    "predictions/../0000.test.safetensors": "holds 'predictions/../0000",
    "confirm/confirm/run.json": "holds 'confirm/confirm/run.json'",
}


@pytest.mark.parametrize(("name", "said"), ODD.items())
def test_a_file_that_holds_anything_else_is_refused_and_nothing_is_written(tmp_path, name, said):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as odd:
        odd.writestr("run.json", "{}")
        odd.writestr(name, "{}")
    with pytest.raises(UsageError, match="is no packed run") as error:
        find_runs(tmp_path / "odd.zip")
    assert said in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["odd.zip"]


@pytest.mark.skipif(sys.platform != "linux", reason="what was resident at most is asked of Linux")
def test_what_says_it_is_small_and_grows_is_not_held_in_memory(tmp_path):
    """200 MB of zeros behind a size of 10 bytes: at most those 10 are kept, and no more than a step is unpacked."""
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_BZIP2) as bomb:
        bomb.writestr("ledger.jsonl", b"\0" * 200_000_000)
        bomb.writestr("run.json", "{}")
    content = (
        (tmp_path / "bomb.zip").read_bytes().replace((200_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    )
    (tmp_path / "bomb.zip").write_bytes(content)
    program = (
        "import resource, sys\nfrom pathlib import Path\nfrom records.packed import unpacked\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    unpacked(Path(sys.argv[1]))\nexcept Exception as error:\n    print(type(error).__name__)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "bomb.zip")], capture_output=True, text=True)
    name, grown = done.stdout.split()
    assert (name, int(grown) < 120_000) == ("UsageError", True), done


def test_a_way_of_packing_that_is_not_ours_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_LZMA) as other:
        other.writestr("run.json", "{}")
    with pytest.raises(UsageError, match="is no packed run"):
        find_runs(tmp_path / "x.zip")


def test_a_file_that_would_fill_the_disk_is_refused(packed, monkeypatch):
    monkeypatch.setattr("records.packed.MOST_BYTES", 1000)
    with pytest.raises(UsageError, match="unpacked; unpack it yourself"):
        find_runs(packed)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"text"])
def test_a_file_that_is_no_zip_is_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(UsageError, match=r"bad.zip cannot be unpacked \(.*\); get it anew"):
        find_runs(tmp_path / "bad.zip")


def test_other_zip_files_that_lie_beside_runs_are_passed_over(packed):
    (packed.parent / "bad.zip").write_bytes(b"text")
    with zipfile.ZipFile(packed.parent / "photos.zip", "w") as other:
        other.writestr("a.jpg", "")
    assert [folder.name for folder in find_runs(packed.parent)] == ["study"]
    assert [folder.name for folder in find_runs(f"{packed.parent}/*")] == ["study"]


def test_a_damaged_byte_is_noticed(packed):
    content = bytearray(packed.read_bytes())
    content[200] ^= 255
    packed.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be unpacked"):
        find_runs(packed)


def test_export_packs_a_run_and_says_what_is_in_it(tmp_path, capsys):
    out = tmp_path / "a.zip"
    assert export([str(GOLDEN / "head_to_head"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"{out}: {GOLDEN / 'head_to_head'} without its networks and tables, {amount(out.stat().st_size)}" in said
    assert amount(out.stat().st_size).endswith(" kB")
    assert comparison([str(out)]) == 0
    assert "self_paced" in capsys.readouterr().out


WRONG = [
    (["RUN", "RUN2", "--out", "a.zip"], "packs one run"),
    (["RUN", "--format", "zip"], "packs one run"),
    (["RUN", "--out", "a.zip", "--top", "2"], "packs one run"),
    (["study.zip"], "study.zip is a packed run, which has no place for tables; unzip it"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_wrong_words_are_answered_in_a_sentence(packed, monkeypatch, capsys, words, said):
    monkeypatch.chdir(packed.parent)
    named = {"RUN": str(GOLDEN / "head_to_head"), "RUN2": str(GOLDEN / "search")}
    assert export([named.get(word, word) for word in words]) == 2
    assert said in capsys.readouterr().err


def test_what_is_packed_says_nothing_of_the_disk_of_who_packed_it(tmp_path):
    run = shutil.copytree(GOLDEN / "head_to_head", tmp_path / "run")
    about = json.loads((run / "run.json").read_text())
    arms = "a@/home/me/1/b.pth,c@/home/me/2/b.pth+rate=cosine,d/random"
    places = "--data-root /home/me/my,data/x --weights '/home/me/some where/r.pth'"
    about["command"] += f" {places} --strategies {arms}"
    about["setting"] |= {"weights": "/home/me/some where/r.pth", "data_root": "/home/me/my,data/x"}
    about["compare"]["strategies"] = arms
    (run / "run.json").write_text(json.dumps(about))
    ledger = (run / "ledger.jsonl").read_text().replace('"weights": "none"', '"weights": "/home/me/2/b.pth"')
    (run / "ledger.jsonl").write_text(ledger)
    pack(run, tmp_path / "run.zip")
    shown = json.loads((unpacked(tmp_path / "run.zip") / "run.json").read_text())
    assert shown["setting"]["weights"] == "…/r.pth"
    assert shown["setting"]["data_root"] == "…/x"
    assert shown["compare"]["strategies"] == "a@…/b.pth,c@…/2/b.pth+rate=cosine,d/random"  # two arms stay two
    with zipfile.ZipFile(tmp_path / "run.zip") as packed:
        for name in ("run.json", "ledger.jsonl"):
            assert b"/home/" not in packed.read(name)
            assert ("…/2/b.pth" in packed.read(name).decode()) == ("/home/me/2/b.pth" in (run / name).read_text())


def test_a_packed_run_still_says_which_run_its_weights_are_of(tmp_path):
    run = shutil.copytree(GOLDEN / "head_to_head", tmp_path / "run")
    about = json.loads((run / "run.json").read_text())
    about["setting"]["weights"] = "/home/me/runs/scratch-dtd/checkpoints/0000/best.safetensors"
    (run / "run.json").write_text(json.dumps(about))
    pack(run, tmp_path / "run.zip")
    weights = json.loads((unpacked(tmp_path / "run.zip") / "run.json").read_text())["setting"]["weights"]
    assert weights == "…/scratch-dtd/checkpoints/0000/best.safetensors" and initialisation(weights) == "dtd"
