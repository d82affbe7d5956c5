"""An engine over features that were computed once, where the backbone is frozen and would only repeat itself."""

import torch

from spaces.trial import TrialConfig
from trainables.data.dataset import Bools, Floats, Ints
from trainables.networks.augment import View
from trainables.networks.engine import PLAIN, Engine, Manner
from trainables.networks.features import Features
from trainables.networks.joined import Joint, Request
from trainables.networks.models import Network
from trainables.networks.outcomes import Trained
from trainables.networks.precision import multiply_in
from trainables.views import Views


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
        self.joint: Joint | None = None  # who trains it along with others, where somebody does
        self.known = features.known

    def train(
        self,
        order: Ints,
        rates: Floats,
        weights: Floats | None = None,
        views: Views | None = None,
        manner: Manner = PLAIN,
    ) -> Trained:
        """As of any engine; where others are trained on the same features, together with them."""
        multiply_in(self.device, self.precision)
        if self.joint is None:
            return super().train(order, rates, weights, views, manner)
        assert views is None  # features are of images as they are
        return self.joint(Request(self, order, rates, weights, manner))

    def side_of(self, scale: float) -> int | None:
        """Features have no side."""
        return None

    def weights(self) -> dict[str, torch.Tensor]:
        return {f"{self.network.head_name}.{k}": v for k, v in self.network.head.state_dict().items()}

    def state(self) -> dict[str, torch.Tensor]:
        """Head and optimiser: what does not change need not be written, and is 40 MB of a ResNet18."""
        return {name: value for name, value in super().state().items() if not name.startswith("network.backbone.")}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """The inverse; of a state with a backbone, as version 0.1.0 wrote it, only the rest."""
        own = {f"network.backbone.{name}": value for name, value in self.network.backbone.state_dict().items()}
        super().restore(state | own)

    def _logits(self, index: torch.Tensor, view: View | None, side: int | None) -> torch.Tensor:
        logits: torch.Tensor = self.network.head(self._batch(index, view, side))
        return logits

    def _features(self, index: torch.Tensor) -> torch.Tensor:
        multiply_in(self.device, self.precision)  # for the head, which is not put through `autocast`
        return self._batch(index)

    def _batch(self, index: torch.Tensor, view: View | None = None, side: int | None = None) -> torch.Tensor:
        """(B, F) float32; features are of images as they are."""
        assert view is None and side is None
        return self._rows(index)

    def _knn(self, features: torch.Tensor, images: Ints) -> float:
        """No training changes it, so it is worked out once for all trials on these features."""
        key = images.tobytes()
        if key not in self.known:
            self.known[key] = super()._knn(features, images)
        return self.known[key]
