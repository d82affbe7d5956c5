"""What `mkdocs.yml` hooks in: pages from outside docs/, links that hold here and on the site, tables of declared fields."""

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # the declarations are read from here, whether or not the project is installed
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks/index.md",
    "benchmarks/NOTES.md": "benchmarks/notes.md",
    "studies/README.md": "studies/index.md",
}
SOURCES = {page: source for source, page in OUTSIDE.items()}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)|(!\[[^\]]*\]\()([^)\s]+)(\))")
TABLE = re.compile(r"<!-- fields of (strategies|search|compare) -->")
log = get_plugin_logger("docs_site")


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages from outside docs/."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page as it is written, with its links moved and its tables filled in."""
    place = page.file.src_uri
    source = SOURCES.get(place, f"docs/{place}")
    markdown = LINK.sub(lambda found: _moved(found, source, place), markdown)
    return TABLE.sub(lambda found: TABLES[found[1]](), markdown)


def _moved(found: re.Match[str], source: str, place: str) -> str:
    """A link of a file of the repository as one of its page; to what is on no page it is the file's name alone."""
    text, target = found[1], found[2] or found[4]
    path, _, anchor = target.partition("#")
    if not path or "://" in target or target.startswith("mailto:"):
        return found[0]
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if not (ROOT / file).exists():
        log.warning("%s has a link to %s, which is not there", source, target)
    inside = file.removeprefix("docs/") if file.startswith("docs/") and (ROOT / file).is_file() else None
    page = OUTSIDE.get(file, inside)
    if page is None:
        return text if text.strip("`") == file else f"{text} (`{file}`)"
    moved = posixpath.relpath(page, posixpath.dirname(place) or ".") + (f"#{anchor}" if anchor else "")
    return f"{found[3]}{moved}{found[5]}" if found[3] else f"[{text}]({moved})"


def _limits(info: Any) -> str:
    """What is legal of a field: its words, or its bounds."""
    from typing import Literal, get_args, get_origin

    for kind in (info.annotation, *get_args(info.annotation)):
        if get_origin(kind) is Literal:
            return ", ".join(f"`{word}`" for word in get_args(kind))
        if kind is bool:
            return "yes or no"
    bounds = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    return ", ".join(f"{sign} {getattr(mark, name):g}" for mark in info.metadata for name, sign in bounds.items()
                     if getattr(mark, name, None) is not None)  # fmt: skip


def _searched(drawn: Any) -> str:
    """What is drawn of a field by default: '0.05 to 0.9, log'."""
    from spaces.ranges import as_words

    if drawn is None:
        return "–"
    return ", ".join(f"`{word}`" for word in drawn.choices) if hasattr(drawn, "choices") else as_words(drawn)


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _default(info: Any) -> str:
    return "–" if info.default in (None, ()) else f"`{info.default}`"


def _fields(config: Any, names: Any, search: dict[str, Any]) -> list[str]:
    rows = [_row("field", "what it is", "default", "legal", "searched"), "|---|---|---|---|---|"]
    for name in names:
        info = config.model_fields[name]
        rows.append(_row(f"`{name}`", info.description, _default(info), _limits(info), _searched(search.get(name))))
    return rows


def _strategies() -> str:
    """Every space: what it is, its anchors, and the fields that are its own or that it searches; the common ones once."""
    from spaces.registry import SPACES
    from spaces.trial import TrialConfig

    common = set(TrialConfig.model_fields)
    lines = []
    for name, space in SPACES.items():
        about = sys.modules[space.config.__module__].__doc__ or ""
        lines += [f"## {name}", "", about.splitlines()[0], "", " ".join((space.config.__doc__ or "").split()), ""]
        lines += [f"- anchor `{anchor.name}`: {anchor.says}" for anchor in space.anchors]
        own = [field for field in space.config.model_fields if field not in common or field in space.search]
        lines += ["", *_fields(space.config, own, space.search), ""]
    lines += ["## Fields of every strategy", "", *_fields(TrialConfig, TrialConfig.model_fields, {}), ""]
    return "\n".join(lines)


def _options(name: str) -> str:
    """Every option of a command, as a flag and as a keyword."""
    import search.options
    from console.fields import flag_of, group_of

    model = getattr(search.options, name)
    rows = [_row("group", "flag", "keyword", "what it is", "default", "legal"), "|---|---|---|---|---|---|"]
    for field, info in sorted(
        model.model_fields.items(), key=lambda each: model.groups.index(group_of(model, each[0]))
    ):
        words = (
            group_of(model, field),
            f"`{flag_of(field)}`",
            f"`{field}`",
            info.description,
            _default(info),
            _limits(info),
        )
        rows.append(_row(*words))
    return "\n".join(rows)


TABLES = {
    "strategies": _strategies,
    "search": lambda: _options("SearchOptions"),
    "compare": lambda: _options("CompareOptions"),
}
