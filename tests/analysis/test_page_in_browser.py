"""The page in a real Chromium, wide and narrow, light and dark, and on paper: the answer on the first screen, nothing that
scrolls sideways, no serious fault for axe-core. Screenshots are left beside those of the dashboards.
"""

import base64
from importlib.util import find_spec
from pathlib import Path

import pytest

from analysis import report
from console.arguments import DONE
from tests import made_up
from tests.search.test_browser import Browser, lacking

missing = [*lacking(), *(["axe_core_python"] if find_spec("axe_core_python") is None else [])]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed here: {', '.join(missing)}")
ARMS = (*made_up.ARMS, "manual_division", "manual_division/random")
ACCURACY = made_up.ACCURACY | {"manual_division/random": (0.89, 0.94, 0.93)}
SCREENS = {"wide": (1440, 900), "narrow": (390, 844)}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    found.driver.set_script_timeout(180)  # axe on a busy machine
    yield found
    found.driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pages")
    figures = made_up.Figures(accuracy=lambda arm, seed: ACCURACY[arm][seed % 3] + 0.002 * seed)
    made_up.write(place, "compared", arms=ARMS, seeds=12, figures=figures)
    made_up.write_search(place, "searched", 12, 4)
    for name in ("compared", "searched"):
        assert report.main([str(place / name), "--out", str(place / name / "out")]) == DONE
    return {name: place / name / "out" / "index.html" for name in ("compared", "searched")}


def shown(browser: Browser, page: Path, screen: str, dark: bool = False) -> None:
    width, height = SCREENS[screen]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "narrow"}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.open(page.as_uri())
    browser.picture(f"report_{page.parts[-3]}_{screen}{'_dark' * dark}")


@pytest.mark.parametrize("name", ["compared", "searched"])
def test_the_answer_is_on_the_first_screen(browser, pages, name):
    shown(browser, pages[name], "wide")
    bottom = "return document.querySelector(arguments[0]).getBoundingClientRect().bottom"
    for part in ("h1", ".answer", "figure"):
        assert browser.driver.execute_script(bottom, part) <= 900


@pytest.mark.parametrize("name", ["compared", "searched"])
@pytest.mark.parametrize("screen", list(SCREENS))
def test_nothing_scrolls_sideways_and_nothing_stands_outside(browser, pages, name, screen):
    shown(browser, pages[name], screen)
    width = SCREENS[screen][0]
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
    outside = """
        return [...document.querySelectorAll('h1, h2, p, figcaption, svg.panel, .track')]
          .map(e => [e.getBoundingClientRect().right, e.textContent.slice(0, 40)])
          .filter(([right]) => right > innerWidth + 1)"""
    assert browser.driver.execute_script(outside) == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["compared", "searched"])
@pytest.mark.parametrize("screen", list(SCREENS))
def test_axe_finds_no_serious_fault(browser, pages, name, screen, dark):
    import axe_core_python

    shown(browser, pages[name], screen, dark)
    browser.driver.execute_script((Path(axe_core_python.__file__).parent / "axe.min.js").read_text())
    browser.driver.execute_script("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    found = browser.driver.execute_async_script("const done = arguments[0]; axe.run().then(done, e => done(String(e)))")
    serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in serious] == []
    assert len(found["passes"]) > 15  # it has looked


def test_a_column_sorts_and_an_arm_lights_up(browser, pages):
    shown(browser, pages["compared"], "wide")
    driver = browser.driver
    column = "return [...document.querySelectorAll('#arms tbody tr')].map(row => row.cells[2].textContent)"
    before = driver.execute_script(column)
    button = driver.find_elements("css selector", "#arms th button")[2]
    button.click()
    rising = driver.execute_script(column)
    button.click()
    means = [float(text.split()[0]) for text in rising]
    assert sorted(rising) == sorted(before) and rising != before and means == sorted(means)
    falling = [float(text.split()[0]) for text in driver.execute_script(column)]
    assert falling == sorted(means, reverse=True)
    hover = """
        const row = document.querySelector('#arms tr[data-arm="finetune"]');
        row.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
        return [...document.querySelectorAll('[data-arm].on')].map(e => [e.tagName.toLowerCase(), e.dataset.arm])"""
    lit = driver.execute_script(hover)
    assert {arm for _, arm in lit} == {"finetune"} and {"tr", "g"} <= {tag for tag, _ in lit}


def test_it_prints_without_broken_numbers_and_with_what_was_folded(browser, pages):
    shown(browser, pages["compared"], "wide")
    driver = browser.driver
    made = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(made["data"]).startswith(b"%PDF") and len(made["data"]) > 50_000
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert driver.execute_script("return document.querySelectorAll('details:not([open])').length") == 0
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 690, "height": 1000, "deviceScaleFactor": 1, "mobile": False},  # A4 less its margins, at 96 dpi
    )
    outside = (
        "return [...document.querySelectorAll('table, svg, p')].filter(e => e.getBoundingClientRect().right > 691)"
    )
    assert driver.execute_script(outside + ".map(e => e.outerHTML.slice(0, 300))") == []
    broken = """
        const lines = cell => {
          const range = document.createRange();
          range.selectNodeContents(cell);
          return new Set([...range.getClientRects()].map(rect => Math.round(rect.top))).size;
        };
        return [...document.querySelectorAll('td.number')].filter(cell => lines(cell) > 1).map(cell => cell.textContent)"""
    assert driver.execute_script(broken) == []
    driver.execute_script("dispatchEvent(new Event('afterprint'))")
    assert driver.execute_script("return document.querySelectorAll('details[open]').length") == 0
