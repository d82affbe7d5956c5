"""The lowest versions that pyproject.toml allows, one `name==version` a line: what scripts/lowest.sh installs."""

import re
import tomllib
from pathlib import Path

TOOLS = ("pytest", "hypothesis", "psutil")  # of the extra dev: what the tests need
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+(?:\[[\w,]+\])?)>=(?P<version>[\w.]+)")


def lowest(requirement: str) -> str:
    """'ray[tune]>=2.55,<3' -> 'ray[tune]==2.55'. Raises ValueError for one without a lowest version."""
    found = REQUIREMENT.match(requirement)
    if not found:
        raise ValueError(f"{requirement} names no lowest version")
    return f"{found['name']}=={found['version']}"


def all_lowest() -> list[str]:
    """Of every direct dependency, and of the tools."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    tools = [each for each in project["optional-dependencies"]["dev"] if each.startswith(TOOLS)]
    wanted = [each for each in tools if re.split(r"[>\[]", each)[0] in TOOLS]  # not pytest-xdist
    return [lowest(each) for each in (*project["dependencies"], *wanted)]


if __name__ == "__main__":
    print("\n".join(all_lowest()))
