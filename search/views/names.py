"""What runs and studies are called beside each other: by what differs, and never otherwise once they have been shown."""

import math
import re
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, json_to_distribution

from records.epoch import Row
from records.history import TrialHistory

MOST_FIELDS, MOST_LETTERS = 2, 60
SHORT = {"learning_rate": "lr", "weight_decay": "decay", "batch_size": "batch", "label_smoothing": "smoothing",
         "share_start": "start", "share_step": "step"}  # fmt: skip
NAMED = 3  # strategies in the name of a study


def name_of(run: Row, trial: TrialHistory) -> str:
    """'0002 lr 7e-4 step .18', '0000 as_run', or in a head-to-head 'self_paced seed 3'.

    Made of what is known before the trial begins, so that it stays; it is the name of a folder as well.
    """
    if trial.setting is not None:
        return _plain(f"{trial.arm} seed {trial.setting.seed}")
    values = trial.asked.values
    words = [f"{SHORT.get(name, name)} {short(values[name])}" for name in telling(run) if name in values]
    return _plain(" ".join([f"{trial.number:04d}", *([trial.asked.anchor] if trial.asked.anchor else words)]))


def _plain(text: str) -> str:
    """As any file system takes it."""
    return re.sub(r"[^\w.+@ -]+", "-", text)[:MOST_LETTERS].rstrip(" .")


def telling(run: Row) -> list[str]:
    """The searched fields that may vary most: the widest ranges first; what is a part of another field's rule last."""
    space = {name: json_to_distribution(text) for name, text in run["space"]["search"].items()}
    return sorted(space, key=lambda name: (name.startswith("rate_"), -_width(space[name])))[:MOST_FIELDS]


def _width(of: BaseDistribution) -> float:
    """How many times its lowest value the highest is, as a logarithm; a choice of words is narrower than any range."""
    if isinstance(of, CategoricalDistribution):
        return 0.0
    low, high = float(getattr(of, "low", 0.0)), float(getattr(of, "high", 0.0))
    return math.log(high / low) if 0 < low < high else math.log(10) if low < high else 0.0


def short(value: Any) -> str:
    """'7e-4', '.18', '2.5', 'cosine': two digits are enough to tell trials apart."""
    if not isinstance(value, float):
        return str(value)
    if value and abs(value) < 0.01:
        digits, _, power = f"{value:.1e}".partition("e")
        return f"{digits.removesuffix('.0')}e{int(power)}"
    text = f"{value:.2g}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and "e" not in text and value else text


def study_name(name: str, run: Row) -> str:
    """'first: search of self_paced on rsscn7 at 64 px', 'table: finetune, paced and 3 more on rsscn7 at 64 px'."""
    on = f"on {run['data']['name']} at {run['setting']['image_size']} px"
    if "compare" not in run:
        return f"{name}: search of {run['setting']['strategy']} {on}"
    strategies = [part.strip() for part in str(run["compare"].get("strategies", "arms")).split(",")]
    more = f" and {len(strategies) - NAMED} more" if len(strategies) > NAMED else ""
    return f"{name}: {', '.join(strategies[:NAMED])}{more} {on}"
