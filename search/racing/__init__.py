"""Who goes on and who waits: pure objects that know work and scores, and nothing of processes or files."""
