"""The set-up script's three refusals, each one sentence, with a PATH that holds only what the test put there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "setup.sh"
NO_VENV = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n'
FINE = "#!/bin/sh\nexit 0\n"
FULL_DISK = '#!/bin/sh\necho "Filesystem 1024-blocks Used Available"\necho "/dev/x 10 5 2000000"\n'
CASES = {
    "no Python 3.11 to 3.14 on the PATH": {},
    "python3.12 has no venv module": {"python3.12": NO_VENV},
    "8 GB of free disk are needed here for the packages, 2 GB are free": {"python3.12": FINE, "df": FULL_DISK},
}


@pytest.mark.parametrize("said", CASES)
def test_what_stands_in_the_way_is_said_in_one_sentence(said, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "awk"):
        (tools / name).symlink_to(shutil.which(name))
    for name, text in CASES[said].items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    done = subprocess.run(
        [tools / "sh", SCRIPT, "stamp"], cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("setup: ") and said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists() and not (tmp_path / "stamp").exists()


def test_every_package_is_installed():
    """Else a room that is there in a checkout is missing after pip install."""
    import tomllib

    root = SCRIPT.parent.parent
    listed = set(tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    rooms = ("console", "spaces", "records", "trainables", "analysis", "search")
    found = {path.parent.relative_to(root).as_posix().replace("/", ".") for room in rooms
             for path in (root / room).rglob("__init__.py")}  # fmt: skip
    assert listed == found


def test_every_dependency_names_its_lowest_version():
    """What CI_LOWEST=1 .ci/run installs."""
    found = subprocess.run([sys.executable, SCRIPT.with_name("lowest.py")], capture_output=True, text=True, check=True)
    lines = found.stdout.splitlines()
    assert {"ray[tune]==2.55", "optuna==4.4", "torch==2.11", "pytest==8.3"} <= set(lines)
    assert not [line for line in lines if line.startswith("pytest-xdist")] and all("==" in line for line in lines)
