"""Head-to-heads: who is named, what is planned, what is run, and that it goes on until every planned pair is decided."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from analysis.rulebook.outcomes import Outcome
from analysis.rulebook.pairs import make_pair
from analysis.rulebook.plan import VerdictPlan, default_pairs
from console.errors import UsageError
from records import ledger
from records.events import Round
from records.history import TrialHistory, read_history
from search import compare, head_to_head, rounds, run
from search.head_to_head import make_budget
from search.options import CompareOptions
from search.planning.seen_images import leave_out_seen
from search.proposers.contestants import make_contestants, rows_taken
from search.proposers.head_to_head import UNLIMITED, Budget, HeadToHead
from spaces.arm import Arm
from spaces.setting import Setting
from tests.analysis.test_runs_and_tables import record
from tests.search.brought import COMMON, parted
from tests.search.test_resume import Mortal, timeless
from trainables.preparation import load_data

TINY = ["--data", "scenes:count=105", "--image-size", "16", "--executor", "local", "--epochs", "3", "--precision", "fp32",
        "--cpus-per-trial", "1"]  # fmt: skip
BASE = Setting(strategy="transfer", data="scenes:count=105", image_size=16, model="small_cnn", epochs=3, precision="fp32",
               difficulty="true")  # fmt: skip
BUDGET = Budget(updates=15, head_updates=45, marks=3)


def lineup(words: str, seeds=(0,), twins=False, budget=BUDGET) -> HeadToHead:
    return HeadToHead(make_contestants(words, "as_run", twins, None), BASE, seeds, budget)


def ended(queue: HeadToHead, asked, state="complete", sizes=()) -> None:
    for epoch, images in enumerate(sizes, 1):
        queue.report(record(asked.trial, epoch, 0.5, 1.0, images=images))
    queue.tell(TrialHistory(asked, state=state))


def test_every_way_to_name_an_arm():
    words = "self_paced,finetune+learning_rate=1e-05+batch_size=8,self_paced/random,paced"
    arms = [one.arm for one in make_contestants(words, "as_run", False, None)]
    assert [str(arm) for arm in arms] == words.split(",")
    assert arms[1] == Arm("finetune", config="learning_rate=1e-05+batch_size=8")
    changed = make_contestants(words, "as_run", False, None)[1].config
    assert (changed.learning_rate, changed.batch_size) == (1e-5, 8)
    twins = make_contestants("finetune,self_paced,transfer", "as_run", True, None)
    assert [str(one.arm) for one in twins] == [
        "finetune", "self_paced", "self_paced/random", "self_paced/hard_first", "transfer",
    ]  # fmt: skip
    assert twins[2].config.order == "random" and twins[1].config.order == "easy_first"


def test_an_arm_can_have_a_name_of_its_own_or_that_of_an_anchor():
    words = (
        "self_paced+slow+gate=0.9+share_step=0.02,self_paced+slow/random,finetune+cosine,finetune+plain+batch_size=8"
    )
    slow, twin, cosine, plain = make_contestants(words, "as_run", False, None)
    assert [str(one.arm) for one in (slow, twin)] == ["self_paced+slow", "self_paced+slow/random"]
    assert (slow.config.gate, slow.config.share_step, twin.config.gate) == (0.9, 0.02, 0.9)
    assert (str(cosine.arm), cosine.anchor, cosine.config.rate) == ("finetune+cosine", "cosine", "cosine")
    assert (str(plain.arm), plain.anchor) == ("finetune+plain", None)
    assert (plain.config.rate, plain.config.batch_size) == ("constant", 8)


@pytest.mark.parametrize(("words", "said"), [
    (["--strategies", "finetune+slow"], "has no anchor of that name (it has plain, cosine); add +field=value"),
    (["--strategies", "finetune+a b+batch_size=8"], "is of letters, digits, '_', '.' and '-'; got 'finetune+a b'"),
    (["--strategies", "self_paced,fintune"], "Did you mean 'finetune'"),
    (["--strategies", "finetune,finetune"], "names finetune twice"),
    (["--strategies", "self_paced/random"], "replays the sizes of self_paced; name self_paced before it"),
    (["--strategies", "self_paced,finetune,finetune/random"], "finetune has no random order, so it has no such twin"),
    (["--strategies", "finetune+gate=0.5"], "'gate'"),
    (["--strategies", "finetune@nowhere.pth"], "nowhere.pth. Pass --weights imagenet"),
    (["--strategies", "scratch@weights.pth"], "starts from random weights"),
    (["--budget", "epochs=3"], "--budget wants updates=N"),
    (["--budget", "seconds=0"], "or seconds=S with S above 0; got 'seconds=0'"),
    (["--budget", "seconds=9", "--executor", "ray", "--address", "here:1"], "compares the clocks of one machine"),
    (["--seeds", "0"], "--seeds must be greater than or equal to 1"),
    (["--margin", "0"], "--margin must be greater than 0"),
    (["--configs", "nowhere.parquet"], "No table at nowhere.parquet"),
    (["--primary", "self_paced"], "--primary wants pairs of two arms like self_paced:finetune"),
    (["--primary", "self_paced:fintune"], "Did you mean 'finetune'"),
    (["--primary", "self_paced:finetune,finetune:self_paced"], "twice; a pair is asked about once"),
    (["--strategies", "finetune,transfer", "--until-decided"], "--until-decided has no pair to decide: name one with"),
    (["--until-decided", "--max-seeds", "4"], "--max-seeds 4 is below --seeds 5"),
    (["--max-seeds", "9"], "--max-seeds has an effect beside --until-decided alone; pass that too, or leave it out."),
    (["--strategies", "finetune,transfer", "--twins"], "--twins runs each curriculum in another order, and none of these"),
    (["--strategies", "finetune", "--head-epochs", "9"], "--head-epochs is of arms that train the head alone, and none of"),
    (["--budget", "seconds=9", "--head-epochs", "9"], "--head-epochs is of arms that train the head alone, and --budget"),
])  # fmt: skip
def test_a_head_to_head_that_cannot_be_is_refused_before_it_starts(words, said, tmp_path, capsys):
    assert compare.main([*TINY, "--out", str(tmp_path / "runs"), *words]) == run.WRONG_USAGE
    assert said in capsys.readouterr().err and not list(tmp_path.glob("runs/*/*"))


def test_every_arm_has_the_budget_that_was_known_beforehand():
    queue = lineup("finetune,self_paced,transfer", seeds=(3,), twins=True)
    asked = {str(one.setting.arm): one for one in iter(queue.ask, None)}
    assert list(asked) == ["finetune", "self_paced", "transfer"]  # the twins wait for the sizes of their partner
    assert queue.samples == 5 and queue.asked == 3
    ended(queue, asked["self_paced"], sizes=(4, 5))
    asked |= {str(one.setting.arm): one for one in iter(queue.ask, None)}
    whole = [one.setting for name, one in asked.items() if name != "transfer"]
    assert {(of.max_updates, of.marks, of.epochs) for of in whole} == {(15, 3, UNLIMITED)}
    assert (asked["transfer"].setting.max_updates, asked["transfer"].setting.marks) == (45, 3)
    assert asked["self_paced/random"].setting.sizes == (4, 5)


def test_a_clock_is_the_budget_of_every_arm_alike():
    queue = lineup("finetune,transfer", budget=Budget(seconds=30.0, marks=4))
    settings = [one.setting for one in iter(queue.ask, None)]
    assert {(of.max_seconds, of.max_updates, of.marks) for of in settings} == {(30.0, None, 4)}


@pytest.mark.parametrize(("sizes", "replayed"), [((160, 320, 32), (160, 320)), ((32,), None)])
def test_an_epoch_that_the_clock_cut_is_no_size_for_a_twin(sizes, replayed):
    """It holds on after the partner's end, and a twin trained in 230 epochs of one batch."""
    queue = lineup("self_paced,self_paced/random", budget=Budget(seconds=30.0, marks=4))
    ended(queue, queue.ask(), sizes=sizes)
    assert queue.ask().setting.sizes == replayed


def test_the_updates_are_those_of_whole_passes():
    options = CompareOptions(epochs=3, head_epochs=7)
    arms = make_contestants("self_paced,transfer", "as_run", False, None)
    assert head_to_head.make_budget(options, Budget(), arms, 65) == Budget(3 * 2, 7 * 2, None, 3)  # 32 and 33 images
    assert head_to_head.make_budget(options, Budget(updates=9), arms, 65).updates == 9
    assert head_to_head.make_budget(CompareOptions(marks=5), Budget(seconds=2.5), arms, 65) == Budget(
        seconds=2.5, marks=5
    )


@pytest.mark.parametrize(("sizes", "replayed"), [((4, 5), (4, 5)), ((), None)])
def test_the_twin_of_a_failed_training_is_run_all_the_same(sizes, replayed):
    """By the sizes that its partner came to; else the seed would be lost to both, and nobody would see it."""
    queue = lineup("self_paced", twins=True)
    ended(queue, queue.ask(), "failed", sizes)
    twin = queue.ask()
    assert twin.setting.arm == Arm("self_paced", order="random") and twin.setting.sizes == replayed


def test_a_later_round_runs_the_arms_that_are_named_and_nobody_twice():
    queue = lineup("finetune,self_paced,transfer", seeds=(0,))
    for asked in iter(queue.ask, None):
        ended(queue, asked)
    queue.adopt_round(Round((1, 2), ("self_paced", "finetune")))
    queue.adopt_round(Round((1,), ("finetune",)))
    found = [(str(one.setting.arm), one.setting.seed) for one in iter(queue.ask, None)]
    assert found == [("finetune", 1), ("self_paced", 1), ("finetune", 2), ("self_paced", 2)]


def test_rules_have_a_random_twin_and_no_other():
    names = [str(one.arm) for one in make_contestants("infobatch,superloss,rho_loss", "as_run", True, None)]
    assert names == ["infobatch", "infobatch/random", "superloss", "rho_loss", "rho_loss/random"]
    with pytest.raises(UsageError, match=r"infobatch has no hard_first order, .* those that have one: paced"):
        make_contestants("paced,infobatch,infobatch/hard_first", "as_run", False, None)


def test_the_part_that_is_trained_is_that_of_all_arms_but_of_who_says_otherwise():
    arms = make_contestants("self_paced,transfer,finetune+unfreeze=all,infobatch", "as_run", False, None, "head")
    assert [one.config.unfreeze for one in arms] == ["head", "head", "all", "head"]
    assert [one.whole_network for one in arms] == [False, False, True, False]
    assert arms[1].anchor == "frozen" and arms[0].anchor is None and arms[3].config.augment == "none"
    with pytest.raises(UsageError, match=r"TransferConfig\.unfreeze: must be one of head, last_block; got 'all'"):
        make_contestants("transfer", "as_run", False, None, "all")


def test_a_field_can_be_set_for_every_arm_that_has_it_and_does_not_say_otherwise():
    words, fields = "self_paced,finetune+learning_rate=0.5,self_paced/random", ["learning_rate=0.25", "gate=0.5"]
    arms = make_contestants(words, "as_run", False, None, None, fields)
    assert [one.config.learning_rate for one in arms] == [0.25, 0.5, 0.25]
    assert [str(one.arm) for one in arms] == ["self_paced", "finetune+learning_rate=0.5", "self_paced/random"]
    assert arms[2].config.gate == 0.5 and arms[0].anchor is None
    with pytest.raises(UsageError, match="Unknown field of any arm 'gatte'"):
        make_contestants(words, "as_run", False, None, None, ["gatte=1"])


def test_heads_alone_have_the_updates_that_are_asked_for():
    heads = make_contestants("self_paced,transfer", "as_run", False, None, "head")
    options = CompareOptions(head_epochs=10, epochs=4)
    assert make_budget(options, Budget(updates=77), heads, 320) == Budget(None, 77, None, 4)
    assert make_budget(options, Budget(), heads, 320) == Budget(None, 100, None, 4)


def test_a_table_of_several_arms_gives_a_curriculum_and_not_its_twin():
    rows = [{"setting_strategy": "self_paced", "setting_sizes": [3], "order": "random"},
            {"setting_strategy": "self_paced", "setting_sizes": None, "order": "easy_first"}]  # fmt: skip
    assert make_contestants("self_paced", "as_run", False, rows)[0].config.order == "easy_first"


def test_a_head_to_head_ends_in_a_table(tmp_path, capsys):
    words = [
        "--strategies",
        "self_paced,finetune,transfer",
        "--seeds",
        "3",
        "--twins",
        "--out",
        str(tmp_path),
        "--name",
    ]
    assert compare.main([*TINY, *words, "h"]) == run.DONE
    finals = pyarrow.parquet.read_table(tmp_path / "h" / "finals.parquet").to_pylist()
    assert len(finals) == 15 and all(f["test_accuracy"] is not None and f["test_opened"] == 15 for f in finals)
    records = pyarrow.parquet.read_table(tmp_path / "h" / "records.parquet").to_pylist()
    for seed in range(3):
        used = {r["strategy"]: r["updates"] for r in records if r["seed"] == seed}
        assert len({n for arm, n in used.items() if arm != "transfer"}) == 1
    looks = {arm: sum(r["looks"] for r in records if (r["strategy"], r["seed"]) == (arm, 0)) for arm in used}
    assert set(looks.values()) == {3}  # arms of small epochs and of large ones are looked at equally often
    text = (tmp_path / "h" / "comparison.md").read_text()
    sentences = [line[2:] for line in text.splitlines() if line.startswith("- ")]
    said = " ".join(capsys.readouterr().out.split())
    assert (
        len(sentences) == 2 and all(sentence in said for sentence in sentences) and "| self_paced/random | 3 |" in text
    )
    assert not list((tmp_path / "h").glob("checkpoints/*/*"))
    about = json.loads((tmp_path / "h" / "run.json").read_text())
    assert about["verdict"] == {
        "primary": [["self_paced", "finetune"], ["self_paced", "self_paced/random"]],
        "margin": 0.01,
        "level": 0.95,
    }
    assert about["budget"] == {"updates": 9, "head_updates": 150, "marks": 3}
    assert len(ledger.read_lines(tmp_path / "h")) > 30


@pytest.mark.ray
def test_a_head_to_head_on_ray_is_that_of_one_process_and_goes_on_in_one(tmp_path):
    words = ["--strategies", "self_paced,finetune", "--seeds", "2", "--twins", "--out", str(tmp_path)]
    base = [word for word in TINY if word not in ("--executor", "local")]
    assert compare.main([*base, *words, "--concurrent", "2", "--name", "ray"]) == run.DONE
    assert compare.main([*TINY, *words, "--seeds", "3", "--name", "local"]) == run.DONE
    again = ["--resume", "--executor", "local", "--seeds", "3", "--out", str(tmp_path), "--name", "ray"]
    assert compare.main(again) == run.DONE
    tables = [pyarrow.parquet.read_table(tmp_path / n / "finals.parquet").to_pylist() for n in ("ray", "local")]
    keys = [
        {(f["arm_strategy"], f["arm_order"], f["seed"]): (f["best_epoch"], f["test_accuracy"]) for f in table}
        for table in tables
    ]
    assert keys[0] == keys[1] and len(keys[0]) == 12
    assert json.loads((tmp_path / "ray" / "run.json").read_text())["options"]["executor"] == "local"


def outcome(accuracy: float, failed=False) -> Outcome:
    return Outcome(accuracy, None, 1_000_000, failed, 1.0)


def pair_of(differences, planned=True):
    a, b = Arm("self_paced"), Arm("finetune")
    plan = VerdictPlan((("self_paced", "finetune"),) if planned else ())
    of_a = {seed: outcome(0.5 + difference) for seed, difference in enumerate(differences)}
    return make_pair(a, b, of_a, {seed: outcome(0.5) for seed in of_a}, plan)


def test_arms_that_are_settled_stop_and_partners_go_on():
    curriculum, twin, base, other = (
        Arm("self_paced"),
        Arm("self_paced", order="random"),
        Arm("finetune"),
        Arm("scratch"),
    )
    arms = [curriculum, twin, base, other]
    decided = pair_of([0.20, 0.21, 0.19, 0.20, 0.21, 0.19])
    open_ = pair_of([0.02, -0.03, 0.04, -0.01, 0.02, 0.01])
    assert (decided.word, open_.word) == ("better", "undecided")
    assert rounds.needed_arms([decided], arms) == []
    assert rounds.needed_arms([decided, open_], arms) == [curriculum, base]
    of_twin = pair_of([0.02, -0.03, 0.04])
    object.__setattr__(of_twin, "a", twin)
    assert rounds.needed_arms([of_twin], arms) == [curriculum, twin, base]


def test_an_interval_is_drawn_where_it_lies():
    assert rounds.drawn(pair_of([0.5] * 3)) == "◄" + "─" * 14 + "│" + "─" * 14 + "●"
    drawn = rounds.drawn(pair_of([0.05, 0.052, 0.048, 0.05, 0.051, 0.049]))
    assert len(drawn) == rounds.BAR and drawn[15] == "│" and "●" in drawn[16:] and drawn[:15] == "·" * 15


UNTIL = ["--strategies", "finetune+learning_rate=0.003,finetune+learning_rate=1e-06,transfer", "--primary",
         "finetune+learning_rate=0.003:finetune+learning_rate=1e-06", "--until-decided", "--seeds", "4", "--max-seeds", "9",
         "--data", "scenes:count=210", "--image-size", "16", "--executor", "local", "--epochs", "6", "--precision", "fp32",
         "--cpus-per-trial", "1", "--head-epochs", "2"]  # fmt: skip


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """A head-to-head that was run until it was decided, and how many writes it took."""
    out = tmp_path_factory.mktemp("decided")
    with pytest.MonkeyPatch.context() as patch:
        mortal = Mortal(patch, 10_000)
        assert compare.main([*UNTIL, "--out", str(out), "--name", "straight"]) == run.DONE
    return out / "straight", mortal.count


def words_of(folder) -> list[str]:
    return (folder / "comparison.md").read_text().splitlines()[-4:]


def test_it_goes_on_until_it_is_decided_and_stops_by_itself(decided):
    folder, _ = decided
    history = read_history(folder)
    seeds = {str(arm): [t.setting.seed for t in history.trials.values() if t.arm == arm] for arm in
             {trial.arm for trial in history.trials.values()}}  # fmt: skip
    high, low = UNTIL[1].split(",")[:2]
    assert history.rounds and seeds["transfer"] == [0, 1, 2, 3]  # not planned, so not needed any longer
    assert sorted(seeds[high]) == sorted(seeds[low]) == list(range(len(seeds[high]))) and 4 < len(seeds[high]) < 9
    assert f"{high} is better than {low} by" in (folder / "comparison.md").read_text()
    assert all(trial.test for trial in history.trials.values())


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(0.3, marks=pytest.mark.slow),
        pytest.param(0.6, marks=pytest.mark.slow),
        0.8,
        pytest.param(0.97, marks=pytest.mark.slow),
    ],
)
def test_killed_in_any_round_it_ends_with_the_same_words(decided, tmp_path, monkeypatch, at):
    folder, writes = decided
    with monkeypatch.context() as patch:
        mortal = Mortal(patch, int(at * writes))
        try:
            compare.main([*UNTIL, "--out", str(tmp_path), "--name", "straight"])
        except BaseException as death:
            assert type(death).__name__ == "Death"
        mortal.bury()
    assert compare.main(["--resume", "--out", str(tmp_path), "--name", "straight"]) == run.DONE
    assert strip_times(words_of(tmp_path / "straight")) == strip_times(words_of(folder))
    for table in ("records", "finals"):
        then, now = (
            pyarrow.parquet.read_table(of / f"{table}.parquet").to_pylist() for of in (folder, tmp_path / "straight")
        )
        assert timeless(now) == timeless(then)


def strip_times(lines: list[str]) -> list[str]:
    return [line.split(", about")[0] for line in lines]


def test_a_cap_ends_it_undecided_and_it_can_be_gone_on_with(tmp_path, capsys):
    same = [
        "--strategies",
        "finetune,finetune+rate=cosine",
        "--primary",
        "finetune:finetune+rate=cosine",
        "--until-decided",
    ]
    words = [*TINY, *same, "--seeds", "2", "--max-seeds", "3", "--out", str(tmp_path), "--name", "c"]
    assert compare.main(words) == run.DONE
    assert "undecided" in capsys.readouterr().out
    more = ["--resume", "--out", str(tmp_path), "--name", "c", "--max-seeds", "4"]
    assert compare.main(more) == run.DONE
    assert len({trial.setting.seed for trial in read_history(tmp_path / "c").trials.values()}) == 4


def test_a_budget_of_time_ends_it_and_says_how_to_go_on(tmp_path, capsys):
    words = [*TINY, "--strategies", "finetune,self_paced", "--until-decided", "--time-budget", "0.01s", "--out"]
    assert compare.main([*words, str(tmp_path), "--name", "t"]) != run.DONE
    assert "To go on:  python -m search.compare --resume --name t" in capsys.readouterr().out


def test_a_failed_training_counts_in_the_words(tmp_path, monkeypatch, capsys):
    from trainables import trial as trials

    records = trials.Trial.records

    def failing(self):
        if self.setting.strategy == "self_paced" and self.setting.seed == 1:
            raise ArithmeticError("the loss is not finite")
        yield from records(self)

    monkeypatch.setattr(trials.Trial, "records", failing)
    words = ["--strategies", "self_paced,finetune", "--twins", "--seeds", "2", "--out", str(tmp_path), "--name", "f"]
    assert compare.main([*TINY, *words]) == run.TOO_FEW
    said = (tmp_path / "f" / "comparison.md").read_text()
    assert "2 seeds, 1 training of self_paced failed" in said
    assert "Failed, and counted with the last finite accuracy or chance: 1 training of self_paced" in said


def search_row(seed=0, split=None, protocol="holdout", digest=None) -> dict:
    return {"run": "s", "trial": 4, "setting_strategy": "finetune", "setting_seed": seed, "setting_split": split,
            "setting_protocol": protocol, "setting_data_digest": digest}  # fmt: skip


def test_configs_are_not_tested_on_images_that_they_were_picked_on():
    data, _ = load_data(BASE)
    for digest in (None, data.digest):
        assert leave_out_seen([search_row(seed=0, digest=digest)], BASE, data, [0, 1]).spared_seed == 0
    twice = [search_row(seed=0), search_row(seed=0) | {"trial": 5, "run": "t"}]
    assert leave_out_seen(twice, BASE, data, [0, 1]).spared_seed == 0
    assert leave_out_seen([search_row(seed=0)], BASE, data, [0]).spared_seed == 0  # so that --seeds can grow
    smaller = search_row(digest="of the same images, smaller") | {"setting_data": BASE.data}
    assert leave_out_seen([smaller], BASE, data, [1]).spared_seed == 0
    assert leave_out_seen([search_row(digest="other")], BASE, data, [1]) == BASE
    assert leave_out_seen([], BASE, data, [1]) == BASE
    report = BASE.model_copy(update={"protocol": "report"})
    assert leave_out_seen([search_row()], report, data, [1]) == report


def as_csv(folder: Path, data, parts) -> str:
    """A split as a file."""
    part = np.full(data.count, "train", dtype=object)
    part[parts.validation], part[parts.test] = "validation", "test"
    table = folder / "split.csv"
    table.write_text("\n".join(["path,split", *map(",".join, zip(data.paths, part, strict=True))]))
    return str(table)


def test_configs_whose_images_cannot_be_left_out_are_refused(tmp_path):
    data, parts = load_data(BASE)
    table = as_csv(tmp_path, data, parts)
    own = BASE.model_copy(update={"split": table})
    confirmed = search_row() | {"confirmed_seeds": 2}
    of_confirmation = search_row(seed=1) | {"setting_spared_seed": 0}
    for rows, setting, seeds, said in (
        ([search_row(protocol="report")], BASE, [0], "take configs of a search under --protocol holdout"),
        ([search_row(), search_row(protocol="report")], BASE, [0], "under --protocol holdout"),
        ([search_row(seed=0), search_row(seed=1)], BASE, [0, 1, 2], "take configs of searches that had one --seed"),
        ([search_row(split=table)], BASE, [1], "pass the --split that its search had"),
        ([search_row(seed=1)], own, [0, 1], "search with this --split as well, or drop it"),
        ([confirmed], BASE, [0, 1], "it has been tested on fresh seeds in its own run"),
        ([of_confirmation], BASE, [2], "it has been tested on fresh seeds in its own run"),
    ):
        with pytest.raises(
            UsageError, match=r"trial 4 of s was picked on \d+ images that seed \d would test on.*" + said
        ):
            leave_out_seen(rows, setting, data, seeds)
    assert leave_out_seen([search_row(split=table), search_row(seed=0)], own, data, [0, 1]) == own


def test_configs_are_refused_where_a_class_would_have_no_test_image_left():
    few = BASE.model_copy(update={"data": "scenes:count=21"})
    data, _ = load_data(few)
    with pytest.raises(
        UsageError, match=r"without those seed \d+ has no test image of \w+; pass --split FILE.csv to the search"
    ):
        leave_out_seen([search_row()], few, data, range(30))


def test_the_rows_that_arms_are_made_from_are_the_first_of_each_strategy():
    names = ("self_paced", "finetune", "self_paced", "finetune", "transfer")
    rows = [{"setting_strategy": name, "trial": trial} for trial, name in enumerate(names)]
    rows[0]["setting_sizes"] = [8, 8]  # of a twin
    made = make_contestants("finetune,self_paced", "as_run", False, None)
    drawn = [replace(one, anchor=None) for one in made]
    assert [row["trial"] for row in rows_taken(drawn, rows)] == [1, 2]
    assert [row["trial"] for row in rows_taken([drawn[0], made[1]], rows)] == [1]  # an anchor is its own
    assert rows_taken(made, None) == []


def test_the_best_of_a_search_are_tested_without_what_they_were_picked_on(tmp_path, capsys):
    search = [*TINY, "--space", "finetune", "--samples", "1", "--out", str(tmp_path), "--name", "s"]
    assert run.main(search) == run.DONE
    words = ["--strategies", "finetune", "--configs", str(tmp_path / "s" / "best.parquet"), "--out", str(tmp_path)]
    assert compare.main([*TINY, *words, "--name", "own", "--seeds", "1"]) == run.DONE
    assert compare.main([*TINY, *words, "--name", "others", "--seeds", "2"]) == run.DONE
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("Test is without the images that the configs were picked on") == 2
    assert "tested without the images that configs were picked on" in said
    assert compare.main(["--resume", "--out", str(tmp_path), "--name", "others", "--seeds", "3"]) == run.DONE
    picked_on = set(np.asarray(load_data(BASE)[0].paths)[load_data(BASE)[1].validation])
    rows = pyarrow.parquet.read_table(tmp_path / "others" / "predictions.parquet").to_pylist()
    tested = {
        trial: {row["path"] for row in rows if row["trial"] == trial and row["split"] == "test"} for trial in range(3)
    }
    assert len(tested[0]) == 21 and 10 < len(tested[1]) < 21
    assert all(paths and not paths & picked_on for paths in tested.values())


def test_a_dry_run_leaves_out_and_refuses_as_the_run_would(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", str(tmp_path / "cache"))
    own = [*COMMON, "--data", str(parted(tmp_path / "own" / "animals", all=12) / "all"), "--out", str(tmp_path)]
    assert run.main([*own, "--space", "finetune", "--samples", "1", "--name", "s"]) == run.DONE
    words = ["--strategies", "finetune", "--configs", str(tmp_path / "s" / "best.parquet"), "--name", "o", "--dry-run"]
    assert compare.main([*own, *words, "--seeds", "2"]) == run.DONE
    said = " ".join(capsys.readouterr().out.split())
    assert "Test is without the images that the configs were picked on, the validation images of seed 0." in said
    assert compare.main([*own, *words, "--seeds", "1"]) == run.DONE
    judged_on_test = [*own, "--space", "finetune", "--samples", "1", "--name", "r", "--protocol", "report"]
    assert run.main(judged_on_test) == run.DONE
    words[3] = str(tmp_path / "r" / "best.parquet")
    assert compare.main([*own, *words, "--seeds", "2"]) == run.WRONG_USAGE
    assert "its figures would flatter it" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_the_default_questions_are_each_curriculum_against_the_baseline_and_its_random_twin():
    arms = [one.arm for one in make_contestants("finetune,self_paced,transfer,paced", "as_run", True, None)]
    assert default_pairs(arms) == (
        ("self_paced", "finetune"), ("self_paced", "self_paced/random"), ("paced", "finetune"), ("paced", "paced/random"),
    )  # fmt: skip


CONFIRM = [
    *TINY,
    "--space",
    "finetune",
    "--scheduler",
    "none",
    "--samples",
    "3",
    "--confirm",
    "2",
    "--confirm-seeds",
    "2",
]


def test_a_search_confirms_its_best_on_fresh_seeds_and_images(tmp_path, capsys):
    assert run.main([*CONFIRM, "--out", str(tmp_path), "--name", "s"]) == run.DONE
    said = capsys.readouterr().out
    assert "Confirmed on 2 fresh seeds" in said and "Overtuning: trial" in said and "Named best: trial" in said
    rows = pyarrow.parquet.read_table(tmp_path / "s" / "best.parquet").to_pylist()
    confirmed = [row for row in rows if row["confirmed_seeds"]]
    assert [row["confirmed_seeds"] for row in confirmed] == [2] * len(confirmed) and 2 <= len(confirmed) <= 3
    assert rows[: len(confirmed)] == confirmed  # they stand first, by what they came to on fresh validation images
    order = [row["confirmed_selection_accuracy"] for row in confirmed]
    assert order == sorted(order, reverse=True)
    history = read_history(tmp_path / "s" / "confirm")
    by_trial = {trial.arm.config: [] for trial in history.trials.values()}
    for trial in history.trials.values():
        assert trial.setting.seed in (1, 2) and trial.setting.spared_seed == 0
        by_trial[trial.arm.config].append(trial.test.accuracy)
    top = rows[0]
    assert top["confirmed_test_accuracy"] == pytest.approx(np.mean(by_trial[f"trial-{top['trial']}"]))


def test_no_image_is_tested_that_the_search_picked_on():
    from trainables.preparation import load_data

    _, searched = load_data(BASE)
    _, fresh = load_data(BASE.model_copy(update={"seed": 1}))
    _, spared = load_data(BASE.model_copy(update={"seed": 1, "spared_seed": 0}))
    assert np.intersect1d(fresh.test, searched.validation).size  # else nothing would be spared here
    assert not np.intersect1d(spared.test, searched.validation).size and set(spared.test) < set(fresh.test)


def test_a_confirmation_that_was_interrupted_is_gone_on_with(tmp_path, monkeypatch, capsys):
    from search import confirm

    with monkeypatch.context() as patch:
        patch.setattr(confirm, "execute", lambda *of: True)
        assert run.main([*CONFIRM, "--out", str(tmp_path), "--name", "s"]) == run.INTERRUPTED
    assert "--resume --name s" in capsys.readouterr().out
    assert run.main(["--resume", "--out", str(tmp_path), "--name", "s"]) == run.DONE
    assert "Named best: trial" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "said"), [
    (["--protocol", "report"], "--confirm needs test images that nothing is picked on"),
    (["--scheduler", "pbt", "--executor", "ray"], "--confirm trains one config again"),
])  # fmt: skip
def test_a_confirmation_that_means_nothing_is_refused(words, said, tmp_path, capsys):
    assert run.main([*CONFIRM, *words, "--out", str(tmp_path)]) == run.WRONG_USAGE
    assert said in capsys.readouterr().err


def test_seconds_are_not_compared_across_machines(tmp_path, capsys):
    words = [
        "--strategies",
        "finetune",
        "--seeds",
        "1",
        "--budget",
        "seconds=0.5",
        "--marks",
        "2",
        "--out",
        str(tmp_path),
    ]
    assert compare.main([*TINY, *words, "--name", "s"]) == run.DONE
    path = tmp_path / "s" / "run.json"
    about = json.loads(path.read_text())
    about["machine"]["processor"] = "another"
    path.write_text(json.dumps(about))
    assert compare.main(["--resume", "--out", str(tmp_path), "--name", "s", "--seeds", "2"]) == run.WRONG_USAGE
    assert "compares arms by the seconds of a another" in capsys.readouterr().err


def test_a_run_that_recorded_a_flag_which_had_no_effect_goes_on(tmp_path):
    words = [*TINY, "--strategies", "finetune,transfer", "--out", str(tmp_path), "--name", "h", "--seeds"]
    assert compare.main([*words, "1"]) == run.DONE
    about = json.loads((tmp_path / "h" / "run.json").read_text())
    assert "keep" not in about["compare"]
    about["compare"]["keep"] = 3
    (tmp_path / "h" / "run.json").write_text(json.dumps(about))
    assert compare.main(["--resume", "--out", str(tmp_path), "--name", "h", "--seeds", "2"]) == run.DONE
    assert len(pyarrow.parquet.read_table(tmp_path / "h" / "finals.parquet")) == 4
