"""scenes and textures: repeatable, extendable, balanced, and as hard as they say."""

import numpy as np
import pytest

from trainables.data import drawing, scenes, textures

SETS = pytest.mark.parametrize("module", [scenes, textures], ids=["scenes", "textures"])


def _stack(drawn: drawing.Drawn) -> np.ndarray:
    return np.stack(list(drawn.images))


@pytest.fixture(scope="module")
def many() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """560 scenes at 32 px: images, labels, difficulty."""
    drawn = scenes.draw(560, 32, seed=0)
    return _stack(drawn), drawn.labels, drawn.difficulty


@SETS
@pytest.mark.parametrize("size", [8, 31, 64])
def test_shape_and_range(module, size):
    drawn = module.draw(9, size, seed=0)
    images = _stack(drawn)
    assert images.shape == (9, size, size, 3) and images.dtype == np.uint8
    assert drawn.labels.dtype == np.int64 and drawn.difficulty.dtype == np.float64
    assert drawn.difficulty.min() >= 0 and drawn.difficulty.max() <= 1


@SETS
def test_same_seed_same_pictures(module):
    assert np.array_equal(_stack(module.draw(9, 24, seed=3)), _stack(module.draw(9, 24, seed=3)))


@SETS
def test_other_seed_other_pictures(module):
    first, second = _stack(module.draw(9, 24, seed=3)), _stack(module.draw(9, 24, seed=4))
    assert not any(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


@SETS
def test_larger_count_begins_with_the_smaller(module):
    small, large = module.draw(9, 24, seed=1), module.draw(17, 24, seed=1)
    assert np.array_equal(_stack(small), _stack(large)[:9])
    assert np.array_equal(small.labels, large.labels[:9])
    assert np.array_equal(small.difficulty, large.difficulty[:9])


@SETS
def test_drawing_leaves_numpys_global_generator_alone(module):
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    _stack(module.draw(8, 16, seed=0))
    assert np.random.random() == expected


@SETS
def test_classes_are_balanced_and_difficulty_is_spread(module):
    drawn = module.draw(50 * len(module.CLASSES), 16, seed=0)
    assert np.array_equal(np.bincount(drawn.labels), [50] * len(module.CLASSES))
    assert np.histogram(drawn.difficulty, bins=4, range=(0, 1))[0].min() > 0.15 * len(drawn.labels)
    means = [drawn.difficulty[drawn.labels == label].mean() for label in range(len(module.CLASSES))]
    assert max(means) - min(means) < 0.25  # no class is the hard one


def test_seven_scenes_eight_textures():
    assert scenes.CLASSES == ("grass", "field", "industry", "river", "forest", "homes", "parking")
    assert textures.CLASSES == ("stripes", "waves", "dots", "checks", "net", "rings", "bricks", "grain")
    assert not set(scenes.CLASSES) & set(textures.CLASSES)


def test_the_difficulty_given_is_the_difficulty_drawn(monkeypatch):
    seen = []
    original = drawing.degrade
    monkeypatch.setattr(scenes, "degrade", lambda *arguments: seen.append(arguments[3]) or original(*arguments))
    drawn = scenes.draw(10, 16, seed=2)
    _stack(drawn)
    assert seen == drawn.difficulty.tolist()


def _degraded(difficulty: float) -> np.ndarray:
    """A flat grey picture with one bright half, made hard; mixed with itself, so that only the rest can show."""
    pixels = np.full((32, 32, 3), 60, dtype=np.uint8)
    pixels[:, 16:] = 180
    picture = drawing.Image.fromarray(pixels)
    return drawing.degrade(np.random.default_rng(0), picture, lambda: picture, difficulty).astype(float)


def test_difficulty_lowers_contrast_and_raises_grain():
    easy, middle, hard = (_degraded(difficulty) for difficulty in (0.0, 0.5, 1.0))
    contrasts = [image[:, 20:].mean() - image[:, :12].mean() for image in (easy, middle, hard)]
    assert contrasts[0] > 1.15 * contrasts[1] > 1.3 * contrasts[2] > 0
    grains = [np.abs(np.diff(image[:, :10], axis=0)).mean() for image in (easy, middle, hard)]
    assert grains[0] < grains[1] < grains[2]


def test_difficulty_adds_clutter(monkeypatch):
    objects, original = [], drawing._clutter
    monkeypatch.setattr(drawing, "_clutter", lambda rng, picture, n: objects.append(n) or original(rng, picture, n))
    for difficulty in (0.0, 0.5, 1.0):
        _degraded(difficulty)
    assert objects == [0, 4, 7]
    plain = drawing.Image.fromarray(np.full((32, 32, 3), 128, np.uint8))
    assert np.all(np.asarray(original(np.random.default_rng(0), plain, 0)) == 128)
    assert np.any(np.asarray(original(np.random.default_rng(0), plain, 7)) != 128)


def test_the_other_class_never_outweighs_the_picture():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mixed = drawing._mix(rng, np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8), 1.0)
        assert np.asarray(mixed).max() <= 0.46 * 255


def test_an_easy_picture_is_not_mixed_at_all():
    def refuse():
        raise AssertionError("drew another class")

    picture = drawing.Image.fromarray(np.zeros((16, 16, 3), np.uint8))
    drawing.degrade(np.random.default_rng(0), picture, refuse, 0.29)


def _features(images: np.ndarray) -> np.ndarray:
    """Mean and spread of the pixels and of the differences between neighbours at three distances."""
    grey = images.astype(float).mean(axis=3)
    steps = [np.abs(grey[:, :, d:] - grey[:, :, :-d]) for d in (1, 2, 4)]
    columns = [grey.std(axis=(1, 2)), *(s.mean(axis=(1, 2)) for s in steps), *(s.std(axis=(1, 2)) for s in steps)]
    columns += [images.std(axis=(1, 2)).mean(axis=1), images.astype(float).std(axis=3).mean(axis=(1, 2))]
    features = np.stack(columns, axis=1)
    return (features - features.mean(axis=0)) / features.std(axis=0)


def _nearest_mean(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(280,) bool: is the second half of the set named correctly by the nearest class mean of the first?"""
    train, test = slice(0, 280), slice(280, 560)
    centres = np.stack([features[train][labels[train] == label].mean(axis=0) for label in range(7)])
    distance = ((features[test][:, None] - centres) ** 2).sum(axis=-1)
    return distance.argmin(axis=1) == labels[test]


def test_mean_colour_alone_does_not_tell_the_classes_apart(many):
    images, labels, _ = many
    assert 1 / 7 < _nearest_mean(images.mean(axis=(1, 2)), labels).mean() < 0.5


def test_harder_scenes_are_recognised_less_often(many):
    images, labels, difficulty = many
    right, hard = _nearest_mean(_features(images), labels), difficulty[280:] > 0.5
    assert right[~hard].mean() > right[hard].mean() + 0.1
    assert right[~hard].mean() > 2.5 / 7  # there is something to recognise
