"""Which network of a run folder is meant, and what it is where its file does not say."""

from pathlib import Path

from safetensors import safe_open

from console.errors import UsageError
from records.confirmed import confirmed_trials
from records.folder import best_weights
from records.history import RunHistory, TrialHistory, read_history
from records.kept import check_kept
from records.tables import best_rows
from spaces.setting import Setting
from spaces.space import make_config
from trainables.networks.anatomy import anatomy
from trainables.networks.models import get_architecture
from trainables.portable.about import ModelAbout
from trainables.portable.describe import about_network, origin_of
from trainables.strategies import get_strategy


def find_kept(folder: Path, trial: int | None) -> tuple[Path, ModelAbout]:
    """The file of a trial's network, or of the best trial whose network is there, and what it is. Raises UsageError."""
    history = read_history(folder)
    number = _best_kept(folder, history) if trial is None else trial
    file = best_weights(folder, number)
    if number not in history.trials or not file.is_file():
        kept = [one for one in history.trials if best_weights(folder, one).is_file()]
        raise UsageError(f"{folder} has no network of trial {number}; kept: {', '.join(map(str, kept)) or 'none'}.")
    check_kept(history, number, file)
    return file, ModelAbout.read(file) or _about_older(file, history, history.trials[number])


def _best_kept(folder: Path, history: RunHistory) -> int:
    """In the order of best.parquet."""
    for row in best_rows(history, confirmed_trials(folder)):
        if best_weights(folder, row["trial"]).is_file():
            return int(row["trial"])
    raise UsageError(f"{folder} keeps no network: a head-to-head removes them once test is opened, and a search keeps "
                     f"its best --keep. Pass a search's run folder.")  # fmt: skip


def _about_older(file: Path, history: RunHistory, trial: TrialHistory) -> ModelAbout:
    """What the run says of a network that was kept before files said it themselves. Raises UsageError."""
    run, best = history.run, trial.best
    try:
        setting = trial.setting or Setting(**run["setting"])
    except ValueError:
        raise UsageError(f"{file} was kept by a version with other settings; load it with that one.") from None
    head = anatomy(get_architecture(setting.model), setting.image_size).head
    with safe_open(file, framework="numpy") as opened:
        alone = all(name.startswith(f"{head}.") for name in opened.keys())  # noqa: SIM118
    if alone or best is None:
        raise UsageError(f"{file} holds a head alone and does not say what it was trained on, as those of version 0.1.0 do "
                         f"not; train it again with search.replay.")  # fmt: skip
    values = trial.asked.config | trial.fields.get(best.epoch, {})
    config = make_config(get_strategy(setting.strategy).config, values)
    origin = origin_of(run["options"]["name"], trial.number, setting, run["data"]["digest"])
    return about_network(setting, config, run["data"]["classes"], best, origin)
