"""In which numbers a network computes: what --precision means on a device.

bf16 and fp16 are mixed: weights, optimiser and losses stay in float32. tf32 rounds the factors of float32 products to 10
bits, which is of the device alone; fp32 does not.
"""

from typing import Literal

import torch

from console.errors import UsageError

Numbers = Literal["bf16", "fp16", "tf32", "fp32"]
KEPT = ("scale", "_growth_tracker")  # of a scaler: what changes
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
AMPERE, VOLTA = (
    (8, 0),
    (7, 0),
)  # the first to multiply bfloat16 and TF32, and the first with tensor cores, of fp16 alone


def bf16_is_fast(device: str) -> bool:
    """Whether the hardware multiplies bfloat16 itself: CUDA from Ampere on, CPUs with AVX512-bf16 or AMX."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability() >= AMPERE
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def numbers_of(device: str, precision: str) -> Numbers:
    """What a network computes in on this device. "auto": bf16 where that is fast, else fp16 on tensor cores, else fp32.

    Of a GPU where there is none, nobody knows: fp32.
    """
    if precision != "auto":
        return precision  # type: ignore[return-value]  # one of them: options and settings know no other
    if device.startswith("cuda") and not torch.cuda.is_available():
        return "fp32"
    if bf16_is_fast(device):
        return "bf16"
    return "fp16" if device.startswith("cuda") and torch.cuda.get_device_capability() >= VOLTA else "fp32"


def check_precision(device: str, precision: str) -> None:
    """Raises UsageError for what the device cannot do; of a GPU that is not here, nothing is known."""
    if device == "cpu" and precision in ("fp16", "tf32"):
        raise UsageError(
            f"--precision {precision} is for GPUs, and trials run on the CPU here; pass auto, bf16 or fp32."
        )
    if device == "cuda" and precision == "tf32" and torch.cuda.is_available():
        capability = torch.cuda.get_device_capability()
        if capability < AMPERE:
            raise UsageError(
                f"--precision tf32 wants a GPU of compute capability 8.0 or above, and {torch.cuda.get_device_name()} has "
                f"{capability[0]}.{capability[1]}; pass auto, fp16 or fp32."
            )


def multiply_in(device: torch.device, numbers: Numbers) -> None:
    """How a GPU multiplies float32 from here on, the backward pass included.

    It belongs to the process, of which trials may differ, so it is set at every use and never set back.
    """
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = numbers == "tf32"


def autocast(device: torch.device, numbers: Numbers, repeats: bool) -> torch.autocast:
    """Within: networks compute in these numbers. `repeats`: of shapes that recur; a GPU tries kernels out for these."""
    multiply_in(device, numbers)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = repeats
    return torch.autocast(device.type, dtype=HALF.get(numbers, torch.bfloat16), enabled=numbers in HALF)


def make_scaler(device: torch.device, numbers: Numbers) -> torch.amp.GradScaler:
    """Scales the loss of fp16, whose gradients would be too small for it; does nothing for other numbers.

    An update whose gradients are too large after all is left out, and the scale halved. torch's fused optimisers take the
    scale out themselves, on the device; who else reads gradients has to call `unscale_` first.
    """
    return torch.amp.GradScaler(device.type, enabled=numbers == "fp16")


def scaler_state(scaler: torch.amp.GradScaler) -> dict[str, torch.Tensor]:
    """What a checkpoint has of it: nothing where it does nothing."""
    known = scaler.state_dict()
    return {f"scaler.{name}": torch.tensor(known[name]) for name in KEPT if name in known}


def restore_scaler(scaler: torch.amp.GradScaler, state: dict[str, torch.Tensor]) -> None:
    """The inverse; of a state without one, as of another precision, it begins anew."""
    kept = {name: state[f"scaler.{name}"].item() for name in KEPT if f"scaler.{name}" in state}
    if scaler.is_enabled() and kept:
        scaler.load_state_dict(scaler.state_dict() | kept)
