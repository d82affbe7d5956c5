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
    return UsageError(f"Unknown {kind} '{word}'.{nearest(word, names)} Known: {listed or ', '.join(names)}.")


def nearest(word: str, known: Iterable[str]) -> str:
    """ " Did you mean 'tpe'?", or nothing where no name is near."""
    near = get_close_matches(word.replace("-", "_"), list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""
