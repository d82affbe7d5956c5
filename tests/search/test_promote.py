"""--promote: the best again on larger images, and whether the smaller ones could be trusted."""

import json
import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from console.errors import UsageError
from records.history import read_history
from search import run
from search.fidelity import Agreement, agreement, spearman
from search.options import SearchOptions
from search.promote import check_promote, check_size, trust
from spaces.setting import Setting

WORDS = ["--space", "self_paced", "--data", "scenes:count=70", "--precision", "fp32", "--executor", "local",
         "--cpus-per-trial", "1", "--epochs", "1"]  # fmt: skip


def test_rank_correlations_worked_out_by_hand():
    assert spearman([1, 2, 3, 4], [10, 20, 40, 30]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    # ranks 1.5, 1.5, 3 about their mean: -0.5, -0.5, 1; of the others -1, 0, 1
    assert spearman([0.1, 0.1, 0.3], [1, 2, 3]) == pytest.approx(1.5 / math.sqrt(1.5 * 2))
    assert math.isnan(spearman([0.5, 0.5], [1, 2]))


def test_an_interval_worked_out_by_hand():
    cheap, dear = list(range(12)), [3, 8, 0, 1, 10, 5, 2, 9, 4, 7, 6, 11]
    of = agreement(cheap, dear)
    squares = sum((a - b) ** 2 for a, b in zip(cheap, dear, strict=True))
    assert of.rho == pytest.approx(1 - 6 * squares / (12 * 143))
    half = 1.96 * math.sqrt((1 + of.rho**2 / 2) / 9)
    assert (of.low, of.high) == pytest.approx(
        (math.tanh(math.atanh(of.rho) - half), math.tanh(math.atanh(of.rho) + half))
    )


def test_few_trials_prove_little():
    assert agreement([1, 2, 3], [1, 2, 3]) == Agreement(3, pytest.approx(1.0), -1.0, 1.0)
    four, five = (agreement(range(n), range(n)) for n in (4, 5))
    assert four.rho == five.rho == pytest.approx(1.0)
    assert not four.trusted and five.trusted and five.high < 1  # half a swap: 0.95 of five
    assert five.low == pytest.approx(math.tanh(math.atanh(0.95) - 1.96 * math.sqrt((1 + 0.95**2 / 2) / 2)))


def test_rankings_that_agree_by_chance_alone_are_seldom_trusted():
    found = [agreement(range(5), order).trusted for order in permutations(range(5))]
    assert sum(found) / len(found) <= 0.025  # one-sided: 2 of 120 at the most


@given(some.lists(some.tuples(some.integers(0, 9), some.integers(0, 9)), min_size=4, max_size=12))
def test_only_ranks_count_and_the_interval_holds_its_correlation(pairs):
    cheap, dear = zip(*pairs, strict=True)
    of, other, turned = (agreement(cheap, of) for of in (dear, [2.0**d for d in dear], [-d for d in dear]))
    assert of == other or math.isnan(of.rho)
    if not math.isnan(of.rho):
        assert of.low < of.high and (of.low <= of.rho <= of.high or abs(of.rho) > 0.85)  # near 1 it is shrunk
        assert (turned.low, turned.high) == pytest.approx((-of.high, -of.low))


@pytest.mark.parametrize(("of", "end"), [
    (Agreement(6, 0.94, 0.35, 0.99), "is 0.94 (95 % interval 0.35 to 0.99): 96 px could be trusted to choose among them."),
    (Agreement(5, 0.3, -0.6, 0.9), "so what it put aside may be better at 256 px; promote more trials to know."),
    (Agreement(9, -0.9, -0.98, -0.5), "96 px ranks them the other way round; search at 256 px, or at a size nearer to it."),
    (Agreement(3, float("nan"), -1.0, 1.0), "over these 3 trials is unknown, since one of them has all alike: that 96 px "
     "ranks as 256 px does is not shown, so what it put aside may be better at 256 px; promote more trials to know."),
])  # fmt: skip
def test_whether_the_small_size_could_be_trusted_is_one_sentence(of, end):
    assert trust(of, "96 px", "256 px").endswith(end)


@pytest.mark.parametrize(("options", "sentence"), [
    ({"promote": 3}, "--promote trains .* and wants --promote-size; pass both"),
    ({"promote_size": 64}, "--promote-size trains .* and wants --promote; pass both"),
    ({"promote": 3, "promote_size": 64, "confirm": 2}, "both train the best trials again"),
    ({"promote": 3, "promote_size": 64, "scheduler": "pbt"}, "--scheduler pbt finds a schedule of several"),
])  # fmt: skip
def test_flags_that_contradict_each_other_are_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        check_promote(SearchOptions(**options))


def test_a_size_that_is_no_larger_or_that_the_network_does_not_take_is_refused():
    setting = Setting(strategy="self_paced", image_size=32, model="vit_tiny", weights="none")
    check_size(SearchOptions(promote=1, promote_size=64), setting)
    with pytest.raises(UsageError, match="must be above the 32 px that the search has; got 32"):
        check_size(SearchOptions(promote=1, promote_size=32), setting)
    with pytest.raises(UsageError, match="61"):
        check_size(SearchOptions(promote=1, promote_size=61), setting)  # no whole number of patches


def test_a_search_whose_best_are_promoted_from_end_to_end(tmp_path, capsys):
    words = [*WORDS, "--image-size", "16", "--samples", "5", "--promote", "2", "--promote-size", "24"]
    assert run.main([*words, "--out", str(tmp_path), "--name", "small"]) == run.DONE
    said, folder = capsys.readouterr().out, tmp_path / "small"
    large, small = read_history(folder / "promoted"), read_history(folder)
    chosen = [t.number for place, t in enumerate(small.ranked()) if place < 2 or t.asked.anchor]
    arms = {int(trial.arm.config.removeprefix("trial-")): trial for trial in large.trials.values()}
    assert sorted(arms) == sorted(chosen) and {t.setting.image_size for t in arms.values()} == {24}
    assert {t.setting.seed for t in arms.values()} == {0}
    assert all(t.asked.config == small.trials[number].asked.config for number, t in arms.items())
    assert json.loads((folder / "promoted" / "run.json").read_text())["setting"]["image_size"] == 24
    assert f"Promoting {len(chosen)} configs from 16 to 24 px." in said
    assert f"Spearman's rank correlation between 16 px and 24 px over these {len(chosen)} trials is" in said
    opened = [trial for trial in large.trials.values() if trial.test]
    assert not small.tests() and 1 <= len(opened) <= 2  # the best there, and the best anchor
    winner = next(number for number, trial in arms.items() if trial is large.ranked()[0])
    assert f"at 24 px: trial {winner}" in said and "Test was not opened but for what was promoted." in said

    assert run.main(["--resume", "--out", str(tmp_path), "--name", "small"]) == run.DONE
    again = capsys.readouterr().out
    assert said[said.index("On larger images") :] == again[again.index("On larger images") :]
    assert len(read_history(folder / "promoted").trials) == len(chosen)


def test_a_dry_run_refuses_a_size_before_anything_is_made(tmp_path, capsys):
    words = [*WORDS, "--image-size", "16", "--promote", "1", "--promote-size", "16", "--dry-run"]
    assert run.main([*words, "--out", str(tmp_path), "--name", "x"]) == run.WRONG_USAGE
    assert "--promote-size must be above the 16 px that the search has" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
