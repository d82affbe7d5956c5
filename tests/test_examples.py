"""The notebook and the scripts of examples/, and the README's lines of Python, as a person runs them; at small size."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "first_search.ipynb"
HERE = {"PYTHONPATH": str(ROOT), "MPLBACKEND": "", "OMP_NUM_THREADS": "1"}


def told(words: list[str], folder: Path, **more: str) -> str:
    """What a script prints that is run in this folder."""
    environment = {**os.environ, **HERE, "CURRICULUM_TUNE_CACHE": str(folder / "cache"), **more}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def cells() -> list[dict]:
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_is_kept_without_outputs():
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells())


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """(the notebook with its outputs, the folder that it ran in)"""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    folder = tmp_path_factory.mktemp("notebook")
    text = NOTEBOOK.read_text()
    for there, small in {"count=420": "count=140", "samples=5": "samples=3", "epochs=10": "epochs=2"}.items():
        assert there in text
        text = text.replace(there, small)
    notebook = nbformat.reads(text, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**HERE, "CURRICULUM_TUNE_CACHE": str(folder / "cache")}.items():
            patch.setenv(name, value)
        patch.delenv("MPLBACKEND")
        client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3")
        client.execute(cwd=str(folder))
    return notebook, folder


def shown(notebook, source: str) -> list[dict]:
    """The outputs of the cell in which this text stands."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and source in cell.source]
    return cell.outputs


def test_the_notebook_searches_and_shows_how_far_it_is(executed):
    said = json.dumps(shown(executed[0], "run = search("))
    assert "[3/3]" in said and "█" in json.dumps(shown(executed[0], "run = search("), ensure_ascii=False)


def test_the_notebook_shows_figures_where_they_stand(executed):
    for source in ('run.figure("curves")', 'run.figure("schedule")'):
        assert any("image/png" in output.get("data", {}) for output in shown(executed[0], source)), source


def test_the_notebook_says_the_class_of_new_images(executed):
    (output,) = [
        output for output in shown(executed[0], "model.predict(new)") if output.output_type == "execute_result"
    ]
    assert output["data"]["text/plain"].count(".png") == 7


def test_what_the_model_says_of_the_run_s_own_images_is_what_the_run_recorded(executed):
    from search import open_run

    (folder,) = (executed[1] / "runs").iterdir()
    run = open_run(folder)
    model = run.model()
    kept = run.predictions[run.predictions["trial"] == run.best["trial"][0]]
    assert kept["split"].value_counts().to_dict() == {"validation": 21, "test": 28}
    rows = model.predict([executed[1] / "photos" / path for path in kept["path"]])
    for row, recorded in zip(rows, kept["probabilities"], strict=True):
        assert [row[f"probability_{name}"] for name in model.classes] == pytest.approx(list(recorded), abs=1e-6)


def test_one_s_own_data(tmp_path):
    said = told([str(EXAMPLES / "own_data.py"), "--samples", "2", "--epochs", "1", "--out", "runs"], tmp_path)
    assert len(re.findall(r"^/.*\.png: \w+ \(0\.\d\d\)$", said, re.MULTILINE)) == 7
    assert list((tmp_path / "runs").glob("*/best.parquet"))


@pytest.mark.ray
def test_one_s_own_tuner(tmp_path):
    small = ["--data", "scenes:count=70", "--image-size", "16", "--samples", "2", "--epochs", "1", "--out", "runs"]
    said = told([str(EXAMPLES / "own_tuner.py"), *small], tmp_path, RAY_ADDRESS="local")  # whatever else runs here
    assert "'eval_accuracy'" in said and "'share_start'" in said
    assert list((tmp_path / "runs").glob("*-run/report/index.html"))


def test_a_strategy_of_one_s_own(tmp_path):
    """The first command of its README, smaller, in its own folder."""
    typed = re.search(r"^    curriculum-search (.*)$", (EXAMPLES / "own_strategy/README.md").read_text(), re.MULTILINE)
    small = "--data scenes:count=70 --image-size 16 --samples 2 --epochs 1 --cpus-per-trial 1 --name own --out"
    words = ["-m", "search.run", *shlex.split(typed[1]), *small.split(), str(tmp_path)]
    said = told(words, tmp_path, PYTHONPATH=os.pathsep.join([str(ROOT), str(EXAMPLES / "own_strategy")]))
    assert "Best configuration" in said and "share_start" in said
    assert json.loads((tmp_path / "own/run.json").read_text())["options"]["plugin"] == ["growing"]


def test_the_readme_s_lines_of_python(tmp_path):
    from PIL import Image

    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (40, 30), (90, 120, 60)).save(tmp_path / name)
    said_there, small = (
        'count=210", samples=4, epochs=3',
        'count=70", image_size=16, samples=2, epochs=1, executor="local"',
    )
    assert said_there in lines
    (tmp_path / "lines.py").write_text(lines.replace(said_there, small))
    said = told(["lines.py"], tmp_path, MPLBACKEND="Agg")
    assert said.count("'predicted'") == 2
