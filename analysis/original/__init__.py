"""The 2024 student report: what it published, and what runs say to it."""
