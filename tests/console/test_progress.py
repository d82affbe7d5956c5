"""Progress: silent when short, lines where there is no terminal, and a bar where there is one."""

import io
import sys

import pytest

from console import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only when told: clock.now += seconds."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    fake = Clock()
    monkeypatch.setattr(progress, "time", fake)
    return fake


def _pass(clock, seconds_each, count, **arguments):
    for _ in progress.track(range(count), "building", **arguments):
        clock.now += seconds_each


def test_nothing_is_shown_of_short_work(clock, capsys):
    _pass(clock, 0.019, 100)
    assert capsys.readouterr() == ("", "")


def test_lines_after_two_seconds_and_then_every_ten_and_one_at_the_end(clock, capsys):
    _pass(clock, 0.01, 2500)
    assert capsys.readouterr().err.splitlines() == [
        "building: 200 of 2,500 images",
        "building: 1,200 of 2,500 images",
        "building: 2,200 of 2,500 images",
        "building: 2,500 of 2,500 images",
    ]


def test_what_is_cut_short_says_how_far_it_came(clock, capsys):
    with pytest.raises(KeyboardInterrupt), progress.bar("building", 10) as advance:
        for _ in range(7):
            clock.now += 1.5
            advance(1)
        raise KeyboardInterrupt
    assert capsys.readouterr().err.splitlines() == ["building: 2 of 10 images", "building: 7 of 10 images"]


def test_items_and_order_are_kept_and_total_may_be_unknown(clock, capsys):
    assert list(progress.track(iter("abc"), "reading")) == ["a", "b", "c"]
    for _ in progress.track(iter(range(3)), "reading", unit="rows"):
        clock.now += 3
    assert capsys.readouterr().err.splitlines()[0] == "reading: 1 rows"


def test_bytes(clock, capsys):
    with progress.bar("downloading", 350_000_000, "bytes") as advance:
        clock.now += 5
        advance(1_234_567)
    assert capsys.readouterr().err == "downloading: 1 MB of 350 MB\n"


@pytest.mark.parametrize(
    ("number", "text"), [(12, "12 bytes"), (4200, "4 kB"), (350_000_000, "350 MB"), (1_540_000_000, "1.5 GB")]
)
def test_amounts_of_bytes(number, text):
    assert progress.amount(number) == text


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal_that_is_gone_afterwards(clock, monkeypatch):
    pytest.importorskip("rich")
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(KeyboardInterrupt), progress.bar("downloading", 100, "bytes") as advance:
        clock.now += 5
        advance(10)
        advance(40)
        raise KeyboardInterrupt
    shown = terminal.getvalue()
    assert "downloading" in shown and shown.endswith("\x1b[2K")  # the line is wiped


def test_without_rich_a_terminal_gets_lines(clock, monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setitem(sys.modules, "rich", None)
    _pass(clock, 3, 2)
    assert terminal.getvalue() == "building: 1 of 2 images\nbuilding: 2 of 2 images\n"


def test_say(capsys):
    progress.say("three files are left out")
    assert capsys.readouterr() == ("", "three files are left out\n")
