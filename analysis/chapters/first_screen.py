"""What is seen first: the question, the conditions, the answer and every planned pair."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analysis.chapters.search import history
from analysis.chapters.worth import by_trial, confirmation, search_answer
from analysis.comparable import Section, initialisation
from analysis.document.parts import ForestPlot, Part
from analysis.figures.differences import Forest, Mark, Row
from analysis.rulebook.answer import NOT_SHOWN, Answer, answer
from analysis.rulebook.conditions import trained
from analysis.rulebook.pairs import Pair
from analysis.rulebook.plan import is_curriculum
from analysis.rulebook.questions import QUESTIONS, question_of
from analysis.rulebook.sentences import HOLDS, interval
from analysis.runs import LoadedRun
from analysis.verdict import all_pairs
from console.wording import many

KNOWN = {"rsscn7": "RSSCN7", "dtd": "DTD", "imagenet": "ImageNet"}
OF_DATA = ("images", "judged")  # what goes with the name of the data, which "What was run" has in numbers
Phrases = dict[str, str]  # under which conditions a section's figures hold, a few words each


def proper(name: str) -> str:
    """A data set's name as it is written."""
    return KNOWN.get(name, name)


def question(sections: Sequence[Section]) -> str:
    """The title: what these runs ask."""
    data = _listed([proper(name) for name in dict.fromkeys(section.data for section in sections)])
    arms = [arm for section in sections for arm in section.contestants]
    if not arms:
        searched = [str(run.about["setting"]["strategy"]) for section in sections for run in section.runs]
        return f"Was it worth searching {_listed(list(dict.fromkeys(searched)))} on {data}?"
    curricula = list(dict.fromkeys(arm.strategy for arm in arms if is_curriculum(arm)))
    if len(curricula) == 1:
        return f"Does {curricula[0]} help on {data}?"
    if curricula:
        return f"Does a curriculum help on {data}?"
    strategies = list(dict.fromkeys(arm.strategy for arm in arms))
    return f"How {'does' if len(strategies) == 1 else 'do'} {_listed(strategies)} compare on {data}?"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def phrases(section: Section) -> Phrases:
    """By what they are about, in the order in which they are said."""
    data: dict[str, Any] = section.runs[0].about["data"]
    said = {"data": proper(section.data), "network": _networks(section.runs), "pixels": f"{section.image_size} px"}
    if data.get("train"):
        said["images"] = f"{many(data['train'], 'training image')}"
    said["seeds"] = _seeds(section)
    budgets = dict.fromkeys(_budget(run.about) for run in section.runs if run.head_to_head)
    if len(budgets) == 1 and (budget := next(iter(budgets))):
        said["budget"] = budget
    return said | {"judged": _judged(section)}


def _networks(runs: Sequence[LoadedRun]) -> str:
    """Each network, what is trained of it, and what it starts from."""
    starts: dict[str, dict[str, None]] = {}
    for run in runs:
        starts.setdefault(trained(run.about), {})[_from(initialisation(run.about["setting"]["weights"]))] = None
    return " and ".join(f"{network} {_listed(list(of))}" for network, of in starts.items())


def _from(start: str) -> str:
    return "from scratch" if start == "none" else f"from {proper(start)} weights"


def _seeds(section: Section) -> str:
    counts = [len(side.outcomes) for side in section.sides.values()]
    if not counts:
        return many(len({trial.setting.seed for run in section.runs for trial in run.history.trials.values()
                         if trial.setting}) or 1, "seed")  # fmt: skip
    return many(max(counts), "seed") if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} seeds"


def _budget(about: dict[str, Any]) -> str:
    asked = about.get("budget") or {}
    if updates := asked.get("updates") or asked.get("head_updates"):
        return f"{many(updates, 'update')} each"
    return f"{asked['seconds']:g} charged seconds each" if asked.get("seconds") else ""


def _judged(section: Section) -> str:
    by = "" if section.by_accuracy else f" by {section.measure.title}"
    if section.protocol == "report":
        return f"judged{by} on the test images that epochs were picked on"
    about = section.runs[0].about
    images = about["data"].get("test")
    # where images are left out the number is of one seed, and others have more or fewer
    some = "about " if about["setting"].get("spared_seed") is not None else ""
    return f"judged{by} on {some}{many(images, 'test image') if images else 'test images'} that no pick saw"


def conditions(sections: Sequence[Section]) -> str:
    """What holds for all of them, one line; what sets them apart stands over each."""
    first, *others = [phrases(section) for section in sections]
    shared = [text for what, text in first.items() if what != "data" and all(o.get(what) == text for o in others)]
    return ", ".join(shared)


def labels(sections: Sequence[Section]) -> list[str]:
    """By what each section differs from the others, a few words; nothing of a single one."""
    if len(sections) == 1:
        return [""]
    said = [phrases(section) for section in sections]
    kinds = dict.fromkeys(kind for one in said for kind in one)
    apart = [kind for kind in kinds if len({one.get(kind) for one in said}) > 1]
    alike = len({(section.protocol, section.measure.title) for section in sections}) == 1
    if alike and len({section.data for section in sections}) > 1:
        apart = [kind for kind in apart if kind not in OF_DATA]
    found = [", ".join(one[kind] for kind in apart if kind in one) for one in said]
    titles = [section.title for section in sections]
    return found if all(found) and len(set(found)) == len(found) else titles


def answers(sections: Sequence[Section], named: Sequence[str]) -> list[tuple[str, Answer]]:
    """One answer for each head-to-head and for each search, under its section's label."""
    found = []
    for section, label in zip(sections, named, strict=True):
        if section.contestants:
            found.append((label, answer(all_pairs(section)) if section.sides else _too_early(section)))
        searches = [run for run in section.runs if not run.head_to_head]
        alone = len(searches) == 1 and not section.contestants
        found += [(label if alone else f"Search {run.name}", search_answer(section, run)) for run in searches]
    return found


def _too_early(section: Section) -> Answer:
    """Of a head-to-head in which nothing is tested yet."""
    trials = [trial for run in section.runs if run.head_to_head for trial in run.history.trials.values()]
    over = sum(trial.state == "complete" for trial in trials)
    return Answer(NOT_SHOWN, f"{many(over, 'training')} of {len(trials)} so far are over, and test is opened when all of "
                             f"them are; until then no pair has a word.")  # fmt: skip


def lead(sections: Sequence[Section], named: Sequence[str]) -> list[Part]:
    """The forest plot of every planned pair, a column per section; of a search alone its confirmation and its trials."""
    found = [(label, _planned(section)) for section, label in zip(sections, named, strict=True)]
    searches = [run for section in sections for run in section.runs]
    if is_search_alone(sections):
        fresh = confirmation(searches[0])
        found = [("on fresh seeds", _planned(fresh))] if fresh else []
    found = [(label, planned) for label, planned in found if planned]
    searched = searches[0] if is_search_alone(sections) else None
    shown: list[Part] = [_forest_plot(found, searched)] if found else []
    return [*shown, *(history(searches[0]) if is_search_alone(sections) else [])]


def is_search_alone(sections: Sequence[Section]) -> bool:
    """Whether the report is of one search and of nothing else."""
    runs = [run for section in sections for run in section.runs]
    return len(runs) == 1 and not runs[0].head_to_head


def _planned(section: Section) -> list[Pair]:
    return [pair for pair in all_pairs(section) if pair.planned] if section.sides else []


def _forest_plot(found: Sequence[tuple[str, list[Pair]]], searched: LoadedRun | None) -> ForestPlot:
    """`searched`: the search whose trials the arms are, where they are such."""
    planned = [pair for _, of in found for pair in of]
    measure = planned[0].measure
    one_unit = len({pair.measure for pair in planned}) == 1
    axis = f"difference{measure.of}, {measure.unit}" if one_unit else "difference, each in its unit"
    margin = max(pair.measure.scaled(pair.margin) for pair in planned)
    columns = tuple(label or "difference on test" for label, _ in found)
    groups = _groups([of for _, of in found])
    if searched:
        groups = tuple((title, tuple(_of_trials(row, searched) for row in rows)) for title, rows in groups)
    forest = Forest(groups, columns, axis, margin)
    return ForestPlot("verdict_planned", _caption(forest), forest)


def _groups(found: Sequence[list[Pair]]) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """Rows under their questions; the same pair of several sections is one row, the largest difference first."""
    rows: dict[str, dict[tuple[str, str], list[Mark | None]]] = {question.title: {} for question in QUESTIONS}
    for column, planned in enumerate(found):
        for pair in planned:
            marks = rows[question_of(pair).title].setdefault((str(pair.a), str(pair.b)), [None] * len(found))
            marks[column] = _mark(pair)
    return tuple((title, _sorted(of)) for title, of in rows.items() if of)


def _sorted(of: dict[tuple[str, str], list[Mark | None]]) -> tuple[Row, ...]:
    rows = [Row(a, f"against {b}", a, tuple(marks)) for (a, b), marks in of.items()]
    return tuple(sorted(rows, key=lambda row: -next(mark.mean for mark in row.marks if mark)))


def _of_trials(row: Row, run: LoadedRun) -> Row:
    return replace(row, label=by_trial(row.label, run), note=by_trial(row.note, run))


def _mark(pair: Pair) -> Mark:
    scaled = pair.measure.scaled
    text = f"{pair.measure.signed(pair.mean)} ({interval(pair)}, {many(pair.n, 'seed')}): {pair.word or 'no word'}"
    return Mark(scaled(pair.mean), scaled(pair.low), scaled(pair.high), pair.word, text)


def _caption(forest: Forest) -> str:
    marks = [mark for row in forest.rows for mark in row.marks if mark]
    decided = sum(mark.decided for mark in marks)
    return (
        f"{decided} of {many(len(marks), 'planned pair')} decided. Dot: mean of the seeds' differences, hollow while "
        f"undecided; line: {HOLDS}, an arrow where it goes on; band: ±{forest.margin:g}, within which it is a tie."
    )
