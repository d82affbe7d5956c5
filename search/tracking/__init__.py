"""Sending a run to somebody else's tracker: what is sent follows the ledger, as every view of a run does."""
