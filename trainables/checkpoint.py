"""The state of a training between two epochs as tensors and a text, and back."""

import json
from dataclasses import asdict

import torch

from records.epoch import EpochRecord
from trainables.budget import Totals
from trainables.curricula.base import Difficulty
from trainables.loop import TrainState


def save(state: TrainState) -> tuple[dict[str, torch.Tensor], str]:
    """The state between two epochs as tensors and a JSON text; `restore` takes both."""
    tensors = state.engine.state()
    if state.difficulty is not None:
        tensors["difficulty.values"] = torch.from_numpy(state.difficulty.values)
        tensors["difficulty.order"] = torch.from_numpy(state.difficulty.order)
    plain = {
        "epoch": state.epoch,
        "scored_at": state.scored_at,
        "curriculum": state.curriculum_state,
        "rule": state.rule_state,
        "totals": asdict(state.totals),
        "best": state.best and state.best.row(),
        "last": state.last and state.last.row(),
    }
    return tensors, json.dumps(plain)


def restore(state: TrainState, tensors: dict[str, torch.Tensor], text: str) -> None:
    """Put a saved state into a freshly made one of the same trial; the next epoch is the one that would have followed."""
    plain = json.loads(text)
    state.engine.restore(tensors)
    if "difficulty.values" in tensors:
        state.difficulty = Difficulty(tensors["difficulty.values"].numpy(), tensors["difficulty.order"].numpy())
    state.epoch, state.scored_at = plain["epoch"], plain["scored_at"]
    state.curriculum_state, state.rule_state = plain["curriculum"], plain["rule"]
    state.totals = Totals(**plain["totals"])
    state.best = plain["best"] and EpochRecord.from_row(plain["best"])
    state.last = plain["last"] and EpochRecord.from_row(plain["last"])
