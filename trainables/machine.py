"""What work is done on, as far as seconds depend on it."""

import os
import platform
from pathlib import Path

import torch


def processor() -> str:
    """The processor's model as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def cores() -> int:
    """CPU threads that this process may run at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_threads(count: int) -> None:
    """Compute with so many threads, and never with more than there are: a recorded count can be another machine's."""
    torch.set_num_threads(min(count, cores()))


def workplace(device: torch.device) -> str:
    """Processor, device and threads of this process in words: between two of these, seconds are not comparable."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{processor()}, {name}, threads: {torch.get_num_threads()}"
