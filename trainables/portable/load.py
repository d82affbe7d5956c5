"""A trained network from its file or its run folder, where neither data nor cache nor network are.

A head that was trained on cached features is a file of its own while the run goes on; the network under it is then made
again from the setting's weights, and is held against the digest of the one that the head was trained on.
"""

from pathlib import Path

import torch
from pydantic import ValidationError

from console.arguments import complaint_of
from console.errors import UsageError
from records.files import read_text, write_arrays
from spaces.setting import Setting
from spaces.trial import TrialConfig
from trainables.networks.architecture import State
from trainables.networks.engine import gpus_here
from trainables.networks.features import backbone_digest
from trainables.networks.kept import keep
from trainables.networks.models import Network, build, get_architecture, read_state
from trainables.portable.about import ModelAbout
from trainables.portable.in_run import find_kept
from trainables.portable.model import PortableModel
from trainables.preparation import make_network, on_this_machine


def load_model(path: str | Path, trial: int | None = None, device: str = "cpu") -> PortableModel:
    """The network in `path`: a best.safetensors, or a run folder, of which `trial` is taken, or the best that was kept.

    Raises UsageError for what is no such file, has another network in it than it says, or lacks its backbone.
    """
    _check_device(device)
    return open_model(*find_model(Path(path), trial)).to(device)


def find_model(place: Path, trial: int | None) -> tuple[Path, ModelAbout]:
    """The file of the network, and what it is. Raises UsageError."""
    if place.is_dir():
        return find_kept(place, trial)
    if trial is not None:
        raise UsageError(
            f"Trial {trial} is one of a run folder, and {place} is none; pass the folder, or the file alone."
        )
    return place, _about_file(place)


def open_model(file: Path, about: ModelAbout) -> PortableModel:
    """The network of a file that was found. Raises UsageError."""
    return PortableModel(make_whole(file, about), about)


def _check_device(device: str) -> None:
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise UsageError(f"device='{device}' is none; pass 'cpu' or 'cuda'.") from None
    if kind == "cuda" and not gpus_here():
        raise UsageError("device='cuda' wants a GPU, and torch sees none here; leave it out.")


def _about_file(file: Path) -> ModelAbout:
    if not file.is_file():
        raise UsageError(f"No network at {file}; pass a run folder, or a best.safetensors of one.")
    about = ModelAbout.read(file)
    if about is None:
        raise UsageError(f"{file} does not say what network it is, as those of version 0.1.0 do not; pass the folder of "
                         f"its run.")  # fmt: skip
    return about


def make_whole(file: Path, about: ModelAbout) -> Network:
    """The network of a file, backbone and head. Raises UsageError."""
    state = read_state(file)
    _check_tensors(file, about, state)
    network = _new(about) if about.part == "whole" else _backbone_of(file, about)
    network.load_torchvision_state(state)
    return network.eval()


def complete(file: Path) -> bool:
    """Write the whole network where a file holds its head alone; whether there was anything to do. Raises UsageError."""
    about = ModelAbout.read(file)
    if about is None or about.part == "whole":
        return False
    state = make_whole(file, about).torchvision_state()
    arrays = {name: tensor.contiguous().numpy() for name, tensor in state.items()}
    whole = about.model_copy(update={"part": "whole"})
    write_arrays(file, arrays, read_text(file) or "", record=read_text(file, "record") or "", model=whole.text())
    return True


def _new(about: ModelAbout) -> Network:
    """With random weights."""
    network = build(about.architecture, len(about.classes), "none", 0, about.image_size)
    keep(network, about.architecture, about.what_is_kept)
    return network


def _check_tensors(file: Path, about: ModelAbout, state: State) -> None:
    """Raises UsageError where a file lacks what its network has, before that takes any memory."""
    _check_architecture(file, about)
    try:
        with torch.device("meta"):
            network = _new(about)
    except (RuntimeError, NotImplementedError):  # one that needs numbers to be built (RegNet)
        network = _new(about)
    wanted = network.torchvision_state()
    if about.part == "head":
        wanted = {name: tensor for name, tensor in wanted.items() if name.startswith(f"{network.head_name}.")}
    wrong = [name for name in wanted if name not in state or state[name].shape != wanted[name].shape]
    if wrong := [*wrong, *(name for name in state if name not in wanted)]:
        raise UsageError(f"{file} does not hold the {about.architecture} that it says: {len(wrong)} of its tensors are "
                         f"missing, foreign or of another shape, first {wrong[0]}.")  # fmt: skip


def _check_architecture(file: Path, about: ModelAbout) -> None:
    try:
        get_architecture(about.architecture)
    except UsageError as error:
        named = f" It was made with the plugin {', '.join(about.plugins)}: import that first." if about.plugins else ""
        raise UsageError(f"{file} cannot be loaded: {error}{named}") from None


def _backbone_of(file: Path, about: ModelAbout) -> Network:
    """The network that a lone head was trained on, made again from the setting in its file. Raises UsageError."""
    setting = setting_in(file)
    kept = TrialConfig(blocks=about.kept.blocks, read_out=about.kept.read_out)
    try:
        network, _ = make_network(on_this_machine(setting), len(about.classes), kept)
    except UsageError as error:
        raise UsageError(f"{file} holds a head alone, and the network under it cannot be made again: {error}") from None
    if backbone_digest(network) != about.backbone:
        raise UsageError(f"{file} holds a head alone, and the weights '{setting.weights}' are not those that it was "
                         f"trained on; put these back in their place.")  # fmt: skip
    return network


def setting_in(file: Path) -> Setting:
    """What the trial ran with, by what is written in its file. Raises UsageError."""
    try:
        return Setting.model_validate_json(read_text(file) or "{}")
    except ValidationError as error:
        name, complaint = complaint_of(error)
        raise UsageError(f"{file} does not say how its trial was set: {name} {complaint}.") from None
