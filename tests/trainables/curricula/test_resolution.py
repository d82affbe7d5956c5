"""The schedule of the images' side, alone and around another curriculum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.finetune import FinetuneConfig
from spaces.self_paced import SelfPacedConfig
from tests.toy import make_trial, same_tensors, without_seconds
from trainables.curricula.base import Difficulty, Feedback
from trainables.curricula.resolution import Resolution, scale
from trainables.curricula.yoked import Yoked
from trainables.strategies import Facts, make_curriculum

HALF = {"resolution_start": 0.5, "resolution_full_at": 0.5, "resolution_steps": 2}
LABELS = np.arange(20) % 4


def test_the_side_grows_in_equal_steps_by_hand():
    config = FinetuneConfig(resolution_start=0.4, resolution_full_at=0.75, resolution_steps=3)
    sides = [scale(config, progress) for progress in (0, 0.24, 0.25, 0.49, 0.5, 0.74, 0.75, 1)]
    assert sides == pytest.approx([0.4, 0.4, 0.6, 0.6, 0.8, 0.8, 1, 1])


@given(st.floats(0.01, 1), st.floats(0.01, 1), st.integers(1, 100), st.floats(0, 1), st.floats(0, 1))
def test_it_never_shrinks_and_ends_whole(start, full_at, steps, a, b):
    config = FinetuneConfig(resolution_start=start, resolution_full_at=full_at, resolution_steps=steps)
    low, high = sorted((a, b))
    assert start <= scale(config, low) <= scale(config, high) <= 1 == scale(config, 1.0) == scale(config, full_at)


def test_any_curriculum_may_have_it_and_chooses_the_same_images():
    difficulty = Difficulty(np.random.default_rng(0).random(20), np.arange(20))
    plain = make_curriculum("self_paced", Facts(LABELS), SelfPacedConfig(share_start=0.3))
    both = make_curriculum("self_paced", Facts(LABELS), SelfPacedConfig(share_start=0.3, **HALF))
    assert isinstance(both, Resolution)
    a, b = plain.begin(), both.begin()
    assert plain.scoring(a) == both.scoring(b)
    for progress, side in ((0.25, 0.5), (0.5, 0.75), (1.0, 1.0)):
        one, two = (each.plan(state, difficulty, np.random.default_rng(1)) for each, state in ((plain, a), (both, b)))
        assert one.images.tolist() == two.images.tolist() and (one.scale, two.scale) == (1.0, side)
        a, b = (each.learn(state, Feedback(0.9, progress)) for each, state in ((plain, a), (both, b)))
        assert b["inner"] == a


def test_a_twin_has_its_partners_schedule():
    twin = make_curriculum("self_paced", Facts(LABELS), SelfPacedConfig(order="random", **HALF), sizes=(3, 5))
    assert isinstance(twin, Resolution) and isinstance(twin.inner, Yoked)
    assert twin.plan(twin.begin(), None, np.random.default_rng(0)).scale == 0.5


def test_a_trial_shows_images_smaller_is_charged_by_pixels_and_resumes_to_the_digit(tmp_path):
    setting = {"strategy": "resolution", "epochs": 4, "image_size": 32}
    config = FinetuneConfig(batch_size=8, **HALF)
    straight = make_trial(config, **setting)
    records = list(straight.records())
    count = len(straight.split.train)
    assert [record.side for record in records] == [16, 24, None, None]
    worth = [round(count / 4), round(count * 9 / 16), count, count]
    assert [record.images_trained for record in records] == np.cumsum(worth).tolist()
    assert [record.images for record in records] == [count] * 4
    stopped, resumed = make_trial(config, **setting), make_trial(config, **setting)
    next(stopped.records())
    stopped.save(tmp_path / "last.safetensors")
    resumed.restore(tmp_path / "last.safetensors")
    assert [without_seconds(record) for record in resumed.records()] == [without_seconds(r) for r in records[1:]]
    assert same_tensors(straight.state.engine.state(), resumed.state.engine.state())
