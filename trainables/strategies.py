"""The one registry: what makes a strategy. One line here and one space add a strategy; nothing else knows it exists."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from console.errors import unknown
from spaces.finetune import FinetuneConfig, ScratchConfig
from spaces.infobatch import InfoBatchConfig
from spaces.manual_division import ManualDivisionConfig
from spaces.paced import PacedConfig
from spaces.random_subset import RandomSubsetConfig
from spaces.rcap import RcapConfig
from spaces.resolution import ResolutionConfig
from spaces.rho_loss import RhoLossConfig
from spaces.self_paced import SelfPacedConfig
from spaces.seta import SeTaConfig
from spaces.superloss import SuperLossConfig
from spaces.transfer import TransferConfig
from spaces.trial import HeadConfig, TrialConfig
from trainables.curricula.base import Curriculum, Floats, Ints
from trainables.curricula.fixed import ManualDivision, Paced
from trainables.curricula.infobatch import InfoBatch
from trainables.curricula.random_subset import RandomSubset
from trainables.curricula.rcap import Rcap
from trainables.curricula.resolution import Resolution
from trainables.curricula.rho_loss import RhoLoss
from trainables.curricula.self_paced import SelfPaced
from trainables.curricula.seta import SeTa
from trainables.curricula.superloss import SuperLoss
from trainables.curricula.yoked import Yoked


@dataclass(frozen=True)
class Facts:
    """What a curriculum may know of the training split before it begins. N = its images."""

    labels: Ints  # (N,)
    fixed: Floats | None = None  # (N,) difficulty, losses or levels, for the strategies that need them beforehand
    shuffle: Ints | None = None  # (N,) a permutation drawn from the seed


@dataclass(frozen=True)
class Strategy:
    """Config, initialisation and curriculum; the learning-rate rule and what is trained are part of every config."""

    config: type[TrialConfig]
    curriculum: Callable[..., Curriculum]  # (facts, config) -> Curriculum
    starts_from: Literal["pretrained", "random"] = "pretrained"
    # of every image, before the first epoch; losses: of a model that has not seen the image
    needs: Literal["nothing", "difficulty", "levels", "losses"] = "nothing"

    @property
    def trains(self) -> Literal["all", "head"]:
        """The whole network, or its head alone (perhaps with the last block)."""
        return "head" if issubclass(self.config, HeadConfig) else "all"


def _everything(facts: Facts, config: TrialConfig) -> Curriculum:
    return Curriculum(facts.labels)


STRATEGIES = {
    "scratch": Strategy(ScratchConfig, _everything, starts_from="random"),
    "transfer": Strategy(TransferConfig, _everything),
    "finetune": Strategy(FinetuneConfig, _everything),
    "manual_division": Strategy(
        ManualDivisionConfig, lambda f, c: ManualDivision(f.labels, c, f.fixed, f.shuffle), needs="levels"
    ),
    "self_paced": Strategy(SelfPacedConfig, lambda f, c: SelfPaced(f.labels, c)),
    "paced": Strategy(PacedConfig, lambda f, c: Paced(f.labels, c, f.fixed, f.shuffle), needs="difficulty"),
    "random_subset": Strategy(RandomSubsetConfig, lambda f, c: RandomSubset(f.labels, c)),
    "infobatch": Strategy(InfoBatchConfig, lambda f, c: InfoBatch(f.labels, c)),
    "seta": Strategy(SeTaConfig, lambda f, c: SeTa(f.labels, c)),
    "rcap": Strategy(RcapConfig, lambda f, c: Rcap(f.labels, c)),
    "superloss": Strategy(SuperLossConfig, lambda f, c: SuperLoss(f.labels, c)),
    "rho_loss": Strategy(RhoLossConfig, lambda f, c: RhoLoss(f.labels, c, f.fixed), needs="losses"),
    "resolution": Strategy(ResolutionConfig, _everything),  # whose schedule any config may have
}


def get_strategy(name: str) -> Strategy:
    """The strategy of this name, or UsageError with the nearest name."""
    if name not in STRATEGIES:
        raise unknown("strategy", name, STRATEGIES)
    return STRATEGIES[name]


def make_curriculum(name: str, facts: Facts, config: TrialConfig, sizes: tuple[int, ...] | None = None) -> Curriculum:
    """The strategy's curriculum over a training split; yoked to a partner's sizes per epoch where they are given.

    Around it the schedule of the images' side, where the config has one.
    """
    curriculum = get_strategy(name).curriculum(facts, config)
    if sizes is not None:
        curriculum = Yoked(facts.labels, curriculum, sizes)
    return curriculum if config.resolution_start == 1 else Resolution(facts.labels, config, curriculum)
