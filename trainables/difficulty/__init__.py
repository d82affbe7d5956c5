"""How hard each image is, before the first epoch."""
