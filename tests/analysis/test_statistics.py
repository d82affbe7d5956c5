"""Statistics against examples worked by hand or printed in the literature."""

import itertools
import math

import numpy as np
import pytest

from analysis import statistics

# Darwin's maize, crossed minus self-fertilised plants in eighths of an inch (Fisher, The Design of Experiments, 1935)
DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)


def test_sign_flip_gives_fishers_own_figure():
    assert statistics.sign_flip(DARWIN) == pytest.approx(2 * 863 / 2**15)


def test_sign_flip_by_hand_on_three_seeds():
    # of the eight sign patterns of 1, 2, 3 only +++ and --- are as extreme; of 1, -2, 3 (sum 2) six are
    assert statistics.sign_flip(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 8) == statistics.smallest_p(3)
    assert statistics.sign_flip(np.array([1.0, -2.0, 3.0])) == pytest.approx(6 / 8)


def test_what_has_no_difference_or_one_seed_is_never_significant():
    assert statistics.sign_flip(np.zeros(5)) == 1.0
    assert statistics.sign_flip(np.array([0.3])) == 1.0


def test_holm_by_hand():
    # sorted .005 x 4, .01 x 3, .03 x 2, .04 x 1, and never below the one before
    adjusted = statistics.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert adjusted.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_mcnemar_by_hand():
    # ten against two of twelve: 2 (1 + 12 + 66) / 4096
    assert statistics.mcnemar(10, 2) == statistics.mcnemar(2, 10) == pytest.approx(158 / 4096)
    assert statistics.mcnemar(0, 0) == statistics.mcnemar(4, 4) == 1.0


def test_the_bootstrap_of_three_seeds_is_their_range():
    # each end has probability 1/27 > 2.5 %
    assert statistics.bootstrap_interval(np.array([0.1, 0.4, 0.2])) == pytest.approx((0.1, 0.4))
    assert statistics.bootstrap_interval(np.array([0.2, 0.2, 0.2])) == (0.2, 0.2)


def test_the_t_interval_by_hand():
    low, high = statistics.t_interval(np.array([0.8, 0.9, 1.0]))
    assert (low, high) == pytest.approx((0.9 - 4.30265 * 0.1 / math.sqrt(3), 0.9 + 4.30265 * 0.1 / math.sqrt(3)))
    assert all(math.isnan(end) for end in statistics.t_interval(np.array([0.8])))


def test_a_medium_effect_needs_cohens_34_pairs():
    assert statistics.seeds_to_detect(0.5, 1.0) == 34
    assert statistics.power(0.5, 1.0, 34) == pytest.approx(0.808, abs=1e-3)


def test_no_seeds_are_promised_that_the_exact_test_could_not_use():
    # the t test would be content with 3 seeds, the sign flip gives p <= 0.05 from 6 on, p <= 0.05 / 36 from 11 on
    assert statistics.seeds_to_detect(1.0, 1e-6) == 6
    assert statistics.seeds_to_detect(1.0, 1e-6, family=36) == 11
    assert statistics.seeds_to_detect(1e-6, 1.0) is None


def test_seeds_to_call_a_tie_by_hand():
    # t(0.975, 17) = 2.1098: 2.1098 / sqrt(18) = 0.4973; t(0.975, 16) / sqrt(17) = 0.5142
    assert statistics.seeds_to_tie(0.0, 1.0, 0.5) == 18
    assert statistics.seeds_to_tie(0.6, 1.0, 0.5) is None


def test_expected_best_is_the_mean_over_all_subsets():
    values = np.array([0.3, 0.9, 0.5, 0.5, 0.1])
    by_hand = [np.mean([max(s) for s in itertools.combinations(values, k)]) for k in range(1, 6)]
    assert statistics.expected_best(values).tolist() == pytest.approx(by_hand)
    assert statistics.expected_best(np.array([1.0, 2.0, 3.0]))[1] == pytest.approx(8 / 3)


def test_expected_best_of_a_thousand_is_finite_and_rises_to_the_maximum():
    values = np.random.default_rng(0).random(1000)
    best = statistics.expected_best(values)
    assert best[0] == pytest.approx(values.mean()) and best[-1] == pytest.approx(values.max())
    assert np.all(np.diff(best) >= -1e-9)


def test_one_and_two_seeds_get_no_interval():
    for n in (1, 2):
        found = statistics.paired(np.full(n, 0.1))
        assert math.isnan(found.low) and math.isnan(found.boot_high) and found.improvement == 1.0
    assert math.isnan(statistics.paired(np.array([0.1])).sd)


def test_a_tie_counts_half_in_the_probability_of_improvement():
    assert statistics.paired(np.array([0.1, 0.0, -0.1, 0.2])).improvement == 2.5 / 4
