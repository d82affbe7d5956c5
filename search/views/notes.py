"""What stands in words at a study and at a trial of optuna-dashboard, in Markdown: the answer so far, then the run."""

import json
from collections.abc import Sequence

from optuna.storages import BaseStorage

from analysis.rulebook.conditions import conditions
from analysis.rulebook.pairs import Pair
from analysis.rulebook.sentences import conclusion, in_short, interval, sentence
from analysis.rulebook.words import DECIDED
from console.wording import many
from records.epoch import Row
from records.history import RunHistory, TrialHistory
from search.views.arms import ArmSoFar, Standing
from search.views.importances import FEWEST
from search.views.terminal import called, config_words, picked_by
from trainables.metrics import as_text, get_metric

BEST = 10  # trials in the table of a search
PART = 2045  # characters of a note in one attribute, as optuna_dashboard.save_note has it
WIDE = 90  # characters of a line of the command


def search_note(history: RunHistory, study: int) -> str:
    """At the head of a search: the best so far, and how the run was started. `study`: its id, for links."""
    ranked = history.ranked()
    anchor = best_anchor(ranked)
    shown = ranked[:BEST] + ([anchor] if anchor and anchor not in ranked[:BEST] else [])
    page = f"/dashboard/studies/{study}"
    lines = [_best(history), ""]
    if shown:
        heads = ["trial", get_metric(history.objective.metric).title, "at epoch", "test", "state", "anchor", "config"]
        lines.append(table(heads, [_ranked(of, page) for of in shown]))
    lines += ["", f"[History, values per epoch and importances]({page}): importances are shown from {FEWEST} complete "
              "trials on; fewer say more of chance than of a field.", "", *about(history.run, search=True)]  # fmt: skip
    return "\n".join(lines)


def _ranked(of: TrialHistory, page: str) -> list[str]:
    """A trial's row in the table of the best."""
    metric, best = of.objective.metric, of.best
    return [f"[{of.number}]({page}/trials?numbers={of.number})", as_text(metric, _value(of)),
            str(best.epoch if best else "-"), _on_test(of), of.state,
            of.asked.anchor or "-", config_words(of.asked, most=6) or "-"]  # fmt: skip


def _best(history: RunHistory) -> str:
    """'**Best so far: trial 7 with accuracy 0.912 on validation; the best anchor, as_run, has 0.897** (9 of 12 ...).'"""
    ranked = history.ranked()
    done = f"{len(history.trials)} of {many(history.samples, 'trial')} begun"
    if not ranked or ranked[0].best is None:
        return f"**No trial has a result yet** ({done})."
    first, anchor = ranked[0], best_anchor(ranked)
    split = "test, which it was picked on" if first.best and first.best.eval_split == "test" else "validation"
    beside = ""
    if anchor is not None and anchor is not first:
        beside = f"; the best anchor, {anchor.asked.anchor}, has {picked_by(anchor)}"
        if first.test and anchor.test:
            beside += f". On test they have {_on_test(first)} and {_on_test(anchor)}"
    return f"**Best so far: trial {first.number}{called(first)} with {_figure(first)} on {split}{beside}** ({done})."


def best_anchor(ranked: list[TrialHistory]) -> TrialHistory | None:
    """The first of these that is one."""
    return next((of for of in ranked if of.asked.anchor), None)


def _on_test(of: TrialHistory) -> str:
    return as_text(of.objective.metric, of.test.figure(of.objective.metric) if of.test else None)


def _figure(trial: TrialHistory) -> str:
    return f"{get_metric(trial.objective.metric).title} {as_text(trial.objective.metric, _value(trial))}"


def _value(trial: TrialHistory) -> float | None:
    return trial.best.figure(trial.objective.metric) if trial.best else None


def arms_note(history: RunHistory, standing: Standing, study: int) -> str:
    """At the head of a head-to-head: every planned pair and every arm so far, and how the run was started."""
    measure, split = standing.plan.measure, standing.split
    done = sum(pair.word in DECIDED for pair in standing.pairs)
    planned = len(standing.plan.pairs)
    said = f"{done} of {many(planned, 'planned pair')} decided so far" if planned else "No pair is planned"
    lines = [f"**{said}.** Differences{measure.of} in {measure.unit} on {split}, seed by seed{_interim(standing)}.", ""]
    if standing.pairs:
        heads = ["pair", "difference", "interval", "seeds", "verdict"]
        lines += [table(heads, [_pair(pair) for pair in standing.pairs]), "", "Each arm over its seeds:", ""]
    lines += [table(["arm", f"mean {split} {measure.title}", "lowest", "highest", "seeds"],
                    [_arm(number, one, standing, study) for number, one in enumerate(standing.arms)]), ""]  # fmt: skip
    if standing.pairs and split == "test":
        lines += [conclusion(standing.pairs, standing.plan, conditions(history.run)), ""]
    lines += [f"[The same as plots, and the mean curve of each arm](/dashboard/studies/{study}); the history has an arm "
              "once its last seed is over and judged.", ""]  # fmt: skip
    return "\n".join([*lines, *about(history.run, search=False)])


def _interim(standing: Standing) -> str:
    return "" if standing.split == "test" else "; test is not opened yet, so this is not the verdict"


def _pair(pair: Pair) -> list[str]:
    mean = pair.measure.signed(pair.mean) if pair.n else "-"
    return [
        f"{pair.a} against {pair.b}",
        mean,
        interval(pair) if pair.n else "-",
        str(pair.n),
        in_short(pair) or "no word",
    ]


def _arm(number: int, one: ArmSoFar, standing: Standing, study: int) -> list[str]:
    name = f"[{one.arm}](/dashboard/studies/{study}/trials?numbers={number})"
    if not one.figures:
        return [name, "-", "-", "-", one.seeds]
    metric = standing.plan.measure.objective.metric
    ends = [f"{as_text(metric, figure)} (seed {seed})" for figure, seed in (one.lowest, one.highest)]
    return [name, as_text(metric, one.mean), *ends, one.seeds]


def arm_note(one: ArmSoFar, standing: Standing) -> str:
    """At an arm: its planned pairs in words, and its seeds one by one."""
    metric = standing.plan.measure.objective.metric
    said = [f"- {sentence(pair)}" for pair in standing.pairs if one.arm in (pair.a, pair.b)]
    rows = [_seed(of, metric) for of in one.trials]
    heads = ["seed", "training", "validation", "at epoch", "test", "state"]
    return "\n".join([*said, "", table(heads, rows)])


def _seed(of: TrialHistory, metric: str) -> list[str]:
    on_test = of.best is not None and of.best.eval_split == "test"
    picked = as_text(metric, _value(of))
    tested = as_text(metric, of.test.figure(metric)) if of.test else picked if on_test else "-"
    state = f"{of.state}: {of.reason}" if of.reason else of.state
    return [str(of.setting.seed if of.setting else "-"), str(of.number), "-" if on_test else picked,
            str(of.best.epoch if of.best else "-"), tested, state]  # fmt: skip


def about(run: Row, search: bool) -> list[str]:
    """Which data, how it was started, and what the page can do."""
    options, setting, data = run["options"], run["setting"], run["data"]
    how = f"protocol {setting['protocol']}, seed {setting['seed']}, up to {setting['epochs']} epochs"
    if search:
        how += f", sampler {options.get('sampler', '-')}, scheduler {options.get('scheduler', '-')}"
    lines = [f"Started {run.get('started', 'unknown')}. {data['name']}: {data['train']:,} train, {data['validation']:,} "
             f"validation and {data['test']:,} test images; {how}.", ""]  # fmt: skip
    if search:
        lines += [f"Anchors: {', '.join(run['space']['anchors']) or 'none'}. Networks are kept of the best "
                  f"{many(options.get('keep', 3), 'trial')} and of the anchors. Pruned trials show the value of their last "
                  "epoch, complete ones of their best.", ""]  # fmt: skip
    return [*lines, "This page only shows the run: nothing can be changed here.", "", *command(run["command"])]


def command(text: str) -> list[str]:
    """As a block of code, an option on a line; a long value is broken at a comma, so that the page is not wide."""
    lines: list[str] = []
    for line in text.replace(" --", " \\\n    --").split("\n"):
        while len(line) > WIDE and (at := line.rfind(",", 20, WIDE)) > 0:
            lines.append(f"    {line[: at + 1]}")
            line = " " * 12 + line[at + 1 :]
        lines.append(f"    {line}")
    return lines


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown has it; names may hold what would end a cell."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, *rows)]
    cells.insert(1, ["---"] * len(head))
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


class Notes:
    """The notes of one study and its plots, each written where it has changed.

    As optuna_dashboard.save_note and save_plotly_graph_object keep them, which want a study that is loaded, and may not be
    installed.
    """

    def __init__(self, storage: BaseStorage, study: int):
        self.storage, self.study = storage, study
        self.written: dict[str, tuple[int, str, int]] = {}  # by the key of the parts: version, text, parts

    def put(self, text: str, trial: int | None = None) -> None:
        """`trial`: Optuna's id; None: the note of the study itself."""
        of = "dashboard:" if trial is None else f"dashboard:{trial}:"
        if version := self._write(f"{of}note_str:", text):
            self.storage.set_study_system_attr(self.study, f"{of}note_ver", version)

    def plot(self, name: str, graph: Row) -> None:
        """`graph`: data and layout as plotly has them."""
        self._write(f"dashboard:plot_data:{name}:", json.dumps(graph))

    def _write(self, key: str, text: str) -> int:
        """The version that this is; 0 where it stands there already."""
        version, before, parts = self.written.get(key, (0, "", 0))
        if text == before:
            return 0
        new = [text[start : start + PART] for start in range(0, len(text), PART)]
        for part, content in enumerate(new + [""] * (parts - len(new))):
            self.storage.set_study_system_attr(self.study, f"{key}{part}", content)
        self.written[key] = (version + 1, text, max(parts, len(new)))
        return version + 1
