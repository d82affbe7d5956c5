"""Figures: runs and data frames in, matplotlib figures out, each declared once with its name and caption."""
