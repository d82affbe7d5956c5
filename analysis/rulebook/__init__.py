"""The one rulebook: every word about who is better follows from the interval, the plan and the words that are here."""
