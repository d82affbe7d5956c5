"""python -m analysis.comparison RUN: the table of a head-to-head and its planned comparisons, as it printed them itself."""

import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pandas as pd

from analysis.comparable import Section, sections
from analysis.document import display
from analysis.document.markdown import as_markdown
from analysis.rulebook.conditions import conditions, picked_by
from analysis.rulebook.sentences import conclusion, sentence
from analysis.rulebook.uneven import is_uneven, majority, recall_rows, recalls, title
from analysis.runs import LoadedRun, load_with_epochs, without_folders
from analysis.tables import arm_summary
from analysis.verdict import all_pairs
from console.arguments import DONE, Parser, guarded
from console.errors import UsageError
from records.files import write_bytes
from records.outputs import written

MOST_ARMS = 6  # beside which a table by class stays short


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m analysis.comparison", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder of search.compare")
    asked = parser.parse_args(words)
    return guarded(lambda: print(write_comparison(asked.run)) or DONE)


def write_comparison(folder: Path) -> str:
    """comparison.md and comparison.parquet in the run folder; returns the Markdown."""
    run = load_with_epochs(folder)
    if run.about["kind"] != "head_to_head":
        raise UsageError(f"{folder} is a search, which has no arms to compare; python -m analysis.report shows it.")
    finals = run.finals[run.finals["state"] == "complete"]
    if finals.empty or finals["test_accuracy"].isna().any():
        raise UsageError(
            f"{folder} has no complete trial, or trials without test figures; let the comparison end first."
        )
    (section,) = sections([run])
    table = arm_summary(section)
    pairs, plan = all_pairs(section), section.plans[run.name]
    said = [f"- {sentence(pair)}" for pair in pairs if pair.planned]
    closing = conclusion(pairs, plan, conditions(run.about))
    shown = as_markdown(display.arms(table, section.measure)) + _by_class(section, run)
    text = without_folders(_heading(run) + shown + "\n" + "\n".join([*said, "", closing]) + "\n")
    content = BytesIO()
    table.to_parquet(content)
    with written(folder):
        write_bytes(folder / "comparison.md", text.encode())
        write_bytes(folder / "comparison.parquet", content.getvalue())
    return text


def _by_class(section: Section, run: LoadedRun) -> str:
    """Where classes are uneven: what guessing the largest would give, and of few arms the recall of each class."""
    if not is_uneven(run.about):
        return ""
    arms = section.arms[section.arms["arm_order"].isna()]  # twins are controls
    said = {str(arm): [kept for _, row in rows.iterrows() if (kept := section.predictions(row, "test")) is not None]
            for arm, rows in arms.groupby("arm", sort=False)}  # fmt: skip
    of = {arm: recalls(kept, len(run.classes)) for arm, kept in said.items() if kept}
    text = f"\n{majority(run.about, 'test')}\n"
    if not of or len(of) > MOST_ARMS:
        return text
    head, *rows = recall_rows(run.about, "test", of)
    table = as_markdown(pd.DataFrame(rows, columns=head))
    return f"{text}\n{title(run.about, 'test')[:-1]}, all seeds:\n\n{table}"


def _heading(run: LoadedRun) -> str:
    setting = run.about["setting"]
    picked = (
        "test itself, as the report's" if setting["protocol"] == "report" else "validation; test opened once per trial"
    )
    return (
        f"{run.about['data']['name']}, {setting['image_size']} px, {setting['model']}; "
        f"epochs picked{picked_by(run.about)} on {picked}; "
        f"mean over seeds and 95 % t interval of each arm alone.\n\n"
    )


if __name__ == "__main__":
    sys.exit(main())
