"""Row on memory: what a second trial process adds for the images. Linux only; python -m benchmarks.sharing SOURCE SIZE

A process's proportional set size (PSS) counts a page shared by two processes as half a page for each, so the sum over
processes is what the images really take.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Row
from trainables.data.sources import load


def rows(source: str, size: int, rounds: int) -> Iterator[Row]:
    """MB of memory that hold the images, with two processes reading all of them, against one; one copy is the floor."""
    floor = load(source, size).images.nbytes / 1e6
    ours = [proportional_mb(source, size, processes=2) for _ in range(rounds)]
    yield Row(
        "images in memory, two trial processes", "MB", ours, [2 * floor] * rounds, [floor] * rounds,
        peer_name="a copy in each process, by calculation", floor_name="one copy", target="no second copy",
    )  # fmt: skip


def proportional_mb(source: str, size: int, processes: int) -> float:
    """The sum of what the image file's mapping takes in so many processes, each having read every page.

    A reader ends early where its engine reads anything but the mapping.
    """
    command = [sys.executable, "-m", "benchmarks.sharing", source, str(size)]
    readers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    try:
        for reader in readers:
            assert reader.stdout and reader.stdout.readline() == "read\n", "a reader has ended early"
        return sum(mapped_kb(reader.pid) for reader in readers) * 1024 / 1e6
    finally:
        for reader in readers:
            reader.communicate("done\n")


def mapped_kb(pid: int, file: str = "images.u8") -> int:
    """kB of proportional set size of the mappings of this file, and of nothing else."""
    total, ours = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name = line.split(maxsplit=1)[0]
        if not name.endswith(":"):
            ours = line.endswith(f"/{file}")
        elif ours and name == "Pss:":
            total += int(line.split()[1])
    return total


def main() -> None:
    """Read every page of the images as a trial does, say so, and wait."""
    import numpy as np

    from spaces.trial import TrialConfig
    from trainables.networks.engine import Engine
    from trainables.networks.models import build

    source, size = sys.argv[1], int(sys.argv[2])
    data = load(source, size)
    network = build("small_cnn", len(data.classes), "none", 0)
    engine = Engine(network, data.images, np.asarray(data.labels), TrialConfig(), "cpu", "fp32")
    assert engine.inputs.data_ptr() == data.images.ctypes.data, "the engine holds a copy of its own"
    int(engine.inputs.sum())
    print("read", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
