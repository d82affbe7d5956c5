"""On which device the tests of the GPU path run, and how near its numbers have to be.

CURRICULUM_TUNE_TEST_DEVICE=cpu has what is not of a GPU alone run on the CPU: a check of the tests, and none of the GPU.
"""

import os

import pytest
import torch

DEVICE = os.environ.get("CURRICULUM_TUNE_TEST_DEVICE", "cuda")
# A GPU adds up in an order that is not always the same, so that a second training has other last digits. In fp32, over two
# epochs of a small network at a small rate, losses may differ by this part.
TOLERANCE = 2e-3
HALF_TOLERANCE = 0.05  # of 8 bits (bf16) or 11 (fp16, tf32) instead of 24
needs_the_device = pytest.mark.skipif(
    DEVICE == "cuda" and not torch.cuda.is_available(), reason="torch sees no GPU here: the GPU path is not tested"
)
on_a_gpu = pytest.mark.skipif(DEVICE != "cuda", reason="of a GPU alone")
