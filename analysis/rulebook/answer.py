"""The answer of a comparison in one word and a few sentences, whatever the number of its pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.rulebook.forecast import MOST
from analysis.rulebook.pairs import Pair
from analysis.rulebook.questions import BEATS, CHOSEN, ORDER, OTHER, Question, by_question
from analysis.rulebook.sentences import UNEQUAL_LOOKS, failures, interval, would_take
from analysis.rulebook.words import BETTER, DECIDED, NO_WORD, TIE, UNDECIDED, WORSE
from console.wording import many

FEW = 1  # pairs of a question that are said one by one; of those that ask nothing in common, four
YES, NO, NOT_SHOWN, NOT_ASKED = "Yes", "No", "Undecided", "Not asked"


@dataclass(frozen=True)
class Answer:
    """`word` answers the question that was asked, `text` says by how much and how surely."""

    word: str
    text: str

    def __str__(self) -> str:
        return f"{self.word}. {self.text}"


def answer(pairs: Sequence[Pair]) -> Answer:
    """What the planned pairs say together: of the first question that they answer, and of the order of the images."""
    groups = by_question(pair for pair in pairs if pair.planned and pair.n)
    if not groups:
        return Answer(NOT_ASKED, "No pair was planned beforehand, so no word is given.")
    first = next(iter(groups))
    text = " ".join(_said(question, of) for question, of in groups.items() if question in (first, ORDER))
    return Answer(_word(groups[first]) + _though(groups, first), text)


def _word(pairs: Sequence[Pair]) -> str:
    """Yes where some pair is better, no where all are decided and none is, else undecided."""
    words = [pair.word for pair in pairs]
    if BETTER in words:
        return YES
    return NO if all(word in DECIDED for word in words) else NOT_SHOWN


def _though(groups: dict[Question, Sequence[Pair]], first: Question) -> str:
    """', though not by its order' where every curriculum that is better is decided not to be so than its random twin."""
    if first is not BEATS:
        return ""
    ahead = {pair.a for pair in groups[BEATS] if pair.word == BETTER}
    orders = {pair.a: pair.word for pair in groups.get(ORDER, ())}
    not_by_order = bool(ahead) and all(orders.get(arm) in (TIE, WORSE) for arm in ahead)
    return ", though not by its order" * not_by_order


def _said(question: Question, pairs: Sequence[Pair]) -> str:
    """One question's pairs: a few one by one, more of them counted."""
    if len(pairs) <= FEW or (question is OTHER and len(pairs) <= 4 * FEW):
        return " ".join(f"{one_pair(pair)}." for pair in pairs)
    return _counted(question, pairs)


def one_pair(pair: Pair) -> str:
    """'self_paced is 0.9 points ahead of finetune (-1.6 to +3.4, 3 seeds): undecided, about 19 more seeds (8 to 30)'."""
    figures = f"({', '.join([interval(pair), many(pair.n, 'seed'), *failures(pair)])})"
    if pair.word == TIE:
        margin = pair.measure.margin(pair.margin)
        return f"{pair.a} and {pair.b} are a tie within {margin}: {pair.measure.signed(pair.mean)} {figures}"
    if pair.word in DECIDED:
        return f"{pair.a} is {pair.word} than {pair.b} by {pair.measure.size(pair.mean)} {figures}"
    open_ = UNEQUAL_LOOKS if pair.word == NO_WORD else f"undecided, {would_take(pair.forecast)}"
    return f"{pair.a} is {_stands(pair)} {pair.b} {figures}: {open_}"


def _stands(pair: Pair) -> str:
    """'0.9 points ahead of', 'level with'."""
    if float(pair.measure.signed(pair.mean)) == 0:
        return "level with"
    return f"{pair.measure.size(pair.mean)} {'ahead of' if pair.mean > 0 else 'behind'}"


def _counted(question: Question, pairs: Sequence[Pair]) -> str:
    """'Of 7 curricula none is better than plain fine-tuning; worse: rho_loss (-29.8); undecided: 6, the highest ...'."""
    of = {word: [pair for pair in pairs if pair.word == word] for word in (BETTER, TIE, WORSE, UNDECIDED, NO_WORD)}
    than = f" than {question.against}" if question.against else ""
    ahead = _named(of[BETTER]) if of[BETTER] else "none"
    subjects = (
        "arms" if len({pair.a.strategy for pair in pairs}) < len(pairs) and question.against else question.subjects
    )
    parts = [f"Of {len(pairs)} {subjects}, {BETTER}{than}: {ahead}"]
    if of[TIE]:
        parts.append(f"a tie within {pairs[0].measure.margin(pairs[0].margin)}: {_names(of[TIE])}")
    if of[WORSE]:
        parts.append(f"{WORSE}: {_named(of[WORSE])}")
    if of[UNDECIDED]:
        parts.append(_undecided(of[UNDECIDED]))
    if of[NO_WORD]:
        parts.append(f"{len(of[NO_WORD])} with {UNEQUAL_LOOKS}")
    return f"{'; '.join(parts)}."


def _undecided(pairs: Sequence[Pair]) -> str:
    """'undecided: 6, the highest superloss (+0.2, -1.3 to +1.7); 6 to 50 more seeds would settle each ...'."""
    top = max(pairs, key=lambda pair: pair.mean)
    said = f"{UNDECIDED}: {len(pairs)}, the highest {top.a} ({top.measure.signed(top.mean)}, {interval(top)})"
    needed = [pair.forecast.median for pair in pairs if pair.forecast]
    if not needed:
        return f"{said}, too few seeds to say how many it would take"
    low, high = min(needed), max(needed)
    most = f"{high:.0f}" if np.isfinite(high) else f"more than {MOST}"
    seeds = most if np.isfinite(low) and low == high else f"{low:.0f} to {most}" if np.isfinite(low) else most
    return f"{said}; {seeds} more seeds would settle each of them, as likely as not"


def _named(pairs: Sequence[Pair]) -> str:
    return ", ".join(f"{_name(pair)} ({pair.measure.signed(pair.mean)}, {interval(pair)})" for pair in pairs)


def _names(pairs: Sequence[Pair]) -> str:
    return ", ".join(_name(pair) for pair in pairs)


def _name(pair: Pair) -> str:
    """The first arm; where pairs have different seconds, both."""
    alone = by_question([pair]).keys() & {OTHER, CHOSEN}
    return f"{pair.a} against {pair.b}" if alone else str(pair.a)
