"""The bench for searchers: what a replay finds and pays, by hand; and the tables that are kept for it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import recorded, searchers
from benchmarks.recorded import Curve, Recorded, distance, of_run, read
from console.errors import UsageError
from records.events import Asked, Ended, Epoch, to_line
from search.racing.rule import Rule
from search.racing.topk import TopK
from search.schedulers import SCHEDULERS
from spaces.finetune import FINETUNE
from tests import made_runs
from tests.analysis.test_runs_and_tables import record

KEPT = sorted((Path(__file__).parent.parent / "benchmarks" / "recorded").glob("*.json.gz"))


def curve(number: int, rates: tuple[float, ...]) -> Curve:
    values = {"learning_rate": 1e-4 * (1 + number), "rate": "constant", "augment": "none"}
    return Curve(values, [96 * (1 + place) for place in range(len(rates))], list(rates), [1 - rate for rate in rates])


@pytest.fixture
def table() -> Recorded:
    """Six trials of three epochs. At the first, 2 and 4 lead; at the end it is 5."""
    curves = [(0.1, 0.2, 0.3), (0.2, 0.3, 0.4), (0.5, 0.6, 0.6), (0.1, 0.1, 0.1), (0.4, 0.7, 0.6), (0.3, 0.5, 0.9)]
    made = [curve(number, rates) for number, rates in enumerate(curves)]
    return Recorded("made", {"space": "finetune", "set": [], "search": []}, 91, 3, made)


def test_a_replay_finds_and_pays_what_is_recorded(table):
    (none,) = searchers.outcomes(table, "recorded", lambda race: Rule(), 6, 1, topk=3)
    assert (none.found, none.whole, none.epochs, none.work, none.exact) == (0.9, 0.9, 18, 18 * 96, 1.0)
    (two,) = searchers.outcomes(table, "recorded", lambda race: TopK(race.slice, race.topk), 6, 1, topk=2)
    assert (two.found, two.whole, two.epochs, two.work) == (0.7, 0.7, 6 + 2 * 2, 10 * 96)
    (short,) = searchers.outcomes(table, "recorded", lambda race: TopK(race.slice, race.topk), 2, 1, topk=2)
    assert short.epochs == 6


def test_the_chosen_trial_may_do_better_at_full_length(table):
    class AfterTwo(Rule):
        def judge(self, trial, look):
            return "stop" if look.work >= 2 * 96 else "go_on"

    (cut,) = searchers.outcomes(table, "recorded", lambda race: AfterTwo(), 6, 1, topk=3)
    assert (cut.found, cut.whole, cut.epochs) == (0.7, 0.7, 12)
    table.curves[4].accuracy[2] = 0.95
    (cut,) = searchers.outcomes(table, "recorded", lambda race: AfterTwo(), 6, 1, topk=3)
    assert (cut.found, cut.whole) == (0.7, 0.95)


@pytest.mark.parametrize("name", [name for name, scheduler in SCHEDULERS.items() if scheduler.rule])
@pytest.mark.parametrize("sampler", ["recorded", "tpe"])
def test_every_rule_is_replayed(table, name, sampler):
    found = searchers.outcomes(table, sampler, searchers.RULES[name], 6, 2, topk=3)
    assert all(6 <= one.epochs <= 18 and 0.4 <= one.found <= one.whole <= 0.9 for one in found)
    assert all((one.exact == 1) == (sampler == "recorded") for one in found)


def test_the_nearest_config_by_hand(table):
    """The rate lies between 3e-5 and 3e-3 on a log scale: ten times is half of it. Ten fields are searched."""
    here = {"learning_rate": 1e-4, "rate": "constant", "augment": "none"}
    assert distance(FINETUNE.search, here, here) == 0 and len(FINETUNE.search) == 10
    assert distance(FINETUNE.search, here, here | {"learning_rate": 1e-3}) == pytest.approx(0.05)
    assert distance(FINETUNE.search, here, here | {"augment": "flips"}) == pytest.approx(0.1)
    assert distance(FINETUNE.search, here, here | {"rate_gate": 0.8}) == pytest.approx(0.1)
    found, far = table.nearest(here | {"learning_rate": 2.9e-4}, table.space)
    assert found is table.curves[2] and 0 < far < 0.01 and table.nearest(here, table.space)[1] == 0


def test_a_mean_has_its_interval():
    assert (
        searchers.interval(np.array([1.0, 3.0])) == "2.00 ± 1.96"
        and searchers.interval(np.array([1.0])) == "1.00 ± 0.00"
    )


def test_a_table_is_made_of_a_run_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "FEWEST", 2)
    config = FINETUNE.build({}).model_dump()
    events = [Asked(0, config, {}, "plain"), *(Asked(n, config, {"augment": "none"}) for n in (1, 2))]
    events += [Epoch(record(n, epoch, 0.1 * n, 0.5)) for n in (0, 1, 2) for epoch in (1, 2)]
    events += [Ended(n, "complete") for n in (0, 1, 2)]
    lines = [to_line(event) for event in events]
    changes = {"space": "finetune", "set": [], "search": []}
    made_runs.write(tmp_path / "r", made_runs.about(3, 2, scheduler="none", **changes), lines)
    made = of_run(tmp_path / "r")
    assert [one.accuracy for one in made.curves] == [[0.1, 0.1], [0.2, 0.2]] and made.images == 192
    assert read(made.write(tmp_path)) == made
    made_runs.write(tmp_path / "s", made_runs.about(3, 2, scheduler="asha", **changes), lines)
    with pytest.raises(UsageError, match="cannot be replayed, since not all of its trials ran to their end"):
        of_run(tmp_path / "s")


def test_the_kept_tables_are_small_whole_and_of_three_searches_or_more(capsys):
    assert len(KEPT) >= 3 and sum(path.stat().st_size for path in KEPT) < 500_000
    for path in KEPT:
        table = read(path)
        assert len(table.curves) >= recorded.FEWEST and {len(one.work) for one in table.curves} == {table.epochs}
    words = [str(KEPT[0]), "--repeats", "3", "--samplers", "recorded", "--schedulers", "asha;topk"]
    assert searchers.main(words) == 0
    said = capsys.readouterr().out
    assert "| topk | " in said and "100 % of the configs were recorded" in said and "| pasha" not in said
