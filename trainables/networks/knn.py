"""The KNN metric of the report (section 10): how well the features before the head keep classes together.

n = images, F = features. Each image looks at the k other images whose features are nearest (Euclidean); its score is the
fraction of them with its own label; the metric is the mean over images.
"""

import torch

CHUNK_BYTES = 200_000_000  # of distances held at once, so that 100,000 x 512 features stay well under 1 GB


def knn_metric(features: torch.Tensor, labels: torch.Tensor, k: int = 5) -> float:
    """The metric in [0, 1] for features (n, F) and labels (n,), row i of both being the same image.

    With fewer than k other images, all the others are the neighbours. Raises ValueError on fewer than two images.
    """
    n = len(features)
    if n < 2 or len(labels) != n:
        raise ValueError(f"the KNN metric needs at least two images and a label for each; got {n} and {len(labels)}.")
    # centred, because the distances below are differences of squares, which lose digits far from the origin
    features = features.float() - features.float().mean(dim=0)
    squares = features.square().sum(dim=1)
    k = min(k, n - 1)
    rows = max(1, CHUNK_BYTES // (4 * n))
    same = sum(_same_label(features, squares, labels, start, min(n, start + rows), k) for start in range(0, n, rows))
    return float(same) / (n * k)


def _same_label(
    features: torch.Tensor, squares: torch.Tensor, labels: torch.Tensor, start: int, stop: int, k: int
) -> int:
    """How many of the neighbours of images start to stop - 1 share their label."""
    distances = torch.addmm(squares.unsqueeze(0), features[start:stop], features.T, alpha=-2)  # less a constant per row
    own = torch.arange(start, stop, device=features.device)
    distances[own - start, own] = torch.inf
    nearest = distances.topk(k, dim=1, largest=False).indices
    return int((labels[nearest] == labels[start:stop, None]).sum())
