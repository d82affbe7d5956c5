"""Which images next, and how much each counts: pure objects."""
