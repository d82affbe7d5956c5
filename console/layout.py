"""Text as wide as the terminal: lines are broken between words and never inside a number, and tables are made to fit."""

import re
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path

NARROWEST, PIPED = 60, 100  # columns
UNBOUND = 10_000  # columns: of what is copied from there, such as paths
SHORTEST = 12  # columns that a name keeps, with a sign in its middle for what was left out
GAP = "  "
BREAK = re.compile(r" (?:(?<!\d )|(?![a-z%]))(?<!\d to )")  # '95 %', '3 seeds' and '-0.4 to +1.2' stay on one line
NUMBER = re.compile(r"[-+−]?\d|[-–]?$")  # how the text of a number begins, or of one that is missing
Rows = list[list[str]]


def width() -> int:
    """Columns to write in: those of the terminal, or of COLUMNS, NARROWEST at least; PIPED into a pipe."""
    return max(NARROWEST, shutil.get_terminal_size((PIPED, 24)).columns)


def cells(text: str) -> int:
    """Columns that a text takes: letters of East Asia take two, accents of their own none."""
    if text.isascii():
        return len(text)
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text if not unicodedata.combining(c))


def fitted(text: str, most: int | None = None, further: str = GAP) -> str:
    """The text with every line broken that is longer than `most` columns (`width()`); `further` stands before its rest.

    A word that is longer by itself, such as a path, stays whole.
    """
    return "\n".join(_broken(line, most or width(), further) for line in text.split("\n"))


def _broken(line: str, most: int, further: str) -> str:
    if cells(line) <= most:
        return line
    start = line[: len(line) - len(line.lstrip())]
    lines: list[str] = []
    now = ""
    for word in BREAK.split(line.strip()):
        if now and cells(start + now) + 1 + cells(word) > most - len(further) * bool(lines):
            lines.append(now.rstrip())
            now = word
        else:
            now = f"{now} {word}" if now else word
    return f"\n{start}{further}".join([start + lines[0], *lines[1:], now]) if lines else start + now


def typed(lead: str, command: str, most: int | None = None) -> str:
    """'Next:  python -m ...': a command to copy, with a backslash where a line ends; a flag keeps its value."""
    most, lines, now = most or width(), [], ""
    for word in re.findall(r"(?:--[\w-]+ (?!--))?(?:'[^']*'|[^ '])+", command):
        if now and cells(lead) + cells(now) + 1 + cells(word) + cells(" \\") > most:
            lines.append(now)
            now = "    " + word
        else:
            now = f"{now} {word}" if now else word
    return lead + f" \\\n{' ' * cells(lead)}".join([*lines, now])


def columns(rows: Rows, most: int | None = None, drop: Sequence[str] = ()) -> str:
    """Rows of texts as aligned columns, `most` (`width()`) wide in all; the first row is the heading, numbers stand right.

    Where they are too wide, the columns of the names in `drop` go, one after another; then the names of the first column
    that has such are shortened in their middle; and what does not fit even so stands below, beside its first column again.
    """
    most = most or width()
    for name in drop:
        if _wide(rows) <= most:
            break
        rows = [[text for text, head in zip(row, rows[0], strict=True) if head != name] for row in rows]
    rows = _shortened(rows, most)
    return "\n\n".join(_aligned(part) for part in _parts(rows, most))


def _widths(rows: Rows) -> list[int]:
    return [max(map(cells, texts)) for texts in zip(*rows, strict=True)]


def _wide(rows: Rows) -> int:
    widths = _widths(rows)
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _shortened(rows: Rows, most: int) -> Rows:
    """With the first column that holds names as narrow as it must be, and as it may be."""
    named = [place for place, texts in enumerate(zip(*rows[1:], strict=True)) if not all(map(NUMBER.match, texts))]
    over = _wide(rows) - most
    if over <= 0 or not named:
        return rows
    first = named[0]
    names = cut([row[first] for row in rows], max(SHORTEST, _widths(rows)[first] - over))
    return [[*row[:first], name, *row[first + 1 :]] for row, name in zip(rows, names, strict=True)]


def cut(names: list[str], most: int) -> list[str]:
    """The names, each with as much of its middle left out as has it fit; whole where two would become the same."""
    for end in dict.fromkeys((most // 2, most - 2, 1)):
        short = [name if cells(name) <= most else f"{name[: most - 1 - end]}…{name[-end:]}" for name in names]
        if len(set(short)) == len(set(names)):
            return short
    return names


def _parts(rows: Rows, most: int) -> list[Rows]:
    """The columns in as many tables as it takes, each with the first one."""
    widths = _widths(rows)
    parts, now, used = [], [0], widths[0]
    for place, wide in enumerate(widths[1:], 1):
        if used + len(GAP) + wide > most and len(now) > 1:
            parts.append(now)
            now, used = [0], widths[0]
        now.append(place)
        used += len(GAP) + wide
    return [[[row[place] for place in part] for row in rows] for part in (*parts, now)]


def _aligned(rows: Rows) -> str:
    widths = _widths(rows)
    right = [all(map(NUMBER.match, texts)) for texts in zip(*rows[1:], strict=True)] or [False] * len(widths)
    lines = [
        GAP.join(_placed(text, wide, number) for text, wide, number in zip(row, widths, right, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], GAP.join("-" * wide for wide in widths), *lines[1:]])


def _placed(text: str, wide: int, right: bool) -> str:
    space = " " * (wide - cells(text))
    return space + text if right else text + space


def shown_path(path: Path) -> str:
    """A path as it is typed from here: relative where it lies below the current folder."""
    whole = path.absolute()
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else str(whole)


def ending(folder: Path, files: Sequence[str], commands: Sequence[str]) -> str:
    """The last lines of a run, after an empty one: which of these files it has left where, and what may be typed."""
    left = [name for name in files if (folder / name.split()[0]).exists()]
    leads = ("Next:  ", *[" " * 7] * len(commands))
    named = f" ({', '.join(left)})" if left else ""
    said = fitted(f"Files: {shown_path(folder)}{named}", further=" " * 7)
    return "\n".join(["", said, *map(typed, leads, commands)])
