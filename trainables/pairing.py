"""Whether torch and torchvision belong together. `python -m trainables.pairing` says so and exits 1 if not."""

import sys

from console.errors import UsageError


def check() -> None:
    """Raises UsageError in one sentence where torch and torchvision are of different builds."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        import torch

        raise UsageError(
            f"torch {torch.__version__} and the torchvision beside it are of different builds (CPU-only and CUDA), so "
            f"torchvision cannot be loaded; install both from the same index, or run make again in a fresh checkout."
        ) from None


if __name__ == "__main__":
    try:
        check()
    except (UsageError, ImportError) as problem:
        sys.exit(f"Error: {problem}")
