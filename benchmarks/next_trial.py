"""Row on memory: what a trial process holds while it builds its next trial. Linux only; python -m benchmarks.next_trial

The process is one that Ray would use again: it lets go of the trial before, and builds another of the same network.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.table import Row
from spaces.setting import Setting
from trainables.machine import peak_memory_mb
from trainables.strategies import get_strategy

TRIALS = 3  # of which the first is built where nothing was before


def rows(model: str, size: int, rounds: int) -> Iterator[Row]:
    """MB at most while the last of some trials was built, against the first: nothing of the others may be left."""
    command = [sys.executable, "-m", "benchmarks.next_trial", model, str(size)]
    found = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout.splitlines()[-1])
             for _ in range(rounds)]  # fmt: skip
    yield Row(
        f"a process while it builds its next trial, {model}", "MB", [peaks[-1] for peaks in found],
        floor=[peaks[0] for peaks in found], floor_name="while it built its first one", note="after an epoch of each",
    )  # fmt: skip


def building(model: str, size: int) -> list[float]:
    """MB at most while each trial was built, in this process."""
    from trainables.tune import StrategyTrainable  # loads Ray

    torch.set_num_threads(1)
    setting = Setting(strategy="finetune", data="scenes:count=140", image_size=size, model=model, weights="none",
                      epochs=2, precision="fp32", threads=1)  # fmt: skip
    config = get_strategy("finetune").config().model_dump_json()
    trainable, peaks = None, []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(TRIALS):
            place = Path(folder) / str(number)
            place.mkdir()
            (place / "ledger.jsonl").touch()
            job = {"number": number, "folder": str(place), "setting": setting.model_dump_json(), "config": config}
            if trainable is None:
                trainable = StrategyTrainable(config=job)
            else:
                trainable.reset_config(job)
            peaks.append(peak_memory_mb("cpu"))  # each trial's own: it is counted from its beginning
            trainable.train()
    return peaks


if __name__ == "__main__":
    print(json.dumps(building(sys.argv[1], int(sys.argv[2]))))
