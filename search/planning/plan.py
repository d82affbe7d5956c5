"""From what was asked to what will run: defaults filled in, everything checked before anything starts."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from console.arguments import shortened
from console.errors import UsageError
from console.plugins import load_plugins
from records.epoch import SCORED_PER_TRAINED
from records.outputs import check_not_of_a_run
from search.options import SearchOptions
from search.planning.checks import check_data, check_installed, check_weights_of
from search.planning.defaults import complete
from search.planning.disk import check_room, peak_bytes
from search.planning.names import check_names, check_network
from search.planning.space import grid_samples, make_space
from search.proposers.samplers import get_sampler
from spaces.setting import Setting
from spaces.space import Space
from trainables.checks import check_computing
from trainables.data.dataset import Dataset
from trainables.data.sources import Survey, verify
from trainables.data.splits import Split
from trainables.defaults import placed
from trainables.metrics import OBJECTIVES
from trainables.networks.models import Network
from trainables.preparation import asked_of, facts, load_data, make_network, on_this_machine, split_of

# what flags and settings call alike
SHARED = ("data", "data_root", "split", "train_share", "task", "skip_bad_images", "image_size", "resize", "model",
          "weights", "difficulty", "protocol", "metric", "seed", "epochs", "precision", "accelerate")  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """What will run, as far as it is known before data are touched."""

    options: SearchOptions  # with every choice made
    space: Space
    setting: Setting
    survey: Survey
    folder: Path
    dropped: tuple[str, ...]  # anchors that a --set contradicts
    asked: frozenset[str]  # the flags that were not left open


@dataclass(frozen=True)
class Plan:
    """A search that is ready to start."""

    options: SearchOptions  # with every choice made
    space: Space
    setting: Setting
    data: Dataset
    split: Split
    folder: Path
    dropped: tuple[str, ...]  # anchors that a --set contradicts
    disk_bytes: int  # that the run can need at its peak
    asked: frozenset[str] = frozenset()  # the flags that were not left open

    @property
    def longest(self) -> int:
        """Work of the dearest trial, in images trained on."""
        return longest_work(self.space, self.setting.epochs, len(self.split.train))


def longest_work(space: Space, epochs: int, images: int) -> int:
    """Work of the dearest trial: every image trained on in every epoch, and ranked before each if there is ranking.

    What stands ready before the first epoch (features, difficulty) is a pass over the training images more.
    """
    passes = epochs * (SCORED_PER_TRAINED + ("score_every" in space.config.model_fields)) + 1
    return images * passes // SCORED_PER_TRAINED


def nothing_else(setting: Setting) -> None:
    """A search has nothing more to check."""


def make_draft(asked: SearchOptions, resumes: bool = False, also: Callable[[Setting], None] = nothing_else) -> Draft:
    """Check and complete what was asked, and touch nothing. `also`: what else is checked. Raises UsageError."""
    check_installed(asked)
    check_names(asked)
    space, dropped = make_space(asked)
    options = complete(asked)
    check_network(options, space)
    if get_sampler(options.sampler).points:
        options = options.model_copy(update={"samples": grid_samples(asked, space)})
    folder = Path(options.out).absolute() / (options.name or "") if resumes else run_folder(options)
    setting = make_setting(options)
    check_weights_of(setting)
    also(setting)
    survey = check_data(setting, asked.difficulty is not None)
    return Draft(options, space, setting, survey, folder, dropped, frozenset(asked.model_fields_set))


def make_plan(asked: SearchOptions, resumes: bool = False, also: Callable[[Setting], None] = nothing_else) -> Plan:
    """Check and complete what was asked, then build the image cache. Raises UsageError before anything else is made."""
    draft = make_draft(asked, resumes, also)
    setting = draft.setting
    if asked.verify:
        verify(asked_of(setting))
    data, split = load_data(setting)
    setting = setting.model_copy(update={"data_digest": data.digest})
    load_data(setting)  # the same data under the name that the trials will use
    network, _ = make_network(on_this_machine(setting), len(data.classes))
    plan = _with_data(draft, setting, data, split, network)
    check_room(plan.folder, plan.disk_bytes)
    facts(on_this_machine(setting))
    return plan


def at_size(plan: Plan, image_size: int) -> Plan:
    """The same on images of another size, with all that stands ready before the first epoch. Raises UsageError."""
    setting = plan.setting.model_copy(update={"image_size": image_size, "data_digest": None})
    data, split = load_data(setting)
    setting = setting.model_copy(update={"data_digest": data.digest})
    load_data(setting)  # as in `make_plan`
    facts(on_this_machine(setting))
    options = plan.options.model_copy(update={"image_size": image_size})
    return replace(plan, options=options, setting=setting, data=data, split=split)


def preview(draft: Draft) -> Plan | None:
    """The plan without images, which cannot run; None where not even the number of images is known yet."""
    data, setting = draft.survey.data, draft.setting
    if data is None:
        return None
    network, _ = make_network(setting.model_copy(update={"weights": "none"}), len(data.classes))
    return _with_data(draft, setting, data, split_of(setting, data), network)


def nothing_made(draft: Draft) -> str:
    """The last line of a dry run: what would be made first, and that nothing was."""
    first = f"This would first {draft.survey.todo}. " if draft.survey.todo else ""
    return f"{first}Dry run: nothing was made."


def _with_data(draft: Draft, setting: Setting, data: Dataset, split: Split, network: Network) -> Plan:
    judged = len(split.validation) + len(split.test)
    needed = peak_bytes(draft.options, len(draft.space.anchors), network, judged)
    return Plan(draft.options, draft.space, setting, data, split, draft.folder, draft.dropped, needed, draft.asked)


def run_folder(options: SearchOptions) -> Path:
    """Where the run will be; UsageError if it is there already or cannot be made. Nothing is made yet."""
    folder = Path(options.out).absolute() / (options.name or "")
    try:
        taken = folder.exists()
    except OSError as error:
        raise _not_there(options, error.strerror) from None
    if taken:
        raise UsageError(
            f"A run '{options.name}' is in {options.out} already; nothing is overwritten. Choose another --name, or pass "
            f"--resume to go on with it."
        )
    check_not_of_a_run(folder)
    there = next(place for place in folder.parents if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        reason = "Permission denied" if there.is_dir() else f"{there} is no folder"
        raise _not_there(options, reason)
    return folder


def _not_there(options: SearchOptions, reason: str | None) -> UsageError:
    return UsageError(f"The output folder {shortened(options.out)} cannot be written ({reason}); pass another --out.")


def make_setting(options: SearchOptions) -> Setting:
    """What all trials share. Raises UsageError where their device cannot compute as asked."""
    assert options.image_size and options.model and options.cpus_per_trial
    setting = Setting(
        strategy=options.space,
        **placed({name: getattr(options, name) for name in SHARED}),
        lower_is_better=not OBJECTIVES[options.metric].higher_is_better,
        device="cuda" if options.gpus_per_trial else "cpu",
        threads=options.cpus_per_trial,
        plugins=load_plugins(options.plugin),
    )
    check_computing(setting)
    return setting
