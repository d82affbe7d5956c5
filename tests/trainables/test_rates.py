"""Learning-rate rules against tables worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.trial import TrialConfig
from trainables.rates import RateRule, rate_rule

START = 1e-3
# The report: 1e-3, then 5e-4 at 85 %, 5e-5 at 89 % and 1e-6 at 92 %: factors 0.5, 0.1 and 0.02.
REPORT = {"rate_gate": 0.85, "rate_gap_2": 0.04, "rate_gap_3": 0.03}
REPORT |= {"rate_factor_1": 0.5, "rate_factor_2": 0.1, "rate_factor_3": 0.02}


def rule(rate, **fields):
    return rate_rule(TrialConfig(learning_rate=START, rate=rate, **fields))


def rates_after(made, accuracies) -> list[float]:
    """The rate of the epoch that follows each accuracy."""
    state, rates = made.begin(), []
    for epoch, accuracy in enumerate(accuracies, start=2):
        state = made.learn(state, accuracy)
        rates.append(float(made.rates(state, epoch, np.zeros(1))[0]))
    return rates


def test_constant_is_the_same_throughout():
    made = rule("constant")
    assert made.rates(made.begin(), 1, np.linspace(0, 0.99, 4)).tolist() == [START] * 4
    assert rates_after(made, [0.0, 0.99, 0.5]) == [START] * 3


def test_cosine_by_hand():
    # (1 + cos(pi p)) / 2 is 1 at 0, 3/4 at 1/3, 1/2 at 1/2, 1/4 at 2/3, 0 at 1
    rates = rule("cosine").rates({}, 1, np.array([0, 1 / 3, 1 / 2, 2 / 3, 1]))
    assert rates == pytest.approx([START, 0.75 * START, START / 2, START / 4, 0], abs=1e-15)


@pytest.mark.parametrize(
    ("epoch", "rate"),
    # 50, 20 and 10 epochs: the first falls are for epochs 51, 71 and 81
    [(1, 1e-3), (50, 1e-3), (51, 5e-4), (70, 5e-4), (71, 5e-5), (80, 5e-5), (81, 1e-6), (90, 1e-6), (999, 1e-6)],
)
def test_epoch_steps_fall_after_50_70_and_80_epochs(epoch, rate):
    made = rule("epoch_steps", rate_epochs_1=50, rate_epochs_2=20, rate_epochs_3=10, **REPORT)
    assert made.rates(made.begin(), epoch, np.zeros(3)) == pytest.approx([rate] * 3)


@pytest.mark.parametrize("reading", ["never_rise", "fall_back"])
@pytest.mark.parametrize(
    ("accuracy", "rate"),
    # gates at 0.85, 0.85 + 0.04 = 0.89 and 0.89 + 0.03 = 0.92: it is enough to reach one
    [
        (0.0, 1e-3),
        (0.8499, 1e-3),
        (0.85, 5e-4),
        (0.8899, 5e-4),
        (0.89, 5e-5),
        (0.9199, 5e-5),
        (0.92, 1e-6),
        (1.0, 1e-6),
    ],
)
def test_accuracy_steps_fall_where_a_gate_is_reached(reading, accuracy, rate):
    made = rule("accuracy_steps", rate_reading=reading, **REPORT)
    assert rates_after(made, [accuracy]) == pytest.approx([rate])


@pytest.mark.parametrize("accuracy", [0.3, 12 / 40])
def test_a_gate_is_reached_though_its_sum_is_a_hair_above_in_floats(accuracy):
    assert accuracy < 0.1 + 0.2  # 0.30000000000000004
    made = rule("accuracy_steps", **{**REPORT, "rate_gate": 0.1, "rate_gap_2": 0.2, "rate_gap_3": 0.5})
    assert rates_after(made, [accuracy]) == pytest.approx([5e-5])


def test_a_rate_that_never_rises_keeps_the_lowest_so_far():
    made = rule("accuracy_steps", rate_reading="never_rise", **REPORT)
    rates = rates_after(made, [0.5, 0.86, 0.7, 0.93, 0.86, 0.1])
    assert rates == pytest.approx([1e-3, 5e-4, 5e-4, 1e-6, 1e-6, 1e-6])


def test_a_rate_that_falls_back_rises_again_but_below_the_first_gate_the_last_one_stays():
    made = rule("accuracy_steps", rate_reading="fall_back", **REPORT)
    rates = rates_after(made, [0.5, 0.93, 0.90, 0.86, 0.5, 0.93, 0.5])
    assert rates == pytest.approx([1e-3, 1e-6, 5e-5, 5e-4, 5e-4, 1e-6, 1e-6])


def test_the_first_epoch_has_the_start_rate_under_every_rule():
    for name in ("constant", "cosine", "epoch_steps", "accuracy_steps"):
        made = rule(name)
        assert made.rates(made.begin(), 1, np.zeros(1))[0] == START


@given(accuracies=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_never_rise_never_rises_and_learn_modifies_nothing(accuracies):
    made = rule("accuracy_steps", rate_reading="never_rise", **REPORT)
    rates = rates_after(made, accuracies)
    assert rates == sorted(rates, reverse=True)
    state = made.begin()
    made.learn(state, accuracies[0])
    assert state == made.begin()


def test_a_rule_without_rates_is_none():
    with pytest.raises(TypeError, match="abstract"):
        RateRule(TrialConfig())


def test_gates_above_one_are_never_reached():
    # 0.99 + 0.04 > 1: a legal draw whose second fall cannot come
    made = rule("accuracy_steps", **{**REPORT, "rate_gate": 0.99})
    assert rates_after(made, [1.0]) == pytest.approx([5e-4])
