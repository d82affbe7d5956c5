"""What a trial writes of its network beside the weights."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from records.about import PACKAGE
from records.boundary import RUN
from records.epoch import EpochRecord
from spaces.setting import Setting
from spaces.trial import TrialConfig
from trainables.data.dataset import Dataset
from trainables.networks.engine import Engine
from trainables.networks.kept import Kept
from trainables.networks.models import get_architecture
from trainables.networks.precision import numbers_of
from trainables.portable.about import ModelAbout, Origin, Preprocessing, Transformer, metrics_of


def about_kept(
    folder: Path, trial: int, setting: Setting, config: TrialConfig, data: Dataset, engine: Engine, record: EpochRecord
) -> ModelAbout:
    """Of the network of `record`, that is kept in the run folder for this trial."""
    origin = origin_of(run_name(folder), trial, setting, data.digest)
    about = about_network(setting, config, data.classes, record, origin)
    head = {"part": "head", "backbone": engine.head_of}
    return about if engine.head_of is None else about.model_copy(update=head)


def about_network(
    setting: Setting, config: TrialConfig, classes: Sequence[str], record: EpochRecord, origin: Origin
) -> ModelAbout:
    """Of a whole network."""
    kept, made_of = Kept.of(config), get_architecture(setting.model)
    return ModelAbout(
        architecture=setting.model,
        image_size=setting.image_size,
        kept=Transformer(blocks=kept.blocks, read_out=kept.read_out),  # type: ignore[arg-type]
        classes=tuple(classes),
        task=setting.task,
        preprocessing=Preprocessing(resize=setting.resize, size=setting.image_size, mean=made_of.mean, std=made_of.std),
        precision=numbers_of(setting.device, setting.precision),
        strategy=setting.strategy,
        config=config.model_dump(mode="json"),
        metrics=metrics_of(record),
        run=origin,
        plugins=setting.plugins,
    )


def origin_of(name: str, trial: int, setting: Setting, digest: str) -> Origin:
    data = Path(setting.data).name or setting.data
    return Origin(name=name, trial=trial, seed=setting.seed, data=data, data_digest=digest, version=package_version())


def run_name(folder: Path) -> str:
    """The run's name is its folder's; one that lies in another run is named after both."""
    inner = (folder.parent / RUN).is_file()
    return f"{folder.parent.name}-{folder.name}" if inner else folder.name


@cache
def package_version() -> str | None:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None
