"""The peers: the same work as it is usually written. Kept that way on purpose; nobody else should import from here.

N = images, F = features before the head.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from trainables.networks.architecture import MEAN, STD


def usual_loop(
    root: Path,
    size: int,
    train: Sequence[str],
    held_out: Sequence[str],
    network: nn.Module,
    rate: float,
    orders: Sequence[Sequence[int]],
    workers: int = 2,
    batch_size: int = 32,
    device: str = "cpu",
) -> Iterator[tuple[float, float, float]]:
    """ImageFolder and DataLoader, fp32, NCHW, .item() at every batch: (train seconds, train loss, held-out loss) per epoch.

    `train` and `held_out` are paths below root. Usual code shuffles by itself; here the order of each epoch over the
    `train` images is given, so that both sides meet the same batches. What is not trainable in `network` stays frozen,
    and the whole network is run all the same.
    """
    steps = [transforms.Resize((size, size)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    data = ImageFolder(str(root), transform=transforms.Compose(steps))
    place = {Path(path).relative_to(root).as_posix(): i for i, (path, _) in enumerate(data.samples)}
    shown = Subset(data, [place[name] for name in train])
    judged = DataLoader(Subset(data, [place[name] for name in held_out]), batch_size, num_workers=workers)
    network = network.to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=rate)
    for order in orders:
        started = time.perf_counter()
        batches = DataLoader(shown, batch_size, sampler=list(order), num_workers=workers)
        loss = _train_epoch(network, batches, criterion, optimizer, device)
        seconds = time.perf_counter() - started
        yield seconds, loss, _evaluate(network, judged, criterion, device)


def _train_epoch(network, batches, criterion, optimizer, device) -> float:
    network.train()
    running_loss, running_correct, seen = 0.0, 0, 0
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        outputs = network(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * len(labels)
        running_correct += (outputs.argmax(1) == labels).sum().item()
        seen += len(labels)
    return running_loss / seen


def _evaluate(network, batches, criterion, device) -> float:
    network.eval()
    loss, correct, seen = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in batches:
            images, labels = images.to(device), labels.to(device)
            outputs = network(images)
            loss += criterion(outputs, labels).item() * len(labels)
            correct += (outputs.argmax(1) == labels).sum().item()
            seen += len(labels)
    print(f"accuracy {correct / seen:.4f}", file=sys.stderr)
    return loss / seen


def knn_by_rows(features: torch.Tensor, labels: torch.Tensor, rows: int, k: int = 5) -> float:
    """The KNN metric by a Python loop over images, each against all others at once; of the first `rows` images."""
    total = 0.0
    for i in range(rows):
        distances = torch.norm(features - features[i], dim=1)
        distances[i] = math.inf
        nearest = torch.topk(distances, k, largest=False).indices
        total += sum(int(labels[j] == labels[i]) for j in nearest) / k
    return total / rows


def knn_by_pairs(features: torch.Tensor, labels: torch.Tensor, rows: int, k: int = 5) -> float:
    """The KNN metric as the report words it: for each tensor, the distance to each other, one by one (section 10)."""
    total = 0.0
    for i in range(rows):
        distances = []
        for j in range(len(features)):
            if j != i:
                distances.append((torch.dist(features[i], features[j]).item(), j))
        nearest = sorted(distances)[:k]
        total += sum(int(labels[j] == labels[i]) for _, j in nearest) / k
    return total / rows
