"""Difficulty that is known before training: where it comes from and what it costs.

N = images of the data set, F = features, C = classes. Higher is harder.
"""

import csv
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from console.errors import UsageError, unknown
from console.given import read_given
from console.progress import track
from trainables.data.dataset import Dataset, Floats, Floats32, Ints
from trainables.data.folder import LEVELS, division_levels, is_division
from trainables.seeds import rng

FOLDS = 5


@dataclass(frozen=True)
class Scores:
    values: Floats  # (N,)
    seconds: float  # charged to whoever uses them: what it took to judge the training split
    images_scored: int  # of the training split; that the others are judged is for evaluation, and is not charged
    images_trained: int = 0


Scoring = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # logits (n, C), labels (n,) -> difficulty (n,)


def losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(n,) in nats."""
    return functional.cross_entropy(logits, labels, reduction="none")


def confusion(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(n,) in [0, 2]: (1 - p) (1 + h), p the chance of the right class, h in [0, 1] how evenly the others share the rest.

    After the transfer teacher of Kommalage et al. 2026 (arXiv 2606.17706), who weigh both; the formula is ours.
    """
    chances = logits.double().softmax(dim=1)
    right = chances.gather(1, labels[:, None])[:, 0]
    others = chances.scatter(1, labels[:, None], 0.0)
    parts = others / others.sum(dim=1, keepdim=True).clamp_min(1e-300)
    spread = torch.special.entr(parts).sum(dim=1) / max(np.log(logits.shape[1] - 1), 1e-9)
    difficulty: torch.Tensor = (1 - right) * (1 + spread)
    return difficulty


def head_scores(features: Floats32, labels: Ints, train: Ints, seed: int, scoring: Scoring = losses) -> Scores:
    """The difficulty of each image under a linear head that has not seen it. Features (N, F), labels (N,).

    Images of the training split are cross-validated; the others are judged by a head trained on all of it, so that
    nothing that is trained on, or ordered by, depends on a label outside the training split.
    """
    started = time.perf_counter()
    x, y = torch.from_numpy(features), torch.from_numpy(labels)
    x = (x - x[train].mean(dim=0)) / (x[train].std(dim=0) + 1e-6)
    fold = np.full(len(labels), FOLDS)  # whoever is in no fold of the training split
    fold[train] = rng(seed, 0, "folds").permutation(len(train)) % FOLDS
    values, spent = np.empty(len(labels)), 0.0
    for number in track(range(FOLDS + 1), "judging difficulty", unit="folds"):
        if number == FOLDS:
            spent = time.perf_counter() - started
        judged = torch.from_numpy(np.flatnonzero(fold == number))
        kept = torch.from_numpy(train[fold[train] != number])
        head = _fit_head(x[kept], y[kept], int(labels.max()) + 1)
        values[judged] = scoring(head(x[judged]).detach(), y[judged])
    return Scores(values, spent, len(train))


def _fit_head(x: torch.Tensor, y: torch.Tensor, classes: int, steps: int = 60) -> torch.nn.Linear:
    """Multinomial regression with a small L2 penalty, by L-BFGS from zero: the same on every call."""
    head = torch.nn.Linear(x.shape[1], classes)
    torch.nn.init.zeros_(head.weight), torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(head(x), y) + 1e-2 * head.weight.square().sum() / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    return head


def true_scores(data: Dataset) -> Scores:
    """The difficulty the images were drawn with; free. Raises UsageError for photographs."""
    if data.difficulty is None:
        raise UsageError(f"The images of '{data.name}' have no true difficulty; pass --difficulty head or a CSV file.")
    return Scores(data.difficulty, 0.0, 0)


def read_scores(path: Path, data: Dataset) -> Scores:
    """A CSV with the columns path,difficulty: a number, or easy, medium or hard (0, 1, 2); or a divided folder. Free.

    Raises UsageError where it does not name the images of the data set, each once.
    """
    rows = _read_folder(path, data) if path.is_dir() else _read_rows(path)
    place = {name: i for i, name in enumerate(data.paths)}
    foreign = [name for name in rows if name not in place]
    missing = [name for name in data.paths if name not in rows]
    if foreign:
        raise UsageError(f"{path} names {len(foreign)} images that are not in '{data.name}', first {foreign[0]}.")
    if missing:
        raise UsageError(
            f"{path} lacks {len(missing)} of the {data.count} images of '{data.name}', first {missing[0]}; add a row for "
            f"each, or pass --difficulty head to have all of them scored."
        )
    values = np.empty(data.count)
    for name, word in rows.items():
        values[place[name]] = _number(path, name, word)
    return Scores(values, 0.0, 0)


def check_scores_file(path: Path) -> None:
    """Raises UsageError for a file or folder that is no difficulty of any data."""
    if path.is_dir():
        _levels_in(path)
        return
    for name, word in _read_rows(path).items():
        _number(path, name, word)


def _levels_in(root: Path) -> dict[str, str]:
    if not is_division(root):
        raise UsageError(
            f"{root} is no division: it wants the folders easy, medium and hard, with class folders in each."
        )
    return division_levels(root)


def _read_folder(root: Path, data: Dataset) -> dict[str, str]:
    """{path as in the data set: level}; the data set may itself be the divided folder."""
    levels = _levels_in(root)
    divided = {f"{level}/{image}": level for image, level in levels.items()}
    return divided if divided.keys() == set(data.paths) else levels


def _read_rows(path: Path) -> dict[str, str]:
    try:
        reader = csv.DictReader(io.StringIO(read_given(path, "The difficulty file"), newline=""))
        if not {"path", "difficulty"} <= set(reader.fieldnames or ()):
            raise UsageError(f"{path} wants the columns path,difficulty; it has {','.join(reader.fieldnames or ())}.")
        return {(row["path"] or "").removeprefix("./"): row["difficulty"] or "" for row in reader}
    except csv.Error as error:
        raise UsageError(f"The difficulty file {path} cannot be read ({error}).") from None


def _number(path: Path, name: str, word: str) -> float:
    if word in LEVELS:
        return float(LEVELS.index(word))
    try:
        number = float(word)
    except ValueError:
        raise UsageError(f"{path}, {name}: {unknown('difficulty', word, LEVELS)}") from None
    if not np.isfinite(number):
        raise UsageError(f"{path}, {name}: a difficulty must be a finite number; got {word}.")
    return number
