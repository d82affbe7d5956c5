"""How TensorBoard opens: unsmoothed, with the curve that trials are picked by pinned on top, and nothing of it cut off.

Smoothing, pins and colours are read from the address. Whether extremes are cut off ("ignore outliers", on by default, which
hides the best curve) and how wide a card is are settings of the browser: a page of ours sets them on the way, in the older
of the two places that TensorBoard looks in, so that whatever the person has chosen there goes before.
"""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from records.epoch import Objective, Row
from search.views.serving import Application, Environ

OPENED = "outliers=shown"  # in the address of a page that has been prepared; TensorBoard keeps what it does not know
ARMS = "regex:^(.+) seed"  # what runs of one colour have in common
SETTINGS = {"ignoreOutliers": False, "timeSeriesSettingsPaneOpened": False, "timeSeriesCardMinWidth": 560,
            "sideBarWidthInPercent": 24}  # fmt: skip
PAGE = """<!doctype html><title>TensorBoard</title><script>
localStorage.setItem("_tb_global_settings.timeseries", JSON.stringify(SETTINGS));
location.replace("/" + (location.search || "QUERY") + "&OPENED#timeseries");
</script>"""


def pinned(run: Row) -> str:
    """The curve that is looked at first: 'accuracy/validation', or of another metric; of test where it is picked on."""
    split = "test" if run["setting"]["protocol"] == "report" else "validation"
    return f"{Objective.of(run['setting']).metric}/{split}"


def query(run: Row) -> str:
    """What TensorBoard's address carries: no smoothing, the first curve pinned, in a head-to-head a colour for each arm."""
    cards = json.dumps([{"plugin": "scalars", "tag": pinned(run)}], separators=(",", ":"))
    colours = f"&runColorGroup={quote(ARMS, safe='')}" if run["kind"] == "head_to_head" else ""
    return f"?smoothing=0&pinnedCards={quote(cards, safe='')}{colours}"


class Prepared:
    """TensorBoard behind a page that sets what no address carries."""

    def __init__(self, app: Application, run: Row):
        self.app = app
        settings = json.dumps(SETTINGS)
        page = PAGE.replace("SETTINGS", settings).replace("QUERY", query(run)).replace("OPENED", OPENED)
        self.page = page.encode()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") not in ("", "/") or OPENED in environ.get("QUERY_STRING", ""):
            return self.app(environ, start_response)
        policy = "default-src 'none'; script-src 'unsafe-inline'"
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy),
                                  ("Content-Length", str(len(self.page)))])  # fmt: skip
        return [self.page] if environ.get("REQUEST_METHOD") != "HEAD" else []
