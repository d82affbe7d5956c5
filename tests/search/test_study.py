"""Who proposes what, and what the study is told."""

from dataclasses import replace

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from records.epoch import EpochRecord
from records.events import Asked, Ended, Epoch
from records.history import TrialHistory
from search.proposers.study import StudyProposer
from spaces.self_paced import AS_DESCRIBED, AS_RUN, SELF_PACED
from spaces.space import Anchor
from tests.toy import make_state
from trainables.loop import train

STRANGER = Anchor("stranger", "an optimiser that no draw has", {"optimizer": "sgd"})
(RECORD,) = train(make_state(epochs=1))


def record(trial: int, epoch: int, accuracy: float) -> EpochRecord:
    return replace(RECORD, trial=trial, epoch=epoch, eval_accuracy=accuracy)


class Spoken(StudyProposer):
    """Remembers the epochs that it was told of, so that a trial's end can be told by number."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.told: dict[int, TrialHistory] = {}

    def report(self, record: EpochRecord) -> None:
        super().report(record)
        self._of(record.trial).enter(Epoch(record))

    def end(self, number: int, state: str) -> None:
        self._of(number).end(Ended(number, state))
        self.tell(self._of(number))

    def _of(self, number: int) -> TrialHistory:
        return self.told.setdefault(number, TrialHistory(Asked(number, {}, {})))


def proposer(samples=6, seed=0, sampler="random", space=SELF_PACED) -> Spoken:
    return Spoken(space, samples, seed, sampler)


def run_all(made: Spoken) -> list:
    """Every proposal, each told complete with an accuracy that depends on its config before the next is asked."""
    proposals = []
    for proposal in iter(made.ask, None):
        proposals.append(proposal)
        made.report(record(proposal.trial, 1, accuracy=proposal.config["share_start"]))
        made.end(proposal.trial, "complete")
    return proposals


def test_anchors_come_first_and_count_as_samples():
    proposals = run_all(proposer(samples=5))
    assert [proposal.anchor for proposal in proposals] == ["as_run", "as_described", None, None, None]
    assert [proposal.trial for proposal in proposals] == [0, 1, 2, 3, 4]
    assert proposals[0].config == SELF_PACED.anchor_values(AS_RUN)
    assert proposals[1].config == SELF_PACED.anchor_values(AS_DESCRIBED)


def test_exactly_as_many_are_asked_as_samples_also_below_the_number_of_anchors():
    for samples in (1, 2, 3):
        made = proposer(samples=samples)
        assert len(run_all(made)) == samples
        assert made.ask() is None


def test_every_proposal_is_a_whole_legal_config_of_the_space():
    for proposal in run_all(proposer(samples=30)):
        assert SELF_PACED.build(proposal.config).model_dump() == proposal.config
        assert SELF_PACED.contains(proposal.config)
        assert {name: proposal.config[name] for name in proposal.values} == proposal.values
        assert set(proposal.values) == set(SELF_PACED.active(proposal.config))


def test_a_withheld_anchor_runs_and_is_not_in_the_study():
    made = proposer(samples=4, space=SELF_PACED.with_anchors((STRANGER, AS_RUN)))
    proposals = run_all(made)
    assert [(proposal.anchor, proposal.withheld) for proposal in proposals] == [
        ("stranger", True),
        ("as_run", False),
        (None, False),
        (None, False),
    ]
    assert proposals[0].config["optimizer"] == "sgd"
    assert len(made.study.trials) == 3
    assert [trial.params for trial in made.study.trials] == [proposal.values for proposal in proposals[1:]]


def test_the_study_knows_an_anchor_by_its_own_values():
    made = proposer(samples=1)
    made.ask()
    (trial,) = made.study.trials
    assert trial.params["share_start"] == 0.1 and trial.params["ranking"] == "batch"
    assert trial.params["learning_rate"] == 1e-4
    assert "rate_gate" not in trial.params  # without effect under a constant rate


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_draws_repeat_with_the_seed_and_differ_between_seeds(sampler):
    first, again, other = (run_all(proposer(samples=10, seed=seed, sampler=sampler)) for seed in (3, 3, 4))
    assert first == again
    assert all(a.config != b.config for a, b in zip(first[2:], other[2:], strict=True))
    assert len({str(proposal.config) for proposal in first}) == 10


def test_a_random_draw_depends_on_its_number_and_not_on_what_was_told():
    told, silent = proposer(samples=6), proposer(samples=6)
    assert run_all(told) == [silent.ask() for _ in range(6)]


def test_fixed_fields_are_in_every_draw():
    space = SELF_PACED.with_fixed({"gate": 0.7, "batch_size": 16})
    proposals = run_all(proposer(samples=5, space=space))
    assert {(p.anchor, p.config["gate"], p.config["batch_size"]) for p in proposals} == {(None, 0.7, 16)}
    assert not any("gate" in proposal.values for proposal in proposals)


def start_up_draws(samples: int) -> int:
    """How many trials TPE draws blindly: as long as its draws are those of random search with the same seed."""
    blind, tpe = (run_all(proposer(samples, sampler=s, space=SELF_PACED.with_anchors(()))) for s in ("random", "tpe"))
    same = [a.config == b.config for a, b in zip(blind, tpe, strict=True)]
    return same.index(False) if False in same else samples


@pytest.mark.parametrize(("samples", "blind"), [(8, 2), (20, 5)])
def test_tpe_draws_at_most_a_quarter_of_the_samples_blindly(samples, blind):
    assert 1 <= start_up_draws(samples) <= blind


def states(made: Spoken) -> list[TrialState]:
    return [trial.state for trial in made.study.trials]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("complete", TrialState.COMPLETE),
        ("pruned", TrialState.PRUNED),
        ("failed", TrialState.FAIL),
        ("interrupted", TrialState.FAIL),
    ],
)
def test_a_trial_ends_in_the_study_as_it_ended(state, expected):
    made = proposer()
    made.ask()
    made.report(record(0, 1, 0.5))
    assert states(made) == [TrialState.RUNNING]
    made.end(0, state)
    assert states(made) == [expected]


def test_a_complete_trial_is_worth_its_best_epoch_and_a_pruned_one_its_last():
    made = proposer()
    for number, state in enumerate(("complete", "pruned")):
        made.ask()
        for epoch, accuracy in enumerate((0.4, 0.7, 0.6), start=1):
            made.report(record(number, epoch, accuracy))
        made.end(number, state)
    complete, pruned = made.study.trials
    assert (complete.value, pruned.value) == (0.7, 0.6)
    assert complete.intermediate_values == pruned.intermediate_values == {1: 0.4, 2: 0.7, 3: 0.6}


def test_a_trial_pruned_before_its_first_epoch_has_failed():
    made = proposer()
    made.ask()
    made.end(0, "pruned")
    assert states(made) == [TrialState.FAIL]


def test_telling_twice_is_harmless_and_the_first_word_counts():
    made = proposer()
    made.ask()
    made.report(record(0, 1, 0.5))
    made.end(0, "complete")
    made.end(0, "failed")
    made.report(record(0, 2, 0.9))
    assert states(made) == [TrialState.COMPLETE] and made.study.trials[0].value == 0.5


def test_telling_of_a_withheld_trial_is_harmless():
    made = proposer(space=SELF_PACED.with_anchors((STRANGER,)))
    made.ask()
    made.report(record(0, 1, 0.5))
    made.end(0, "complete")
    assert made.study.trials == []


def test_trials_may_end_in_another_order_than_they_were_asked():
    made = proposer(samples=3)
    for _ in range(3):
        made.ask()
    for number in (2, 0, 1):
        made.report(record(number, 1, 0.1 * (number + 1)))
        made.end(number, "complete")
    assert [trial.value for trial in made.study.trials] == pytest.approx([0.1, 0.2, 0.3])


def test_tpe_learns_where_the_good_trials_are():
    """One field, best at 0.9: after the start-up the draws crowd around it, which random draws do not."""
    space = replace(SELF_PACED, search={"share_start": FloatDistribution(0.01, 1.0)}, anchors=())
    drawn = {}
    for sampler in ("random", "tpe"):
        made = proposer(samples=40, sampler=sampler, space=space)
        values = []
        for proposal in iter(made.ask, None):
            values.append(proposal.config["share_start"])
            made.report(record(proposal.trial, 1, 1 - abs(values[-1] - 0.9)))
            made.end(proposal.trial, "complete")
        drawn[sampler] = sum(abs(value - 0.9) < 0.15 for value in values[20:])
    assert drawn["tpe"] >= 12 and drawn["random"] <= 9  # of 20; by chance 0.3 / 0.99 of them, 6
