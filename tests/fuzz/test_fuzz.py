"""Whatever is in a file or on a command line: no traceback, nothing written over, nothing that goes on for ever.

A minute in all. FUZZ_MINUTES=30 FUZZ_SEED=1 makes it the long form, whose cases are others for each seed.
"""

import contextlib
import importlib
import io
import json
import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

from console.arguments import DONE, INTERRUPTED, TOO_FEW, WRONG_USAGE
from console.errors import UsageError
from records.files import read_text
from search.options import CompareOptions, SearchOptions
from spaces.self_paced import SelfPacedConfig
from tests.fuzz.mutations import TEXTS, changed, damaged, scalars
from tests.test_bad_input import SMALL
from trainables import load_model
from trainables.data.sources import load
from trainables.networks.models import read_state

MINUTES = float(os.environ.get("FUZZ_MINUTES", "1"))
SEED = os.environ.get("FUZZ_SEED")
LONGEST = 60.0  # seconds that one case may take on a busy machine
done: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def figures(tmp_path_factory):
    """How many cases there were, in which time; seen with -s."""
    started = time.monotonic()
    yield
    print(f"\nfuzz: {sum(done.values()):,} cases in {time.monotonic() - started:.0f} s: {dict(done)}")


def fuzzed(per_second: float, part: float):
    """A test of about `part` of the minutes. `per_second`: cases, as measured on two busy cores."""
    count = max(10, int(MINUTES * 60 * part * per_second))
    given = hypothesis.given(st.data())
    how = hypothesis.settings(max_examples=count, derandomize=SEED is None, deadline=None, database=None,
                              phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
                              suppress_health_check=list(hypothesis.HealthCheck), report_multiple_bugs=False)  # fmt: skip
    seeded = hypothesis.seed(int(SEED)) if SEED else lambda test: test
    return lambda test: seeded(how(given(test)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("fuzz") / "runs"
    words = ["--space", "self_paced", *SMALL, "--epochs", "2", "--samples", "3", "--out", str(out), "--name", "r"]
    assert quiet("search.run", *words)[0] == DONE
    return out / "r"


def quiet(command: str, *words: str) -> tuple[int, str]:
    """(status, what was said on stderr) of a command in this process."""
    said, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(error):
        try:
            status = importlib.import_module(command).main(list(words))
        except SystemExit as stop:
            status = stop.code
    return status, error.getvalue().strip()


def survives(command: str, *words: str) -> int:
    """The status of a command that may refuse, and then says why in one line."""
    started = time.monotonic()
    status, error = quiet(command, *words)
    assert status in (DONE, TOO_FEW, WRONG_USAGE, INTERRUPTED), status
    assert "Traceback" not in error
    if status == WRONG_USAGE:
        assert error.splitlines()[-1].startswith(("Error: ", "python -m ")), error  # before it, what was done so far
    assert time.monotonic() - started < LONGEST
    done[command] += 1
    return status


def copy_of(folder: Path) -> Path:
    place = folder.parent / "copy"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    return place


def read_again(folder: Path) -> None:
    """What a person would do with a run folder of somebody else's."""
    before = folder.joinpath("ledger.jsonl").read_bytes() if folder.joinpath("ledger.jsonl").exists() else b""
    survives("search.status", str(folder))
    survives("search.export", str(folder))
    survives("search.run", "--resume", "--out", str(folder.parent), "--name", folder.name, "--samples", "4")
    after = folder.joinpath("ledger.jsonl").read_bytes() if folder.joinpath("ledger.jsonl").exists() else b""
    assert after.startswith(before[: before.rfind(b"\n") + 1])  # nothing that was recorded is gone


# Command lines


def words_of(draw: Any, model: type) -> list[str]:
    """Some flags with values that are right, nearly right and wrong."""
    names = draw(st.lists(st.sampled_from(sorted(set(model.model_fields) - SLOW)), max_size=4))
    words = []
    for name in names:
        info = model.model_fields[name]
        words.append("--" + name.replace("_", "-"))
        if info.annotation is not bool:
            field = draw(st.sampled_from(sorted(SelfPacedConfig.model_fields)))
            pair = draw(scalars().map(lambda value, field=field: f"{field}={value}"))
            words.append(draw(st.sampled_from(TEXTS) | scalars().map(str) | st.just(pair) | st.just(str(info.default))))
    return words


# what would start Ray or pages, download, import, or leave the temporary folder
SLOW = {"executor", "address", "dashboard", "track", "plugin", "out", "cpus_per_trial", "concurrent"}


@fuzzed(per_second=20, part=0.2)
def test_command_lines(finished, data):
    words = words_of(data.draw, SearchOptions)
    survives("search.run", *SMALL, "--samples", "2", "--out", str(finished.parent / "o"), *words, "--dry-run")
    assert not (finished.parent / "o").exists()


@fuzzed(per_second=60, part=0.1)
def test_command_lines_of_a_head_to_head(finished, data):
    words = words_of(data.draw, CompareOptions)
    survives("search.compare", *SMALL, "--out", str(finished.parent / "o"), *words, "--weights", "/nowhere")
    assert not (finished.parent / "o").exists()


# Run folders


@fuzzed(per_second=4, part=0.2)
def test_ledgers(finished, data):
    folder = copy_of(finished)
    file = folder / "ledger.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(("change", "change", "change", "drop", "twice", "swap")))
        if how == "change":
            changed(data.draw, lines[place])
        else:
            lines[place : place + 1] = {"drop": [], "twice": [lines[place]] * 2, "swap": lines[place:][:2][::-1]}[how]
        if not lines:
            break
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    read_again(folder)


@fuzzed(per_second=8, part=0.05)
def test_bytes_of_ledgers(finished, data):
    folder = copy_of(finished)
    file = folder / "ledger.jsonl"
    file.write_bytes(damaged(data.draw, file.read_bytes()))
    read_again(folder)


@fuzzed(per_second=8, part=0.15)
def test_run_json(finished, data):
    folder = copy_of(finished)
    about = json.loads((folder / "run.json").read_text())
    changed(data.draw, about)
    (folder / "run.json").write_text(json.dumps(about))
    read_again(folder)


@fuzzed(per_second=8, part=0.05)
def test_bytes_of_checkpoints_and_predictions(finished, data):
    folder = copy_of(finished)
    files = sorted(folder.rglob("*.safetensors"))
    file = data.draw(st.sampled_from(files))
    file.write_bytes(damaged(data.draw, file.read_bytes()))
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    if data.draw(st.booleans()):  # as a run that was killed before its last event
        (folder / "ledger.jsonl").write_text(
            "".join(line + "\n" for line in lines[: data.draw(st.integers(1, len(lines)))])
        )
    read_again(folder)


# Tables, images, weights, lists


@fuzzed(per_second=12, part=0.1)
def test_tables(finished, data):
    rows = pyarrow.parquet.read_table(finished / "best.parquet").to_pylist()
    row = data.draw(st.sampled_from(rows))
    changed(data.draw, row)
    table = finished.parent / "table.parquet"
    try:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), table)
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError):  # parquet cannot hold it
        return
    survives("search.replay", str(table), "--epochs", "1")
    survives("search.run", *SMALL, "--out", str(finished.parent / "o"), "--configs", str(table), "--dry-run")


@fuzzed(per_second=40, part=0.1)
def test_pictures(finished, data):
    folder = finished.parent / "pictures"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((9, 9, 3), 40 * i, np.uint8)).save(folder / name / f"{i}.png")
    kind = data.draw(st.sampled_from(("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")))
    mode = data.draw(st.sampled_from(("RGB", "L", "P", "RGBA", "CMYK", "1", "I;16")))
    picture = io.BytesIO()
    try:
        Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).convert(mode).save(picture, kind)
    except (OSError, ValueError):  # there is no such picture
        return
    suffix = data.draw(st.sampled_from(("png", "jpg", "tif", "gif", "bmp", "webp")))
    (folder / "a" / f"9.{suffix}").write_bytes(damaged(data.draw, picture.getvalue()))
    try:
        found = load(str(folder), 8, skip_bad_images=data.draw(st.booleans()))
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert found.images.shape[1:] == (8, 8, 3) and found.count in (6, 7)
        assert set(np.unique(found.labels)) == {0, 1}
    done["pictures"] += 1


@fuzzed(per_second=60, part=0.05)
def test_weights(finished, data):
    source = next(iter(sorted(finished.glob("checkpoints/*/best.safetensors"))))
    file = finished.parent / "weights.safetensors"
    file.unlink(missing_ok=True)  # what is loaded may be mapped into memory
    file.write_bytes(damaged(data.draw, source.read_bytes()))
    with contextlib.suppress(UsageError):
        read_state(file)
    survives("search.run", *SMALL, "--space", "finetune", "--weights", str(file), "--out", str(finished.parent / "o"),
             "--dry-run")  # fmt: skip


@fuzzed(per_second=20, part=0.05)
def test_what_networks_say_of_themselves(finished, data):
    source = next(iter(sorted(finished.glob("checkpoints/*/best.safetensors"))))
    texts = {name: read_text(source, name) for name in ("state", "record", "model")}
    name = data.draw(st.sampled_from(("model", "model", "model", "state")))
    about = json.loads(texts[name])
    changed(data.draw, about)
    if data.draw(st.booleans()) and isinstance(texts["model"], str):
        texts["model"] = texts["model"].replace('"part":"whole"', '"part":"head"')
    file = finished.parent / "network.safetensors"
    file.unlink(missing_ok=True)
    save_file(load_file(source), file, texts | {name: json.dumps(about)})
    try:
        model = load_model(file)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert model(torch.zeros(1, 3, model.image_size, model.image_size)).shape == (1, len(model.classes))
    done["networks"] += 1
