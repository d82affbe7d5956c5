"""The one error that means: the person asking can mend this."""

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(ValueError):
    """A mistake of the user's, said in one sentence: who, what was wanted, what came, what to do.

    The command line prints it without a traceback; any other exception is a defect of ours and keeps its traceback.
    """


def unknown(kind: str, word: str, known: Iterable[str], listed: str = "") -> UsageError:
    """Unknown `kind` 'word', with the nearest known name and all the known ones; `listed` where these are too many."""
    names = list(known)
    near = get_close_matches(word.replace("-", "_"), names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UsageError(f"Unknown {kind} '{word}'.{hint} Known: {listed or ', '.join(names)}.")
