"""The environment variables that Ray reads while it is imported; no Ray here."""

import os
import secrets
import sys

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # our own terminal takes the place of Ray's boxes,
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # our ledger the place of its three log files per trial,
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # and log/ the place of its tracebacks
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without GPUs sees none
}


def prepare(address: str | None) -> None:
    """Call before ray is imported. A private Ray gets a token of its own; a cluster at `address` keeps its settings."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # without a token any user of this machine could run code as us; a Ray that is loaded already keeps its own ways
    if address is None and "ray" not in sys.modules:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # Ray keeps the first it reads
