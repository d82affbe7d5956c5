"""Which trial is better: one order for the table, the figures, the sentences and the choice of a network."""

import pandas as pd

from records.epoch import ACCURACY, Objective


def ranked(finals: pd.DataFrame, by: Objective = ACCURACY) -> pd.DataFrame:
    """The rows best first: by the objective, then lower loss, then the earlier trial; without a figure last.

    The figures are those of the selected epoch, on the split that epochs were judged on.
    """
    return finals.sort_values(
        [f"selection_{by.metric}", "selection_loss", "trial"][by.metric == "loss" :],
        ascending=[by.lower_is_better, True, True][by.metric == "loss" :],
        na_position="last",
    )
