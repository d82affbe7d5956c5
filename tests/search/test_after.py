"""--after: what earlier searches have shown informs the sampler, and nothing else."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as some
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from console.errors import UsageError
from records.events import FORMAT
from records.history import read_history
from search import run
from search.options import SearchOptions
from search.planning.earlier import Earlier, EarlierRun, read_earlier
from search.proposers.earlier import Observation, as_here, standings
from search.proposers.study import StudyProposer
from spaces.self_paced import AS_RUN, SELF_PACED
from tests import made_runs
from tests.search.test_samplers import SMALL
from tests.search.test_study import Spoken, record
from tests.search.test_study import run_all as run_through

GOLDEN = Path(__file__).parent.parent / "golden"
SHARE = replace(SELF_PACED, search={"share_start": FloatDistribution(0.01, 1.0)}, anchors=())
WORDS = ["--space", "self_paced", "--data", "scenes:count=70", "--image-size", "16", "--precision", "fp32", "--executor",
         "local", "--cpus-per-trial", "1", "--epochs", "1"]  # fmt: skip


def test_standings_worked_out_by_hand():
    # of four: the worst is better than half of itself, the two best than two and half of both
    assert standings([0.2, 0.9, 0.9, 0.5]) == [0.125, 0.75, 0.75, 0.375]


def test_a_standing_is_the_score_that_stands_there_among_our_own():
    assert as_here(0.5, [0.3, 0.9, 0.5]) == 0.5
    assert as_here(0.75, [0.0, 1.0]) == 0.75
    assert as_here(0.4, []) == 0.4


@given(some.lists(some.floats(0, 1), min_size=1, max_size=30), some.floats(0.1, 9), some.floats(-5, 5))
def test_standings_know_no_unit_and_no_origin(scores, unit, origin):
    spread = [round(score, 3) for score in scores]
    assert standings(spread) == standings([unit * score + origin for score in spread])
    assert all(0 < standing < 1 for standing in standings(scores))


def spoken(space, samples: int, earlier=(), first=(), sampler: str = "tpe") -> Spoken:
    made = Spoken(space, samples, 3, sampler)
    made.earlier, made.first = earlier, first
    return made


PEAK = [Observation({"share_start": at / 20}, (1 - abs(at / 20 - 0.9),)) for at in range(1, 20)]


def test_the_sampler_draws_where_earlier_trials_stood_well_before_it_has_any_of_its_own():
    blind, informed = (spoken(SHARE, 24, earlier) for earlier in ((), PEAK))
    near = [sum(abs(made.ask().config["share_start"] - 0.9) < 0.15 for _ in range(6)) for made in (blind, informed)]
    assert near[1] >= 4 > near[0]


def test_what_the_search_itself_finds_counts_on_its_own_scale():
    """The earlier peak is at 0.9 and ours at 0.1: after enough trials of our own the draws leave the earlier one."""
    made, drawn = spoken(SHARE, 60, PEAK), []
    for proposal in iter(made.ask, None):
        drawn.append(proposal.config["share_start"])
        made.report(record(proposal.trial, 1, 0.01 * (1 - abs(drawn[-1] - 0.1))))  # of a hundredth: no earlier score is
        made.end(proposal.trial, "complete")
    assert sum(of < 0.3 for of in drawn[40:]) > 12 > sum(of > 0.7 for of in drawn[40:])


def test_the_study_holds_the_trials_of_this_search_alone():
    made = spoken(SHARE, 12, PEAK, [{"share_start": 0.9}])
    run_through(made)
    assert len(made.study.trials) == 12 and made.study.trials[0].params == {"share_start": 0.9}
    assert all(trial.state == TrialState.COMPLETE for trial in made.study.trials)


@pytest.mark.parametrize("done", [1, 2, 7])
def test_a_run_that_is_taken_up_draws_what_it_would_have_drawn(done):
    seen = [Observation(p.values, (0.1 * (1 + p.trial % 9),))
            for p in run_through(spoken(SMALL, 9, sampler="random")) if not p.anchor]  # fmt: skip
    first = [seen[0].values]
    straight = run_through(spoken(SMALL, 12, seen, first))
    assert [p.anchor for p in straight[:2]] == ["as_run", None] and straight[1].values == first[0]
    again = spoken(SMALL, 12, seen, first)
    for proposal in straight[:done]:
        again.adopt(proposal)
        again.report(record(proposal.trial, 1, accuracy=proposal.config["share_start"]))
        again.end(proposal.trial, "complete")
    assert run_through(again) == straight[done:]


def test_trials_that_run_are_known_to_the_sampler():
    made = spoken(SHARE, 12, PEAK)
    drawn = [made.ask().config["share_start"] for _ in range(8)]
    assert len(set(drawn)) == 8 == len([t for t in made.study.trials if t.state == TrialState.RUNNING])


def test_the_best_of_each_run_is_tried_first_but_for_what_is_an_anchor_here():
    own = {name: SELF_PACED.anchor_values(AS_RUN)[name] for name in SELF_PACED.active(SELF_PACED.anchor_values(AS_RUN))}
    runs = [EarlierRun(path, 3, (Observation(values, (0.9,)), Observation({"gate": 0.1}, (0.1,))), {})
            for path, values in (("a", {"gate": 0.8}), ("b", own), ("c", {"gate": 0.8}), ("d", {"gate": 0.7}))]  # fmt: skip
    earlier = Earlier(tuple(runs))
    assert earlier.first(SELF_PACED) == [{"gate": 0.8}, {"gate": 0.7}]
    assert Earlier(tuple(EarlierRun.of(row) for row in json.loads(json.dumps(earlier.row()))["after"])) == earlier
    assert Earlier().row() == {}


def options(**more) -> SearchOptions:
    return SearchOptions(**({"space": "self_paced", "sampler": "tpe"} | more))


def test_pruned_trials_stand_below_complete_ones_and_of_two_objectives_nowhere(tmp_path):
    folder = made_runs.write(tmp_path / "early", made_runs.about(12, 6), made_runs.made_events(12, 6))
    history = read_history(folder)
    of = {
        json.dumps({k: t.asked.config[k] for k in t.asked.values}, sort_keys=True): t for t in history.trials.values()
    }
    one, two = (read_earlier(options(after=str(folder), sampler=name)).runs[0] for name in ("tpe", "motpe"))
    states = [of[json.dumps(seen.values, sort_keys=True)].state for seen in one.observations]
    complete = states.count("complete")
    assert states == ["complete"] * complete + ["pruned"] * (len(states) - complete) and 0 < complete < len(states)
    worst, best = (history.trials[n].worth().eval_accuracy for n in (1, 8))
    assert best > worst  # though it was pruned
    assert len(two.observations) == complete and {len(seen.standings) for seen in two.observations} == {2}


def test_trials_stand_as_they_are_ranked_and_the_best_of_all_comes_first():
    folder = GOLDEN / "search"
    history = read_history(folder)
    space = history.run["setting"]["strategy"]
    found = read_earlier(options(space=space, after=str(folder))).runs[0]
    ranked = [trial for trial in history.trials.values() if trial.state in ("complete", "pruned")]
    assert found.trials == len(ranked) and found.path == str(folder)
    at = [one.standings[0] for one in found.observations]
    assert at == sorted(at, reverse=True) and all(len(one.standings) == 1 for one in found.observations)
    best = history.ranked()[0]
    assert found.observations[0].values == {k: best.asked.config[k] for k in found.observations[0].values}


@pytest.mark.parametrize(("more", "sentence"), [
    ({"after": "nowhere"}, r"--after nowhere is no run: it has no run\.json; pass folders that search\.run made"),
    ({"after": str(GOLDEN / "head_to_head")}, "is a head-to-head, whose few configs were not drawn; pass the folder of a"),
    ({"after": str(GOLDEN / "search"), "space": "finetune"}, "is a search of self_paced, and this is one of finetune; "),
    ({"after": str(GOLDEN / "search"), "set": ("batch_size=63",)}, r"no config of its .* could be drawn here \(the best "),
    ({"after": "x", "sampler": "cmaes"}, r"wants a sampler that takes others' trials \(tpe, gp.*\); got cmaes\."),
])  # fmt: skip
def test_what_cannot_inform_is_refused_in_one_sentence(more, sentence):
    with pytest.raises(UsageError, match=sentence):
        read_earlier(options(**more))


def test_a_best_parquet_of_one_run_will_do(tmp_path):
    table = GOLDEN / "search" / "best.parquet"
    found = read_earlier(options(after=str(table))).runs[0]
    folder = read_earlier(options(after=str(GOLDEN / "search"))).runs[0]
    assert found.observations[0].values == folder.observations[0].values
    rows = pyarrow.parquet.read_table(table).to_pylist()
    rows[0]["run"] = "another"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "two.parquet")
    with pytest.raises(UsageError, match="is a table of 2 runs; pass that of one search"):
        read_earlier(options(after=str(tmp_path / "two.parquet")))


def search(out: Path, name: str, *more: str) -> int:
    return run.main([*WORDS, "--out", str(out), "--name", name, *more])


def test_a_search_after_another_from_end_to_end(tmp_path, capsys):
    assert search(tmp_path, "a", "--samples", "5") == run.DONE
    before = capsys.readouterr().out
    path = str(tmp_path / "a")
    assert search(tmp_path, "b", "--samples", "4", "--seed", "1", "--after", path) == run.DONE
    said = capsys.readouterr().out
    assert "After" not in before
    assert f"After {path}: 5 of 5 trials could be drawn here; the sampler is told how each stood in its own run" in said
    assert f"{path} had the same data in other parts" in said
    about = json.loads((tmp_path / "b" / "run.json").read_text())
    assert about["format"] == FORMAT and about["options"]["after"] == path
    assert len(about["after"][0]["observations"]) == 5

    shutil.move(path, tmp_path / "gone")
    assert run.main(["--resume", "--out", str(tmp_path), "--name", "b", "--samples", "5"]) == run.DONE
    assert f"After {path}: 5 of 5 trials" in capsys.readouterr().out
    made = read_history(tmp_path / "b")
    best = read_history(tmp_path / "gone").ranked()[0]
    tried = [trial.asked.config for trial in made.trials.values()]
    assert len(made.trials) == 5 and best.asked.config in tried
    for name in ("finals", "best", "records"):  # of this search's own trials
        rows = pyarrow.parquet.read_table(tmp_path / "b" / f"{name}.parquet").to_pylist()
        assert {row["trial"] for row in rows} == set(range(5))
    assert [t.asked.anchor for t in made.trials.values()] == ["as_run", "as_described", None, None, None]


def test_a_proposer_without_earlier_runs_is_as_it_was():
    plain, empty = StudyProposer(SMALL, 6, 3, "tpe"), StudyProposer(SMALL, 6, 3, "tpe", earlier=[], first=[])
    assert [plain.ask() for _ in range(6)] == [empty.ask() for _ in range(6)]
