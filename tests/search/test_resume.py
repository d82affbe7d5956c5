"""A search dies at any write and goes on: the same trials, epochs and figures as if it had not. Local executor.

Death is an exception at the n-th write, after which this process writes nothing more. Real kills are in tests/chaos.
"""

import json
import os
import shutil
import signal

import pyarrow.parquet
import pytest
from optuna.distributions import FloatDistribution, distribution_to_json

from analysis.runs import load_run
from records import files
from records.ledger import Ledger, read_lines
from search import compare, run
from search.options import CompareOptions, SearchOptions
from search.planning.resume import options_of
from trainables import trial

SEARCH = ["--space", "self_paced", "--data", "scenes:count=70", "--image-size", "16", "--precision", "fp32",
          "--executor", "local", "--cpus-per-trial", "1", "--samples", "3", "--epochs", "3"]  # fmt: skip
COMPARE = ["--strategies", "self_paced,finetune", "--twins", "--seeds", "1", "--data", "scenes:count=70", "--image-size",
           "16", "--precision", "fp32", "--executor", "local", "--cpus-per-trial", "1", "--epochs", "3"]  # fmt: skip
TIMES = ("seconds", "peak_memory_mb")


class Death(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Mortal:
    """Lets `writes` writes pass, then dies, and stays dead: whatever tidies up afterwards writes nothing."""

    def __init__(self, monkeypatch, writes: int, torn: bool = False):
        self.left, self.torn, self.ledgers, self.count = writes, torn, [], 0
        append, put, opened = Ledger.append, files._put, Ledger.__init__
        monkeypatch.setattr(Ledger, "append", lambda ledger, *a, **k: self._maybe(ledger) or append(ledger, *a, **k))
        monkeypatch.setattr(files, "_put", lambda *a: self._maybe() or put(*a))
        monkeypatch.setattr(Ledger, "__init__", lambda ledger, *a: self.ledgers.append(ledger) or opened(ledger, *a))

    def _maybe(self, ledger=None) -> None:
        self.count += 1
        self.left -= 1
        if self.left == -1 and self.torn and ledger is not None:
            ledger.file.write(b'{"event": "epo')  # half a line reached the disk
            ledger.file.flush()
        if self.left < 0:
            raise Death

    def bury(self) -> None:
        """The lock goes with the process."""
        for ledger in self.ledgers:
            ledger.file.close()


def timeless(rows: list[dict]) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "run" and not k.endswith(TIMES)} for row in rows]


def tables(folder) -> dict:
    names = ("records", "finals", "best", "predictions")
    return {n: timeless(pyarrow.parquet.read_table(folder / f"{n}.parquet").to_pylist()) for n in names}


def die(tmp_path, monkeypatch, main, words, writes, torn=False) -> bool:
    """Run until the death; False where the run ended before it."""
    with monkeypatch.context() as patch:
        mortal = Mortal(patch, writes, torn)
        try:
            main([*words, "--out", str(tmp_path), "--name", "r"])
        except Death:
            return True
        finally:
            mortal.bury()
    return False


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The search, the head-to-head, and how many writes each takes, without a death."""
    folder, counts = tmp_path_factory.mktemp("straight"), {}
    for name, main, words in (("search", run.main, SEARCH), ("compare", compare.main, COMPARE)):
        with pytest.MonkeyPatch.context() as patch:
            mortal = Mortal(patch, 10_000)
            assert main([*words, "--out", str(folder), "--name", name]) == run.DONE
            counts[name] = mortal.count
    return folder, counts


def resumed(tmp_path, main, words=()) -> int:
    return main(["--resume", "--out", str(tmp_path), "--name", "r", *words])


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1e9], ids=["each epoch kept", "no epoch kept"])
@pytest.mark.parametrize("part", range(5))
def test_a_search_that_dies_at_any_write_ends_like_one_that_did_not(
    straight, tmp_path, monkeypatch, checkpoint_seconds, part
):
    folder, counts = straight
    expected = tables(folder / "search")
    monkeypatch.setattr(trial, "CHECKPOINT_SECONDS", checkpoint_seconds)
    for writes in range(3 + part, counts["search"], 10):  # the first writes are those of run.json and the folder
        out = tmp_path / str(writes)
        if not die(out, monkeypatch, run.main, SEARCH, writes, torn=writes % 2 == 0):
            continue
        assert resumed(out, run.main) == run.DONE, writes
        found = tables(out / "r")
        for name, rows in expected.items():
            assert found[name] == [row | ({"run": "r"} if "run" in row else {}) for row in rows], (writes, name)
        assert not list((out / "r").glob("checkpoints/*/last.safetensors"))
        shutil.rmtree(out)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8, 0.97])
def test_a_head_to_head_goes_on_too(straight, tmp_path, monkeypatch, at):
    folder, counts = straight
    assert die(tmp_path, monkeypatch, compare.main, COMPARE, int(at * counts["compare"]))
    assert resumed(tmp_path, compare.main) == run.DONE
    expected, found = tables(folder / "compare"), tables(tmp_path / "r")
    for name in ("records", "finals"):
        assert found[name] == expected[name], name


def test_a_finished_run_is_extended(straight, tmp_path, capsys):
    folder, _ = straight
    shutil.copytree(folder / "search", tmp_path / "search")
    before = tables(tmp_path / "search")
    words = ["--resume", "--out", str(tmp_path), "--name", "search", "--samples", "5"]
    assert run.main(words) == run.DONE
    said, after = capsys.readouterr().out, tables(tmp_path / "search")
    assert "Resumed: 3 complete, 2 still to be asked for; test was opened 2 times so far." in said
    assert after["records"][: len(before["records"])] == before["records"] and len(after["finals"]) == 5
    opened = sum(f["test_accuracy"] is not None for f in after["finals"])
    assert {f["test_opened"] for f in after["finals"]} == {opened} and f"opened {opened} times in this run" in said
    about = json.loads((tmp_path / "search" / "run.json").read_text())
    assert about["options"]["samples"] == 5 and len(about["resumed"]) == 1
    long = [*SEARCH, "--out", str(tmp_path), "--name", "long", "--samples", "5"]
    assert run.main(long) == run.DONE and tables(tmp_path / "long")["records"] == after["records"]  # same draws


def test_a_finished_run_has_nothing_to_go_on_with(straight, tmp_path, capsys):
    folder, _ = straight
    shutil.copytree(folder / "search", tmp_path / "r")
    before = tables(tmp_path / "r")
    assert resumed(tmp_path, run.main) == run.DONE and tables(tmp_path / "r") == before
    assert "0 still to be asked for" in capsys.readouterr().out
    tests = [e for e in read_lines(tmp_path / "r") if e["event"] == "test"]
    assert len(tests) == 2  # test was not opened again


@pytest.mark.parametrize(("words", "said"), [
    (["--seed", "1"], "--seed was 0 in r and is 1 now, which would be another run"),
    (["--set", "gate=0.9"], "--set was [] in r and is ('gate=0.9',) now"),
    (["--samples", "2"], "--samples was 3 in r; it can grow and not shrink; got 2"),
    (["--name", "nowhere"], "is no run folder"),
])  # fmt: skip
def test_what_would_be_another_run_is_refused(straight, tmp_path, capsys, words, said):
    folder, _ = straight
    shutil.copytree(folder / "search", tmp_path / "r")
    assert resumed(tmp_path, run.main, words) == run.WRONG_USAGE and said in capsys.readouterr().err


def changed(folder, **parts):
    about = json.loads((folder / "run.json").read_text())
    for path, value in parts.items():
        *places, last = path.split("__")
        at = about
        for place in places:
            at = at[place]
        at[last] = value
    (folder / "run.json").write_text(json.dumps(about))


GATE = distribution_to_json(FloatDistribution(0.1, 0.2))


@pytest.mark.parametrize(("parts", "said"), [
    ({"versions__torch": "2.0"}, "versions.torch was 2.0 and is 2."),
    ({"code": "abc"}, "code was abc and is"),
    ({"data__digest": "abc"}, "data.digest was abc and is"),
    ({"space__search__gate": "{}"}, "'space.search.gate' must be a distribution; got '{}'"),
    ({"space__search__gate": GATE}, f"space.search.gate was {GATE} and is"),
    ({"format": 99}, "has run format 99; this version reads the formats 1 and 2"),
])  # fmt: skip
def test_another_space_data_code_or_version_is_refused_with_the_difference(straight, tmp_path, capsys, parts, said):
    folder, _ = straight
    shutil.copytree(folder / "search", tmp_path / "r")
    changed(tmp_path / "r", **parts)
    ledger = (tmp_path / "r" / "ledger.jsonl").read_bytes()
    assert resumed(tmp_path, run.main) == run.WRONG_USAGE and said in capsys.readouterr().err
    assert (tmp_path / "r" / "ledger.jsonl").read_bytes() == ledger


def test_under_other_code_a_run_goes_on_where_that_is_asked_for_and_says_so(straight, tmp_path, capsys):
    folder, _ = straight
    shutil.copytree(folder / "compare", tmp_path / "r")
    about = json.loads((tmp_path / "r" / "run.json").read_text())
    del about["setting"]["accelerate"], about["options"]["accelerate"], about["compare"]["accelerate"]  # of older code
    (tmp_path / "r" / "run.json").write_text(json.dumps(about))
    changed(tmp_path / "r", code="0123456789", versions__torch="2.0")
    more = ["--seeds", "2"]
    assert resumed(tmp_path, compare.main, more) == run.WRONG_USAGE
    assert (
        "Pass --other-code to go on all the same, which the run then says, or start a new run"
        in capsys.readouterr().err
    )
    assert resumed(tmp_path, compare.main, [*more, "--other-code"]) == run.DONE
    about = json.loads((tmp_path / "r" / "run.json").read_text())
    now = json.loads((folder / "compare" / "run.json").read_text())
    assert (about["code"], about["versions"], about["setting"]) == (now["code"], now["versions"], now["setting"])
    (change,) = about["resumed"]
    assert change["before"]["code"] == "0123456789" and change["before"]["versions"]["torch"] == "2.0"
    assert change["trials"] == 4
    assert resumed(tmp_path, compare.main, ["--seeds", "3"]) == run.DONE  # the same code as last time
    torch = now["versions"]["torch"]
    said = "trials from 4 on and tests opened since are of other source or packages: code 0123456 then "
    (noted,) = [note for note in load_run(tmp_path / "r").notes if "--other-code" in note]
    assert said + now["code"][:7] in noted and f"torch 2.0 then {torch}." in noted
    long = [*COMPARE, "--seeds", "3", "--out", str(tmp_path), "--name", "long"]
    assert compare.main(long) == run.DONE and tables(tmp_path / "long")["finals"] == [
        row | {"run": "long"} if "run" in row else row for row in tables(tmp_path / "r")["finals"]
    ]


def test_a_search_goes_on_under_other_code_that_has_more_words_and_remembers_them(straight, tmp_path, capsys):
    folder, _ = straight
    shutil.copytree(folder / "search", tmp_path / "r")
    about = json.loads((tmp_path / "r" / "run.json").read_text())
    for config in about["space"]["anchors"].values():
        del config["label_smoothing"]
    del about["data"]["class_counts"]
    (tmp_path / "r" / "run.json").write_text(json.dumps(about | {"code": "0123456789"}))
    ledger = tmp_path / "r" / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    cut = [
        line
        for line in lines
        if not (json.loads(line)["event"] in ("ended", "test") and json.loads(line)["trial"] == 2)
    ]
    assert len(cut) < len(lines)
    ledger.write_text("".join(cut))  # trial 2 was under way
    assert resumed(tmp_path, run.main, ["--other-code", "--samples", "4"]) == run.DONE
    assert resumed(tmp_path, run.main, ["--samples", "5"]) == run.DONE  # now it is of this code
    (noted,) = [note for note in load_run(tmp_path / "r").notes if "--other-code" in note]
    assert (
        "trials from 3 on, the end of 2 and tests opened since are of other source or packages: code 0123456" in noted
    )


def test_by_seconds_the_executor_stays(straight, tmp_path, capsys):
    words = [*COMPARE, "--budget", "seconds=1", "--epochs", "20", "--out", str(tmp_path), "--name", "r"]
    assert compare.main(words) == run.DONE
    assert resumed(tmp_path, compare.main, ["--executor", "ray"]) == run.WRONG_USAGE
    assert "compares arms by their seconds" in capsys.readouterr().err


def test_a_head_to_head_keeps_the_threads_of_a_trial_whatever_it_goes_on_in(straight, tmp_path):
    folder, _ = straight
    shutil.copytree(folder / "compare", tmp_path / "r")
    changed(tmp_path / "r", compare__cpus_per_trial=None, options__cpus_per_trial=2, setting__threads=2)
    options = options_of(
        CompareOptions, {"name": "r", "out": str(tmp_path), "executor": "ray", "concurrent": 2}, "head_to_head"
    )
    assert (options.cpus_per_trial, options.executor, options.concurrent) == (2, "ray", 2)


def test_the_recorded_executor_said_again_leaves_the_cluster_and_how_many_at_a_time(straight, tmp_path):
    folder, _ = straight
    shutil.copytree(folder / "search", tmp_path / "r")
    there = {
        "options__executor": "ray",
        "options__address": "head:6379",
        "options__concurrent": 8,
        "asked": ["concurrent"],
    }
    changed(tmp_path / "r", **there)
    of = {"name": "r", "out": str(tmp_path)}
    same = options_of(SearchOptions, of | {"executor": "ray"}, "search")
    assert (same.address, same.concurrent) == ("head:6379", 8)
    here = options_of(SearchOptions, of | {"executor": "local"}, "search")
    assert (here.address, here.concurrent) == (None, None)


def test_other_code_changes_nothing_else_that_is_refused(straight, tmp_path, capsys):
    folder, _ = straight
    shutil.copytree(folder / "search", tmp_path / "r")
    changed(tmp_path / "r", code="abc", data__digest="abc")
    assert resumed(tmp_path, run.main, ["--other-code"]) == run.WRONG_USAGE
    assert "data.digest was abc and is" in capsys.readouterr().err
    assert run.main([*SEARCH, "--other-code"]) == run.WRONG_USAGE
    assert "--other-code is about a run that is gone on with; pass --resume with it" in capsys.readouterr().err


def test_a_run_goes_on_with_the_command_that_made_it(straight, tmp_path, capsys):
    folder, _ = straight
    shutil.copytree(folder / "compare", tmp_path / "r")
    assert resumed(tmp_path, run.main) == run.WRONG_USAGE
    assert "resume it with python -m search.compare --resume" in capsys.readouterr().err
    assert run.main(["--resume"]) == run.WRONG_USAGE and "--resume wants the --name" in capsys.readouterr().err


def test_a_second_process_on_the_same_run_is_refused(straight, tmp_path, capsys):
    folder, _ = straight
    shutil.copytree(folder / "search", tmp_path / "r")
    holder = Ledger(tmp_path / "r")
    assert resumed(tmp_path, run.main, ["--samples", "4"]) == run.WRONG_USAGE
    assert "Another process is working on" in capsys.readouterr().err
    holder.close()


def test_a_search_whose_trials_all_fail_alike_stops_early(tmp_path, monkeypatch, capsys):
    def broken(*arguments):
        raise ZeroDivisionError("by design")

    monkeypatch.setattr("search.executors.local.Trial", broken)
    words = [*SEARCH, "--samples", "9", "--out", str(tmp_path), "--name", "r"]
    assert run.main(words) == run.TOO_FEW
    said = capsys.readouterr().out
    assert "Stopped early: the first 3 trials all failed the same way (ZeroDivisionError: by design)" in said
    assert sum(e["event"] == "asked" for e in read_lines(tmp_path / "r")) == 3


@pytest.mark.parametrize("kind", ["asked", "epoch", "ended"])
def test_ctrl_c_while_a_line_is_written_leaves_no_line_twice(tmp_path, capsys, monkeypatch, kind):
    put, cut = Ledger._put, []

    def with_a_signal(ledger, line, flush) -> None:
        put(ledger, line, flush)
        if f'"event": "{kind}"'.encode() in line and not cut:
            cut.append(line)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Ledger, "_put", with_a_signal)
    place = ["--out", str(tmp_path), "--name", "r"]
    assert run.main([*SEARCH, *place]) == run.INTERRUPTED and cut
    said = capsys.readouterr()
    assert "what was finished is kept" in said.out and not said.err.strip().endswith("cannot be trusted.")
    assert run.main(["--resume", *place]) == run.DONE
    ended = [
        line["trial"] for line in read_lines(tmp_path / "r") if line["event"] == "ended" and line["state"] == "complete"
    ]
    assert sorted(ended) == [0, 1, 2]


def test_a_trial_that_ray_gives_up_too_early_is_given_out_again(tmp_path):
    from search.campaign import Campaign
    from search.proposers.study import StudyProposer
    from search.views.terminal import Terminal
    from spaces.registry import SPACES

    space = SPACES["finetune"]
    campaign = Campaign(tmp_path, {"kind": "search"}, StudyProposer(space, 2, 0, "random"), 3, None, Terminal(2, 1))
    first, second = campaign.ask(), campaign.ask()
    campaign.reopen(first.trial), campaign.reopen(first.trial)  # one death, reported twice
    campaign.ended(second.trial, "failed", "by design")
    campaign.reopen(second.trial)  # what has ended stays so
    assert campaign.running() and campaign.ask() == first and campaign.ask() is None
    assert [e["trial"] for e in read_lines(tmp_path) if e["event"] == "asked"] == [0, 1]
    campaign.ended(first.trial, "failed", "by design")
    assert not campaign.running()
    campaign.ledger.close()
