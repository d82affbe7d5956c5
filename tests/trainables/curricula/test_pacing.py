"""Pacing functions: each worked out by hand, and what all of them keep to."""

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import UsageError
from search.proposers.contestants import make_contestants
from search.replay import from_row
from spaces.paced import PACED, PacedConfig, Pacing
from trainables.curricula.pacing import PACES, pace

# The share at d = 0.25 and at d = 0.64 from a quarter of the images on. By hand, with b = 1/4 and 1 - b = 3/4:
BY_HAND = {
    "linear": (0.4375, 0.73),  # 1/4 + 3/4 d
    "square_root": (0.625, 0.85),  # 1/4 + 3/4 x 0.5 and x 0.8
    "quadratic": (0.296875, 0.5572),  # 1/4 + 3/4 x 0.0625 and x 0.4096
    "exponential": (0.2503807803, 0.2704596713),  # exp(2.5) = 12.182494, exp(6.4) = 601.845038, exp(10) = 22026.465795
    "logarithmic": (
        0.8960415417,
        0.9665337874,
    ),  # ln(0.25 + 0.0000453999) = -1.3861127780, ln(0.6400453999) = -0.4462161684
    "step": (0.25, 0.25),
    "competence": (0.5448623679, 0.8139410298),  # the roots of 1/16 + 15/16 d: of 0.296875 and of 0.6625
    "geometric": (0.3535533906, 0.6070974422),  # 2^-1.5 and 2^-0.72
    "stepped": (0.25, 0.475),  # ln 4 / ln 1.9 = 2.16: three steps, the first at 1/3, where 1.9/4 is offered
}


@pytest.mark.parametrize("pacing", get_args(Pacing))
@pytest.mark.parametrize("full_at", [0.5, 1.0])
def test_each_pacing_function_by_hand(pacing, full_at):
    config = PacedConfig(pacing=pacing, share_start=0.25, full_at=full_at)
    shares = [pace(config, d * full_at) for d in (0, 0.25, 0.64, 1)]
    assert shares == pytest.approx([0.25, *BY_HAND[pacing], 1.0], rel=1e-8)


def test_a_share_stays_whole_after_full_at():
    assert {pace(PacedConfig(pacing=pacing, full_at=0.5), 0.9) for pacing in get_args(Pacing)} == {1.0}


def test_every_word_has_its_function():
    assert {*PACES, "stepped"} == set(get_args(Pacing))


@pytest.mark.parametrize(
    ("start", "growth", "shares"),
    # at 0, 0.2, 1/4, 1/3, 0.5, 2/3, 0.75, 0.99, 1; of a quarter that doubles, of a fifth that grows by 1.9 (three steps)
    [(0.25, 2.0, [0.25] * 4 + [0.5] * 4 + [1]), (0.2, 1.9, [0.2] * 3 + [0.38] * 2 + [0.722] * 3 + [1])],
)
def test_steps_are_of_equal_length_and_the_last_one_is_whole(start, growth, shares):
    config = PacedConfig(pacing="stepped", share_start=start, growth=growth, full_at=1)
    at = (0, 0.2, 1 / 4, 1 / 3, 0.5, 2 / 3, 0.75, 0.99, 1)
    assert [pace(config, d) for d in at] == pytest.approx(shares)


@pytest.mark.parametrize("pacing", get_args(Pacing))
@given(
    start=st.floats(1e-3, 1),
    full_at=st.floats(0.01, 1),
    growth=st.floats(1.01, 100),
    some=st.lists(st.floats(0, 1), min_size=2, max_size=6),
)
def test_a_share_begins_at_its_start_never_falls_and_ends_whole(pacing, start, full_at, growth, some):
    config = PacedConfig(pacing=pacing, share_start=start, full_at=full_at, growth=growth)
    shares = [pace(config, progress) for progress in sorted(some)]
    assert all(start <= a <= b + 1e-12 and b <= 1 for a, b in itertools.pairwise(shares))
    assert pace(config, 0) == pytest.approx(start) and pace(config, full_at) == 1.0


ROOT = (
    "The pacing function 'root' is called competence now (Platanios et al. 2019); pass pacing=competence for what it was, "
    "or square_root for b + (1 - b) sqrt(d) (Wu et al. 2021)."
)
OLD = {"setting_strategy": "paced", "pacing": "root"}


@pytest.mark.parametrize(
    "build",
    [
        lambda: PACED.build({"pacing": "root"}),
        lambda: PACED.with_fixed({"pacing": "root"}),
        lambda: from_row(OLD, {}),
        lambda: make_contestants("paced", "linear", False, [OLD]),
    ],
    ids=["a search's table", "--set", "a replayed table", "a head-to-head's table"],
)
def test_a_recorded_root_is_refused_in_one_sentence_that_says_its_name_now(build):
    with pytest.raises(UsageError) as raised:
        build()
    assert str(raised.value) == ROOT


def test_the_growth_of_steps_has_an_effect_under_stepped_alone():
    assert PACED.matters("growth", {"pacing": "stepped"}) and not PACED.matters("growth", {"pacing": "linear"})
    assert PacedConfig().growth == 1.9 and PacedConfig().ranking == "image" and PacedConfig().pacing == "linear"
