"""The rulebook: the interval against brute force over a grid, floors and plans by hand, forecasts where they are plain."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.rulebook import forecast as ahead
from analysis.rulebook.forecast import MOST, forecast
from analysis.rulebook.outcomes import Outcome, outcomes
from analysis.rulebook.pairs import make_pair
from analysis.rulebook.plan import VerdictPlan, default_pairs, make_plan, named_pairs, plan_of
from analysis.rulebook.sentences import sentence
from analysis.rulebook.sequence import half_widths, running, sampling_sd
from analysis.rulebook.words import BETTER, MARGIN, NO_WORD, TIE, UNDECIDED, WORSE, first_decided, word
from records import events
from records.history import RunHistory
from spaces.arm import Arm
from spaces.setting import Setting
from tests.analysis.test_runs_and_tables import record

each = pytest.mark.parametrize
PACED, PLAIN = Arm("self_paced"), Arm("finetune")
ONE = VerdictPlan((("self_paced", "finetune"),))
LEVELS = (0.05, 0.05 / 4, 0.05 / 11)
differences = st.lists(st.integers(-100, 100), min_size=2, max_size=30).map(lambda ints: np.array(ints) / 1000)


# the interval


def evidence(values, means):
    """e_n(mu) as it is defined, for every candidate mean."""
    n, off = len(values), values[:, None] - means
    total, squares = off.sum(axis=0), (off**2).sum(axis=0)
    return np.sqrt(1 / (n + 1)) * (squares / (squares - total**2 / (n + 1))) ** (n / 2)


@each("alpha", LEVELS)
@each("n", [5, 7, 9, 20, 60])
def test_the_interval_is_what_the_martingale_leaves_over_a_fine_grid(n, alpha):
    values = np.random.default_rng(n).normal(0.4, 1.5, n)
    half = half_widths(np.array([float(n)]), values.std(ddof=1, keepdims=True), alpha)[0]
    grid = values.mean() + np.linspace(-1, 1, 200_001) * min(1.25 * half, 40)
    left = grid[evidence(values, grid) < 1 / alpha]
    if np.isinf(half):
        assert len(left) == len(grid)  # nothing is ever excluded
    else:
        assert (left[0], left[-1]) == pytest.approx((values.mean() - half, values.mean() + half), abs=1e-4 * half)


def test_a_half_width_by_hand():
    # n = 5: B = (sqrt(6) * 20)^(2/5) = 4.743; sqrt(4/5) * sqrt(3.743 / (1 - 4.743/6)) = 3.78 deviations
    assert half_widths(np.array([5.0]), np.array([2.0]), 0.05)[0] == pytest.approx(2 * 3.781, rel=1e-3)


@each("k, first", [(1, 5), (7, 7), (11, 7)])
def test_too_few_seeds_say_nothing_at_all(k, first):
    # g B < n + g: at 5 %, (sqrt(5) * 20)^(1/2) = 6.7 > 5 after four, 4.7 < 6 after five
    counts = np.arange(1.0, 12)
    assert np.isfinite(half_widths(counts, np.ones(11), 0.05 / k)).tolist() == (counts >= first).tolist()


@given(differences, st.sampled_from(LEVELS), st.sampled_from([0.0, 0.005]))
def test_the_running_interval_is_each_one_cut_with_all_before(values, alpha, floor):
    low, high, ends = -np.inf, np.inf, running(values, floor, alpha)
    for n in range(1, len(values) + 1):
        sd = max(float(np.std(values[:n], ddof=1)) if n > 1 else 0.0, floor)
        half = float(half_widths(np.array([float(n)]), np.array([sd]), alpha)[0])
        low, high = max(low, values[:n].mean() - half), min(high, values[:n].mean() + half)
        assert (ends[0][n - 1], ends[1][n - 1]) == pytest.approx((low, high), abs=1e-6)


@given(differences)
def test_an_interval_only_narrows_and_wider_spread_or_more_pairs_widen_it(values):
    low, high = running(values, 0.0, 0.05)
    assert (np.diff(low[4:]) >= 0).all() and (np.diff(high[4:]) <= 0).all()
    for other in (running(values, 0.02, 0.05), running(values, 0.0, 0.01)):
        assert (other[0] <= low + 1e-9).all() and (other[1] >= high - 1e-9).all()


@given(differences, st.sampled_from([-7.5, 0.25, 1e6]), st.sampled_from([0.25, 8.0]))
def test_shift_and_scale_go_through(values, shift, scale):
    ends = np.array(running(values, 0.003, 0.05))
    np.testing.assert_allclose(running(scale * values, scale * 0.003, 0.05), scale * ends, atol=1e-12)
    # the values themselves are rounded at 1e6, to 1e-10
    np.testing.assert_allclose(np.array(running(values + shift, 0.003, 0.05)) - shift, ends, atol=1e-7)


def test_the_mirror_image_has_the_mirrored_interval():
    values = np.random.default_rng(5).normal(0.01, 0.02, 20)
    low, high = running(values, 0.0, 0.05)
    np.testing.assert_allclose(running(-values, 0.0, 0.05), (-high, -low))


def test_many_pairs_at_once_are_each_pair_alone():
    values = np.random.default_rng(4).normal(size=(3, 2, 12))
    low, high = running(values, 0.1, 0.01)
    np.testing.assert_allclose((low[2, 1], high[2, 1]), running(values[2, 1], 0.1, 0.01))


# words


@each("low, high, said", [
    (0.001, 0.05, BETTER), (-0.05, -0.001, WORSE), (-0.01, 0.01, TIE), (0.0, 0.01, TIE), (-0.011, 0.005, UNDECIDED),
    (0.0, 0.02, UNDECIDED), (0.002, 0.008, BETTER), (-np.inf, np.inf, UNDECIDED),
])  # fmt: skip
def test_words_by_hand(low, high, said):
    assert word(low, high, MARGIN) == said


@each("mean, spread, said", [
    (0.05, 0.01, BETTER), (-0.05, 0.01, WORSE), (0.0, 0.01, TIE), (0.0, 0.1, UNDECIDED),
])  # fmt: skip
def test_word_and_first_decided_agree(mean, spread, said):
    low, high = running(mean + spread * np.tile([1.0, -1.0, 0.5, -0.5], 10), 0.0, 0.05)
    words = [word(*ends, MARGIN) for ends in zip(low, high, strict=True)]
    decided = [n for n, one in enumerate(words, start=1) if one != UNDECIDED]
    assert first_decided(low, high, MARGIN) == (decided[0] if decided else np.inf)
    assert words[4:].count(said) > 0 and set(words) <= {UNDECIDED, said}


# the floor


def test_the_sampling_deviation_by_hand():
    # of 100 images, 10 that only a gets right and 4 that only b does: q = 0.14, d = 0.06
    assert (
        sampling_sd(0.14, 0.06, 100) == pytest.approx(math.sqrt((0.14 - 0.0036) / 100)) == pytest.approx(0.03693, 1e-3)
    )
    assert sampling_sd(0.0, 0.0, 100) == 0.0 and sampling_sd(0.01, 0.1, 100) == 0.0


def trained(right):
    """Of ten images, the numbers of those that it got right."""
    correct = np.isin(np.arange(10), right)
    return Outcome(float(correct.mean()), {"image": np.arange(10), "correct": correct}, 10, False, 30.0)


def failed(accuracy):
    return Outcome(accuracy, None, 10, True, 5.0)


def test_floors_by_hand():
    of_a = {0: trained(range(8)), 1: failed(0.25), 2: trained(range(9)), 7: trained(range(10))}
    of_b = {0: trained(range(2, 9)), 1: trained(range(7)), 2: trained(range(9)), 8: trained([])}
    pair = make_pair(PACED, PLAIN, of_a, of_b, ONE)
    assert (pair.seeds, pair.failed, pair.seconds) == ((0, 1, 2), (1, 0), pytest.approx((60 + 35 + 60) / 3))
    assert pair.differences == pytest.approx([0.1, -0.45, 0.0])
    # seed 0: one alone gets images 0, 1 and 8 right, so (0.3 - 0.01) / 10. Seed 1 says nothing; in seed 2 both agree
    assert pair.floors == pytest.approx([math.sqrt(0.029), math.sqrt(0.029), math.sqrt(0.029 / 2)])


def test_the_floor_is_the_most_it_can_be_where_predictions_were_not_kept():
    unkept = replace(trained(range(9)), said=None, judged=200)
    for other, images in ((replace(trained(range(8)), said=None, judged=100), 100), (trained(range(8)), 10)):
        # a misses 0.1 and b 0.2, so at most 0.3 of the images set them apart
        pair = make_pair(PACED, PLAIN, {0: unkept}, {0: other}, ONE)
        assert pair.floors == pytest.approx([math.sqrt((0.3 - 0.01) / images)])


def test_images_that_are_not_the_same_are_not_set_against_each_other():
    on_others = replace(trained(range(9)), said=trained(range(9)).said | {"image": np.arange(1, 11)})
    pair = make_pair(PACED, PLAIN, {0: trained(range(9))}, {0: on_others}, ONE)
    assert pair.floors == pytest.approx([math.sqrt(0.2 / 10)])  # each misses a tenth: at most 0.2 set them apart


# pairs


def test_a_failed_training_is_counted_and_said():
    of_a = {seed: trained(range(9)) for seed in range(5)} | {5: failed(0.1)}
    of_b = {seed: trained(range(8)) for seed in range(6)}
    pair = make_pair(PACED, PLAIN, of_a, of_b, ONE)
    assert (pair.n, pair.mean) == (6, pytest.approx((5 * 0.1 - 0.7) / 6))
    assert "6 seeds, 1 training of self_paced failed)" in sentence(pair)


def test_a_failed_training_has_its_last_accuracy_or_chance():
    setting = {"strategy": "self_paced", "arm": PACED}
    happened = [events.Asked(trial, {}, {}, setting=Setting(**setting, seed=trial)) for trial in range(4)]
    happened += [events.Epoch(record(trial, 1, accuracy, 0.5)) for trial, accuracy in ((0, 0.6), (2, 0.8))]
    happened += [events.Ended(0, "failed"), events.Ended(1, "failed"), events.Ended(2, "complete")]
    happened.append(events.Tested(2, 0.75, 0.5, 0.5))
    about = {"kind": "head_to_head", "data": {"classes": ["a", "b", "c", "d"], "test": 40}}
    found = outcomes(RunHistory.of(about, happened), lambda number: None)[PACED]
    # the last has not ended, so it is in none
    assert {seed: (one.figure, one.failed) for seed, one in found.items()} == {
        0: (0.6, True), 1: (0.25, True), 2: (0.75, False)
    }  # fmt: skip


def test_a_pair_that_was_not_planned_has_an_interval_at_five_percent_and_no_word():
    of = [{seed: trained(range(right)) for seed in range(8)} for right in (10, 2)]
    plan = VerdictPlan((("transfer", "finetune"), ("self_paced", "finetune")))
    asked, exploratory = make_pair(PACED, PLAIN, *of, plan), make_pair(PLAIN, PACED, *reversed(of), plan)
    assert (asked.alpha, exploratory.alpha) == (0.025, 0.05)
    assert (exploratory.word, exploratory.forecast) == (NO_WORD, None)
    assert np.isfinite(exploratory.high) and sentence(exploratory).endswith("8 seeds).")


def test_no_common_seed_and_too_few_are_undecided_without_a_forecast():
    none = make_pair(PACED, PLAIN, {0: trained([])}, {1: trained([])}, ONE)
    two = make_pair(PACED, PLAIN, *[{seed: trained(range(right)) for seed in (0, 1)} for right in (9, 8)], ONE)
    for pair in (none, two):
        assert (pair.low, pair.high, pair.word, pair.forecast) == (-np.inf, np.inf, UNDECIDED, None)
    assert math.isnan(none.mean) and "nothing is said" in sentence(none)


# the forecast


def test_the_forecast_goes_on_from_the_past_as_the_interval_itself_would():
    values = np.random.default_rng(2).normal(0.005, 0.01, 8)
    futures = np.random.default_rng(3).normal(0.005, 0.03, (2, 30))  # noisier, so that the past still binds
    for future, *ends in zip(futures, *ahead._continued(values, futures, 0.002, 0.05), strict=True):
        np.testing.assert_allclose(ends, np.array(running(np.append(values, future), 0.002, 0.05))[:, 8:])


def test_a_forecast_is_the_same_on_every_call_and_in_order():
    values = np.array([0.01, 0.03, -0.01, 0.02, 0.0])
    found = forecast(values, 0.0, 0.05, MARGIN)
    assert found == forecast(values, 0.0, 0.05, MARGIN)
    assert 1 <= found.low <= found.median <= found.high and not found.hopeless
    assert forecast(values[:2], 0.0, 0.05, MARGIN) is None


def test_a_large_effect_takes_few_more_seeds_and_a_tiny_one_in_much_noise_is_hopeless():
    pattern = np.tile([1.0, -1.0, 0.5, -0.5], 3)
    clear = forecast(0.05 + 0.01 * pattern[:4], 0.0, 0.05, MARGIN)
    assert clear.median <= 3 and clear.high <= 6
    lost = forecast(0.005 + 0.08 * pattern, 0.0, 0.05 / 7, MARGIN)
    assert lost.hopeless and lost.high == np.inf
    # the same differences, were they believed: it is the floor that asks for more
    assert forecast(0.005 + 0.001 * pattern, 0.08, 0.05 / 7, MARGIN).hopeless


@each("n", [MOST - 1, MOST, MOST + 50])
def test_a_forecast_beyond_all_seeds_is_still_an_answer(n):
    values = np.tile([0.3, -0.28], n)[:n]
    assert forecast(values, 0.0, 0.05, MARGIN).hopeless


# the plan


def test_default_pairs_by_hand():
    arms = [PLAIN, PACED, PACED.twin("random"), PACED.twin("hard_first"), Arm("transfer"), Arm("manual_division"),
            Arm("self_paced", "textures"), Arm("paced", "textures"), Arm("finetune", "textures")]  # fmt: skip
    assert default_pairs(arms) == (
        ("self_paced", "finetune"), ("self_paced", "self_paced/random"), ("manual_division", "finetune"),
        ("self_paced@textures", "finetune@textures"), ("paced@textures", "finetune@textures"),
    )  # fmt: skip


def test_rules_are_asked_against_random_subsets_too():
    arms = [PLAIN, Arm("random_subset"), Arm("infobatch"), Arm("infobatch").twin("random"), Arm("resolution")]
    assert default_pairs(arms) == (
        ("infobatch", "finetune"), ("infobatch", "random_subset"), ("infobatch", "infobatch/random"),
        ("resolution", "finetune"), ("resolution", "random_subset"),
    )  # fmt: skip


def test_named_pairs_and_their_share_of_five_percent():
    arms = [PLAIN, PACED, PACED.twin("random")]
    plan = make_plan(arms, "self_paced:finetune, finetune : self_paced/random", 0.02)
    assert plan.pairs == (("self_paced", "finetune"), ("finetune", "self_paced/random"))
    assert (plan.alpha, plan.margin, plan.recorded) == (0.025, 0.02, True)
    assert plan.has(replace(PACED, run="other"), PLAIN) and not plan.has(PLAIN, PACED)
    assert make_plan(arms, None, 0.01).pairs == default_pairs(arms)


@each("text, said", [
    ("self_paced", "--primary wants pairs of two arms like self_paced:finetune, with commas; got 'self_paced'."),
    ("finetune:finetune",
     "--primary wants pairs of two arms like self_paced:finetune, with commas; got 'finetune:finetune'."),
    ("self_pace:finetune", "Unknown arm 'self_pace'. Did you mean 'self_paced'? Known: finetune, self_paced."),
    ("self_paced:finetune,finetune:self_paced",
     "--primary names finetune and self_paced twice; a pair is asked about once."),
])  # fmt: skip
def test_pairs_that_cannot_be_are_refused(text, said):
    with pytest.raises(ValueError) as refused:
        named_pairs(text, [PLAIN, PACED])
    assert str(refused.value) == said


def test_a_plan_comes_back_from_run_json_and_an_old_run_has_the_default():
    arms = [replace(arm, run="old") for arm in (PLAIN, PACED)]
    plan = VerdictPlan((("finetune", "self_paced"),), 0.005)
    assert plan_of({"verdict": plan.row()}, arms) == plan
    old = plan_of({}, arms)
    assert old == VerdictPlan((("self_paced", "finetune"),), MARGIN, recorded=False)
    assert old.has(*reversed(arms)) and VerdictPlan(()).alpha == 0.05


@pytest.mark.parametrize(("looks", "said"), [((20, 20), "better"), ((20, 7), ""), ((None, None), "better")])
def test_the_best_of_many_looks_at_test_is_not_set_against_the_best_of_few(looks, said):
    of = [{seed: Outcome(at + seed * 1e-3, None, 10**6, False, 0.0, look) for seed in range(9)}
          for at, look in zip((0.9, 0.6), looks, strict=True)]  # fmt: skip
    pair = make_pair(Arm("self_paced"), Arm("finetune"), *of, VerdictPlan((("self_paced", "finetune"),)))
    assert pair.word == said and ("picked on test itself" in sentence(pair)) == (not said)
