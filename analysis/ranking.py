"""Which trial is better: one order for the table, the figures, the sentences and the choice of a network."""

import pandas as pd


def ranked(finals: pd.DataFrame) -> pd.DataFrame:
    """The rows best first: higher accuracy, then lower loss, then the earlier trial; without an accuracy last.

    Accuracy and loss are those of the selected epoch, on the split that epochs were judged on.
    """
    return finals.sort_values(
        ["selection_accuracy", "selection_loss", "trial"], ascending=[False, True, True], na_position="last"
    )
