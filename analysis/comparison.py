"""python -m analysis.comparison RUN: the table of a head-to-head and its planned comparisons.

On a terminal as the head-to-head printed them itself; into a pipe or a file as Markdown, which is comparison.md.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pandas as pd

from analysis.comparable import Section, sections
from analysis.document import display
from analysis.document.markdown import as_markdown
from analysis.going_on import next_commands
from analysis.rulebook.conditions import conditions, picked_by, trained
from analysis.rulebook.pairs import Pair
from analysis.rulebook.sentences import conclusion, sentence
from analysis.rulebook.uneven import Recalls, is_uneven, majority, recall_rows, recalls, title, uneven_lines
from analysis.runs import LoadedRun, load_with_epochs, untested_note
from analysis.tables import arm_summary
from analysis.verdict import all_pairs
from console.arguments import DONE, Parser, guarded
from console.errors import UsageError
from console.layout import columns, ending, fitted
from records.files import write_bytes
from records.folder import SHOWN
from records.outputs import written
from records.packed import is_packed, unpacked
from records.places import without_folders

MOST_ARMS = 6  # beside which a table by class stays short
FILES = ("comparison.md and comparison.parquet with every interval", *SHOWN)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m analysis.comparison", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder of search.compare, or a packed one")
    asked = parser.parse_args(words)
    return guarded(lambda: _show(unpacked(asked.run) if is_packed(asked.run) else asked.run))


def _show(folder: Path) -> int:
    found = compared(folder)
    page = write(folder, found)
    print(in_terminal(folder, found) if sys.stdout.isatty() else page)
    return DONE


@dataclass(frozen=True)
class Compared:
    """A head-to-head as it is judged."""

    run: LoadedRun
    section: Section
    arms: pd.DataFrame  # tables.arm_summary
    pairs: list[Pair]  # of all arms, the planned ones first

    @property
    def planned(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.planned]

    @property
    def left_out(self) -> list[str]:
        """What is said of trials that it leaves out although they are complete."""
        return [untested_note(len(self.run.untested))] if self.run.untested else []

    @property
    def conclusion(self) -> str:
        return conclusion(self.pairs, self.section.plans[self.run.name], conditions(self.run.about))


def compared(folder: Path) -> Compared:
    """Raises UsageError for a search, and for a head-to-head before its first test figure."""
    run = load_with_epochs(folder)
    if run.about["kind"] != "head_to_head":
        raise UsageError(f"{folder} is a search, which has no arms to compare; python -m analysis.report shows it.")
    finals = run.finals[run.finals["state"] == "complete"]
    if finals["test_accuracy"].isna().all():
        raise UsageError(f"{folder} has no complete trial with a test figure yet; let the comparison end first.")
    (section,) = sections([run])
    return Compared(run, section, arm_summary(section), all_pairs(section))


def write_comparison(folder: Path) -> str:
    """comparison.md and comparison.parquet in the run folder; returns the Markdown. Raises UsageError."""
    return write(folder, compared(folder))


def write(folder: Path, found: Compared) -> str:
    """The same of a comparison that was read before."""
    said = "\n".join([*(f"- {sentence(pair)}" for pair in found.planned), "", *found.left_out, found.conclusion])
    shown = as_markdown(display.arms(found.arms, found.section.measure)) + _by_class_as_markdown(found)
    text = without_folders(f"{_heading(found.run)}\n\n{shown}\n{said}\n")
    content = BytesIO()
    found.arms.to_parquet(content)
    with written(folder):
        write_bytes(folder / "comparison.md", text.encode())
        write_bytes(folder / "comparison.parquet", content.getvalue())
    return text


def _by_class_as_markdown(found: Compared) -> str:
    of = _recalls(found)
    if of is None:
        return ""
    text = f"\n{majority(found.run.about, 'test')}\n"
    if not of:
        return text
    head, *rows = recall_rows(found.run.about, "test", of)
    table = as_markdown(pd.DataFrame(rows, columns=head))
    return f"{text}\n{title(found.run.about, 'test')[:-1]}, all seeds:\n\n{table}"


def _recalls(found: Compared) -> dict[str, Recalls] | None:
    """Of each arm, where classes are uneven and arms few; None where classes are even."""
    if not is_uneven(found.run.about):
        return None
    arms = found.section.arms[found.section.arms["arm_order"].isna()]  # twins are controls
    said = {str(arm): [kept for _, row in rows.iterrows()
                       if (kept := found.section.predictions(row, "test")) is not None]
            for arm, rows in arms.groupby("arm", sort=False)}  # fmt: skip
    of = {arm: recalls(kept, len(found.run.classes)) for arm, kept in said.items() if kept}
    return of if len(of) <= MOST_ARMS else {}


def in_terminal(folder: Path, found: Compared) -> str:
    """The end of a head-to-head, as wide as the terminal: its table and sentences, its files, and what to type next."""
    of = _recalls(found)
    of = of and {without_folders(arm): recall for arm, recall in of.items()}
    by_class = [] if of is None else ["", *uneven_lines(found.run.about, "test", of)]
    said = [f"- {sentence(pair)}" for pair in found.planned]
    text = "\n".join([_heading(found.run), "", _arms(found), *by_class, "", *said, *[""] * bool(said)])
    return "\n".join([
        fitted(without_folders(text)),
        *(fitted(each, further="") for each in found.left_out),
        fitted(without_folders(found.conclusion), further=""),
        ending(folder, FILES, next_commands(folder, found.run.about, found.planned)),
    ])  # fmt: skip


def _arms(found: Compared) -> str:
    """Of the table of comparison.md the interval of what was picked by, and means of the rest."""
    shown = display.arms(found.arms, found.section.measure)
    shown["arm"] = [without_folders(arm) for arm in shown["arm"]]  # before columns are as wide as they
    for head in shown.columns[3:]:
        shown[head] = [text.partition(" (")[0] for text in shown[head]]
    return columns([list(shown.columns), *shown.to_numpy().tolist()], drop=tuple(shown.columns[:2:-1]))


def _heading(run: LoadedRun) -> str:
    setting = run.about["setting"]
    picked = (
        "test itself, as the report's" if setting["protocol"] == "report" else "validation; test opened once per trial"
    )
    return (
        f"{run.about['data']['name']}, {setting['image_size']} px, {trained(run.about)}; "
        f"epochs picked{picked_by(run.about)} on {picked}; "
        f"mean over seeds and 95 % t interval of each arm alone."
    )


if __name__ == "__main__":
    sys.exit(main())
