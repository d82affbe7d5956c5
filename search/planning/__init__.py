"""From what was asked to what will run: names, defaults, space, disk and data checked before anything starts."""
