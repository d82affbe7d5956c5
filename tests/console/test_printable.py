"""What somebody else has written is shown, and does nothing to the terminal."""

import errno
import io

import pytest

from console.arguments import DONE, INTERRUPTED, WRONG_USAGE, guarded
from console.errors import UsageError
from console.progress import say
from console.wording import printable


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
    assert capsys.readouterr().err == f"{shown}\nError: {shown}\n"


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
