"""How numbers, times and configs are said in the terminal."""

import re
from typing import Any

# what moves the cursor, colours, renames or clears a terminal, or turns the direction of writing; line breaks stay
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """A text that may hold what somebody else has written, so that a terminal shows it and does nothing else."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def on_one_line(text: str) -> str:
    """As printable, with line breaks spelt too: a sentence that quotes what was given stays one."""
    return printable(text).replace("\n", "\\n")


def clock(seconds: float) -> str:
    """3.2 -> '3.2 s', 95 -> '1:35', 7300 -> '2:01:40'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rounded(of: float) -> str:
    """Three digits, and whole ones from 100 on: 3.214 -> '3.21', 2437.6 -> '2,438'."""
    return f"{of:,.0f}" if of >= 100 else f"{of:.3g}"


def value(of: Any) -> str:
    return f"{of:.3g}" if isinstance(of, float) else str(of)


def many(count: float, word: str) -> str:
    """'1 seed', '3 seeds'."""
    return f"{int(count):,} {word}{'' if int(count) == 1 else 's'}"


def signed(points: float, digits: int = 1) -> str:
    """'+1.2', '-0.9', '0.0'."""
    text = f"{points:+.{digits}f}"
    return text[1:] if float(text) == 0 else text
