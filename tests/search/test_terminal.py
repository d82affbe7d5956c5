"""What is said while a search runs, from books made by hand."""

import io
import time

import pytest

from console.arguments import DONE, guarded
from console.layout import columns
from console.wording import clock, rounded
from records.events import Asked
from records.history import TrialHistory, read_history
from search import status
from search.views.terminal import SILENCE, Terminal
from tests import made_up
from tests.analysis.test_runs_and_tables import record

VALUES = {"gate": 0.8123, "learning_rate": 1e-4, "rate": "cosine", "ranking": "image", "slow_epochs": 2}


def book(number: int, state: str, epochs: int, accuracy: float = 0.5, **proposal) -> TrialHistory:
    made = TrialHistory(Asked(number, {}, VALUES, **proposal), state=state, reason="out of luck" * (state == "failed"))
    made.records = [record(number, epoch, accuracy, 1.0) for epoch in range(1, epochs + 1)]
    made.best = made.records[0] if epochs else None
    return made


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(samples=4, epochs=10)


def test_a_line_says_what_became_of_a_trial(terminal, capsys):
    for one in (book(0, "complete", 10, 0.75, anchor="as_run"), book(1, "failed", 0), book(2, "interrupted", 0)):
        terminal.asked(one)
        terminal.ended(one)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("[1/4] trial 0 (as_run)") and "complete" in first
    assert (
        "validation 0.750 at epoch 1 of 10, 30.0 s  learning_rate 0.0001, rate cosine, ranking image, and 2 more"
        in first
    )
    assert second.split() == ["[2/4]", "trial", "1", "failed", "out", "of", "luck"]
    assert third.endswith("no epoch was reached")


def test_the_status_counts_trials_and_names_the_best_and_the_time_left(terminal):
    for one in (book(0, "complete", 10, 0.6), book(1, "pruned", 3, 0.7), book(2, "running", 5, 0.4)):
        terminal.asked(one)
    terminal.started = time.monotonic() - 100
    counts, best = terminal.status()
    assert terminal.fraction() == pytest.approx((10 + 10 + 5) / 40)
    assert counts.startswith("1 complete · 1 pruned · running: trial 2 epoch 5/10 · 1:40 so far, about 1:00 left")
    assert best.startswith("best 0.700 in trial 1: learning_rate 0.0001, ")


def test_the_bar_moves_the_cursor_and_a_reason_does_not(monkeypatch):
    pytest.importorskip("rich")
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", screen)

    def work() -> int:
        with Terminal(samples=1, epochs=1) as terminal:
            terminal.say("\x1b[2Jgone")
            print("said", flush=True)
        return DONE

    assert guarded(work) == DONE
    shown = screen.getvalue()
    assert "\\x1b[2Jgone" in shown and "said" in shown and "\x1b[2J" not in shown
    assert "\x1b[?25l" in shown and "\\x1b[?25l" not in shown  # the cursor is hidden


def test_a_log_file_is_told_once_a_minute_how_far_a_long_trial_is(terminal, capsys):
    one = book(0, "running", 5, 0.4)
    terminal.asked(one)
    terminal.epoch(one)
    assert capsys.readouterr().out == ""
    terminal.spoke -= SILENCE
    for _ in range(3):
        terminal.epoch(one)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("running: trial 0 epoch 5/10 · ")
    terminal.spoke -= SILENCE
    terminal.ended(one)
    capsys.readouterr()
    terminal.epoch(one)
    assert capsys.readouterr().out == ""


def test_before_the_first_epoch_nothing_is_promised(terminal):
    (line,) = terminal.status()
    assert line.startswith("starting · ") and "left" not in line


@pytest.mark.parametrize(("seconds", "said"), [(3.21, "3.2 s"), (59.9, "59.9 s"), (95, "1:35"), (7300, "2:01:40")])
def test_times_as_a_person_reads_them(seconds, said):
    assert clock(seconds) == said


@pytest.mark.parametrize(("figure", "said"), [(0.01234, "0.0123"), (3.214, "3.21"), (99.4, "99.4"), (99.96, "100"),
                                              (104.4, "104"), (2437.6, "2,438"), (1e6, "1,000,000")])  # fmt: skip
def test_figures_of_a_caption_have_no_exponent(figure, said):
    assert rounded(figure) == said


def test_columns_line_up():
    assert columns([["name", "x"], ["a", "10"], ["bcd", "9"]]) == "name   x\n----  --\na     10\nbcd    9"


def test_of_a_head_to_head_the_arms_are_named_and_not_the_luckiest_seed(terminal, tmp_path, capsys):
    folder = made_up.write(tmp_path, "h", arms=("self_paced", "finetune"))
    terminal.trials = read_history(folder).trials
    figures = {}
    for trial in terminal.trials.values():
        figures.setdefault(str(trial.arm), []).append(trial.best.eval_accuracy)
    said = ", ".join(f"{arm} {sum(of) / len(of):.3f} ({len(of)} seeds)" for arm, of in figures.items())
    assert terminal.best() == [f"mean validation accuracy: {said}"] and len(figures) == 2
    assert status.main([str(folder)]) == DONE
    assert f"mean validation accuracy: {said}" in capsys.readouterr().out


def test_more_epochs_than_were_planned_have_no_end(terminal):
    terminal.asked(book(0, "running", 12))
    assert "running: trial 0 epoch 12 · " in terminal.status()[0]


def test_on_a_narrow_terminal_a_trial_keeps_to_its_line(monkeypatch):
    pytest.importorskip("rich")
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", screen)
    for wide, said in (("80", ""), ("120", "learning_rate 0.0001, "), ("200", "ranking image, and 2 more")):
        monkeypatch.setenv("COLUMNS", wide)
        line = Terminal(samples=4, epochs=10)._line(book(0, "complete", 10, 0.75, anchor="as_run"))
        assert len(line) <= int(wide) and said in line and line.startswith("[0/4] trial 0 (as_run)")
