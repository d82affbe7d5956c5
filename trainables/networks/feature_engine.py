"""An engine over features that were computed once, where the backbone is frozen and would only repeat itself."""

import torch

from spaces.trial import TrialConfig
from trainables.data.dataset import Bools, Ints
from trainables.networks.augment import View
from trainables.networks.engine import Engine
from trainables.networks.features import Features
from trainables.networks.models import Network


class FeatureEngine(Engine):
    """Trains the head on features that were computed once: the same numbers, since a frozen backbone repeats itself."""

    def __init__(
        self,
        network: Network,
        features: Features,
        labels: Ints,
        config: TrialConfig,
        device: str,
        targets: Bools | None = None,
    ):
        """features: (N, F), of each image by the network's backbone as it is."""
        super().__init__(network, features.values, labels, config, device, "fp32", targets)
        self.head_of = features.backbone

    def side_of(self, scale: float) -> int | None:
        """Features have no side."""
        return None

    def weights(self) -> dict[str, torch.Tensor]:
        return {f"{self.network.head_name}.{k}": v for k, v in self.network.head.state_dict().items()}

    def _logits(self, index: torch.Tensor, view: View | None, side: int | None) -> torch.Tensor:
        logits: torch.Tensor = self.network.head(self._batch(index, view, side))
        return logits

    def _features(self, index: torch.Tensor) -> torch.Tensor:
        return self._batch(index)

    def _batch(self, index: torch.Tensor, view: View | None = None, side: int | None = None) -> torch.Tensor:
        """(B, F) float32; features are of images as they are."""
        assert view is None and side is None
        return self.inputs[index]
