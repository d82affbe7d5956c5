"""python -m analysis.explain RUN [RUN]: which parts of an image the selected network goes by, and how surely.

With LIME (Ribeiro et al. 2016; the report's section 5) and, as a cheap second opinion, Grad-CAM (Selvaraju et al. 2017).
Two runs (two initialisations) stand side by side.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from analysis.document.parts import Report
from analysis.document.write import add_out, write_report
from analysis.explaining.chapter import chapter
from analysis.explaining.explanation import explain_image
from analysis.explaining.networks import SelectedNetwork, choose, open_network
from analysis.explaining.superpixels import Segments
from analysis.runs import load_with_epochs
from console.arguments import DONE, Parser, guarded
from console.errors import UsageError
from console.progress import bar
from console.wording import clock, many
from records.outputs import prepare_folder
from trainables.data.dataset import short_name


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m analysis.explain", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="one run folder, or two to set side by side")
    parser.add_argument("--trial", type=int, metavar="N", help="which trial (the best whose network was kept)")
    parser.add_argument("--images", metavar="I,J,...", help="numbers of images in the data set, with commas")
    parser.add_argument("--correct", type=int, default=2, metavar="N", help="else so many that run 1 gets right (2)")
    parser.add_argument("--wrong", type=int, default=2, metavar="N", help="and so many that it gets wrong (2)")
    parser.add_argument("--samples", type=int, default=400, metavar="N", help="perturbed images of each (400)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="seeds of sampling and of segmentation (3)")
    add_out(parser, "explain")
    asked = parser.parse_args(words)
    return guarded(lambda: explain(asked))


def explain(asked: Namespace) -> int:
    """Write index.html, report.md, data/ and figures/. Raises UsageError before anything is computed."""
    if len(asked.runs) > 2:
        raise UsageError(f"One run or two can be explained side by side; got {len(asked.runs)}.")
    if asked.samples < 2 or asked.repeats < 1:
        raise UsageError("--samples must be at least 2 and --repeats at least 1.")
    runs = [load_with_epochs(folder) for folder in asked.runs]
    networks = [open_network(run, asked.trial if i == 0 else None) for i, run in enumerate(runs)]
    if len({network.data.digest for network in networks}) > 1:
        raise UsageError("The two runs have different data, so no image is in both; pass runs on one data set.")
    chosen = choose(networks[0], asked.images, asked.correct, asked.wrong)
    prepare_folder(asked.out, asked.overwrite)
    segments = Segments(networks[0].data)
    with bar("explaining", len(networks) * len(chosen) * (2 * asked.repeats - 1), "explanations") as advance:
        rows = [[explain_image(network, segments, image, asked.samples, asked.repeats, advance) for network in networks]
                for image in chosen]  # fmt: skip
    made = Report(title_of(networks), [chapter(rows, asked.samples, asked.repeats)])
    write_report(made, runs, asked.out, asked.figures)
    seconds = sum(one.seconds for row in rows for one in row)
    print(f"{asked.out / 'index.html'}: {many(len(chosen), 'image')}, {clock(seconds)}")
    return DONE


def title_of(networks: Sequence[SelectedNetwork]) -> str:
    """What the page is called: by strategies, or by runs where both are of one."""
    strategies = [network.setting.strategy for network in networks]
    names = strategies if len(set(strategies)) == len(networks) else [network.run.name for network in networks]
    return f"What {' and '.join(names)} {'looks' if len(names) == 1 else 'look'} at on {short_name(networks[0].data)}"


if __name__ == "__main__":
    sys.exit(main())
