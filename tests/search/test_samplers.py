"""Every sampler: legal draws that repeat, also when the run was taken up half-way; the grid; two objectives."""

from dataclasses import replace

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from console.errors import UsageError
from search.options import SearchOptions
from search.planning.defaults import complete
from search.planning.space import grid_samples
from search.proposers.samplers import SAMPLERS as DECLARED
from search.proposers.samplers import axis, grid
from spaces.self_paced import SELF_PACED
from tests.search.test_study import Spoken, record

SAMPLERS = tuple(name for name, sampler in DECLARED.items() if sampler.points is None)  # those that draw
SMALL = replace(SELF_PACED, search={"gate": FloatDistribution(0.5, 0.9), "slow_epochs": IntDistribution(1, 9),
                                    "rate": CategoricalDistribution(("constant", "accuracy_steps")),
                                    "rate_gate": FloatDistribution(0.7, 0.9)}, anchors=SELF_PACED.anchors[:1])  # fmt: skip


def finish(made: Spoken, proposal) -> None:
    """Told complete, with an accuracy and seconds that depend on the config."""
    config = proposal.config
    accuracy = config["gate"] - 0.01 * config["slow_epochs"]
    made.report(replace(record(proposal.trial, 1, accuracy), train_seconds=10 * config["gate"], score_seconds=0.0))
    made.end(proposal.trial, "complete")


def run(made: Spoken, most: int) -> list:
    proposals = []
    while len(proposals) < most and (proposal := made.ask()):
        proposals.append(proposal)
        finish(made, proposal)
    return proposals


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_draws_are_legal_repeat_and_differ(sampler):
    first, second = (run(Spoken(SMALL, 12, 3, sampler), 12) for _ in range(2))
    assert [p.config for p in first] == [p.config for p in second]
    assert all(SMALL.build(p.config).model_dump() == p.config for p in first)
    # a Gaussian process comes back to what it is sure is best
    assert len({tuple(p.config.items()) for p in first}) == 12 or sampler == "gp"
    other = run(Spoken(SMALL, 12, 4, sampler), 12)
    assert [p.config for p in other][1:] != [p.config for p in first][1:]


@pytest.mark.parametrize("sampler", [*SAMPLERS, "grid"])
@pytest.mark.parametrize("done", [1, 4, 9])
def test_a_run_that_is_taken_up_draws_what_it_would_have_drawn(sampler, done):
    straight = run(Spoken(SMALL, 12, 3, sampler), 12)
    again = Spoken(SMALL, 12, 3, sampler)
    for proposal in straight[:done]:
        again.adopt(proposal)
        finish(again, proposal)
    assert [p.config for p in run(again, 12)] == [p.config for p in straight[done:12]]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_notes_that_go_from_one_trial_to_the_next_change_no_draw(sampler):
    """Trials that overlap, and one of each kind of end among those that the notes are made of."""
    drawn = []
    for notes in (True, False):
        made, states = Spoken(SMALL, 16, 3, sampler), ["complete", "pruned", "failed", "complete"]
        waiting = [made.ask(), made.ask()]
        drawn.append([p.config for p in waiting])
        while waiting:
            made.report(record(waiting[0].trial, 1, waiting[0].config["gate"]))
            made.end(waiting[0].trial, states[waiting[0].trial % 4])
            made.common = made.common if notes else None
            waiting = [*waiting[1:], *([p] if (p := made.ask()) else [])]
            drawn[-1] += [waiting[-1].config] if waiting else []
    assert drawn[0] == drawn[1] and len(drawn[0]) >= 16


def test_the_grid_is_the_product_of_the_values_that_mean_something():
    points = grid(SMALL)
    plain, stepped = (sum(p["rate"] == rate for p in points) for rate in ("constant", "accuracy_steps"))
    assert (plain, stepped) == (3 * 3, 3 * 3 * 3)  # rate_gate has a say under accuracy_steps only
    assert len({tuple(sorted(p.items())) for p in points}) == 36
    made = run(Spoken(SMALL, 1 + 36, 0, "grid"), 99)
    assert [p.anchor for p in made[:2]] == ["as_run", None] and len(made) == 37
    assert [p.values for p in made[1:]] == points


@pytest.mark.parametrize(("distribution", "values"), [
    (CategoricalDistribution(("b", "a")), ["b", "a"]),
    (IntDistribution(1, 2), [1, 2]),
    (IntDistribution(1, 9), [1, 5, 9]),
    (FloatDistribution(0.0, 1.0), [0.0, 0.5, 1.0]),
    (FloatDistribution(1e-4, 1e-2, log=True), [1e-4, pytest.approx(1e-3), 1e-2]),
])  # fmt: skip
def test_a_range_gives_its_ends_and_its_middle(distribution, values):
    assert axis(distribution) == values


def test_a_grid_decides_how_many_trials_there_are():
    assert grid_samples(SearchOptions(sampler="grid"), SMALL) == 37
    with pytest.raises(UsageError, match="runs 36 points and 1 anchors; leave out --samples 5"):
        grid_samples(SearchOptions(sampler="grid", samples=5), SMALL)
    with pytest.raises(UsageError, match="more than 10,000 trials; fix fields with --set"):
        grid(SELF_PACED)


def test_nsga2_is_told_accuracy_and_seconds():
    made = Spoken(SMALL, 6, 0, "nsga2")
    proposals = run(made, 6)
    told = [t.values for t in made.study.trials if t.state == TrialState.COMPLETE]
    expected = [[p.config["gate"] - 0.01 * p.config["slow_epochs"], 10 * p.config["gate"]] for p in proposals]
    assert told == [pytest.approx(values) for values in expected[len(expected) - len(told) :]]
    best = {t.number for t in made.study.best_trials}
    assert best and all(made.study.trials[n].values[0] >= 0 for n in best)


def test_nsga2_stops_nothing_early():
    assert complete(SearchOptions(sampler="nsga2", executor="ray")).scheduler == "none"
    with pytest.raises(UsageError, match="pass --scheduler none with it, got asha"):
        complete(SearchOptions(sampler="nsga2", scheduler="asha"))
