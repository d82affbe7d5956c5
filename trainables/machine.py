"""What work is done on, as far as seconds depend on it."""

import ctypes
import os
import platform
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

PROCESS = Path("/proc/self")
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt


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


def keep_memory() -> None:
    """Tell glibc to keep what a step frees for the next one, on a CPU.

    Otherwise every large activation is mapped, cleared by the kernel page by page, and unmapped again, at each step:
    about a ninth of the time of training (benchmarks/NOTES.md). Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def reset_peak_memory(device: str) -> None:
    """From now on `peak_memory_mb` is of what comes. Where the system keeps a process's peak for ever, as on macOS, it is
    that of all trials of the process so far.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)  # what `keep_memory` has kept of an earlier trial
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5")  # Linux: the peak of resident memory is what is resident now


def peak_memory_mb(device: str) -> float:
    """The most memory in use since `reset_peak_memory`, in 10^6 bytes: resident, or on the GPU where there is one.

    Of all trials that the process has at a time: heads that are trained together, and images that trials share.
    """
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    with suppress(OSError, StopIteration):
        lines = (PROCESS / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
