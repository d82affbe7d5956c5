"""Each rule of selection on ten images, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import lambertw

from spaces.infobatch import InfoBatchConfig
from spaces.random_subset import RandomSubsetConfig
from spaces.rcap import RcapConfig
from spaces.rho_loss import RhoLossConfig
from spaces.seta import SeTaConfig
from spaces.superloss import SuperLossConfig
from trainables.curricula.base import Difficulty, Feedback
from trainables.curricula.infobatch import InfoBatch
from trainables.curricula.random_subset import RandomSubset
from trainables.curricula.rcap import Rcap, class_counts
from trainables.curricula.rho_loss import RhoLoss
from trainables.curricula.seta import SeTa, k_means
from trainables.curricula.superloss import SuperLoss, confidence, lambert_w
from trainables.curricula.yoked import Yoked

LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
LOSSES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 2.0, 3.0, 2.2])  # of mean 1.0: seven below it
TEN = np.arange(10)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def told(curriculum, progress=0.1, images=TEN, losses=LOSSES, state=None):
    """The state after an epoch that showed these losses."""
    return curriculum.learn(curriculum.begin() if state is None else state, Feedback(0.5, progress, images, losses))


# repeated random sampling


def test_a_random_subset_repeats_no_image_until_all_were_seen():
    curriculum = RandomSubset(LABELS, RandomSubsetConfig(share=0.4))
    state, epochs = curriculum.begin(), []
    for epoch in range(5):
        images = curriculum.plan(state, None, rng(epoch)).images
        state = curriculum.learn(state, Feedback(0.5, images=images))
        epochs.append(images.tolist())
    assert [len(images) for images in epochs] == [4] * 5
    seen = [image for images in epochs for image in images]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))  # the third epoch belongs to both rounds
    assert state["shown"] == [2] * 10


def test_images_that_a_budget_cut_off_come_first_in_the_next_epoch():
    curriculum = RandomSubset(LABELS, RandomSubsetConfig(share=0.5))
    first = curriculum.plan(curriculum.begin(), None, rng()).images
    state = curriculum.learn(curriculum.begin(), Feedback(0.5, images=first[:2]))
    assert set(first[:2]).isdisjoint(curriculum.plan(state, None, rng(1)).images)


# InfoBatch


def test_infobatch_drops_half_of_what_lies_below_the_mean_and_the_rest_of_it_counts_twice():
    curriculum = InfoBatch(LABELS, InfoBatchConfig(drop=0.5))
    plan = curriculum.plan(told(curriculum), None, rng())
    low = plan.images < 7
    assert plan.images[~low].tolist() == [7, 8, 9] and np.sum(low) == 3  # int(0.5 * 7)
    assert plan.weights.tolist() == np.where(low, 2.0, 1.0).tolist() and plan.absolute
    assert plan.share == 0.6


def test_infobatch_begins_and_ends_with_every_image():
    curriculum = InfoBatch(LABELS, InfoBatchConfig(drop=0.5, full_from=0.875))
    for state in (curriculum.begin(), told(curriculum, progress=0.875)):
        plan = curriculum.plan(state, None, rng())
        assert plan.images.tolist() == TEN.tolist() and plan.weights is None
    assert len(curriculum.plan(told(curriculum, progress=0.874), None, rng()).images) == 6


def test_what_infobatch_dropped_keeps_the_loss_it_had():
    curriculum = InfoBatch(LABELS, InfoBatchConfig())
    state = told(curriculum, images=np.array([7, 0]), losses=np.array([0.5, 0.25]), state=told(curriculum))
    assert state["losses"] == [0.25, *LOSSES[1:7], 0.5, *LOSSES[8:]] and state["epoch"] == 2


@given(st.integers(2, 60), st.floats(0.0, 0.95), st.integers(0, 99))
def test_the_weights_of_infobatch_add_up_to_all_images_but_for_rounding(count, drop, seed):
    losses = rng(seed).exponential(size=count)
    curriculum = InfoBatch(np.zeros(count, dtype=np.int64), InfoBatchConfig(drop=drop))
    plan = curriculum.plan(told(curriculum, images=np.arange(count), losses=losses), None, rng(seed))
    missing = count - (len(plan.images) if plan.weights is None else plan.weights.sum())
    assert -1e-6 <= missing < 1 / (1 - drop) + 1e-6


# SeTa


def test_k_means_of_numbers_by_hand():
    values = np.array([5.0, 0.0, 0.1, 9.0, 5.2, 0.2])
    assert k_means(values, 3).tolist() == [1, 0, 0, 2, 1, 0]
    assert k_means(np.ones(4), 1).tolist() == [0] * 4


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.integers(1, 12))
def test_groups_are_numbered_without_gaps_and_follow_the_values(values, groups):
    values = np.array(values)
    of = k_means(values, min(groups, len(np.unique(values))))
    assert set(of) == set(range(of.max() + 1))
    order = np.argsort(values, kind="stable")
    assert (np.diff(of[order]) >= 0).all()


def test_the_window_slides_from_easy_to_hard_and_begins_anew():
    losses = np.repeat([0.1, 1.0, 2.0, 3.0, 4.0], 2)  # five groups of two images
    curriculum = SeTa(LABELS, SeTaConfig(drop=0.0, groups=5, window=0.4))
    state, seen = curriculum.begin(), []
    for _ in range(6):
        seen.append(sorted(curriculum.plan(state, None, rng()).images.tolist()))
        state = told(curriculum, losses=losses, state=state)
    # two of five groups: epoch 0 takes all, then the window stands at group 1, 2, 3, 0, 1
    assert seen == [list(range(10)), [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9], [0, 1, 2, 3], [2, 3, 4, 5]]


def test_seta_leaves_out_a_random_part_first_and_no_group_at_the_end():
    curriculum = SeTa(LABELS, SeTaConfig(drop=0.3, groups=5, window=0.4))
    assert len(curriculum.plan(curriculum.begin(), None, rng()).images) == 7
    assert len(curriculum.plan(told(curriculum, progress=0.9), None, rng()).images) == 7
    assert len(curriculum.plan(told(curriculum, progress=0.5), None, rng()).images) < 7


# RCAP


def test_class_counts_by_hand():
    # sqrt(loss * part): sqrt(4 * 0.5) to sqrt(1 * 0.5) is 2 to 1
    assert class_counts(np.array([4.0, 1.0]), np.array([50, 50]), 30).tolist() == [20, 10]
    # the first class has only 10: the other gets what is left
    assert class_counts(np.array([400.0, 1.0]), np.array([10, 90]), 40).tolist() == [10, 30]
    assert class_counts(np.array([1.0, 1.0, 1.0]), np.array([5, 5, 5]), 4).tolist() == [2, 1, 1]
    assert class_counts(np.array([0.0, 0.0]), np.array([3, 3]), 6).tolist() == [3, 3]


@given(st.lists(st.tuples(st.floats(0, 9), st.integers(1, 30)), min_size=1, max_size=8), st.floats(0.01, 1))
def test_class_counts_add_up_and_no_class_gives_more_than_it_has(classes, share):
    losses, sizes = np.array([loss for loss, _ in classes]), np.array([size for _, size in classes])
    total = max(1, int(share * sizes.sum()))
    counts = class_counts(losses, sizes, total)
    assert counts.sum() == total and (counts <= sizes).all() and (counts >= 0).all()


def test_rcap_takes_more_of_the_class_that_is_not_learnt_and_of_its_hard_images():
    curriculum = Rcap(LABELS, RcapConfig(share=0.6, temperature=0.01))
    losses = np.array([0.02, 0.02, 0.02, 0.02, 0.12, 0.3, 0.4, 0.5, 0.6, 0.2])  # means 0.04 and 0.4: 1 to 3.16
    plan = curriculum.plan(told(curriculum, losses=losses), None, rng())
    assert sorted(plan.images.tolist()) == [4, 5, 6, 7, 8, 9]  # 6 * 3.16 / 4.16 is 4.6, nearest 5, and 1.4 is 1
    assert plan.share == 0.6


def test_rcap_begins_with_the_classes_own_proportions():
    images = Rcap(LABELS, RcapConfig(share=0.4)).plan(told(Rcap(LABELS, RcapConfig()), losses=None), None, rng()).images
    assert np.bincount(LABELS[images]).tolist() == [2, 2]


# SuperLoss


def test_lambert_w_is_scipys():
    x = np.concatenate([np.linspace(-1 / math.e + 1e-9, 1, 300), np.logspace(0, 8, 100)])
    assert lambert_w(x) == pytest.approx(lambertw(x).real, abs=1e-7)


def test_confidence_by_hand():
    # at the threshold 1; far below it exp(-W(-1/e)) = e; where W(x / 2) = 1, x = 2e: 1 / e
    assert confidence(np.array([0.7, -50.0, 0.7 + 2 * math.e]), 0.7, 1.0) == pytest.approx([1, math.e, 1 / math.e])
    assert confidence(np.array([0.7 + 0.5 * math.e]), 0.7, 0.25) == pytest.approx([1 / math.e])


@given(st.lists(st.floats(0, 50), min_size=1, max_size=20), st.floats(0, 5), st.floats(0.1, 10))
def test_confidence_minimises_the_papers_equation(losses, threshold, regularisation):
    """(l - t) s + r log(s)^2 over s, on a grid."""
    losses = np.array(losses)
    found = confidence(losses, threshold, regularisation)

    def objective(s):
        return (losses - threshold) * s + regularisation * np.log(s) ** 2

    for factor in (0.99, 1.01):
        nearby = np.minimum(found * factor, math.e)
        assert (objective(found) <= objective(nearby) + 1e-9).all()


def test_superloss_weighs_by_the_losses_of_the_epoch_before():
    curriculum = SuperLoss(LABELS, SuperLossConfig(regularisation=0.5, smoothing=0.75))
    assert curriculum.plan(curriculum.begin(), None, rng()).weights is None
    state = told(curriculum)
    assert state["mean"] == pytest.approx(1.0)
    plan = curriculum.plan(state, None, rng())
    assert plan.images.tolist() == TEN.tolist() and plan.absolute
    assert plan.weights == pytest.approx(confidence(LOSSES, 1.0, 0.5))
    again = told(curriculum, losses=LOSSES * 2, state=state)
    assert again["mean"] == pytest.approx(0.75 * 1 + 0.25 * 2)
    guess = SuperLoss(LABELS, SuperLossConfig(threshold="log_classes"))
    assert guess.plan(told(guess), None, rng()).weights == pytest.approx(confidence(LOSSES, math.log(2), 1.0))


# RHO-LOSS


def test_rho_loss_takes_the_largest_reducible_losses_of_each_large_batch():
    irreducible = np.array([0, 0, 0, 0, 0, 0, 0, 1.9, 2.9, 0.1])  # 7 and 8 are hard for everybody: noise
    curriculum = RhoLoss(LABELS, RhoLossConfig(batch_size=2, share=0.4), irreducible)
    assert curriculum.scoring({}).every == 1
    images = curriculum.plan({}, Difficulty(LOSSES, TEN), rng(3)).images
    large = np.split(rng(3).permutation(10), [5])  # batches of 2 / 0.4
    by_hand = [part[np.argsort(-(LOSSES - irreducible)[part])[:2]] for part in large]
    assert images.tolist() == np.concatenate(by_hand).tolist()
    assert 9 in images and not {7, 8} & set(images.tolist())


def test_a_random_rho_loss_trains_on_as_many_and_scores_nothing():
    curriculum = RhoLoss(LABELS, RhoLossConfig(batch_size=2, share=0.4, order="random"), LOSSES)
    assert curriculum.scoring({}) is None
    assert len(np.unique(curriculum.plan({}, None, rng()).images)) == 4


# twins


@pytest.mark.parametrize(
    "curriculum",
    [
        InfoBatch(LABELS, InfoBatchConfig(order="random")),
        SeTa(LABELS, SeTaConfig(order="random", drop=0.0)),
        Rcap(LABELS, RcapConfig(order="random")),
        RhoLoss(LABELS, RhoLossConfig(order="random"), LOSSES),
    ],
)
def test_a_twin_takes_its_partners_sizes_at_random_and_weighs_nothing(curriculum):
    twin = Yoked(LABELS, curriculum, (10, 6, 3))
    state, drawn = twin.begin(), []
    for epoch in range(4):
        plan = twin.plan(state, None, rng(epoch))
        state = twin.learn(state, Feedback(0.5, 0.25, plan.images))
        drawn.append(plan.images)
        assert plan.weights is None and len(np.unique(plan.images)) == len(plan.images)
    assert [len(images) for images in drawn] == [10, 6, 3, 3]
    assert set(drawn[2]) != set(drawn[3]) and not twin.wants_losses


def test_a_random_order_without_a_partner_follows_the_rules_sizes():
    alone = InfoBatch(LABELS, InfoBatchConfig(order="random"))
    plan = alone.plan(told(alone), None, rng())
    assert len(plan.images) == 6 and plan.weights is None and not plan.absolute and alone.wants_losses
