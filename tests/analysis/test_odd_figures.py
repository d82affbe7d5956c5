"""Figures of what nobody expects: names of classes that would be formulas or markup, losses that no axis goes up to."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from analysis import report
from analysis.figures import images
from records.files import write_json
from records.folder import read_run
from search import run
from tests import made_up

ROOT = Path(__file__).parents[2]
NAMES = ("$x^$", r"a$\frac$", "100 % of $", r"\$", "<b>|`_")


def renamed(folder):
    """The run with other names of its three classes."""
    about = read_run(folder)
    about["data"]["classes"] = NAMES[:3]
    write_json(folder / "run.json", about)
    return folder


both = pytest.mark.parametrize("make", [
    lambda place: made_up.write(place, "h", seeds=2),
    lambda place: made_up.write_search(place, "s", trials=5, epochs=3),
], ids=["head-to-head", "search"])  # fmt: skip


@both
def test_no_class_is_taken_for_a_formula(make, tmp_path):
    folder = renamed(make(tmp_path))
    assert report.main([str(folder), "--out", str(tmp_path / "report"), "--figures"]) == run.DONE
    assert list((tmp_path / "report" / "figures").glob("*.png"))


def test_captions_are_shown_letter_for_letter(tmp_path):
    figure = images.image_sheet([np.zeros((8, 8, 3), np.uint8)] * len(NAMES), NAMES, "What $x^$ is")
    figure.savefig(tmp_path / "a.png")
    shown = [text for text in figure.findobj(Text) if text.get_text() in NAMES]
    assert len(shown) == len(NAMES) and not any(text.get_parse_math() for text in shown)


@both
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_losses_that_no_axis_goes_up_to_are_drawn_at_its_end(make, tmp_path):
    ledger = (folder := make(tmp_path)) / "ledger.jsonl"
    changed, count = re.subn(r'("eval_loss": )[0-9.e-]+', r"\g<1>1e308", ledger.read_text())
    ledger.write_text(changed)
    assert count > 10 and report.main([str(folder), "--out", str(tmp_path / "report"), "--figures"]) == run.DONE


def test_a_figure_leaves_matplotlib_as_it_was():
    """A notebook has a backend, a style and open figures of its own."""
    code = (
        "import matplotlib; matplotlib.use('svg'); import matplotlib.pyplot as plt\n"
        "from matplotlib.text import Text\n"
        "mine, text, before = plt.figure(), Text.set_text, dict(matplotlib.rcParams)\n"
        "from analysis.figures import images; import numpy as np\n"
        "figure = images.image_sheet([np.zeros((8, 8, 3), np.uint8)], ['$x^$'], 'sheet')\n"
        "assert figure._repr_png_()[:4] == b'\\x89PNG'\n"
        "assert dict(matplotlib.rcParams) == before and plt.get_backend() == 'svg'\n"
        "assert plt.get_fignums() == [1] and Text.set_text is text\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
