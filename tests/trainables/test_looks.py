"""Looks at common marks: where they fall, that training does not notice, and whose network is kept."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from records.events import Asked, Epoch
from records.files import read_arrays, read_text
from records.folder import best_weights, predictions_file
from records.ledger import Ledger
from search.campaign import Campaign
from search.executors.local import run_local
from search.proposers.study import StudyProposer
from search.views.terminal import Terminal
from spaces.registry import get_space
from spaces.self_paced import SelfPacedConfig
from spaces.setting import Setting
from spaces.trial import TrialConfig
from tests.toy import make_state, make_trial, same_tensors, without_seconds
from tests.trainables.test_loop import CONFIGS
from trainables import loop, trial
from trainables.budget import Budget, NoSecondsLeft
from trainables.loop import train

SMALL = {"batch_size": 8, "share_start": 0.3, "gate": 1.0}  # 12 of 40 images, 2 updates an epoch, for good
NOISY = SelfPacedConfig(batch_size=8, learning_rate=0.02, share_start=1.0)


def watch(state) -> list[int]:
    """The updates at which the network is judged, as they come."""
    seen, evaluate = [], state.engine.evaluate
    state.engine.evaluate = lambda index: (seen.append(state.totals.updates), evaluate(index))[1]
    return seen


def test_arms_with_other_epochs_are_looked_at_after_the_same_updates():
    """ceil(j * 17 / 4) = 5, 9, 13, 17."""
    looks = {}
    for name, config in (("all", TrialConfig(batch_size=8)), ("few", SelfPacedConfig(**SMALL))):
        state = make_state(config, epochs=99, budget=Budget(17, None, 4))
        judged, records = watch(state), list(train(state))
        assert sum(record.looks for record in records) == 4 and records[-1].updates == 17 and records[-1].finished
        looks[name] = [(r.updates, r.looks, r.looked_at) for r in records]
        assert judged == [r.looked_at for r in records]
    assert looks["all"] == [(5, 1, 5), (10, 1, 9), (15, 1, 13), (17, 1, 17)]
    assert looks["few"] == [
        (2, 0, 2), (4, 0, 4), (6, 1, 5), (8, 0, 8), (10, 1, 9), (12, 0, 12), (14, 1, 13), (16, 0, 16), (17, 1, 17),
    ]  # fmt: skip


def test_several_looks_in_one_epoch_leave_the_best_in_its_record():
    state = make_state(TrialConfig(batch_size=8), epochs=99, budget=Budget(10, None, 5))  # 2, 4 | 6, 8, 10
    given = iter([(0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.7, 0.8), (0.6, 0.1)])
    evaluate, taken = state.engine.evaluate, []

    def scripted(index):
        figures = evaluate(index)
        accuracy, loss = next(given)
        object.__setattr__(figures, "accuracy", accuracy), object.__setattr__(figures, "loss", loss)
        taken.append({name: tensor.clone() for name, tensor in state.engine.weights().items()})
        return figures

    state.engine.evaluate = scripted
    records, kept = [], []
    for record in train(state):
        records.append(record)
        kept.append((state.best.epoch, state.evaluation.accuracy, state.kept))
    assert [(r.looks, r.looked_at, r.eval_accuracy, r.eval_loss) for r in records] == [
        (2, 4, 0.7, 0.9),
        (3, 6, 0.7, 0.8),
    ]
    assert [(epoch, accuracy) for epoch, accuracy, _ in kept] == [(1, 0.7), (2, 0.7)]
    assert same_tensors(kept[0][2], taken[1]) and same_tensors(kept[1][2], taken[2])
    assert not same_tensors(taken[2], state.engine.weights())


def test_without_marks_every_epochs_end_is_a_look():
    state = make_state(TrialConfig(batch_size=8), epochs=99, budget=Budget(12))
    judged, records = watch(state), list(train(state))
    assert judged == [5, 10, 12] and [(r.looks, r.looked_at) for r in records] == [(1, 5), (1, 10), (1, 12)]


def test_a_trial_that_its_epochs_end_has_a_look_at_its_end():
    state = make_state(TrialConfig(batch_size=8), epochs=2, budget=Budget(100, None, 2))
    assert [(r.looks, r.looked_at) for r in train(state)] == [(0, 5), (1, 10)] and state.best.epoch == 2


@pytest.mark.parametrize("name", CONFIGS)
def test_a_network_that_is_looked_at_is_trained_like_one_that_is_not(name):
    """To the bit: weights, BatchNorm's statistics, optimiser, and what curriculum and rate have learnt."""
    updates, ends = 40, {}
    for marks in (None, 17):
        one = make_trial(CONFIGS[name], epochs=99, max_updates=updates, marks=marks)
        records = [without_seconds(record) for record in one.records()]
        assert records[-1].updates == updates
        ends[marks] = one.state, [(r.epoch, r.images, r.train_loss, r.train_accuracy, r.learning_rate) for r in records]
    (plain, shown), (marked, shown_too) = ends.values()
    assert shown == shown_too and len(shown) < 17
    assert same_tensors(plain.engine.state(), marked.engine.state())
    assert (plain.curriculum_state, plain.rule_state) == (marked.curriculum_state, marked.rule_state)


def test_the_stages_own_figures_are_those_of_the_best_look():
    one = make_trial(get_space("manual_division").build({}), strategy="manual_division", difficulty="true", epochs=99,
                     max_updates=12, marks=12)  # fmt: skip
    stages = 0
    for record in one.records():
        evaluation, plan = one.state.evaluation, record.stage
        assert (record.eval_loss, record.eval_accuracy) == (evaluation.loss, evaluation.accuracy)
        if plan == "all":
            assert record.stage_loss == float(evaluation.losses.mean())
            stages += 1
    assert stages


def best_of(folder) -> tuple[dict, dict, str]:
    """The kept network, its predictions, and its record without the times."""
    said = json.loads(read_text(best_weights(folder, 0), "record"))
    record = {name: value for name, value in said.items() if not name.endswith("seconds")}
    weights, _ = read_arrays(best_weights(folder, 0))
    predictions, _ = read_arrays(predictions_file(folder, 0, "validation"))
    return weights, predictions, record


def same_best(a, b) -> bool:
    arrays = all(x[i].keys() == y[i].keys() and all(np.array_equal(x[i][k], y[i][k]) for k in x[i])
                 for x, y in [(best_of(a), best_of(b))] for i in (0, 1))  # fmt: skip
    return arrays and best_of(a)[2] == best_of(b)[2]


def test_the_network_that_is_kept_is_that_of_the_best_look(tmp_path):
    """Judged again it has the recorded figures, and so have the predictions beside it."""
    one = make_trial(NOISY, tmp_path, epochs=99, max_updates=30, marks=30)
    records = list(one.records())
    best = one.state.best
    assert best.looked_at < best.updates and sum(record.looks for record in records) == 30
    again = make_trial(NOISY)._judge(best_weights(tmp_path, 0), one.state.eval_index)
    assert (again.accuracy, again.loss, again.knn) == (best.eval_accuracy, best.eval_loss, best.eval_knn)
    _, predictions, record = best_of(tmp_path)
    assert predictions["correct"].mean() == best.eval_accuracy
    assert record["looked_at"] == best.looked_at
    last = one.state.engine.evaluate(one.state.eval_index)
    assert last.loss != best.eval_loss


MARKED = {"epochs": 99, "max_updates": 26, "marks": 9}


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A trial with marks that nothing interrupts: its folder, its records, and the trial."""
    folder = tmp_path_factory.mktemp("straight")
    one = make_trial(NOISY, folder, **MARKED)
    return folder, [without_seconds(record) for record in one.records()], one


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["each epoch kept", "no epoch kept"])
def test_a_trial_with_marks_that_was_interrupted_ends_as_if_it_had_not_been(
    straight, tmp_path, monkeypatch, stop, seconds
):
    folder, expected, whole = straight
    assert len(expected) == 5
    monkeypatch.setattr(trial, "CHECKPOINT_SECONDS", seconds)
    ledger = Ledger(tmp_path)
    ledger.append(Asked(0, {}, NOISY.model_dump(), time=0.0))
    records = make_trial(NOISY, tmp_path, **MARKED).records()
    for _ in range(stop):
        ledger.append(Epoch(next(records), time=0.0))
    ledger.close()
    resumed = make_trial(NOISY, tmp_path, **MARKED)
    again = {record.epoch: without_seconds(record) for record in [*resumed.resume(), *resumed.records()]}
    assert again == {record.epoch: record for record in expected if record.epoch in again} and max(again) == 5
    assert min(again) == (1 if seconds else max(1, stop - 1))  # a checkpoint is told again
    assert without_seconds(resumed.state.best) == without_seconds(whole.state.best)
    assert same_tensors(resumed.state.engine.state(), whole.state.engine.state())
    assert same_best(folder, tmp_path)


# By the clock


class Clock:
    """Stands for the module `time`: work takes the seconds that a test says."""

    def __init__(self, monkeypatch, state, update=1.0, score=10.0, evaluation=100.0):
        self.now = 0.0
        monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: self.now))
        engine, times = state.engine, {"score": score, "evaluate": evaluation}
        for name, seconds in times.items():
            setattr(engine, name, self._taking(getattr(engine, name), lambda *_, s=seconds: s))
        engine.train = self._taking(engine.train, lambda _, rates, *__: update * len(rates))

    def _taking(self, work, seconds):
        def timed(*arguments):
            self.now += seconds(*arguments)
            return work(*arguments)

        return timed


def by_the_clock(monkeypatch, config, budget, ready=0.0, **times):
    state = make_state(config, epochs=99, budget=budget)
    state.totals.score_seconds = ready
    Clock(monkeypatch, state, **times)
    judged = watch(state)
    return state, list(train(state)), judged


ALL = TrialConfig(batch_size=8)  # 5 updates an epoch


def test_by_the_clock_looks_are_at_charged_seconds_and_the_trial_ends_in_the_middle_of_an_epoch(monkeypatch):
    state, records, judged = by_the_clock(monkeypatch, ALL, Budget(None, 12.0, 3))
    assert judged == [4, 8, 12]
    assert [(r.updates, r.looks, r.looked_at, r.images, r.finished) for r in records] == [
        (5, 1, 4, 40, False), (10, 1, 8, 40, False), (12, 1, 12, 16, True),
    ]  # fmt: skip
    assert [sum(r.class_counts) for r in records] == [40, 40, 16] and state.totals.images_trained == 96
    assert [(r.seconds, r.eval_seconds) for r in records] == [(5.0, 100.0), (10.0, 200.0), (12.0, 300.0)]
    assert state.progress == 1.0


def test_a_look_is_at_the_first_end_of_a_batch_after_the_mark(monkeypatch):
    _, records, judged = by_the_clock(monkeypatch, ALL, Budget(None, 10.0, 2), update=1.5)
    assert judged == [4, 7] and records[-1].seconds == 10.5  # 6.0 and 10.5; 4.5 and 9.0 are before 5 and 10


def test_marks_that_one_scoring_pass_runs_over_share_a_look(monkeypatch):
    """Marks at 4, 8, 12, 16, 20, 24; scoring to 10, two updates to 12, scoring to 22, two updates to 24."""
    _, records, judged = by_the_clock(monkeypatch, SelfPacedConfig(**SMALL), Budget(None, 24.0, 6))
    assert judged == [1, 2, 3, 4] and [(r.looks, r.seconds, r.updates) for r in records] == [(2, 12.0, 2), (2, 24.0, 4)]


def test_a_scoring_pass_that_runs_over_the_end_is_followed_by_one_batch(monkeypatch):
    _, records, judged = by_the_clock(monkeypatch, SelfPacedConfig(**SMALL), Budget(None, 15.0, 1))
    assert judged == [2, 3] and [(r.looks, r.images, r.finished) for r in records] == [(0, 12, False), (1, 8, True)]
    assert records[-1].seconds == 23.0


def test_marks_that_what_stood_ready_ran_over_share_a_look_after_the_first_batch(monkeypatch):
    _, records, judged = by_the_clock(monkeypatch, ALL, Budget(None, 12.0, 3), ready=9.0)
    assert judged == [1, 3] and [(r.looks, r.seconds) for r in records] == [(2, 12.0)]


def test_without_marks_the_clock_still_ends_the_trial(monkeypatch):
    _, records, judged = by_the_clock(monkeypatch, ALL, Budget(None, 7.0))
    assert judged == [5, 7] and [(r.looks, r.images, r.finished) for r in records] == [(1, 40, False), (1, 16, True)]


def test_rates_follow_the_charged_seconds(monkeypatch):
    """(1 + cos(pi p)) / 2 at p = seconds / 20, when each epoch begins and, from the pace so far, before each update."""
    state = make_state(
        TrialConfig(batch_size=8, rate="cosine", learning_rate=1.0), epochs=99, budget=Budget(None, 20.0)
    )
    Clock(monkeypatch, state)
    given, engine_train = [], state.engine.train
    state.engine.train = lambda order, rates, *rest: (given.extend(rates), engine_train(order, rates * 1e-3, *rest))[1]
    told = []
    object.__setattr__(state.curriculum, "learn", lambda _, feedback: told.append(feedback.progress) or {})
    records = list(train(state))
    cosine = [(1 + np.cos(np.pi * p / 20)) / 2 for p in range(20)]
    assert given == pytest.approx([1.0, 1.0, *cosine[2:]])  # the first two were planned before any was timed
    assert [r.learning_rate for r in records] == pytest.approx([cosine[0], cosine[5], cosine[10], cosine[15]])
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_what_stood_ready_may_leave_nothing_to_train_with(monkeypatch):
    with pytest.raises(NoSecondsLeft, match="alone cost 12 s of the 12 s that it has"):
        by_the_clock(monkeypatch, ALL, Budget(None, 12.0, 3), ready=12.0)


def test_the_executor_records_it_as_a_failed_trial(tmp_path):
    setting = Setting(strategy="transfer", data="scenes:count=70", image_size=16, model="small_cnn", epochs=2,
                      precision="fp32", max_seconds=1e-9)  # fmt: skip
    campaign = Campaign(
        tmp_path, {"kind": "search"}, StudyProposer(get_space("transfer"), 1, 0, "random"), 3, None, Terminal(1, 1)
    )
    run_local(campaign, setting)
    (failed,) = campaign.trials.values()
    campaign.ledger.close()
    assert failed.state == "failed" and not failed.records
    assert failed.reason.startswith("NoSecondsLeft: its features, difficulty and pretraining alone cost ")


def test_charged_seconds_go_on_from_the_checkpoint(tmp_path, monkeypatch):
    plain = {"epochs": 99, "max_seconds": 40.0, "marks": 4}
    one = make_trial(NOISY, **plain)
    Clock(monkeypatch, one.state, score=0.0)
    records = one.records()
    first = next(records)
    one.save(tmp_path / "last.safetensors")
    rest = [without_seconds(record) for record in records]
    resumed = make_trial(NOISY, **plain)
    Clock(monkeypatch, resumed.state, score=0.0)
    resumed.restore(tmp_path / "last.safetensors")
    again = list(resumed.records())
    assert [without_seconds(record) for record in again] == rest and first.updates < 40
    assert again[-1].seconds == 40.0 and sum(record.looks for record in [first, *again]) == 4
