"""What somebody else has written is shown, and does nothing to the terminal."""

import contextlib
import errno
import io

import pytest

from console.arguments import DONE, INTERRUPTED, WRONG_USAGE, guarded, stdout_to_draw
from console.errors import UsageError
from console.progress import say
from console.wording import on_one_line, printable


@pytest.mark.parametrize(("text", "shown"), [
    ("\x1b[31mred", "\\x1b[31mred"), ("\x9b2J", "\\x9b2J"), ("a\rb\x07\x00", "a\\rb\\x07\\x00"),
    ("\u202etxt.exe", "\\u202etxt.exe"), ("two\nlines", "two\nlines"), ("Fläche – 日本 ✓", "Fläche – 日本 ✓"),
])  # fmt: skip
def test_what_a_terminal_would_act_on_is_shown_as_text(capsys, text, shown):
    assert printable(text) == shown
    say(text)

    def refuse() -> int:
        raise UsageError(text)

    assert guarded(refuse) == WRONG_USAGE
    assert capsys.readouterr().err == f"{shown}\nError: {on_one_line(text)}\n"


def shown_in_ascii(work) -> str:
    """What comes of it on a standard output that has no other characters."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")
    with contextlib.redirect_stdout(stream):
        assert guarded(lambda: work() or DONE) == DONE
    return stream.buffer.getvalue().decode()


def test_what_is_printed_does_nothing_to_a_terminal_and_spells_what_the_encoding_lacks():
    assert shown_in_ascii(lambda: print("\x1b[31mred · 日\nnext")) == "\\x1b[31mred \\xb7 \\u65e5\nnext\n"


def test_codes_of_our_own_reach_the_terminal():
    assert shown_in_ascii(lambda: print("\x1b[1m", end="", file=stdout_to_draw())) == "\x1b[1m"


def test_a_closed_standard_output_shows_nothing(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert guarded(lambda: print("said") or DONE) == DONE


def test_a_failure_of_another_file_keeps_its_traceback():
    def broken() -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "elsewhere")

    with pytest.raises(OSError, match="elsewhere"):
        guarded(broken)


def test_other_ends_are_as_they_were(monkeypatch):
    def interrupted() -> int:
        raise KeyboardInterrupt

    def closed() -> int:
        raise BrokenPipeError

    assert guarded(lambda: 7) == 7 and guarded(interrupted) == INTERRUPTED
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", io.StringIO())
        assert guarded(closed) == DONE
