"""A person in front of the pages: a real Chromium, without a window, on a search that runs. Loopback only.

Screenshots are left in build/screenshots, or in the folder that CURRICULUM_TUNE_SCREENSHOTS names.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from console.arguments import DONE
from spaces.registry import get_space
from tests import made_runs
from tests.made_runs import about, whole_trial
from tests.search.test_arms_view import judged, run_json, trainings

ROOT = Path(__file__).parents[2]
SCREENSHOTS = Path(os.environ.get("CURRICULUM_TUNE_SCREENSHOTS", ROOT / "build" / "screenshots"))
WORDS = "--data scenes:count=105 --image-size 16 --executor local --epochs 8 --cpus-per-trial 1 --precision fp32"
PATIENCE = 60.0  # seconds for a page to show something; it usually takes two
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--window-size=1200,800")  # fmt: skip


def lacking() -> list[str]:
    programs = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return programs + [name for name in ("selenium", "optuna_dashboard", "tensorboard") if find_spec(name) is None]


pytestmark = pytest.mark.skipif(
    bool(lacking()), reason=f"not installed here: {', '.join(lacking())}; so the pages are not looked at in a browser"
)


class Browser:
    """A page, what it says, and pictures of it."""

    def __init__(self, profile: Path):
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)

    def open(self, url: str) -> None:
        self.driver.get(url)

    def text(self) -> str:
        return self.driver.find_element("css selector", "body").text

    def count(self, css: str) -> int:
        return len(self.driver.find_elements("css selector", css))

    def click(self, css: str, text: str = "") -> None:
        self.until(lambda: self.count(css))
        next(one for one in self.driver.find_elements("css selector", css) if text in one.text).click()

    def until(self, what: Callable[[], Any]) -> Any:
        """What it gives, as soon as that is true; fails with what the page says where it never is."""
        end = time.monotonic() + PATIENCE
        while not (answer := what()):
            assert time.monotonic() < end, f"not shown within {PATIENCE:g} s; the page says:\n{self.text()[:2000]}"
            time.sleep(0.2)
        return answer

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.driver.quit()


class Command:
    """One of our commands, and the addresses that it prints."""

    def __init__(self, folder: Path, *words: str):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen([sys.executable, "-m", *words], cwd=folder, env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        found: list[str] = []
        while len(found) < 2:
            line = self.process.stdout.readline()
            assert line, "it ended before it had printed two addresses"
            found += [word for word in line.split() if word.startswith("http://")]
        self.note, self.board = found
        self.study = self.note.removesuffix("/note")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode


def trials_listed(browser: Browser) -> int:
    """'17 Trials' at the head of the list -> 17; 0 where there is none yet."""
    words = browser.text().split()
    return int(words[words.index("Trials") - 1]) if "Trials" in words[1:] else 0


@pytest.fixture
def search(tmp_path) -> Iterator[Command]:
    command = Command(tmp_path, "search.run", *WORDS.split(), "--samples", "2000", "--dashboard", "--name", "live")
    yield command
    command.process.kill()
    command.process.wait()


def test_a_search_is_watched_while_it_runs(browser, search, tmp_path):
    browser.open(search.study + "/trials")
    first = browser.until(lambda: trials_listed(browser))
    browser.until(lambda: trials_listed(browser) > first)  # of itself, without a click

    browser.open(search.study + "/trials?numbers=0")
    said = browser.until(lambda: browser.text() if "Complete" in browser.text() else "")
    for words in ("Trial 0 (trial_id=0)", "anchor as_run", "strategy self_paced", "best_epoch", "class_counts", "8 0."):
        assert words in said, words
    browser.picture("trial")

    browser.open(search.study)
    browser.until(lambda: browser.count(".js-plotly-plot .scatterlayer .js-line") >= 5)  # a curve per trial among them
    assert "Intermediate values" in browser.text() and "validation accuracy" in browser.text()
    browser.picture("study")

    browser.open(search.study.removesuffix("/studies/0"))
    browser.click("button[aria-label='delete study']")
    browser.click("[role=dialog] button", "YES")
    browser.until(lambda: "Failed to delete study" in browser.text())
    browser.picture("delete")
    browser.open(search.study + "/trials")
    assert browser.until(lambda: trials_listed(browser)) > first

    browser.open(search.note)
    browser.until(lambda: "Best so far: trial" in browser.text() and "at epoch" in browser.text())
    browser.picture("note")

    browser.open(search.board)
    browser.until(lambda: "0000 as_run" in browser.text() and "accuracy/validation" in browser.text().replace("\n", ""))
    assert opened(browser) == {"pinned": ["accuracy/validation"], "smoothing": "0", "ignores outliers": False}
    browser.picture("tensorboard")
    assert search.stop() == 130
    assert (tmp_path / "runs" / "live" / "study.journal").is_file()


def opened(browser: Browser) -> dict[str, Any]:
    """How TensorBoard shows its curves, by its own settings."""
    browser.until(lambda: browser.count("metrics-pinned-view card-view"))
    pinned = browser.driver.find_elements("css selector", "metrics-pinned-view card-view")
    if not browser.count(".scalars-smoothing"):  # it stays open once it was
        browser.click("metrics-dashboard button", "Settings")
    browser.until(lambda: browser.count(".scalars-smoothing input.slider-input"))
    smoothing = browser.driver.find_element("css selector", ".scalars-smoothing input.slider-input")
    outliers = browser.driver.find_element("css selector", ".scalars-ignore-outliers input")
    titles = ["".join(one.text.split()).partition("/validation")[:2] for one in pinned]
    return {"pinned": ["".join(title) for title in titles], "smoothing": smoothing.get_attribute("value"),
            "ignores outliers": outliers.is_selected()}  # fmt: skip


def test_a_head_to_head_opens_on_its_pairs_and_arms(browser, tmp_path):
    made_runs.write(tmp_path / "arms", run_json(6), [*trainings(6), *judged(6)])
    command = Command(tmp_path, "search.dashboard", "arms")
    try:
        browser.open(command.note)
        said = browser.until(lambda: browser.text() if "1 of 2 planned pairs decided" in browser.text() else "")
        for words in (
            "self_paced against finetune +10.0",
            "better",
            "finetune 0.465 0.450 (seed 0) 0.490 (seed 2) 6 of 6",
        ):
            assert words in said, words
        browser.picture("arms")
        browser.click("a", "self_paced/random")
        browser.until(lambda: "Trial 2 (trial_id=2)" in browser.text() and "Parameter" in browser.text())
        assert "self_paced against self_paced/random" in browser.text() and "6 of 6" in browser.text()
        browser.open(command.board)
        browser.until(lambda: "self_paced-random seed 5" in browser.text())
        assert opened(browser) == {"pinned": ["accuracy/validation"], "smoothing": "0", "ignores outliers": False}
        browser.picture("arms_tensorboard")
    finally:
        assert command.stop() == DONE


def test_a_population_is_shown_with_what_changed_in_it(browser, tmp_path):
    space, rng = get_space("self_paced"), np.random.default_rng(0)
    events = []
    for trial in range(6):
        for event in whole_trial(space, trial, 8, rng, early=False):
            number = event["record"]["epoch"] if event["event"] == "epoch" else 0
            fields = {"gate": 0.8 if number < 5 else 0.96}
            more = {"member": {"fields": fields, "donor": [0, 4] if number == 5 else None}} if number else {}
            events += [event | more, {"event": "of a later version", "time": event["time"], "trial": trial}]
    made_runs.write(tmp_path / "population", about(6, 8, scheduler="pbt"), events)
    command = Command(tmp_path, "search.dashboard", "population")
    try:
        browser.open(command.study + "/trials?numbers=5")
        said = browser.until(lambda: browser.text() if "Trial 5 (trial_id=5)" in browser.text() else "")
        for words in ("Complete", "schedule gate 0.8, 0.96 from epoch 5", "donors trial 0 before epoch 5"):
            assert words in said
        browser.picture("population")
    finally:
        assert command.stop() == DONE
