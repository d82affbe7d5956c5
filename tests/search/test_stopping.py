"""--stop-when noise: what may still be gained, what can be told apart, and a search that ends, resumes and goes on."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from benchmarks import stopping as benchmark
from console.errors import UsageError
from records.epoch import Objective
from records.events import Asked, Ended, Enough, Epoch, from_line, to_line
from records.history import RunHistory, read_history
from search import run, status
from search.gain import difference_sd, possible_gain, spread_between
from search.options import SearchOptions
from search.planning.defaults import complete
from search.proposers.study import best_possible
from search.stopping import NoiseStop, check_stop, scores
from tests.analysis.test_runs_and_tables import record

LOCAL = ["--space", "self_paced", "--data", "scenes:count=105", "--image-size", "16", "--precision", "fp32", "--epochs",
         "1", "--set", "batch_size=32", "--cpus-per-trial", "1", "--samples", "16", "--stop-when", "noise"]  # fmt: skip


def test_the_gain_is_that_of_an_exponential_tail_worked_out_by_hand():
    draws = np.array([0.90, 0.88, 0.86, 0.85, 0.80, 0.80, *[0.80] * 6])  # the later half promises nothing
    scale = (0.05 + 0.03 + 0.01) / 3  # of the best quarter over the fourth best
    at_best = 3 / 12 * math.exp(-0.05 / scale)
    at_most = 1 - 0.95 ** (1 / 10)  # ten draws of 0.0051 each: one in twenty times one of them lies there
    assert possible_gain(draws, 0.90, 10) == pytest.approx(scale * math.log(at_best / at_most))
    assert possible_gain(draws, 0.90, 10) == pytest.approx(0.0667, abs=1e-4)
    assert possible_gain(draws, 0.90, 0) == 0.0


def test_a_later_half_that_draws_better_counts_by_itself():
    rising = np.array([*[0.5] * 8, 0.70, 0.66, 0.62, 0.60, 0.60, 0.60, 0.60, 0.60])
    assert possible_gain(rising, 0.70, 5) > possible_gain(np.sort(rising)[::-1], 0.70, 5)


@given(some.lists(some.floats(0, 1), min_size=8, max_size=40), some.integers(1, 50), some.floats(0.1, 10))
def test_more_trials_never_promise_less_and_the_unit_does_not_matter(values, more, unit):
    draws = np.array(values)
    gain = possible_gain(draws, draws.max(), more)
    assert 0 <= gain <= possible_gain(draws, draws.max(), more + 1) + 1e-12
    assert possible_gain(unit * draws, unit * draws.max(), more) == pytest.approx(unit * gain, rel=1e-6, abs=1e-9)


def test_the_bound_holds_for_random_draws_about_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        draws = rng.exponential(size=50)
        held += draws[30:].max() <= draws[:30].max() + possible_gain(draws[:30], draws[:30].max(), 20)
    assert held / 400 >= 0.85  # 0.95, were the scale known and not fitted to the best few


def test_what_images_can_tell_apart_worked_out_by_hand():
    assert difference_sd(0.9, 98) == pytest.approx(math.sqrt(2 * 0.892 * 0.108 / 98))
    assert difference_sd(1.0, 98) == pytest.approx(math.sqrt(2 * 0.99 * 0.01 / 98))  # and not zero
    assert spread_between([0.03, 0.04, math.nan]) == pytest.approx(0.05) and spread_between([]) == 0.0


def history(values: list[float], samples: int, anchors: int = 1, **changes) -> RunHistory:
    """A search of complete trials with these accuracies; minus one stands for a trial that failed."""
    options = {"samples": samples, "stop_when": "noise"}
    made = RunHistory({"kind": "search", "options": options, "setting": {"protocol": "holdout"},
                       "data": {"validation": 100, "test": 100}} | changes)  # fmt: skip
    for trial, value in enumerate(values):
        made.apply(Asked(trial, {"batch_size": 4}, {}, "as_run" if trial < anchors else None))
        if value >= 0:
            made.apply(Epoch(record(trial, 1, value, 0.5)))
        made.apply(Ended(trial, "complete" if value >= 0 else "failed"))
    return made


FLAT = [0.9, *[0.90, 0.89, 0.89, 0.88, 0.88, 0.87, 0.88, 0.89, 0.88, 0.87]]


def test_a_search_that_has_seen_enough_says_so_in_one_sentence(tmp_path):
    found = NoiseStop(tmp_path, 20).judge(history(FLAT, 20), 11, 20)
    assert found and found.gain < found.noise == difference_sd(0.9, 100)
    assert found.reason == (f"stopped after 11 of 20 trials: the best that the other 9 may add, about "
                            f"{100 * found.gain:.1f} points, is below what 100 validation images can tell apart, "
                            f"{100 * found.noise:.1f} points")  # fmt: skip
    assert from_line(json.loads(json.dumps(to_line(found)))) == found


@pytest.mark.parametrize(("values", "samples", "why"), [
    (FLAT[:9], 20, "the start-up and four more draws are not over"),
    (FLAT, 200, "of 200 samples the start-up alone has 50"),
    ([0.5, 0.9, 0.8, 0.5, 0.7, 0.4, 0.6, 0.3, 0.2, 0.1, 0.4], 20, "draws differ by much more than the noise"),
    ([-1.0] * 11, 20, "nothing has come of any"),
])  # fmt: skip
def test_a_search_goes_on_while(tmp_path, values, samples, why):
    assert NoiseStop(tmp_path, samples).judge(history(values, samples), len(values), samples) is None, why


def test_seeds_that_differ_more_than_images_make_the_noise(tmp_path):
    rule = NoiseStop(tmp_path, 20)
    rule.between_seeds = 0.2
    found = rule.judge(history(FLAT, 20), 11, 20)
    assert found and found.noise == 0.2


def test_a_failed_draw_counts_as_the_worst_and_no_score_passes_the_best_possible_one(tmp_path):
    made = history([0.9, 0.8, -1.0, 0.7], 20)
    assert scores([made.trials[number] for number in (1, 2, 3)]).tolist() == [0.8, 0.7, 0.7]
    assert best_possible(made.objective) == 1.0 and best_possible(Objective("loss", True)) == 0.0
    perfect = NoiseStop(tmp_path, 20).judge(history([1.0, *[0.2, 0.9] * 5], 20), 11, 20)
    assert perfect and perfect.gain == 0.0


def test_who_asks_for_more_afterwards_gets_as_many_more(tmp_path):
    made = history(FLAT, 20)
    made.apply(Enough(11, 20, "stopped", 0.01, 0.02))
    assert made.satisfied and made.samples == 11
    made.run["options"]["samples"] = 24
    assert made.satisfied is None and made.samples == 24
    rule = NoiseStop(tmp_path, 24)
    assert rule.judge(made, 14, 24) is None
    assert rule.judge(made, 15, 24)  # the four that were asked for have run
    made.run["options"] |= {"samples": 20, "stop_when": "never"}
    assert made.satisfied is None and made.samples == 20


@pytest.mark.parametrize(("options", "why"), [
    ({"sampler": "grid"}, "a grid is run as a whole; drop it, or --sampler grid."),
    ({"sampler": "nsga2"}, "a front of two objectives has no best trial to gain on; drop it, or --sampler nsga2."),
    ({"scheduler": "pbt"}, "all members of a population run from the start; drop it, or --scheduler pbt."),
])  # fmt: skip
def test_what_cannot_end_early_is_refused(options, why):
    with pytest.raises(UsageError, match=why):
        check_stop(SearchOptions(stop_when="noise", **options))
    check_stop(SearchOptions(**options))
    assert complete(SearchOptions(executor="local")).stop_when == "never"


def search(out, *more: str) -> int:
    return run.main([*LOCAL, "--out", str(out), "--name", "few", *more])


def asked(folder) -> int:
    return len(read_history(folder).trials)


def test_a_search_ends_early_stays_ended_and_can_be_gone_on_with(tmp_path, capsys):
    folder = tmp_path / "few"
    assert search(tmp_path, "--executor", "local") == run.DONE
    ran, said = asked(folder), capsys.readouterr().out
    sentence = f"topped after {ran} of 16 trials: the best that the other {16 - ran} may add"
    assert 8 <= ran < 16 and f"\nS{sentence}" in said
    assert status.main([str(folder)]) == run.DONE
    said = capsys.readouterr().out
    assert f"{ran} trials of up to 1 epochs, finished" in said and f"\ns{sentence}" in said

    assert run.main(["--resume", "--out", str(tmp_path), "--name", "few"]) == run.DONE
    said = capsys.readouterr().out
    assert f"Resumed: {ran} complete, 0 still to be asked for" in said and f"\nS{sentence}" in said
    assert run.main(["--resume", "--out", str(tmp_path), "--name", "few", "--samples", "18"]) == run.DONE
    assert asked(folder) >= ran + 2  # as many more at least, and then the rule is asked again
    never = ["--resume", "--out", str(tmp_path), "--name", "few", "--stop-when", "never"]
    assert run.main(never) == run.DONE and asked(folder) == 18
    assert "topped after" not in capsys.readouterr().out.split("Resumed")[-1]


@pytest.mark.slow
@pytest.mark.ray
def test_under_ray_what_runs_already_runs_to_its_end(tmp_path, capsys):
    assert search(tmp_path, "--scheduler", "none", "--concurrent", "2") == run.DONE
    made = read_history(tmp_path / "few")
    assert made.satisfied and made.satisfied.trials == len(made.trials) < 16
    assert {trial.state for trial in made.trials.values()} == {"complete"}
    assert made.satisfied.reason[1:] in capsys.readouterr().out


def test_the_benchmark_asks_the_rule_itself(tmp_path):
    made = history(FLAT + [0.99] * 9, 20)
    (one,) = [benchmark.stopped(made, tmp_path, list(made.trials.values()))]
    assert one.trials < 15 and one.samples == 20
    assert one.missed == pytest.approx(0.09) and one.missed > one.noise
    orders = list(benchmark.in_orders(list(made.trials.values()), 3))
    assert all(order[0].number == 0 and {t.number for t in order} == set(range(20)) for order in orders)
    assert orders[0] != orders[1]
