"""Paced learning, manual division and twins: shares, stages and orders worked out by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.manual_division import AS_DESCRIBED, AS_RUN, ManualDivisionConfig
from spaces.paced import PacedConfig
from spaces.self_paced import SelfPacedConfig
from trainables.curricula.base import Curriculum, Difficulty, Feedback
from trainables.curricula.fixed import ManualDivision, Paced
from trainables.curricula.self_paced import SelfPaced, soft_weights
from trainables.curricula.share import part_of, share_of
from trainables.curricula.yoked import Yoked

RNG = np.random.default_rng(0)
LABELS = np.arange(20) % 4


def stages(config: ManualDivisionConfig, epochs: int) -> list[str]:
    """The stage of each epoch of a training of so many epochs."""
    curriculum = ManualDivision(LABELS, config, np.arange(20) % 3.0, np.arange(20))
    state, seen = curriculum.begin(), []
    for epoch in range(1, epochs + 1):
        seen.append(curriculum.plan(state, None, RNG).stage)
        state = curriculum.learn(state, Feedback(0.5, epoch / epochs))
    return seen


@pytest.mark.parametrize(("anchor", "lengths"), [(AS_DESCRIBED, (50, 80, 20)), (AS_RUN, (50, 80, 100))])
def test_the_anchors_have_the_reports_stages_to_the_epoch(anchor, lengths):
    seen = stages(ManualDivisionConfig(**anchor.values), sum(lengths))
    assert [seen.count(stage) for stage in ("easy", "easy+medium", "all")] == list(lengths)
    assert seen == sorted(seen, key=["easy", "easy+medium", "all"].index)


@pytest.mark.parametrize("divisor", [2, 5, 10])
def test_a_shortened_training_keeps_the_proportion_of_its_stages(divisor):
    seen = stages(ManualDivisionConfig(**AS_DESCRIBED.values), 150 // divisor)
    assert [seen.count(stage) for stage in ("easy", "easy+medium", "all")] == [50 / divisor, 80 / divisor, 20 / divisor]


def test_a_stage_trains_on_its_levels_and_is_judged_on_them():
    levels = np.array([0, 1, 2, 0, 1, 2, 2, 2.0])
    curriculum = ManualDivision(np.zeros(8, int), ManualDivisionConfig(), levels, np.arange(8)[::-1])
    plans = [curriculum.plan({"progress": p, "trained_stage": 0}, None, RNG) for p in (0.0, 0.5, 0.95)]
    assert [sorted(plan.images) for plan in plans] == [[0, 3], [0, 1, 3, 4], list(range(8))]
    assert [plan.judged_on for plan in plans] == [(0,), (0, 1), (0, 1, 2)]


def test_the_optimiser_starts_anew_only_where_a_stage_begins():
    config = ManualDivisionConfig(easy_part=0.5, medium_part=0.5, stage_rate_2=0.5, stage_rate_3=0.1)
    curriculum = ManualDivision(LABELS, config, np.arange(20) % 3.0, np.arange(20))
    state, fresh, factors = curriculum.begin(), [], []
    for epoch in range(1, 9):
        plan = curriculum.plan(state, None, RNG)
        fresh.append(plan.fresh_optimizer), factors.append(plan.rate_factor)
        state = curriculum.learn(state, Feedback(0.5, epoch / 8))
    assert fresh == [False] * 4 + [True, False, True, False]
    assert factors == [1.0] * 4 + [0.5] * 2 + [0.1] * 2


@given(
    order=st.sampled_from(["easy_first", "hard_first", "random"]), share=st.floats(0.05, 0.95), seed=st.integers(0, 99)
)
def test_a_larger_share_holds_the_smaller_one(order, share, seed):
    generator = np.random.default_rng(seed)
    config = PacedConfig(order=order, share_start=share)
    curriculum = Paced(LABELS, config, generator.random(20), generator.permutation(20))
    sets = [set(curriculum.plan({"progress": p}, None, RNG).images.tolist()) for p in (0.0, 0.2, 0.4, 1.0)]
    assert all(a <= b for a, b in itertools.pairwise(sets)) and len(sets[-1]) == 20


def test_the_three_orders_are_three():
    """A control whose name runs the ordinary curriculum would go unnoticed."""
    difficulty, shuffle = np.arange(20.0), np.random.default_rng(1).permutation(20)
    first = {
        order: Paced(LABELS, PacedConfig(order=order), difficulty, shuffle).first(5, None, RNG).tolist()
        for order in ("easy_first", "hard_first", "random")
    }
    assert first["easy_first"] == [0, 1, 2, 3, 4] and first["hard_first"] == [19, 18, 17, 16, 15]
    assert first["random"] == shuffle[:5].tolist()
    with pytest.raises(ValueError, match="easy_first"):
        PacedConfig(order="anti")


PER_CLASS = {"easy_first": [0, 1, 6], "hard_first": [5, 4, 8], "random": [3, 0, 7]}


@pytest.mark.parametrize(("order", "chosen"), PER_CLASS.items())
def test_ranking_within_classes_takes_the_first_of_each_in_its_proportion(order, chosen):
    # six images of class 0, each easier than the three of class 1; a third of each is two and one
    labels, difficulty = np.array([0] * 6 + [1] * 3), np.arange(9.0)
    config = PacedConfig(order=order, share_start=0.34, ranking="image_per_class")
    curriculum = Paced(labels, config, difficulty, np.array([7, 3, 6, 0, 5, 8, 1, 2, 4]))
    plan = curriculum.plan(curriculum.begin(), None, RNG)
    assert sorted(plan.images) == sorted(chosen)
    twin = Yoked(labels, curriculum, (3, 9))
    assert sorted(twin.plan(twin.begin(), None, RNG).images) == sorted(chosen)


def test_without_classes_the_easy_class_comes_first():
    curriculum = Paced(np.array([0] * 6 + [1] * 3), PacedConfig(share_start=0.34), np.arange(9.0), np.arange(9))
    assert sorted(curriculum.plan(curriculum.begin(), None, RNG).images) == [0, 1, 2]


@pytest.mark.parametrize("ranking", ["image", "image_per_class", "batch"])
def test_a_twin_uses_its_partners_sizes_in_another_order(ranking):
    generator = np.random.default_rng(3)
    difficulty = Difficulty(generator.random(20), generator.permutation(20))
    config = SelfPacedConfig(ranking=ranking, share_start=0.3, batch_size=4)
    partner = SelfPaced(LABELS, config)
    sizes = (len(partner.plan(partner.begin(), difficulty, RNG).images), 13, 20)
    chosen = {}
    for order in ("easy_first", "hard_first", "random"):
        twin = Yoked(LABELS, SelfPaced(LABELS, config.model_copy(update={"order": order})), sizes)
        state, plans = twin.begin(), []
        for _ in range(4):
            plans.append(twin.plan(state, difficulty, np.random.default_rng(7)))
            state = twin.learn(state, Feedback(0.0))
        assert [len(plan.images) for plan in plans] == [sizes[0], 13, 20, 20]
        assert all(len(set(plan.images.tolist())) == len(plan.images) for plan in plans)
        chosen[order] = set(plans[0].images.tolist())
    assert chosen["easy_first"] == set(partner.plan(partner.begin(), difficulty, RNG).images.tolist())
    assert chosen["easy_first"] != chosen["hard_first"] != chosen["random"]


def test_a_random_twin_scores_nothing_and_a_whole_set_needs_no_order():
    random = Yoked(LABELS, SelfPaced(LABELS, SelfPacedConfig(order="random")), (5,))
    hard = Yoked(LABELS, SelfPaced(LABELS, SelfPacedConfig(order="hard_first")), (5, 20))
    assert random.scoring({"epoch": 0}) is None
    assert hard.scoring({"epoch": 0}) is not None and hard.scoring({"epoch": 1}) is None


def test_what_has_no_order_has_no_twin():
    with pytest.raises(NotImplementedError, match="no twin"):
        Curriculum(LABELS).first(3, None, RNG)


@given(total=st.integers(1, 5000), part=st.integers(1, 5000))
def test_share_of_is_the_inverse_of_part_of(total, part):
    part = min(part, total)
    assert part_of(total, share_of(part, total)) == part


def test_soft_weights_by_hand():
    losses = np.array([0.0, 1.0, 2.0])
    assert soft_weights(losses, 2.0, "linear").tolist() == pytest.approx([1.0, 0.5, 0.01])
    assert soft_weights(losses, 2.0, "logarithmic").tolist() == pytest.approx([1.0, np.log(0.55) / np.log(0.1), 0.01])
    assert soft_weights(np.zeros(2), 0.0, "linear").tolist() == [1, 1]


def test_soft_weights_count_the_chosen_images_only():
    config = SelfPacedConfig(share_start=0.25, soft="linear")
    curriculum = SelfPaced(LABELS, config)
    plan = curriculum.plan(curriculum.begin(), Difficulty(np.arange(20.0), np.arange(20)), RNG)
    assert plan.images.tolist() == [0, 1, 2, 3, 4] and plan.weights.tolist() == pytest.approx([1, 0.8, 0.6, 0.4, 0.2])
