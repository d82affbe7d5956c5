"""Going on with a run: from its own folder, with the same space, data, code and versions, or not at all."""

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from console import arguments
from console.errors import UsageError
from records.events import FORMAT, Kind
from records.files import write_json
from records.folder import read_run
from records.places import is_packed_place

# what may differ from the first call: how much is run, on what, where the data are; no more than last digits come from it
FREE = {"samples", "seeds", "time_budget", "max_failures", "keep", "verify", "until_decided", "max_seeds", "stop_when"}
FREE |= {"executor", "concurrent", "address", "data_root", "out", "name", "dashboard", "track", "other_code"}
ONCE = {"dashboard": False, "verify": False, "other_code": False}  # said for one call
PLACES = ("data", "data_root", "split", "weights", "difficulty")  # options that may be paths; setting has them absolute
GROWING = ("samples", "seeds")
RETIRED: dict[Kind, set[str]] = {"search": set(), "head_to_head": {"keep"}}  # recorded once, and without effect
SAME = ("space", "setting", "data", "versions", "code")  # of run.json
UNDER_OTHER_CODE = {"other_code": True}  # a run inside another, for which that was asked and checked
OF_CODE = ("versions", "code")
KEYED = ("space", "setting", "data")  # parts of run.json that later code may have more words for
WORKERS = ("cpus_per_trial", "gpus_per_trial")
MOVABLE = {"setting.data_root"}
MODULES: dict[Kind, str] = {"search": "search.run", "head_to_head": "search.compare"}
RECORDED_IN: dict[Kind, str] = {"search": "options", "head_to_head": "compare"}  # parts of run.json


def options_asked(model: type[BaseModel], given: dict[str, Any], kind: Kind, resume: bool) -> Any:
    """The options of a new run, or of one that is gone on with. Raises UsageError."""
    if resume:
        return options_of(model, given, kind)
    if given.get("other_code"):
        raise UsageError("--other-code is about a run that is gone on with; pass --resume with it, or drop it.")
    return arguments.read(model, given)


def options_of(model: type[BaseModel], given: dict[str, Any], kind: Kind) -> Any:
    """The recorded options of the run that `given` names, with what was given anew. Raises UsageError."""
    if not given.get("name"):
        raise UsageError("--resume wants the --name of the run (and its --out, if that is not 'runs').")
    folder = Path(given.get("out", model.model_fields["out"].default)).absolute() / given["name"]
    run = read_run(folder)
    if run["kind"] != kind:
        other = MODULES[run["kind"]]
        raise UsageError(f"{folder} was made by {other}; resume it with python -m {other} --resume.")
    if run["format"] != FORMAT:
        raise UsageError(
            f"{folder} has run format {run['format']}, which is read and not written any more; start a new run (its "
            f"--configs takes {folder.name}/best.parquet)."
        )
    recorded = run[RECORDED_IN[kind]] | {"name": run["options"]["name"]} | ONCE
    if given.get("executor", recorded["executor"]) != recorded["executor"]:
        recorded |= {"concurrent": None, "address": None}  # they go with an executor
    for name in WORKERS:  # chosen once: numbers depend on the threads of a trial
        recorded[name] = run["options"].get(name) if recorded.get(name) is None else recorded[name]
    if "concurrent" not in run.get("asked", ["concurrent"]):  # chosen anew: machine or cluster may be another one
        recorded |= {"concurrent": None}
    recorded = {name: value for name, value in recorded.items() if name not in RETIRED[kind]}
    asked = arguments.read(model, given).model_dump(include=set(given))
    for name, value in asked.items():
        if name not in FREE and not _same(name, value, recorded.get(name)):
            flag = "--" + name.replace("_", "-")
            raise UsageError(
                f"{flag} was {recorded.get(name)} in {folder.name} and is {value} now, which would be another run; "
                f"leave {flag} out, or start a new run."
            )
        if name in GROWING and value < recorded[name]:
            raise UsageError(
                f"--{name} was {recorded[name]} in {folder.name}; it can grow and not shrink; got {value}."
            )
    known = {name: value for name, value in recorded.items() if name != "concurrent" or value is not None}
    return arguments.read(model, {**known, **_places(run, recorded), **asked, "out": str(folder.parent)})


def _same(name: str, value: Any, recorded: Any) -> bool:
    """Whether an option has the recorded value, or is another name of the recorded place."""
    if name in PLACES and isinstance(value, str) and isinstance(recorded, str):
        same = value == recorded or Path(value).absolute() == Path(recorded).absolute()
        return same or is_packed_place(recorded, value)
    return bool(_plain(value) == recorded)


def _places(run: dict[str, Any], recorded: dict[str, Any]) -> dict[str, str]:
    """The recorded options that are paths, as absolute ones: a run may be gone on with from another current folder."""
    absolute = {name: str(run["setting"].get(name)) for name in PLACES if recorded.get(name)}
    return {name: place for name, place in absolute.items() if Path(place).is_absolute()}


def moved(run: dict[str, Any], setting: dict[str, Any]) -> dict[str, str]:
    """Where what a run.json says lay there lies now, by the place that it says."""
    pairs = ((run["setting"].get(name), setting[name]) for name in PLACES)
    return {then: now for then, now in pairs if isinstance(then, str) and isinstance(now, str) and then != now}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def check_same(folder: Path, now: dict[str, Any]) -> None:
    """Raises UsageError, showing the differences, where what would run is not what ran."""
    run = read_run(folder)
    then, here = (about.get("machine", {}).get("processor") for about in (run, now))
    if run.get("budget", {}).get("seconds") and then != here:
        raise UsageError(
            f"{folder.name} compares arms by the seconds of a {then}, and this machine has a {here}; resume it there, or "
            f"start a new run here."
        )
    executors = run["options"].get("executor"), now["options"]["executor"]
    if run.get("budget", {}).get("seconds") and executors[0] != executors[1]:
        raise UsageError(
            f"{folder.name} compares arms by their seconds, which depend on what runs beside them; go on with "
            f"--executor {executors[0]}, or start a new run."
        )
    found = list(_found(run, now, now["options"]["other_code"]))
    if not found:
        return
    code = not now["options"]["other_code"] and not any(_found(run, now, True))
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    do = "Pass --other-code to go on all the same, which the run then says, or start" if code else "Start"
    raise UsageError(
        f"{folder.name} cannot be resumed, since it would go on differently: {'; '.join(found[:3])}{more}. {do} a new "
        f"run; its --configs takes {folder.name}/best.parquet."
    )


def _found(run: dict[str, Any], now: dict[str, Any], other_code: bool) -> Iterator[str]:
    """A phrase for each difference; under other code, those that are not of the code."""
    for part in SAME:
        if part in run and not (other_code and part in OF_CODE):
            then = _known_now(run[part], now[part]) if other_code else run[part]
            yield from differences(then, now[part], part)


def _known_now(then: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """A part of run.json with what earlier code had no word for; so the configs of a space's anchors."""
    known = {name: value for name, value in now.items() if name not in then} | then
    anchors = then.get("anchors", {})
    of_each = {name: _known_now(config, now["anchors"].get(name, {})) for name, config in anchors.items()}
    return known | ({"anchors": of_each} if anchors else {})


def differences(then: Any, now: Any, at: str) -> Iterator[str]:
    """A phrase for each leaf of two nested dicts that differs, by its path."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*then, *now)):
            yield from differences(then.get(name), now.get(name), f"{at}.{name}")
    elif _plain(then) != _plain(now) and at not in MOVABLE and not is_packed_place(then, now):
        yield f"{at} was {then} and is {now}"


def note(folder: Path, about: dict[str, Any], begun: int, under_way: Sequence[int]) -> None:
    """Write into run.json that the run is gone on with, by which command and with which options.

    `about`: a run.json; `begun`: trials that there are; `under_way`: those that had not ended. Other code than before,
    which has been asked for, is that of the run from here on.
    """
    when = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    run = read_run(folder)
    options = {name: about[name] for name in ("options", "compare", "asked") if name in about}
    before = {name: run[name] for name in OF_CODE if name in run and run[name] != about[name]}
    changed = {"before": before, "trials": begun, "under_way": list(under_way)} if before else {}
    resumed = [*run.get("resumed", []), {"time": when, "command": about["command"], **changed}]
    code = {name: about[name] for name in before}
    parts = {name: _known_now(run[name], about[name]) for name in KEYED}
    write_json(folder / "run.json", run | options | code | parts | {"resumed": resumed})
