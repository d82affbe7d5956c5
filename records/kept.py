"""Kept networks, held against what the ledger says of their trials."""

from pathlib import Path

from console.arguments import shortened
from console.errors import UsageError
from records.epoch import EpochRecord
from records.files import parse_json, read_text
from records.history import RunHistory


def check_kept(history: RunHistory, trial: int, path: Path) -> None:
    """Raises UsageError where a kept network is not, by what is written in it, that of the trial's best epoch.

    One of an epoch that is not in the ledger is let be: a worker can be one ahead of it.
    """
    asked = history.trials[trial]
    seed = asked.setting.seed if asked.setting else history.run["setting"]["seed"]
    try:
        kept = EpochRecord.from_row(parse_json(read_text(path, "record") or "{}"))
        recorded = {record.epoch: record for record in asked.records}.get(kept.epoch)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} does not say whose network it is; put the one there that the run kept.") from None
    if (kept.trial, kept.seed) != (trial, seed):
        raise UsageError(f"{path} is of trial {shortened(str(kept.trial))} with seed {shortened(str(kept.seed))}, not of "
                         f"trial {trial} with seed {seed}; put its own network there.")  # fmt: skip
    same = recorded and (kept.strategy, kept.eval_loss) == (recorded.strategy, recorded.eval_loss)
    if recorded and not (same and recorded is asked.best):
        name, best = history.run["options"]["name"], asked.best.epoch if asked.best else "none"
        raise UsageError(f"{path} is not of the best epoch of trial {trial} of {name} ({best}): it is of its epoch "
                         f"{kept.epoch}, or of another run; put the network there that the run kept.")  # fmt: skip
