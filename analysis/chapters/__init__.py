"""The chapters of a report, each made of sections and runs."""
