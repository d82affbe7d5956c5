"""Values that are wrong in many ways, and ways to put them where they do harm.

All are hypothesis strategies, so that a finding shrinks to what matters of it.
"""

from typing import Any

from hypothesis import strategies as st

TEXTS = ("", " ", "\0", "\n", "../..", "/dev/zero", "/etc/passwd", "-1", "nan", "inf", "1e999", "9" * 40, "=1+1", "<b>",
         "$x^$", "\x1b[31m", "ä" * 200, "\ud800", "a|b", "a,b", "a:b", "scenes:count=70", "none", "auto")  # fmt: skip
INTEGERS = (0, 1, -1, 2, 255, 256, 2**31, 2**63, -(2**63), 10**30)
NUMBERS = (*INTEGERS, -0.0, 0.5, 1e-300, 1e300, float("inf"), float("nan"))


def scalars() -> st.SearchStrategy[Any]:
    """What JSON can hold without nesting."""
    free = st.text(max_size=20) | st.integers() | st.floats()
    return st.none() | st.booleans() | st.sampled_from(TEXTS) | st.sampled_from(NUMBERS) | free


def values() -> st.SearchStrategy[Any]:
    nested = st.lists(scalars(), max_size=3) | st.dictionaries(st.sampled_from(TEXTS), scalars(), max_size=2)
    return scalars() | nested


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in nested dicts and lists, of the containers too; of a list, the first three items."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [found for key, below in inner for found in ((*here, key), *places(below, (*here, key)))]


def changed(draw: Any, value: Any) -> None:
    """One to three values of nested dicts and lists set to something else, or taken out; `value` is a dict."""
    for _ in range(draw(st.integers(1, 3))):
        known = places(value)
        if not known:
            return
        *way, last = draw(st.sampled_from(known))
        holder = value
        for key in way:
            holder = holder[key]
        if draw(st.booleans()) or isinstance(holder, list):
            holder[last] = draw(values())
        else:
            del holder[last]


def damaged(draw: Any, content: bytes) -> bytes:
    """A file with some bytes changed, a part cut out or put in twice, or the end missing."""
    for _ in range(draw(st.integers(1, 4))):
        if not content:
            return content
        first = draw(st.integers(0, len(content) - 1))
        part = content[first : first + draw(st.sampled_from((1, 1, 2, 4, 16, 1024)))]
        how = draw(st.sampled_from(("set", "ones", "cut", "twice", "end")))
        rest = b"" if how == "end" else content[first + len(part) :]
        content = content[:first] + _instead(draw, how, part) + rest
    return content


def _instead(draw: Any, how: str, part: bytes) -> bytes:
    """What stands in the place of a part of a file."""
    if how == "set":
        return draw(st.binary(min_size=1, max_size=8))
    return {"ones": b"\xff" * len(part), "twice": part * 2}.get(how, b"")
