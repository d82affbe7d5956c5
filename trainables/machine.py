"""What work is done on, as far as seconds depend on it."""

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


def workplace(device: torch.device) -> str:
    """Processor, device and threads of this process in words: between two of these, seconds are not comparable."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{processor()}, {name}, threads: {torch.get_num_threads()}"
