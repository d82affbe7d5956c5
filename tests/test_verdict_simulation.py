"""The words of a head-to-head are worth what they promise: benchmarks.verdict in short, seeded and with few draws."""

import numpy as np
import pytest

from benchmarks import made_pairs as made
from benchmarks import verdict

each = pytest.mark.parametrize
RUNS = 1000


@pytest.fixture
def draws():
    return np.random.default_rng(1)


def test_a_family_is_wrong_in_at_most_one_of_twenty_however_often_one_looks(draws):
    assert made.false_words(draws, 7, RUNS) <= 0.05
    assert made.false_words_on_images(draws, 7, 10)[0] <= 0.05


def test_a_rule_for_a_fixed_number_of_seeds_is_not_and_that_is_the_looks(draws):
    assert made.false_words_of_holm(draws, 7, RUNS, 9, 20) > 0.08
    assert made.false_words_of_holm(draws, 7, RUNS, 5, 60) > 0.2
    assert made.false_words_of_holm(draws, 7, RUNS, 20, 20) < 0.06


@each("k", [1, 7])
def test_a_difference_of_the_margin_is_seldom_called_a_tie(draws, k):
    assert made.false_ties(draws, k, RUNS) <= 0.05


@each("effect, sd", verdict.DESIGNED)
def test_a_word_takes_as_many_seeds_as_it_was_designed_to(draws, effect, sd):
    for k, designed in zip(verdict.FAMILIES, verdict.DESIGNED[effect, sd], strict=True):
        if designed is not None:
            found = np.median(made.seeds_until(draws, effect, sd, k, RUNS))
            assert abs(found - designed) <= max(1, 0.1 * designed), (k, found)


def test_a_floor_tames_seeds_that_collapse(draws):
    without, floored = made.false_exclusions(draws, 0.7, [0.0, 1.0], RUNS)
    assert without > 0.15 and floored < 0.08


@each("n", [5, 12])
def test_a_forecast_holds_about_as_often_as_it_says(draws, n):
    said, took, _ = made.forecasts(draws, verdict.NARROW, 7, n, 80)
    within = np.mean([one.low <= more <= one.high for one, more in zip(said, took, strict=True)])
    assert 0.7 <= within <= 0.95


def test_stopping_what_is_decided_saves_half_of_the_trainings(draws):
    assert made.trainings_of_a_race(draws, verdict.RACE, 1.5, RUNS).mean() == pytest.approx(139, rel=0.05)


def test_every_table_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(verdict, "SHORT", verdict.Size(20, 1, 2))
    assert verdict.main(["--short"]) == 0
    printed = capsys.readouterr().out
    assert all(title in printed for title in verdict.TABLES) and "nan" not in printed


def test_pairs_on_images_differ_as_much_as_their_floor_says(draws):
    pairs = made.pairs_on_images(draws, made.plan_of_arms(3), made.arms(3))
    assert all(pair.planned and pair.n == made.CAP for pair in pairs)
    found = np.array([(pair.sd, pair.floor) for pair in pairs])
    np.testing.assert_allclose(found, 1.5 * made.POINT, rtol=0.2)
