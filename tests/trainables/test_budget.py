"""Where the marks of a budget lie, when it must be asked again, and that segments are an epoch's own batches."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.budget import FEW, Budget, NoSecondsLeft, Pace, Totals
from trainables.curricula.batches import batches
from trainables.segments import Work
from trainables.views import Views


@pytest.mark.parametrize(
    ("updates", "marks", "expected"),
    [
        (10, 4, [3, 5, 8, 10]),  # 2.5, 5, 7.5, 10
        (9, 3, [3, 6, 9]),
        (7, 1, [7]),
        (3, 5, [1, 2, 3]),  # 0.6, 1.2, 1.8, 2.4, 3
        (1, 30, [1]),
    ],
)
def test_marks_of_updates_are_rounded_up_and_those_of_one_update_are_one(updates, marks, expected):
    assert Budget(updates, None, marks).looks_at == expected


def test_marks_of_seconds_are_even_and_end_at_the_end_itself():
    assert Budget(None, 8.0, 4).looks_at == [2.0, 4.0, 6.0, 8.0]
    assert Budget(None, 0.7, 7).looks_at[-1] == 0.7  # where 0.7 * 7 / 7 is less


@given(st.integers(1, 5000), st.integers(1, 200))
def test_there_are_as_many_marks_as_asked_for_or_as_there_are_updates(updates, marks):
    at = Budget(updates, None, marks).looks_at
    assert len(at) == min(updates, marks) and at[-1] == updates and at == sorted(set(at)) and at[0] >= 1


def test_a_mark_is_passed_when_it_is_reached():
    budget = Budget(10, None, 4)  # 3, 5, 8, 10
    assert [budget.passes_mark(*span) for span in ((0, 2), (0, 3), (2, 3), (3, 4), (3, 5), (4, 9))] == [
        False, True, True, False, True, True,
    ]  # fmt: skip
    assert not Budget(10).passes_mark(0, 10) and not Budget().passes_mark(0, 10)


def test_by_updates_the_next_stop_is_the_next_mark_or_the_end():
    assert [Budget(10, None, 4).updates_ahead(used, used, 0.0) for used in (0, 2, 3, 8)] == [3, 1, 2, 2]
    assert Budget(10).updates_ahead(4, 4, 0.0) == 6 and Budget().updates_ahead(4, 4, 0.0) == float("inf")


def test_by_the_clock_half_of_what_is_left_to_the_mark_is_trained_at_a_time():
    budget = Budget(None, 40.0, 2)  # 20, 40
    assert budget.updates_ahead(0.0, 0.0, 0.0) == FEW  # nothing has been timed
    assert budget.updates_ahead(0.0, 0.0, 1.0) == 10
    assert budget.updates_ahead(14.0, 14.0, 1.0) == 3 and budget.updates_ahead(19.5, 19.5, 1.0) == 1
    assert budget.updates_ahead(14.0, 30.0, 1.0) == 1  # scoring ran over 20: the next boundary is looked at
    assert budget.updates_ahead(30.0, 50.0, 0.0) == 1


@given(st.integers(0, 2**32), st.integers(1, 9))
def test_the_first_boundary_at_or_after_each_mark_is_not_missed(seed, marks):
    """While no update takes twice as long as the others so far."""
    times = np.random.default_rng(seed).uniform(1.0, 1.9, 100)
    budget, pace, used, done = Budget(None, 90.0, marks), Pace(), 0.0, 0
    stops, boundaries = [], [0.0, *np.cumsum(times)]
    while used < 90:
        count = budget.updates_ahead(used, used, pace.per_update)
        before, used, done = used, boundaries[done + count], done + count
        pace.add(count, used - before)
        stops += [used] * budget.passes_mark(before, used)
    first = [next(at for at in boundaries if at >= mark) for mark in budget.looks_at]
    assert stops == list(dict.fromkeys(first))


def test_what_is_charged_is_training_and_scoring():
    used = Totals(updates=3, train_seconds=1.5, score_seconds=2.0, eval_seconds=100.0)
    assert Budget(None, 4.0).used(used) == 3.5 and Budget(5).used(used) == 3 and Budget().used(used) == 3
    assert Budget(None, 3.5).spent(used) and not Budget(None, 3.6).spent(used)
    assert Budget(3).spent(used) and not Budget(4).spent(used) and not Budget().spent(used)


def test_a_preparation_that_costs_everything_is_refused_in_one_sentence():
    with pytest.raises(NoSecondsLeft) as raised:
        Budget(None, 300.0).check(Totals(score_seconds=412.0))
    assert str(raised.value) == "its features, difficulty and pretraining alone cost 412 s of the 300 s that it has"
    Budget(None, 300.0).check(Totals(score_seconds=299.0))
    Budget(1).check(Totals(score_seconds=299.0))


@given(st.data(), st.integers(1, 90), st.integers(2, 17))
def test_segments_are_the_batches_of_the_uncut_epoch(data, count, size):
    """Cut as the engine cuts: each segment by the rule that cuts the whole."""
    images = np.random.default_rng(count).permutation(count)
    work = Work(images, images / 7, Views({"flips": np.stack([images, -images], axis=1) % 2 == 0}), size)
    whole = batches(images, size)
    assert work.updates == len(whole)
    cuts = sorted(data.draw(st.sets(st.integers(1, work.updates))) | {0, work.updates})
    segments = [work.segment(first, end) for first, end in pairwise(cuts)]
    again = [batch.tolist() for segment in segments for batch in batches(segment.images, size)]
    assert again == [batch.tolist() for batch in whole]
    assert np.array_equal(np.concatenate([segment.weights for segment in segments]), work.weights)
    flips = [segment.views.parameters["flips"] for segment in segments]
    assert np.array_equal(np.concatenate(flips), work.views.parameters["flips"])
