"""run.json: everything needed to know what ran, and to run it again."""

import datetime
import os
import platform
import sys

import torch
from optuna.distributions import distribution_to_json

from console.arguments import command_line
from records.epoch import Row
from records.events import FORMAT, Kind
from search.planning.plan import Plan
from search.planning.resume import MODULES
from search.provenance import DESCRIBED, code_digest, versions
from trainables.data.about import about_data
from trainables.machine import processor


def describe(plan: Plan, command: str = "", kind: Kind = "search") -> Row:
    """run.json: everything needed to know what ran, and to run it again.

    `command`: what repeats it; else that of this process.
    """
    data, split, space = plan.data, plan.split, plan.space
    return {
        "format": FORMAT,
        "kind": kind,
        "command": command or command_line(MODULES[kind], sys.argv[1:]),
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "options": plan.options.model_dump(),
        "asked": sorted(plan.asked),
        "setting": plan.setting.model_dump(),
        "space": {
            "strategy": space.strategy,
            "search": {name: distribution_to_json(d) for name, d in space.search.items()},
            "fixed": space.fixed,
            "anchors": {anchor.name: space.anchor_values(anchor) for anchor in space.anchors},
        },
        "data": about_data(data, split),
        "code": code_digest(),
        "versions": {"python": platform.python_version(), **versions(DESCRIBED)},
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }
