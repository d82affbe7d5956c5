"""Looks at every node of a cluster before the first trial: packages, code, run folder, data, network. No Ray here.

`on_each(nodes, work, arguments, tick)` runs `work(*arguments)` on each node, calling `tick()` about once a second, and
gives {node: what came, or the exception}. What runs on a node is sent by value, so that a node which lacks this
package can say so: each such function is made inside another one and imports what it needs for itself.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from console.progress import say
from records import files
from search.executors.nodes import Node, complaints, refuse_unfit
from search.provenance import PACKAGES, code_digest, versions
from spaces.setting import Setting
from trainables.data.dataset import Dataset
from trainables.preparation import load_data, make_network, on_this_machine

OnEach = Callable[..., dict[Node, Any]]


def check_nodes(nodes: Sequence[Node], folder: Path, setting: Setting, on_each: OnEach) -> None:
    """Refuse nodes that are not fit for a run, and build the image cache where it is missing. Raises UsageError."""
    _check_packages_and_folder(nodes, folder, on_each)
    data, _ = load_data(setting)
    _check_data(nodes, folder, setting, data, on_each)


def _check_packages_and_folder(nodes: Sequence[Node], folder: Path, on_each: OnEach) -> None:
    seen = folder / f".seen-{secrets.token_hex(4)}"
    sign = secrets.token_hex(8)
    wanted = {"versions": versions(), "code": code_digest(), "seen": sign, "folder": str(folder)}
    files.write_bytes(seen, sign.encode())
    try:
        came = on_each(nodes, what_a_node_has(), (str(seen), PACKAGES), lambda: None)
        written = {path.suffix[1:] for path in folder.glob(f"{seen.name}.*")}
    finally:
        for path in folder.glob(f"{seen.name}*"):
            path.unlink(missing_ok=True)
    found = [line for node, said in came.items() for line in _complaints(node, wanted, said, written)]
    refuse_unfit(found)


def _complaints(node: Node, wanted: dict[str, Any], came: Any, written: set[str]) -> list[str]:
    if isinstance(came, Exception):
        return [_lost(node, came)]
    arrived = came.get("wrote") in written  # what a node writes has to be seen here
    return list(complaints(node.name, wanted, came | {"wrote": arrived}))


def _lost(node: Node, error: Exception) -> str:
    first = str(error).strip().split("\n")[0][:200]
    return f"Node {node.name} did not answer when it was looked at ({first}); take it out of the cluster, or mend it."


def what_a_node_has() -> Callable[[str, Sequence[str]], dict[str, Any]]:
    """The function that looks at a node: its packages, our code, and whether it sees and writes the run folder."""

    def look(seen: str, packages: Sequence[str]) -> dict[str, Any]:
        from pathlib import Path
        from uuid import uuid4

        try:
            from search.provenance import code_digest
        except ImportError as error:
            return {"missing": str(error)}
        found: dict[str, Any] = {"versions": {}, "code": code_digest(), "seen": None, "wrote": None}
        for name in packages:
            try:
                found["versions"][name] = version(name)
            except PackageNotFoundError:
                found["versions"][name] = None
        try:
            found["seen"] = Path(seen).read_text()
            mine = uuid4().hex
            Path(f"{seen}.{mine}").touch()
            found["wrote"] = mine
        except OSError:
            pass
        return found

    return look


def _check_data(nodes: Sequence[Node], folder: Path, setting: Setting, data: Dataset, on_each: OnEach) -> None:
    logs = {node: folder / "log" / f"node-{node.id[:8]}.txt" for node in nodes}
    (folder / "log").mkdir(exist_ok=True)
    shown: dict[Node, str] = {}

    def tick() -> None:
        """Show what each node said last."""
        for node, log in logs.items():
            line = last_line(log)
            if line and shown.get(node) != line:
                shown[node] = line
                say(f"Node {node.name}: {line}")

    arguments = {node: (setting.model_dump_json(), str(log)) for node, log in logs.items()}
    came = on_each(nodes, what_a_node_prepares(), arguments, tick)
    tick()
    here = on_this_machine(setting)
    own = network_digest(here, len(data.classes))
    if here != setting and setting.weights == "textures":  # trained on a GPU there, and on the CPU here: never the same
        own = next((said["network"] for said in came.values() if isinstance(said, dict) and "network" in said), own)
    found = []
    for node, said in came.items():
        if isinstance(said, Exception):
            found.append(_lost(node, said))
        elif "refused" in said:
            found.append(f"Node {node.name}: {said['refused']}")
        elif said["network"] != own:
            found.append(
                f"Node {node.name} begins with another network (weights {said['network'][:12]}, where {own[:12]} was "
                f"wanted); put the same weights file there, or pass --weights with a path that every node sees."
            )
    for log in logs.values():
        if log.exists() and not log.stat().st_size:
            log.unlink()
    refuse_unfit(found)


def last_line(log: Path) -> str:
    """The last whole line of a file that another node may be writing; '' where there is none."""
    try:
        return next(reversed(log.read_text(errors="replace").split("\n")[:-1]), "")
    except OSError:
        return ""


def what_a_node_prepares() -> Callable[[str, str], dict[str, str]]:
    """The function that makes a node ready: opens or builds the image cache, checks its digest, makes the network."""

    def prepare(setting: str, log: str) -> dict[str, str]:
        import contextlib

        from console.errors import UsageError
        from spaces.setting import Setting
        from trainables.checks import check_computing
        from trainables.preparation import load_data

        wanted = Setting.model_validate_json(setting)
        with open(log, "w", buffering=1) as file, contextlib.redirect_stderr(file):
            try:
                check_computing(wanted)
                data, _ = load_data(wanted)
                return {"network": network_digest(wanted, len(data.classes))}
            except UsageError as error:
                return {"refused": str(error)}

    return prepare


def network_digest(setting: Setting, classes: int) -> str:
    """sha256 over the network that every trial of this setting begins with."""
    network, _ = make_network(setting, classes)
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + b"\0" + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
