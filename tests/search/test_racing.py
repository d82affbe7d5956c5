"""Who goes on: rungs worked out by hand, and what holds of every rule."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.racing.halving import Asha, HyperBand
from search.racing.median import Median
from search.racing.pasha import Pasha, noise
from search.racing.rule import Look, Rule, evenly
from search.racing.topk import TopK

TEN = [0.31, 0.72, 0.55, 0.12, 0.72, 0.40, 0.66, 0.58, 0.90, 0.05]  # scores at the first rung; best: 8, 1, 4, 6, 7, 2


def tell(rule: Rule, trial: int, work: int, score: float) -> str:
    return rule.report(trial, Look(work, score, score))


def all_promoted(rule: Rule, last: bool = False) -> list[int]:
    return list(iter(lambda: rule.promote(last), None))


def at_the_first_rung(rule: Rule) -> list[int]:
    """The trials of ten that went on at once."""
    return [trial for trial, score in enumerate(TEN) if tell(rule, trial, 100, score) == "go_on"]


def test_levels_grow_by_a_factor_and_stay_below_the_longest():
    assert evenly(100, 2700, 3) == [100, 300, 900] and evenly(100, 100, 3) == [] and evenly(0, 5, 3) == [1, 3]


def test_top_k_of_ten_waits_for_all_and_takes_the_best():
    rule = TopK(100, 3)
    assert tell(rule, 0, 60, 0.9) == "go_on"  # its slice is not done, however well it looks
    rule = TopK(100, 3)
    assert at_the_first_rung(rule) == [] and rule.promote() is None
    assert all_promoted(rule, last=True) == [8, 1, 4]  # of the two with 0.72 the earlier first
    assert tell(rule, 8, 200, 0.91) == "go_on" and tell(rule, 8, 900, 0.1) == "go_on"
    assert rule.waiting == {0, 2, 3, 5, 6, 7, 9}


def test_a_trial_that_failed_gives_its_place_away():
    rule = TopK(100, 3)
    at_the_first_rung(rule)
    rule.end(8, failed=True)
    assert all_promoted(rule, last=True) == [1, 4, 6]
    rule.end(1, failed=True)  # now that it goes on
    assert all_promoted(rule, last=True) == [7]
    rule.end(7)
    assert all_promoted(rule, last=True) == []


def test_a_slow_starter_has_its_slice_of_work_and_not_of_epochs():
    rule = TopK(100, 1)
    assert [tell(rule, 0, work, work / 1000) for work in (40, 80, 120)] == ["go_on", "go_on", "pause"]
    assert tell(rule, 1, 100, 0.11) == "pause" and all_promoted(rule, last=True) == [0]


def test_asha_on_ten():
    """The best floor(n / 3) may go on: of three trials 1, of six 1 and 4, of nine 8, 1 and 4. Only 8 may when it comes."""
    rule = Asha([100, 300])
    assert at_the_first_rung(rule) == [8] and all_promoted(rule) == [1, 4]
    assert [tell(rule, trial, 300, score) for trial, score in ((4, 0.8), (8, 0.7), (1, 0.75))] == ["pause"] * 3
    assert all_promoted(rule) == [4] and all_promoted(rule, last=True) == []


def test_asha_of_two_trials_lets_one_reach_its_end():
    rule = Asha([100, 300])
    assert tell(rule, 0, 100, 0.2) == tell(rule, 1, 100, 0.3) == "pause" and rule.promote() is None
    assert rule.promote(last=True) == 1 and tell(rule, 1, 300, 0.4) == "pause"
    assert rule.promote(last=True) == 1 and tell(rule, 1, 900, 0.5) == "go_on" and rule.promote(last=True) is None


def test_an_epoch_that_passes_two_rungs_stands_on_both():
    rule = Asha([100, 300])
    assert tell(rule, 0, 400, 0.2) == "pause" and [set(rung.scores) for rung in rule.rungs] == [{0}, {0}]


def test_pasha_grows_only_while_the_ranking_changes():
    """Three of nine reach the second rung. In the order of the first rung the ladder ends there, else it goes on."""
    steady, shaken = Pasha([100, 300, 900]), Pasha([100, 300, 900])
    for rule in (steady, shaken):
        for trial in range(9):
            tell(rule, trial, 100, trial / 10)
        assert sorted(trial for trial in range(9) if trial not in rule.waiting) + all_promoted(rule) == [
            2,
            3,
            4,
            5,
            6,
            7,
            8,
        ]
    for trial in (8, 7, 6):
        assert tell(steady, trial, 300, 0.5 + trial / 100) == "pause"
    assert steady.top == 1 and all_promoted(steady) == []
    assert tell(shaken, 8, 300, 0.5) == "pause" and tell(shaken, 7, 300, 0.6) == "pause"
    assert shaken.top == 2 and tell(shaken, 6, 300, 0.4) == "pause" and all_promoted(shaken) == [7]


def test_the_best_on_pashas_highest_rung_goes_on_to_its_end():
    rule = Pasha([100, 300, 900])
    for trial in range(3):
        tell(rule, trial, 100, 0.1 * trial)
    assert tell(rule, 2, 300, 0.3) == "pause" and rule.promote() is None
    assert rule.promote(last=True) == 2 and tell(rule, 2, 900, 0.3) == "go_on" and tell(rule, 2, 1800, 0.3) == "go_on"
    assert rule.promote(last=True) is None and rule.waiting == {0, 1}


def test_noise_is_the_distance_of_curves_that_cross_and_cross_back():
    up, back, other = [0.1, 0.5, 0.4, 0.7], [0.2, 0.4, 0.5, 0.6], [0.0, 0.1, 0.2, 0.3]
    assert noise([up, back]) == pytest.approx(0.1)  # signs -, +, -, +
    assert noise([up, back, other]) == pytest.approx(0.1) and noise([up, other]) == 0 and noise([up]) == 0
    assert noise([[0.1, 0.5], [0.2, 0.4]]) == 0  # once is no noise
    apart = [
        0.3,
        0.3,
        0.5,
        0.5,
    ]  # crosses `up` at -, +, -, + too, 0.2 from it at the end, and `back` only once there and back
    assert noise([up, apart]) == pytest.approx(0.2) and noise([back, apart]) == 0
    assert noise([up, back, apart]) == pytest.approx(0.19)  # nine tenths of the way from 0.1 to 0.2


def test_curves_are_compared_at_equal_work():
    rule = Pasha([100, 300])
    for work, score in ((50, 0.1), (120, 0.2), (190, 0.3), (310, 0.4)):
        rule.report(0, Look(work, score, score))
    assert rule._curve(0) == [0.1, 0.3, 0.3]


def test_a_difference_below_the_noise_does_not_shake_the_ranking():
    calm, strict = Pasha([100, 500]), Pasha([100, 500])
    swings = {0: (0.50, 0.60, 0.55, 0.62, 0.65), 1: (0.51, 0.55, 0.60, 0.58, 0.66)}  # cross, and cross back
    for rule, curves in ((calm, swings), (strict, {0: (0.50,) * 4 + (0.65,), 1: (0.51,) * 4 + (0.60,)})):
        for place in range(5):
            for trial in (0, 1):
                rule.report(trial, Look(100 * (place + 1), max(curves[trial][: place + 1]), curves[trial][place]))
    assert strict.top == 2 and calm.top == 1


def test_the_median_rule_on_four():
    rule = Median(100)
    for trial, score in enumerate((0.2, 0.4, 0.6)):
        assert tell(rule, trial, 50, 0.0) == "go_on"  # before the grace nobody is judged, nor counted
        assert tell(rule, trial, 100, score) == tell(rule, trial, 200, score + 0.2) == "go_on"
    assert tell(rule, 3, 100, 0.4) == "go_on"  # averages at 100: 0.2, 0.4, 0.6
    assert tell(rule, 3, 200, 0.49) == "stop"  # at 200: 0.3, 0.5, 0.7
    assert tell(rule, 4, 200, 0.5) == "go_on" and tell(rule, 5, 300, 0.0) == "go_on"  # nobody has come so far


def test_hyperbands_brackets_by_hand():
    """9 passes: s_max = 2; 9 trials with rungs at 100 and 300, then 5 with one at 300, then 3 that run whole."""
    rule = HyperBand(900, 9, first=2)
    assert [tell(rule, trial, 100, trial / 100) for trial in range(2, 10)] == ["pause"] * 8 and rule.promote() is None
    assert tell(rule, 10, 100, 0.9) == "go_on" and all_promoted(rule) == [9, 8]  # the ninth fills the rung
    assert tell(rule, 10, 300, 0.5) == tell(rule, 9, 300, 0.6) == "pause" and tell(rule, 8, 300, 0.7) == "go_on"
    assert [tell(rule, trial, 100, 0.0) for trial in range(11, 16)] == ["go_on"] * 5
    assert [tell(rule, trial, 300, 0.0) for trial in range(11, 15)] == ["pause"] * 4
    rule.end(15, failed=True)
    assert all_promoted(rule) == [11]
    assert [tell(rule, trial, 899, 0.0) for trial in (16, 17, 18)] == ["go_on"] * 3
    assert tell(rule, 19, 100, 0.0) == "pause" and all_promoted(rule) == [] and all_promoted(rule, last=True) == [19]


RULES = {
    "asha": lambda: Asha([100, 300]),
    "pasha": lambda: Pasha([100, 300, 900]),
    "topk": lambda: TopK(100, 3),
    "median": lambda: Median(100),
    "hyperband": lambda: HyperBand(900, 9),
    "none": Rule,
}
SEARCHES = st.lists(  # per trial: the work of its epochs, and their scores
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1)), min_size=1, max_size=5), min_size=1, max_size=10
)


def raced(rule: Rule, search, log=None) -> dict[int, list[int]]:
    """One trial at a time, as a search runs it; gives the work done at each epoch of each trial."""
    left = {trial: list(epochs) for trial, epochs in enumerate(search)}
    done: dict[int, list[int]] = {trial: [] for trial in left}
    best = dict.fromkeys(left, 0.0)
    fresh = list(left)
    while True:
        trial = rule.promote()
        if trial is None:
            trial = fresh.pop(0) if fresh else rule.promote(last=True)
        if trial is None:
            return done
        while left[trial]:
            work, score = left[trial].pop(0)
            best[trial] = max(best[trial], score)
            done[trial].append((done[trial][-1] if done[trial] else 0) + work)
            look = Look(done[trial][-1], best[trial], score)
            if not left[trial]:
                break
            decision = rule.report(trial, look)
            if log is not None:
                log.append((trial, look, decision))
            if decision != "go_on":
                break


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=25)
@given(search=SEARCHES)
def test_every_trial_begins_and_one_ends_and_nobody_is_called_who_does_not_wait(name, search):
    rule, log = RULES[name](), []
    done = raced(rule, search, log)
    assert all(done.values())
    assert any(len(done[trial]) == len(epochs) for trial, epochs in enumerate(search))
    for trial in rule.waiting:
        assert len(done[trial]) < len(search[trial])
    if name == "none":
        assert all(len(done[trial]) == len(epochs) for trial, epochs in enumerate(search))


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=25)
@given(search=SEARCHES)
def test_the_same_looks_make_the_same_rule_again(name, search):
    """What a resumed search does: an epoch of a trial that waited says that it was promoted. Who was promoted because
    nothing else was left is not known by looks: such a trial may pause once more, and is promoted again."""
    log: list = []
    rule = RULES[name]()
    raced(rule, search, log)
    again = RULES[name]()
    for trial, look, decision in log:
        found = again.report(trial, look)
        assert found == decision or (name in ("pasha", "hyperband") and decision == "go_on")
        assert again.report(trial, look) in (found, "go_on")  # told again
