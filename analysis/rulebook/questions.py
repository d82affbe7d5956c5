"""Which question a pair of arms answers: a reader asks a few, however many pairs there are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.rulebook.pairs import Pair
from analysis.rulebook.plan import BASELINE, SUBSET, is_curriculum
from records.confirmed import TRIAL


@dataclass(frozen=True)
class Question:
    """As a heading, what stands second in its pairs, and what takes part first."""

    title: str
    against: str = ""  # 'than ...'; of pairs that have nothing in common, nothing
    subjects: str = "curricula"


BEATS = Question("Does the curriculum beat plain fine-tuning?", "plain fine-tuning")
SUBSETS = Question("Does it beat random subsets?", "random subsets")
ORDER = Question("Is it the order? (the same set sizes in random order)", "its random twin")
EASY_FIRST = Question("Is easy first better than hard first?", "its hard-first twin")
CHOSEN = Question("Is what the search chose better than its anchors?", "the anchor", "picks")
OTHER = Question("Other pairs, planned beforehand", "", "pairs")
QUESTIONS = (BEATS, SUBSETS, ORDER, EASY_FIRST, CHOSEN, OTHER)


def question_of(pair: Pair) -> Question:
    """The one that the pair answers."""
    a, b = pair.a, pair.b
    if TRIAL in (a.config or "") and a.strategy == b.strategy:
        return CHOSEN
    if is_curriculum(a) and b.is_twin and b.partner == a:
        return ORDER if b.order == "random" else EASY_FIRST
    if is_curriculum(a) and not b.is_twin and b.strategy in (BASELINE, SUBSET):
        return BEATS if b.strategy == BASELINE else SUBSETS
    return OTHER


def by_question(pairs: Iterable[Pair]) -> dict[Question, Sequence[Pair]]:
    """The pairs under their questions, these in the order in which they are asked, the largest difference first."""
    grouped: dict[Question, list[Pair]] = {question: [] for question in QUESTIONS}
    for pair in pairs:
        grouped[question_of(pair)].append(pair)
    return {question: sorted(of, key=lambda pair: -pair.mean) for question, of in grouped.items() if of}
