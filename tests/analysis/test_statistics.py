"""Statistics against examples worked by hand or printed in the literature."""

import itertools
import math

import numpy as np
import pytest

from analysis import statistics


def test_holm_by_hand():
    # sorted .005 x 4, .01 x 3, .03 x 2, .04 x 1, and never below the one before
    adjusted = statistics.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert adjusted.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_mcnemar_by_hand():
    # ten against two of twelve: 2 (1 + 12 + 66) / 4096
    assert statistics.mcnemar(10, 2) == statistics.mcnemar(2, 10) == pytest.approx(158 / 4096)
    assert statistics.mcnemar(0, 0) == statistics.mcnemar(4, 4) == 1.0


def test_the_t_interval_by_hand():
    low, high = statistics.t_interval(np.array([0.8, 0.9, 1.0]))
    assert (low, high) == pytest.approx((0.9 - 4.30265 * 0.1 / math.sqrt(3), 0.9 + 4.30265 * 0.1 / math.sqrt(3)))
    assert all(math.isnan(end) for end in statistics.t_interval(np.array([0.8])))


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
