"""Every command as a console script, and every command that README and docs/ tell a person to type."""

import ast
import importlib
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest

import search.head_to_head
import search.session
from console.plugins import VARIABLE
from search.options import CompareOptions, SearchOptions

ROOT = Path(__file__).parent.parent
ROOMS = ("search", "analysis")
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
    ROOT / "studies/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
GIVEN = {"[--watch]": "", "...": "", "--plugin capped --space capped": "--space self_paced"}  # what is no word to type


@cache
def help_of(module: str) -> str:
    """What `python -m module --help` prints."""
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main(["--help"])
    assert ended.value.code == 0
    return said.getvalue()


def commands(text: str) -> list[tuple[str, list[str]]]:
    """(module, words) of each command in the blocks of code of a page; what stands in a sentence is not looked at."""
    fenced = [block.split("\n", 1)[-1] for block in text.split("```")[1::2]]
    code = "\n".join([line[4:] for line in text.splitlines() if line.startswith("    ")] + fenced)
    found = []
    for line in code.replace("\\\n", "").splitlines():
        for sign, word in GIVEN.items():
            line = line.replace(sign, word)
        line = re.split(r"\s#\s|\s#$", line)[0]
        line = line.removesuffix("'") if line.count("'") % 2 == 0 and "sh -c '" in line else line
        script = re.search(rf"(?:python -m ([a-z_.]+)|({'|'.join(SCRIPTS)}))((?:\s+.*)?)$", line)
        if script:
            module = script[1] or SCRIPTS[script[2]].partition(":")[0]
            found.append((module, shlex.split(script[3].split(" & ")[0])))
    return found


def calls(text: str) -> list[tuple[str, set[str]]]:
    """(function, names of its arguments) of each search and head-to-head in a page's blocks of Python."""
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    nodes = [node for block in blocks for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    return [(node.func.id, {keyword.arg for keyword in node.keywords}) for node in nodes
            if isinstance(node.func, ast.Name) and node.func.id in ("search", "compare")]  # fmt: skip


TYPED = [(page.relative_to(ROOT).as_posix(), *command) for page in PAGES for command in commands(page.read_text())]
OURS = [typed for typed in TYPED if typed[1].partition(".")[0] in ROOMS]


def test_the_finder_sees_the_commands_of_a_page():
    page = "T\n\n    python -m search.run --space a \\\n        --set b=1   # why\n    x\n\n```\ncurriculum-status r\n```\n"
    assert commands(page) == [("search.run", ["--space", "a", "--set", "b=1"]), ("search.status", ["r"])]
    assert {page for page, *_ in OURS} >= {"README.md", "docs/results_2024.md", "docs/head_to_head.md"}
    assert len(OURS) > 30


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_is_a_command_that_explains_itself(script):
    module, _, function = SCRIPTS[script].partition(":")
    assert function == "main" and script.startswith("curriculum-")
    assert "usage: " in help_of(module)
    assert f"`{script}` | `python -m {module}`" in (ROOT / "docs/commands.md").read_text()


def test_no_command_is_without_a_script():
    modules = [path for room in ROOMS for path in (ROOT / room).glob("*.py") if "\ndef main(words" in path.read_text()]
    assert {f"{path.parent.name}.{path.stem}:main" for path in modules} == set(SCRIPTS.values())


@pytest.mark.parametrize("page, module, words", OURS)
def test_what_a_page_says_to_type_is_understood(page, module, words, monkeypatch):
    """Flags by the command's own help; of the two that train every value too, as far as options are read."""
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert flags <= set(re.findall(r"--[a-z-]+", help_of(module))), page
    trains = {"search.run": (search.session, "search"), "search.compare": (search.head_to_head, "compare")}
    if module not in trains or "--resume" in words or any("[@]" in word for word in words):
        return
    read = []
    monkeypatch.setattr(*trains[module], lambda options, *more: read.append(options) or 0)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert importlib.import_module(module).main(words) == 0 and ("--list" in words or len(read) == 1)


@pytest.mark.parametrize("page", [page for page in PAGES if calls(page.read_text())], ids=lambda page: page.name)
def test_what_a_page_calls_from_python_has_options_of_these_names(page):
    of = {"search": SearchOptions, "compare": CompareOptions}
    for function, names in calls(page.read_text()):
        assert names - {"resume", "quiet"} <= of[function].model_fields.keys()
