"""Spaces as Ray Tune's param_space, and back."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ray import tune
from ray.tune.search.variant_generator import generate_variants

import spaces
from console.errors import UsageError
from spaces import finetune, self_paced
from spaces.ray_domains import from_domain, to_domain
from spaces.registry import SPACES
from spaces.self_paced import SELF_PACED
from spaces.space import within

positive = st.floats(1e-6, 1e3)
floats = st.one_of(
    st.tuples(st.floats(-1e3, 1e3), st.floats(0, 1e3)).map(lambda t: FloatDistribution(t[0], t[0] + t[1])),
    st.tuples(positive, positive).map(lambda t: FloatDistribution(t[0], t[0] + t[1], log=True)),
    st.tuples(st.integers(-20, 20), st.integers(1, 20), st.sampled_from([0.25, 0.5, 2.0])).map(
        lambda t: FloatDistribution(t[0] * t[2], (t[0] + t[1]) * t[2], step=t[2])
    ),
)
wholes = st.one_of(
    st.tuples(st.integers(-50, 50), st.integers(0, 50)).map(lambda t: IntDistribution(t[0], t[0] + t[1])),
    st.tuples(st.integers(1, 50), st.integers(1, 50)).map(lambda t: IntDistribution(t[0], t[0] + t[1], log=True)),
    st.tuples(st.integers(-9, 9), st.integers(1, 9), st.integers(2, 9)).map(
        lambda t: IntDistribution(t[0] * t[2], (t[0] + t[1]) * t[2], step=t[2])
    ),
)
words = st.lists(st.sampled_from(["a", "b", 1, 2.5, None, True]), min_size=1, max_size=4).map(
    lambda values: CategoricalDistribution(tuple({repr(v): v for v in values}.values()))
)


@given(st.one_of(floats, wholes, words))
def test_a_distribution_survives_the_way_to_a_domain_and_back(distribution):
    domain = to_domain("field", distribution)
    assert from_domain("field", domain) == distribution
    assert all(within(distribution, value) for value in (domain.sample() for _ in range(5)))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_a_space_survives_and_what_is_drawn_from_its_domains_is_a_legal_config(space):
    there = space.to_tune()
    assert space.from_tune(there) == space
    for _ in range(20):
        values = next(generate_variants(there))[1]
        assert values.keys() == {*space.search, *space.fixed}
        config = space.build(values)
        assert all(getattr(config, name) == value for name, value in values.items())


def test_whole_numbers_reach_both_ends():
    drawn = {to_domain("slow_epochs", IntDistribution(1, 3)).sample() for _ in range(200)}
    assert drawn == {1, 2, 3}


def test_a_param_space_of_ones_own_is_searched_and_its_constants_are_fixed():
    space = self_paced.from_tune(
        {"gate": tune.uniform(0.6, 0.9), "batch_size": 8, "rate": tune.grid_search(["cosine"])}
    )
    assert space.search == {"gate": FloatDistribution(0.6, 0.9), "rate": CategoricalDistribution(("cosine",))}
    assert space.fixed == {"batch_size": 8} and space.build({}).batch_size == 8
    fixed = SELF_PACED.with_fixed({"batch_size": 8})
    assert fixed.to_tune()["batch_size"] == 8 and fixed.from_tune(fixed.to_tune()) == fixed


@pytest.mark.parametrize(
    ("param_space", "said"),
    [
        ({"gat": 1}, "Unknown field of self_paced 'gat'. Did you mean 'gate'?"),
        ({"gate": 7.0}, "SelfPacedConfig.gate: must be a number in [0, 1]; got 7.0."),
        ({"gate": tune.uniform(0, 7)}, "SelfPacedConfig.gate: must be a number in [0, 1]; got 7.0."),
        ({"gate": tune.randn(0.5, 0.1)}, "gate cannot be searched over the domain Float"),
        ({"gate": tune.sample_from(lambda spec: 1)}, "gate cannot be searched over the domain Function"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(param_space, said):
    with pytest.raises(UsageError) as raised:
        self_paced.from_tune(param_space)
    assert str(raised.value).startswith(said)


def test_steps_that_ray_counts_otherwise_are_refused():
    odd = SELF_PACED.with_search({"gate": FloatDistribution(0.55, 0.95, step=0.1)})
    with pytest.raises(UsageError, match=r"gate is searched from 0.55 to 0.95 in steps of 0.1"):
        odd.to_tune()
    with pytest.raises(UsageError, match="slow_epochs is searched from 1 to 7 in steps of 2"):
        SELF_PACED.with_search({"slow_epochs": IntDistribution(1, 7, step=2)}).to_tune()


def test_a_space_is_imported_by_its_name_whatever_was_imported_before():
    import spaces.self_paced

    assert self_paced is SELF_PACED and spaces.self_paced is SELF_PACED and finetune.strategy == "finetune"
    assert all(getattr(spaces, name) is space for name, space in SPACES.items())
    with pytest.raises(ImportError):
        from spaces import self_pace  # noqa: F401
    with pytest.raises(AttributeError, match="spaces: scratch, "):
        spaces.self_pace  # noqa: B018


def test_a_plugin_s_space_is_imported_by_its_name(tmp_path):
    (tmp_path / "more.py").write_text(
        "from dataclasses import replace\nfrom spaces.registry import SPACES\n"
        "SPACES['hasty'] = replace(SPACES['self_paced'], strategy='hasty')\n"
    )
    script = "from spaces import hasty; assert hasty.strategy == 'hasty'"
    environment = {"CURRICULUM_TUNE_PLUGINS": "more", "PYTHONPATH": f"{tmp_path}:{spaces.__path__[0]}/.."}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_a_population_moves_out_of_its_range_is_brought_back():
    moved = {"gate": 1.02, "learning_rate": 1e-6, "slow_epochs": 2, "rate": "cosine", "batch_size": 8}
    assert self_paced.clip(moved) == moved | {"gate": 0.95, "learning_rate": 3e-5}
