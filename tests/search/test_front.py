"""A search for accuracy and few seconds that stops trials early: its front holds complete trials alone."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some
from optuna.trial import TrialState

from benchmarks import stopped_fronts as benchmark
from console.errors import UsageError
from records.events import from_line
from records.folder import ledger_file
from records.history import read_history
from search import run
from search.options import SearchOptions
from search.planning.defaults import complete
from search.proposers.front import Front, dominates, hope
from search.proposers.samplers import SAMPLERS
from search.proposers.study import values_of
from search.views.optuna_study import StudyMirror
from spaces.self_paced import SELF_PACED
from tests.search.test_samplers import SMALL
from tests.search.test_study import Spoken, record

WHOLE = [
    [(1.0, 0.3), (2.0, 0.5), (3.0, 0.9)],
    [(2.0, 0.2), (3.0, 0.6), (5.0, 0.7)],
    [(1.0, 0.4), (4.0, 0.4), (6.0, 0.8)],
    [(1.0, 0.5), (2.0, 0.5), (9.0, 0.5)],
    [(1.0, 0.5), (2.0, 0.5), (9.0, 0.5)],
]


def test_a_hope_worked_out_by_hand():
    # after one epoch the others took 3, 2.5, 6 and 9 times the seconds to their end and gained 0.6, 0.5, 0.4 and nothing
    assert hope([(2.0, 0.1)], WHOLE) == (pytest.approx(5.0), pytest.approx(0.7))
    # after two 1.5, 5/3, 1.5 and 4.5 times, and 0.4, 0.1, 0.4 and nothing
    assert hope([(2.0, 0.1), (4.0, 0.2)], WHOLE) == (pytest.approx(6.0), pytest.approx(0.6))
    assert hope([(2.0, 0.1)], WHOLE[:4]) is None  # of four, nobody knows
    assert hope([(1.0, 0.1)] * 3, WHOLE) is None  # nobody has trained longer


def test_a_point_is_dominated_by_what_is_as_cheap_and_as_good_but_not_the_same():
    assert dominates((1.0, 0.5), (2.0, 0.5)) and dominates((1.0, 0.5), (1.0, 0.4))
    assert not dominates((1.0, 0.5), (1.0, 0.5)) and not dominates((1.0, 0.5), (0.5, 0.4))


def test_a_trial_is_hopeless_when_even_its_hope_is_dominated_and_its_hope_is_kept():
    front = Front(ceiling=1.0)
    for trial, curve in enumerate(WHOLE):
        assert not any(front.hopeless(trial, epoch, *point) for epoch, point in enumerate(curve, start=1))
        front.complete(trial)
    assert not front.hopeless(6, 1, 0.5, 0.1)  # (1.25, 0.7): quicker than all
    assert front.hopeless(7, 1, 2.0, 0.1)  # (5.0, 0.7): trial 0 took 3 seconds for 0.9
    assert front.hopeless(7, 1, 99.0, 1.0)  # told again: what was told first counts
    assert front.leave(7) == (pytest.approx(5.0), pytest.approx(0.7)) and front.leave(7) is None
    assert not front.hopeless(8, 1, 1.0, 0.9)  # 1.5, and no score is above 1
    assert front.curves[8] == [(1.0, 0.9)]


points = some.tuples(some.floats(0.1, 10), some.floats(0, 1))
curves = some.lists(points, min_size=3, max_size=5).map(
    lambda of: [(sum(s for s, _ in of[: i + 1]), max(a for _, a in of[: i + 1])) for i in range(len(of))]
)


@given(some.lists(curves, min_size=6, max_size=14))
def test_nothing_that_is_stopped_has_a_hope_on_the_front_and_whole_trials_stay(found):
    front, stopped = Front(1.0), []
    for trial, curve in enumerate(found):
        hopeless = [front.hopeless(trial, epoch, *point) for epoch, point in enumerate(curve[:-1], start=1)]
        if any(hopeless):
            stopped.append(front.hopes.get(trial))
            front.leave(trial)
        else:
            front.hopeless(trial, len(curve), *curve[-1])
            front.complete(trial)
    ends = [curve[-1] for curve in front.whole]
    assert len(ends) + len(stopped) == len(found) and len(ends) >= 5
    assert all(bound is None or any(dominates(end, bound) for end in ends) for bound in stopped)


DRAWS = SMALL.with_anchors(())


def motpe(space=DRAWS) -> Spoken:
    return Spoken(space, 20, 3, "motpe")


def epochs(made: Spoken, number: int, end: tuple[float, float], most: int = 3) -> bool:
    """Trained epoch by epoch towards (seconds, accuracy) unless it is hopeless before; whether it came to its end."""
    for epoch in range(1, most + 1):
        at = replace(record(number, epoch, end[1] * epoch / most), train_seconds=end[0] * epoch / most, score_seconds=0.0,
                     finished=epoch == most)  # fmt: skip
        stops = made.hopeless(at)
        made.report(at)
        assert stops == made.hopeless(at)  # Ray asks before the epoch is reported, the local executor after it
        if stops:
            made.end(number, "pruned")
            return False
    made.end(number, "complete")
    return True


def through(made: Spoken, proposals) -> dict[int, bool]:
    """Every other trial is dear and bad."""
    ends = {p.trial: (20.0, 0.1) if p.trial % 2 else (1.0 + p.trial, 0.5 + 0.03 * p.trial) for p in proposals}
    return {number: epochs(made, number, end) for number, end in ends.items()}


def test_the_sampler_is_told_a_bound_that_a_complete_trial_dominates():
    made, came = motpe(), {}
    for proposal in iter(made.ask, None):
        came |= through(made, [proposal])
    told = {trial.number: trial for trial in made.study.trials}
    assert sum(not whole for whole in came.values()) >= 4 and came[0]
    assert all(trial.state == TrialState.COMPLETE for trial in told.values())
    assert all(came[trial.number] for trial in made.study.best_trials)  # the front: complete trials only
    for number in (number for number, whole in came.items() if not whole):
        accuracy, seconds = told[number].values
        assert seconds == pytest.approx(20.0) and accuracy >= 0.1  # of the whole, and not of the third that it ran
        assert any(dominates((t.values[1], t.values[0]), (seconds, accuracy)) for n, t in told.items() if came[n])


def test_an_anchor_is_trained_to_its_end_however_bad_it_is():
    made = motpe(SELF_PACED)
    first = made.ask()
    others = [made.ask() for _ in range(6)]
    for one in others:
        assert epochs(made, one.trial, (1.0, 0.9))
    assert first.anchor and epochs(made, first.trial, (50.0, 0.1))
    assert not epochs(made, made.ask().trial, (50.0, 0.1))  # no anchor


def test_a_trial_stopped_by_somebody_else_is_not_known_to_the_sampler_and_a_part_has_no_value():
    made = motpe()
    made.ask()
    made.report(record(0, 1, 0.5))
    made.end(0, "pruned")
    assert [trial.state for trial in made.study.trials] == [TrialState.FAIL]
    assert values_of(made.told[0], two=True) is None and values_of(made.told[0], two=False) == [0.5]


@pytest.mark.parametrize("done", [3, 8])
def test_a_run_that_is_taken_up_stops_and_draws_as_it_would_have(done):
    straight, came, again = motpe(), {}, motpe()
    proposals = []
    for proposal in iter(straight.ask, None):
        proposals.append(proposal)
        came |= through(straight, [proposal])
    later = {}
    for proposal in proposals[:done]:
        again.adopt(proposal)
        later |= through(again, [proposal])
    rest = []
    for proposal in iter(again.ask, None):
        rest.append(proposal)
        later |= through(again, [proposal])
    assert [p.config for p in rest] == [p.config for p in proposals[done:]] and later == came


@pytest.mark.parametrize(("options", "sentence"), [
    ({"sampler": "motpe", "scheduler": "asha"}, "pass --scheduler none or front with it, got asha"),
    ({"sampler": "nsga2", "scheduler": "front"}, "pass --scheduler none with it, got front"),
    ({"sampler": "tpe", "scheduler": "front"}, "accuracy and seconds together; pass --sampler motpe with it, got tpe"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        complete(SearchOptions(**options))


def test_the_front_is_the_default_of_the_sampler_that_can_be_told_bounds_under_both_executors():
    assert [complete(SearchOptions(sampler="motpe", executor=by)).scheduler for by in ("ray", "local")] == ["front"] * 2
    assert [name for name, sampler in SAMPLERS.items() if sampler.bounded] == ["motpe"]


WORDS = ["--space", "self_paced", "--data", "scenes:count=105", "--image-size", "16", "--precision", "fp32", "--epochs",
         "3", "--cpus-per-trial", "1", "--samples", "14", "--sampler", "motpe"]  # fmt: skip


def check_run(folder) -> None:
    """What is stopped was stopped before its end, and for a reason that its own ledger has."""
    made = read_history(folder)
    assert {trial.state for trial in made.trials.values()} <= {"complete", "pruned"} and len(made.trials) == 14
    assert all(trial.state == "complete" for trial in made.trials.values() if trial.asked.anchor)
    whole = [trial.last.seconds for trial in made.trials.values() if trial.state == "complete"]
    for trial in made.trials.values():
        if trial.state == "pruned":
            assert not trial.last.finished and trial.last.seconds > 0 and len(whole) >= 5
    events = [from_line(json.loads(line)) for line in ledger_file(folder).read_text().splitlines()]
    assert events[-1].name == "test"


def test_a_search_from_end_to_end_and_its_resumption(tmp_path):
    assert run.main([*WORDS, "--executor", "local", "--out", str(tmp_path), "--name", "front"]) == run.DONE
    check_run(tmp_path / "front")
    more = ["--resume", "--out", str(tmp_path), "--name", "front", "--samples", "16"]
    assert run.main(more) == run.DONE and len(read_history(tmp_path / "front").trials) == 16


def test_a_hopeless_trial_is_stopped_in_the_executor(tmp_path, monkeypatch):
    """The clock of a small machine decides nothing here: every draw after the fifth is called hopeless."""
    monkeypatch.setattr(Front, "hopeless", lambda front, trial, *looked: trial > 5)
    assert run.main([*WORDS, "--executor", "local", "--out", str(tmp_path), "--name", "all"]) == run.DONE
    history = read_history(tmp_path / "all")
    assert [trial.state for trial in history.trials.values()] == ["complete"] * 6 + ["pruned"] * 8
    mirror = StudyMirror(tmp_path / "all", history.run, tmp_path / "study.journal")  # what optuna-dashboard shows
    assert mirror.update(history)
    shown = mirror.storage.get_all_trials(0)
    assert [bool(trial.values) for trial in shown] == [True] * 6 + [False] * 8
    mirror.close()


@pytest.mark.slow
@pytest.mark.ray
def test_a_hopeless_trial_is_stopped_under_ray(tmp_path, monkeypatch):
    monkeypatch.setattr(Front, "hopeless", lambda front, trial, *looked: trial > 5)
    assert run.main([*WORDS, "--executor", "ray", "--out", str(tmp_path), "--name", "all"]) == run.DONE
    history = read_history(tmp_path / "all")
    assert [trial.state for trial in history.trials.values()] == ["complete"] * 6 + ["pruned"] * 8
    assert all(len(trial.records) == 1 for trial in history.trials.values() if trial.state == "pruned")


def test_the_benchmark_counts_what_is_saved_and_what_the_front_loses():
    curves = [[(1.0, 0.3), (2.0, 0.5), (3.0, 0.9)]] * 5 + [[(9.0, 0.1), (18.0, 0.2), (27.0, 0.3)]]
    found = benchmark.raced(curves)
    assert (found.stopped, found.saved, found.lost, found.front) == (1, pytest.approx(18 / 42), 0, 1)
    slow = [[(9.0, 0.1), (18.0, 0.2), (27.0, 0.95)]]  # no other gained so much so late
    assert found.area == 1.0
    assert benchmark.area([(1.0, 0.5), (3.0, 0.9)], [(1.0, 0.5), (3.0, 0.9), (5.0, 0.1)]) == pytest.approx(
        4 * 0.4 + 2 * 0.4
    )
    assert benchmark.raced(curves[:5] + slow).lost == 1
