"""The benchmarks compare like with like: every peer computes what we compute. Nothing here asks how long anything took."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks import growth_images, precision, run, scoring, sharing, work, workarounds
from benchmarks.peers import knn_by_pairs, knn_by_rows
from benchmarks.table import Row, in_turns
from benchmarks.work import Work, by_the_usual_loop, by_us
from trainables.data.sources import load
from trainables.networks.knn import knn_metric

each = pytest.mark.parametrize


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return run.draw(tmp_path_factory.mktemp("drawn") / "scenes", 105, 32)


@each("frozen", [False, True])
def test_the_usual_loop_and_ours_have_the_same_losses_in_fp32(root, frozen):
    same = Work(root=root, size=32, train=66, held_out=20, epochs=3, model="small_cnn", precision="fp32", threads=1,
                workers=0, frozen=frozen)  # fmt: skip
    ours, usual = by_us(same), by_the_usual_loop(same)
    for name in ("train_loss", "held_out_loss"):
        found = [[row[name] for row in rows] for rows in (ours, usual)]
        np.testing.assert_allclose(*found, rtol=2e-4)
        assert len(set(found[0])) == 3  # it learns something, else equal curves would say nothing


def test_the_bare_passes_run_on_as_many_images(root, monkeypatch):
    real, seen = work.network_of, []

    def counted(*what):
        network = real(*what)
        network.register_forward_hook(lambda module, given, out: seen.append(len(out)))
        return network

    monkeypatch.setattr(work, "network_of", counted)
    work.bare(Work(root=root, size=32, train=96, model="small_cnn", threads=1))
    assert seen == [32] * (2 + 3)  # two to warm up


def test_both_loops_find_our_knn_metric():
    torch.manual_seed(1)
    labels = torch.arange(60) % 4
    features = torch.randn(60, 8) + 2 * torch.nn.functional.one_hot(labels, 8)
    ours = knn_metric(features, labels)
    assert 0.3 < ours < 0.95
    assert knn_by_rows(features, labels, 60) == pytest.approx(ours)
    assert knn_by_pairs(features, labels, 60) == pytest.approx(ours)


def test_ratios_say_how_many_times_better_whichever_way_is_better():
    faster = Row("speed", "images/s", [30, 40, 50], peer=[10, 10, 10], floor=[60, 50, 50], higher_is_better=True)
    assert (faster.times_peer, faster.of_floor) == (4, 0.8)
    shorter = Row("time", "s", [2, 1, 4], peer=[8, 5, 4], floor=[1, 1, 1])
    assert (shorter.times_peer, shorter.of_floor) == (4, 0.5)
    assert Row("alone", "s", [1]).times_peer is None


def test_ways_are_measured_in_turns_and_every_second_round_goes_backwards():
    log: list[str] = []

    def way(name: str):
        return lambda: log.append(name) or float(len(log))

    assert in_turns(3, way("a"), way("b")) == [[1, 4, 5], [2, 3, 6]]
    assert log == list("abbaab")


def test_two_processes_that_read_the_images_hold_one_copy(root):
    source, one = str(root), load(str(root), 32).images.nbytes / 1e6
    assert sharing.proportional_mb(source, 32, processes=2) == pytest.approx(one, rel=0.05)


@pytest.mark.slow
def test_the_smoke_form_measures_every_part_and_writes_its_table(tmp_path, root, capsys):
    out = tmp_path / "table.parquet"
    parts = [part for part in run.PARTS if part not in ("sharing", "search")]  # which have tests of their own
    assert (
        run.main(["--smoke", "--root", str(root), "--out", str(out), "--threads", "1", "--parts", ",".join(parts)]) == 0
    )
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == 9 and all(row["ours"] and min(row["ours"]) > 0 for row in rows)
    assert all(row["times_peer"] or row["of_floor"] for row in rows)
    assert capsys.readouterr().out.count(": ours ") == 9


def test_agreement_counts_the_images_that_both_rankings_choose_in_each_class():
    labels = np.array([0, 0, 0, 1, 1, 1])
    exact, other = np.array([1, 2, 3, 1, 2, 3.0]), np.array([1, 3, 2, 3, 2, 1.0])
    assert scoring.agreement(labels, (2, 1), exact, exact) == 1
    assert scoring.agreement(labels, (2, 1), other, exact) == pytest.approx(
        1 / 3
    )  # image 0; image 2 is not, nor image 5


def test_precision_and_scoring_have_the_verdicts_interval():
    """Six differences of 1, -1, ... points around +2: sd sqrt(1.2); three seeds have no interval."""
    exact = [{"way": "exact", "seed": seed, "test_accuracy": 0.9} for seed in range(6)]
    stale = [row | {"way": "stale", "test_accuracy": 0.92 + 0.01 * (-1) ** row["seed"]} for row in exact]
    spent = {"correlation": 1.0, "agreement": 1.0, "train_s": 1.0, "score_s": 1.0}
    edge = (7**0.5 / 0.05) ** (1 / 3)
    half = 1.2**0.5 * (5 / 6) ** 0.5 * ((edge - 1) / (1 - edge / 7)) ** 0.5
    by_hand = f"+2.0 ({2 - half:+.1f} to {2 + half:+.1f})"
    assert by_hand in scoring.summary(pd.DataFrame([row | spent for row in exact + stale]))
    renamed = {"exact": "fp32", "stale": "bf16"}
    both = pd.DataFrame([{**row, "precision": renamed[row["way"]]} for row in exact + stale])
    assert precision.verdict(both, "test_accuracy").endswith(
        "6 seeds): zero lies within it" if half > 2 else "outside it"
    )
    assert "(95 % interval -inf to +inf, 3 seeds)" in precision.verdict(both[both["seed"] < 3], "test_accuracy")


def test_growth_is_the_slope_of_a_power_law():
    rows = [{"images": n, "score_s": 3 * n**1.5} for n in (10, 100, 1000)]
    assert growth_images.slope(rows, "images", "score_s") == pytest.approx(1.5)


def test_noise_goes_through_cache_engine_curriculum_and_metric(tmp_path, monkeypatch):
    monkeypatch.setenv("CURRICULUM_TUNE_CACHE", str(tmp_path))
    found = growth_images.measure(growth_images.Size(120, 16, 3))
    assert set(found) == set(growth_images.FIGURES) and all(value > 0 for value in found.values())


def test_an_update_is_timed_with_and_without_the_workarounds():
    taken = workarounds.measured("small_cnn", 16, rounds=2)
    assert taken.keys() == {"library", "ours"} and all(len(times) == 2 and min(times) > 0 for times in taken.values())
