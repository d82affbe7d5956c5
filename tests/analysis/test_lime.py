"""LIME: what decides is picked, what cannot be explained is said, and agreement stands beside its level by chance."""

from dataclasses import replace

import numpy as np
import pytest
from lime.lime_image import LimeImageExplainer
from matplotlib.colors import to_rgb

from analysis.explaining.by_lime import Explainer, Local, adjusted, one_explanation
from analysis.explaining.overlap import agreement, chance, overlap
from analysis.explaining.superpixels import FEWEST, superpixels
from analysis.figures.explanations import AGAINST, FOR, Cell, explained


def probabilities(images: np.ndarray) -> np.ndarray:
    """Two classes: how bright the upper left quarter is."""
    bright = images[:, :8, :8].mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - bright, bright], axis=1)


def squares() -> np.ndarray:
    """Four superpixels of 8 x 8 pixels."""
    row, column = np.mgrid[:16, :16] // 8
    return 2 * row + column


def picture() -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 60, (16, 16, 3)).astype(np.uint8)
    image[:8, :8] = 255 - image[:8, :8]
    return image


def test_samples_and_predictions_are_those_of_lime_itself(capfd):
    image, segments = picture(), squares()
    fudged = np.full_like(image, 7)
    ours, theirs = Explainer(random_state=3), LimeImageExplainer(random_state=3)
    data, said = ours.data_labels(image, fudged, segments, probabilities, 40, batch_size=16)
    their_data, their_said = theirs.data_labels(image, fudged, segments, probabilities, 40, batch_size=16)
    assert np.array_equal(data, their_data) and np.array_equal(said, their_said)


def test_there_is_no_second_progress_bar(capfd):
    one_explanation(probabilities, picture(), squares(), 20, 0)
    assert capfd.readouterr().err == ""


def test_what_decides_is_outlined():
    image = picture()

    def needs_the_corner(images: np.ndarray) -> np.ndarray:
        kept = (images[:, :8, :8] == image[:8, :8]).mean(axis=(1, 2, 3))
        return np.stack([1 - kept, kept], axis=1)

    found = one_explanation(needs_the_corner, image, squares(), 200, 0)
    assert found.label == 1 and found.weights.argmax() == 0 and found.weights[0] > 0.3
    assert found.mask[:8, :8].all()


def test_the_seed_decides_the_samples():
    runs = [one_explanation(probabilities, picture(), squares(), 20, seed).weights.tolist() for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("size", [16, 32, 64, 96, 256])
def test_photographs_of_every_size_have_superpixels_enough(size):
    """A dark and a bright half with noise: lime's own quickshift finds two or three parts of it at 64 pixels."""
    image = np.random.default_rng(0).integers(0, 40, (size, size, 3))
    image[:, size // 2 :] += 180
    found = superpixels(image.astype(np.uint8))
    assert FEWEST <= found.max() + 1 <= 80 and found.shape == (size, size)
    assert set(np.unique(found)) == set(range(found.max() + 1))


@pytest.mark.parametrize("size", [4, 8, 12])
def test_of_a_few_pixels_nothing_is_explained(size):
    """Each superpixel would be a pixel or two, which hiding behind its mean colour leaves as it is."""
    image = np.random.default_rng(0).integers(0, 255, (size, size, 3)).astype(np.uint8)
    found = one_explanation(lambda images: np.full((len(images), 2), 0.5), image, superpixels(image), 60, 0)
    assert found.count < FEWEST and found.why_not == f"{found.count} superpixels are too few"


def corner_picture() -> np.ndarray:
    """Red in the upper left quarter of 32 x 32 pixels, green and blue elsewhere."""
    image = np.random.default_rng(0).integers(20, 200, (32, 32, 3)).astype(np.uint8)
    image[..., 0] = 0
    image[:16, :16] = [220, 0, 0]
    image[:16, :16] += np.random.default_rng(1).integers(0, 30, (16, 16, 3)).astype(np.uint8)
    return image


def test_only_the_corner_that_decides_speaks_for_the_class():
    image = corner_picture()

    def hidden_corner(images: np.ndarray) -> np.ndarray:
        """How near the corner is to what it is, superpixel by superpixel."""
        near = (images[:, :16, :16] == image[:16, :16]).all(axis=3).mean(axis=(1, 2))
        return np.stack([1 - near, near], axis=1)

    found = one_explanation(hidden_corner, image, superpixels(image), 400, 0)
    assert found.label == 1 and found.why_not is None and found.fit > 0.9
    assert found.mask[:16, :16].sum() / found.mask.sum() > 0.95


def test_what_speaks_against_the_class_is_told_apart():
    segments = np.arange(64).reshape(8, 8).repeat(4, axis=0).repeat(4, axis=1)
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)

    def signed(images: np.ndarray) -> np.ndarray:
        """The first superpixel speaks for class 0 and the last one against it."""
        shown = [
            (images[:, y : y + 4, x : x + 4] == image[y : y + 4, x : x + 4]).all(axis=(1, 2, 3))
            for x, y in ((0, 0), (28, 28))
        ]
        first = 0.6 + 0.3 * shown[0] - 0.2 * shown[1]
        return np.stack([first, 1 - first], axis=1)

    found = one_explanation(signed, image, segments, 400, 0)
    assert found.label == 0 and found.picked[0] == 0 and found.against[0] == 63
    assert found.weights[0] == pytest.approx(0.3, abs=0.02) and found.weights[63] == pytest.approx(-0.2, abs=0.02)


def local(weights: list[float], fit: float = 0.9, moved: float = 0.5) -> Local:
    """Of superpixels of one pixel each, in one row."""
    return Local(np.arange(len(weights))[None], 0, np.array(weights), fit, moved)


def test_what_explains_nothing_says_why():
    good = local([0.1] * 6 + [-0.1] * 54)
    assert good.why_not is None and good.picked == [0, 1, 2, 3, 4] and good.against == [6, 7, 8, 9, 10]
    assert replace(good, fit=0.12).why_not == "fit 0.12 is too poor"
    assert replace(good, fit=float("nan")).why_not == "too few perturbed images"
    assert replace(good, moved=0.002).why_not == "hiding parts moves the probability by 0.002 at most"
    assert local([-0.1] * 60).why_not == "no part speaks for it"
    assert local([0.1] * 30).why_not == "30 superpixels are too few"


def test_a_network_that_answers_at_random_is_not_believed():
    generator = np.random.default_rng(0)

    def guesses(images: np.ndarray) -> np.ndarray:
        one = generator.random(len(images))
        return np.stack([one, 1 - one], axis=1)

    image = corner_picture()
    found = one_explanation(guesses, image, superpixels(image), 300, 0)
    assert abs(found.fit) < 0.15 and "too poor" in str(found.why_not)


def test_the_fit_by_hand():
    # 1 - (1 - 0.6) x 100 / 50
    assert adjusted(0.6, 101, 50) == pytest.approx(0.2)
    assert np.isnan(adjusted(0.99, 51, 50))


def test_the_level_of_chance_by_hand():
    # 2 and 2 of 4: none shared with 1/6, one with 4/6 (1/3), two with 1/6 (1)
    assert chance(2, 2, 4) == pytest.approx(4 / 6 / 3 + 1 / 6)
    # 1 and 3 of 5: shared with 3/5, and then one of three
    assert chance(1, 3, 5) == pytest.approx(3 / 5 / 3) == chance(3, 1, 5)
    assert np.isnan(chance(0, 2, 5)) and np.isnan(chance(5, 2, 5))


def test_the_level_of_chance_is_what_random_picks_have():
    generator = np.random.default_rng(0)
    drawn = [overlap(*[np.isin(np.arange(30), generator.permutation(30)[:k]) for k in (5, 4)]) for _ in range(4000)]
    assert chance(5, 4, 30) == pytest.approx(np.mean(drawn), abs=0.005)


def test_agreement_by_hand():
    a, b, c = local([1, 1, 0, 0, 0]), local([1, 0, 0, 0, 0]), local([0, 0, 1, 1, 0])
    assert agreement([a, a])[0] == 1.0 and agreement([a, b])[0] == 0.5 and agreement([a, c])[0] == 0.0
    assert agreement([a, b, c])[0] == pytest.approx(0.5 / 3)
    assert agreement([a, b])[1] == pytest.approx(chance(2, 1, 5)) == pytest.approx(2 / 5 / 2)
    assert np.isnan(agreement([a])).all()


def test_what_picks_nothing_or_everything_agrees_with_nobody():
    some, nothing, everything = local([1, 0, 0]), local([-1, -1, -1]), local([1, 1, 1])
    for one in (nothing, everything):
        assert np.isnan(agreement([one, one])).all() and np.isnan(agreement([some, one])).all()


def test_both_signs_are_drawn_in_colours_that_the_legend_names():
    image = np.full((8, 8, 3), 128, np.uint8)
    halves = np.repeat([[0] * 4 + [1] * 4], 8, axis=0)
    cell = Cell(image, halves, [0.4, -0.4], None, "a, 90%", ("fit 0.80", "–"))
    figure = explained([("image 0", [cell])], ["r"])
    drawn = np.asarray(figure.axes[1].images[0].get_array())
    for side, ink in ((slice(0, 4), FOR), (slice(4, 8), AGAINST)):
        grey = 0.3 + 0.7 * 128 / 255
        assert drawn[4, side].mean(axis=0) == pytest.approx(0.75 * np.array(to_rgb(ink)) + 0.25 * grey, abs=0.01)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == ["speaks for the predicted class", "speaks against it"]
    titles = [[axes.get_title(side) for side in ("left", "center")] for axes in figure.axes]
    assert ["".join(both) for both in titles] == ["image 0", "r: LIME\na, 90%", "Grad-CAM"]


def test_what_is_not_explained_has_no_colour():
    cell = Cell(np.full((8, 8, 3), 128, np.uint8), np.zeros((8, 8), np.int64), None, None, "a, 90%", ("– why", "–"))
    figure = explained([("image 0", [cell])], ["r"])
    assert np.ptp(figure.axes[1].images[0].get_array()) == 0 and not figure.legends
    assert figure.axes[1].get_xlabel() == "– why"
