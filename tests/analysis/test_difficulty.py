"""Difficulty: rank correlations by hand, the balance of stages, the sheets."""

import numpy as np
import pandas as pd
import pytest

from analysis import difficulty, report
from records.files import write_json
from records.folder import read_run
from search import compare, run
from tests import made_up

TINY = ["--data", "scenes:count=105", "--image-size", "16", "--executor", "local", "--cpus-per-trial", "1", "--precision",
        "fp32"]  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    words = ["--strategies", "self_paced,finetune", "--seeds", "1", "--epochs", "2", "--out", str(out), "--name", "h"]
    assert compare.main([*TINY, *words]) == run.DONE
    return out / "h"


def test_rank_correlation_by_hand_and_only_where_both_have_scored():
    # ranks 1 2 3 4 and 1 3 2 4: 1 - 6 x (0 + 1 + 1 + 0) / (4 x 15) = 0.8
    scores = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0, 9.0], "b": [10.0, 30.0, 20.0, 40.0, np.nan], "c": [1.0] * 5})
    table = difficulty.agreement(scores)[0].data.set_index("scorer")
    assert table.loc["a", "b"] == pytest.approx(0.8) == table.loc["b", "a"]
    assert table.loc["a", "a"] == 1.0 and np.isnan(table.loc["a", "c"])
    assert difficulty.agreement(scores)[1].caption.startswith("a and b agree least on what is hard: 0.80")
    assert difficulty.agreement(scores[["a"]])[1].caption == "There are no two scorers to compare."


def test_losses_of_networks_are_of_the_true_class(tmp_path):
    from analysis.runs import load_run

    loaded = load_run(made_up.write(tmp_path, "h", seeds=2))
    losses = difficulty.network_losses(loaded, 20)
    assert set(losses) == {"loss of self_paced", "loss of finetune", "loss of transfer"}  # twins are left out
    mine = losses["loss of self_paced"]
    assert np.isnan(mine[:10]).all() and mine[10:14] == pytest.approx(-np.log(0.8))
    assert mine[14:16] == pytest.approx([-np.log(0.1), -np.log(0.125)])


def test_the_command_compares_scorers_and_shows_sheets(compared, tmp_path, capsys):
    out = tmp_path / "out"
    assert difficulty.main([str(compared), "--seeds", "2", "--out", str(out), "--figures"]) == run.DONE
    table = pd.read_parquet(out / "data" / "agreement.parquet").set_index("scorer")
    assert table.index.tolist() == ["head, seed 0", "head, seed 1", "true", "loss of self_paced", "loss of finetune"]
    assert table.loc["true", "head, seed 0"] == pytest.approx(table.loc["head, seed 0", "true"])
    stages = pd.read_parquet(out / "data" / "stages.parquet").set_index("stage")
    assert stages.iloc[:3]["images"].sum() == 70  # 15 images a class: 3 test, 2 validation, 10 training
    assert (stages.iloc[:3].drop(columns="images").sum(axis=1) == stages.iloc[:3]["images"]).all()
    assert (out / "figures" / "sheet.png").is_file()
    assert (out / "report.md").read_text().startswith("# Which images are hard in scenes?\n")
    shown = pd.read_parquet(out / "data" / "sheet_images.parquet")
    assert len(shown) == 7 * 12 and shown["head, seed 0"].notna().all()
    for _, one in shown.groupby("class"):
        means = one.groupby("group")["head, seed 0"].mean()
        assert means["easiest"] < means["median"] < means["hardest"]
        assert (one["path"].str.partition("/")[0] == one["class"]).all()


def test_a_division_is_compared_too(compared, tmp_path):
    from trainables.data.sources import load

    data = load("scenes:count=105", 16)
    lines = [f"{path},{('easy', 'medium', 'hard')[i % 21 // 7]}" for i, path in enumerate(data.paths)]
    (tmp_path / "d.csv").write_text("path,difficulty\n" + "\n".join(lines) + "\n")
    words = ["--division", str(tmp_path / "d.csv"), "--seeds", "1", "--out", str(tmp_path / "out")]
    assert difficulty.main([str(compared), *words]) == run.DONE
    stages = pd.read_parquet(tmp_path / "out" / "data" / "stages.parquet")
    assert stages["stage"][0] == "easy (division by division)"


def test_the_report_shows_misclassified_images_on_demand(compared, tmp_path):
    out = tmp_path / "out"
    assert report.main([str(compared), "--images", "--out", str(out), "--figures"]) == run.DONE
    table = pd.read_parquet(out / "data" / "misclassified.parquet")
    assert (table["true"] != table["predicted"]).all() and table["confidence"].is_monotonic_decreasing
    assert table["path"].str.partition("/")[0].tolist() == table["true"].tolist()
    assert (out / "figures" / "misclassified.png").is_file()


def test_data_that_have_changed_are_refused(compared, tmp_path, capsys):
    import shutil

    shutil.copytree(compared, tmp_path / "h")
    about = read_run(tmp_path / "h")
    about["setting"]["data_digest"] = "0" * 64
    write_json(tmp_path / "h" / "run.json", about)
    assert difficulty.main([str(tmp_path / "h"), "--out", str(tmp_path / "out")]) == run.WRONG_USAGE
    assert "they have changed since" in capsys.readouterr().err


def test_a_setting_of_another_version_is_one_sentence(compared, tmp_path, capsys):
    import shutil

    shutil.copytree(compared, tmp_path / "h")
    about = read_run(tmp_path / "h")
    about["setting"]["not_known_here"] = 1
    write_json(tmp_path / "h" / "run.json", about)
    assert difficulty.main([str(tmp_path / "h"), "--out", str(tmp_path / "out")]) == run.WRONG_USAGE
    assert "another version (not_known_here)" in capsys.readouterr().err


def test_no_seeds_are_no_question(compared, capsys):
    assert difficulty.main([str(compared), "--seeds", "0"]) == run.WRONG_USAGE
    assert "--seeds must be at least 1" in capsys.readouterr().err


def test_a_run_of_a_gpu_is_opened_on_the_cpu_where_there_is_none(compared, tmp_path, monkeypatch, capsys):
    import shutil

    monkeypatch.setattr("trainables.preparation.gpus_here", lambda: 0)
    shutil.copytree(compared, tmp_path / "h")
    about = read_run(tmp_path / "h")
    about["setting"] |= {"device": "cuda", "precision": "auto"}
    write_json(tmp_path / "h" / "run.json", about)
    assert difficulty.main([str(tmp_path / "h"), "--seeds", "1", "--out", str(tmp_path / "out")]) == run.DONE
    assert "h was trained on a GPU and there is none here" in capsys.readouterr().err
