"""What trials are called beside each other, and how TensorBoard opens on them."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from optuna.distributions import distribution_to_json

from records.events import Asked
from records.history import TrialHistory
from search.views.names import MOST_LETTERS, name_of, short, telling
from search.views.opening import OPENED, SETTINGS, Prepared, query
from spaces.registry import SPACES, get_space
from spaces.setting import Setting
from tests.made_runs import about
from tests.search.test_arms_view import run_json

CONFIG = get_space("self_paced").build({}).model_dump()
RUN = about(1, 1)


def called(values: dict, number: int = 2, anchor: str | None = None, setting: Setting | None = None) -> str:
    return name_of(RUN, TrialHistory(Asked(number, CONFIG, values, anchor, False, setting)))


def test_a_trial_of_a_search_is_named_by_its_number_and_by_what_varies_most():
    values = {"gate": 0.8, "learning_rate": 7.04e-4, "share_step": 0.184, "share_start": 0.1, "rate": "cosine"}
    assert called(values) == "0002 lr 7e-4 step .18"
    assert called({"rate": "cosine"}) == "0002"
    assert called(values, 0, "as_run") == "0000 as_run"


def test_which_fields_name_a_trial_is_declared_by_the_search_and_not_by_its_draws():
    for space in SPACES:
        run = about(1, 1)
        run["space"]["search"] = {name: distribution_to_json(d) for name, d in get_space(space).search.items()}
        first = telling(run)
        assert first == telling(run) and len(first) == 2 and "rate_gap_2" not in first


@pytest.mark.parametrize(
    ("arm", "name"),
    [
        ("self_paced", "self_paced seed 3"),
        ("self_paced/hard_first", "self_paced-hard_first seed 3"),
        ("finetune@dtd", "finetune@dtd seed 3"),
    ],
)
def test_a_trial_of_a_head_to_head_is_named_by_its_arm_and_seed(arm, name):
    assert called({}, setting=Setting(strategy="self_paced", arm=arm, seed=3)) == name


def test_a_name_is_that_of_a_folder_on_any_file_system():
    name = called({}, anchor="../..\\up: a <very> long name" + "x" * 100)
    assert name.startswith("0002 ..-..-up- a -very- long name") and len(name) <= MOST_LETTERS


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (7.04e-4, "7e-4"),
        (0.00123, "1.2e-3"),
        (0.184, ".18"),
        (-0.5, "-.5"),
        (2.5, "2.5"),
        (1.0, "1"),
        (0.0, "0"),
        (120.0, "1.2e+02"),
        (64, "64"),
        ("cosine", "cosine"),
        (True, "True"),
    ],
)
def test_a_value_in_a_name_has_two_digits(value, said):
    assert short(value) == said


def test_the_address_opens_unsmoothed_with_the_curve_that_is_picked_by_pinned():
    asked = parse_qs(urlsplit("http://127.0.0.1:6006/" + query(RUN | {"kind": "search"})).query)
    assert asked["smoothing"] == ["0"] and "runColorGroup" not in asked
    assert json.loads(asked["pinnedCards"][0]) == [{"plugin": "scalars", "tag": "accuracy/validation"}]
    by_loss = run_json(protocol="report")
    by_loss["setting"] |= {"metric": "loss", "lower_is_better": True}
    asked = parse_qs(urlsplit("http://127.0.0.1:6006/" + query(by_loss)).query)
    assert json.loads(asked["pinnedCards"][0])[0]["tag"] == "loss/test" and asked["runColorGroup"] == [
        "regex:^(.+) seed"
    ]


def opened(path: str, words: str, method: str = "GET") -> str:
    pages = Prepared(lambda environ, start: [b"TensorBoard itself"], RUN | {"kind": "search"})
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": words}
    return b"".join(pages(environ, lambda status, headers: None)).decode()


def test_the_first_page_sets_what_no_address_carries_and_only_the_first():
    page = opened("/", "smoothing=0")
    assert (
        json.dumps(SETTINGS) in page and SETTINGS["ignoreOutliers"] is False and query(RUN | {"kind": "search"}) in page
    )
    assert opened("/", f"smoothing=0&{OPENED}") == opened("/data/runs", "") == "TensorBoard itself"
    assert opened("/", "", "HEAD") == ""
