"""What is drawn for each image: by address, in range, alike for arms that share a seed; boxes and shares by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.trial import TrialConfig
from trainables.policies import OPERATIONS, RANGES, draw_operations
from trainables.seeds import rng
from trainables.views import _boxes, _covered, draw_views, showings

FIELDS = {
    "flips": {"augment": "flips"},
    "crop": {"crop": 0.4},
    "colour": {"colour_jitter": 0.3},
    "randaugment": {"policy": "randaugment"},
    "trivialaugment": {"policy": "trivialaugment"},
    "erasing": {"random_erasing": 0.5},
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 1.0},
}
EVERYTHING = {name: value for fields in FIELDS.values() for name, value in fields.items()}
CONFIGS = FIELDS | {"everything": EVERYTHING}
each_config = pytest.mark.parametrize("fields", CONFIGS.values(), ids=CONFIGS)


def drawn(fields: dict, order, count: int = 20, epoch: int = 1, seed: int = 0, size=(16, 12)):
    return draw_views(TrialConfig(**fields), seed, epoch, np.asarray(order), count, size)


def flat(views) -> dict[str, np.ndarray]:
    """Every array of the views by name, those of the partners too."""
    arrays = dict(views.parameters)
    if views.partners:
        own = {name: value for name, value in vars(views.partners).items() if name != "views"}
        arrays |= own | {f"partner's {name}": value for name, value in flat(views.partners.views).items()}
    return arrays


def test_nothing_augments_by_default_and_every_field_does():
    assert not TrialConfig().augments
    assert all(TrialConfig(**fields).augments for fields in CONFIGS.values())
    assert not TrialConfig(randaugment_magnitude=20).augments


@each_config
@given(data=st.data())
def test_an_image_is_shown_alike_whatever_it_is_trained_with(fields, data):
    subset = np.array(data.draw(st.lists(st.integers(0, 19), min_size=1, unique=True)))
    whole, some = flat(drawn(fields, np.arange(20))), flat(drawn(fields, subset))
    assert whole.keys() == some.keys() and whole
    assert all(np.array_equal(whole[name][subset], some[name]) for name in whole)


@each_config
def test_every_epoch_and_seed_has_its_own(fields):
    views = [flat(drawn(fields, np.arange(20), **at)) for at in ({}, {"epoch": 2}, {"seed": 1})]
    name = next(iter(views[0]))
    assert not np.array_equal(views[0][name], views[1][name]) and not np.array_equal(views[0][name], views[2][name])


@each_config
def test_an_image_that_comes_again_is_shown_otherwise_and_the_first_time_as_ever(fields):
    once, twice = flat(drawn(fields, np.arange(20))), flat(drawn(fields, np.tile(np.arange(20), 2)))
    assert all(np.array_equal(once[name], twice[name][:20]) for name in once)
    assert any(not np.array_equal(once[name], twice[name][20:]) for name in once)


def test_no_field_disturbs_another():
    everything = flat(drawn(EVERYTHING, np.arange(20)))
    for fields in ({"augment": "flips"}, {"crop": 0.4}, {"colour_jitter": 0.3}, {"random_erasing": 0.5}):
        for name, values in flat(drawn(fields, np.arange(20))).items():
            assert np.array_equal(everything[name], values)


def test_flips_are_the_numbers_that_they_were():
    expected = rng(3, 2, "augment").integers(0, 2, (20, 2)).astype(bool)
    assert np.array_equal(drawn({"augment": "flips"}, [4, 7], epoch=2, seed=3).parameters["flips"], expected[[4, 7]])


def test_showings_count_how_often_an_image_came_before():
    assert showings(np.array([5, 2, 5, 5, 2, 9])).tolist() == [0, 0, 1, 2, 1, 0]


@given(st.lists(st.integers(0, 5), max_size=40))
def test_showings_by_a_plain_count(order):
    assert showings(np.array(order, dtype=np.int64)).tolist() == [order[:i].count(n) for i, n in enumerate(order)]


def test_boxes_by_hand():
    """In 10 x 20: half of the area at ratio 1 is 10 x 10; a quarter at ratio 2 is 5 x 10; at 9, 2.4 x 21 is too wide."""
    areas, ratios = np.array([0.5, 0.25, 0.25, 1.0]), np.array([1.0, 2.0, 9.0, 0.75])
    at = np.array([[0.5, 0.0], [0.99, 0.5], [0.0, 0.9], [0.4, 0.4]])
    assert _boxes(areas, ratios, at, (10, 20)).tolist() == [
        [0, 0, 10, 10],
        [5, 5, 10, 15],
        [0, 0, 2, 20],  # drawn in to ratio 8: 2.5 x 20, and 2.5 is rounded to even
        [0, 0, 10, 20],
    ]


@given(area=st.floats(0.001, 1), ratio=st.floats(0.3, 3.4), at=st.tuples(*[st.floats(0, 0.999)] * 2),
       size=st.tuples(*[st.integers(2, 64)] * 2))  # fmt: skip
def test_a_box_lies_within_the_image_and_has_its_area_to_a_pixel_a_side(area, ratio, at, size):
    ((top, left, bottom, right),) = _boxes(np.array([area]), np.array([ratio]), np.array([at]), size).tolist()
    assert 0 <= top < bottom <= size[0] and 0 <= left < right <= size[1]
    sides = np.array([bottom - top, right - left])
    assert (sides - 1).prod() <= area * size[0] * size[1] + 1e-6 <= (sides + 1).prod() + 1e-6


def test_a_covered_box_is_cut_off_at_the_borders():
    """A quarter of 8 x 8 is 4 x 4; around a corner a fourth of it is left."""
    boxes = _covered(np.full(3, 0.25), np.array([[0.5, 0.5], [0, 0], [1, 0.25]]), (8, 8))
    assert boxes.tolist() == [[2, 2, 6, 6], [0, 0, 2, 2], [6, 0, 8, 4]]


@given(alpha=st.floats(1e-3, 10), seed=st.integers(0, 99))
def test_the_share_of_a_covered_image_is_what_is_left_of_its_pixels(alpha, seed):
    partners = drawn({"cutmix": alpha}, np.arange(20), seed=seed).partners
    sides = partners.boxes[:, 2:] - partners.boxes[:, :2]
    assert (sides >= 0).all() and partners.shares == pytest.approx(1 - sides.prod(axis=1) / (16 * 12))
    assert (partners.blends == 1).all()


@given(alpha=st.floats(1e-3, 10), seed=st.integers(0, 99))
def test_a_blended_image_has_the_share_of_its_label_in_its_pixels(alpha, seed):
    partners = drawn({"mixup": alpha}, np.arange(20), seed=seed).partners
    assert np.array_equal(partners.shares, partners.blends) and not partners.boxes.any()
    assert ((partners.shares >= 0) & (partners.shares <= 1)).all()


def test_with_both_about_half_of_the_images_are_covered():
    partners = drawn({"mixup": 1.0, "cutmix": 1.0}, np.arange(2000), count=2000).partners
    covered = partners.boxes.any(axis=1)
    assert 0.4 < covered.mean() < 0.52 and (partners.blends[~covered] <= 1).all()


def test_partners_come_from_the_whole_split_and_are_shown_as_in_this_epoch():
    whole, few = drawn(EVERYTHING, np.arange(20)), drawn(EVERYTHING, np.array([3, 11]))
    assert not set(whole.partners.images[[3, 11]]) <= {3, 11}
    for name, values in few.partners.views.parameters.items():
        assert np.array_equal(values, whole.parameters[name][few.partners.images])
    assert few.numbered(np.arange(20) + 100).partners.images.tolist() == (few.partners.images + 100).tolist()


def test_mixup_draws_from_its_beta_distribution():
    shares = drawn({"mixup": 0.4}, np.arange(4000), count=4000).partners.shares
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(0.25 / (2 * 0.4 + 1), abs=0.01)  # of Beta(a, a)


def test_crops_keep_at_least_their_area_but_for_rounding():
    boxes = drawn({"crop": 0.5}, np.arange(500), count=500, size=(64, 64)).parameters["crop"]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / 64**2
    assert 0.48 < areas.min() < 0.55 and areas.max() > 0.97


@pytest.mark.parametrize(("chance", "erased"), [(0.0001, 0), (1.0, 200)])
def test_erasing_has_its_chance(chance, erased):
    boxes = drawn({"random_erasing": chance}, np.arange(200), count=200).parameters["erase"]
    assert boxes.any(axis=1).sum() == erased


def test_ranges_are_torchvisions_at_both_ends():
    of = {name: dict(zip(OPERATIONS, rows, strict=True)) for name, rows in RANGES.items()}
    rand, trivial = of["randaugment"], of["trivialaugment"]
    assert all(rows["rotate"][0] == rows["shear_x"][0] == 0 for rows in of.values())
    assert [rand[name][30] for name in ("shear_x", "translate_y", "rotate", "contrast", "posterize", "solarize")] == (
        pytest.approx([0.3, 150 / 331, 30, 0.9, 4, 0])
    )
    assert [
        trivial[name][30] for name in ("shear_x", "translate_y", "rotate", "contrast", "posterize", "solarize")
    ] == (pytest.approx([0.99, 32 / 224, 135, 0.99, 2, 0]))
    assert rand["posterize"][9] == 8 - round(9 / 30 * 4) and rand["solarize"][0] == 255


def test_randaugment_has_one_magnitude_and_trivialaugment_one_operation():
    generator = np.random.default_rng(0)
    config = TrialConfig(policy="randaugment", randaugment_ops=3, randaugment_magnitude=10)
    chosen, strengths = draw_operations(config, generator, 300)
    assert chosen.shape == strengths.shape == (300, 3) and set(chosen.ravel()) == set(range(len(OPERATIONS)))
    assert set(np.round(strengths[chosen == OPERATIONS.index("rotate")], 4)) == {-10.0, 10.0}
    assert set(strengths[chosen == OPERATIONS.index("posterize")]) == {7.0}
    chosen, strengths = draw_operations(TrialConfig(policy="trivialaugment"), generator, 2000)
    assert chosen.shape == (2000, 1) and len(set(strengths[chosen == OPERATIONS.index("rotate")])) > 40
