#!/bin/sh
# Make .venv hold exactly what pyproject.toml and constraints.txt ask for. Run through `make setup`.
set -eu
stamp=$1
need_kb=8000000   # 7.3 GB installed, and room for pip to unpack one wheel at a time

say() { echo "setup: $*" >&2; }
stop() { say "$*"; exit 1; }

suitable() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

python=
for candidate in ${PYTHON:-} python3.14 python3.13 python3.12 python3.11 python3; do
    if suitable "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || stop "no Python 3.11 to 3.14 on the PATH; install one, or name it: make PYTHON=/path/to/python3.12 setup."

# A half-made environment has no working pip: it is made again rather than mended.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        stop "$python has no venv module; install it (Debian and Ubuntu: apt-get install python3-venv), then try again."
    free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
    [ "$free_kb" -ge "$need_kb" ] ||
        stop "$((need_kb / 1000000)) GB of free disk are needed here for the packages, $((free_kb / 1000000)) GB are free; make room, then try again."
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv || stop "$python could not make .venv; see the lines above."
fi

say "installing packages (first time: about 3 GB to download, 7.3 GB on disk, a few minutes)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' ||
    stop "pip could not install the packages; the lines above say why, and running make again goes on from there."
.venv/bin/python -c 'import torchvision' 2>/dev/null ||
    .venv/bin/python -m trainables.pairing || stop "torch and torchvision in .venv do not work together; see the line above."
touch "$stamp"
