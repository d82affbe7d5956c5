"""python -m search.compare --strategies a,b,...: the strategies side by side, on the same seeds and updates."""

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from console import arguments
from console.arguments import DONE, INTERRUPTED, TOO_FEW, guarded
from console.errors import UsageError
from search.options import CompareOptions, RunOptions, SearchOptions
from search.planning.resume import options_of


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = arguments.parser(CompareOptions, "python -m search.compare", __doc__ or "")
    parser.add_argument("--resume", action="store_true", help="go on with the run --name, or extend it by --seeds")
    given = vars(parser.parse_args(words))
    resume = given.pop("resume")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see search.run
    return guarded(lambda: compare(_options(given, resume), resume))


def _options(given: dict[str, Any], resume: bool) -> CompareOptions:
    return options_of(CompareOptions, given, "compare") if resume else arguments.read(CompareOptions, given)


def compare(options: CompareOptions, resumes: bool = False) -> int:
    """Run the head-to-head and leave its run folder and table. Raises UsageError before anything starts."""
    from search.campaign import Campaign
    from search.planning.plan import make_plan
    from search.planning.run_json import describe
    from search.proposers.head_to_head import Lineup, make_arms
    from search.session import execute, open_campaign, resume_line, write_tables
    from search.views.terminal import Terminal
    from trainables.strategies import get_strategy

    updates = parse_budget(options.budget)
    arms = make_arms(options.strategies, options.anchors, options.twins, _configs(options.configs))
    pretrained = [arm for arm in arms if get_strategy(arm.strategy).starts_from == "pretrained"]
    plan = make_plan(_as_search(options, (pretrained or arms)[0].strategy, len(arms) * options.seeds), resumes)
    _check_arms(plan, arms)
    seeds = list(range(options.seed, options.seed + options.seeds))
    _warn_of_seen_images(options, seeds)
    lineup = Lineup(arms, plan.setting, seeds, options.epochs, options.head_epochs, updates)
    print(
        f"{len(arms)} arms on {len(seeds)} seeds: {', '.join(arm.name for arm in arms)}; into {plan.folder}", flush=True
    )
    started = time.monotonic()
    about = describe(plan, "search.compare") | {"compare": options.model_dump()}
    terminal = Terminal(plan.space, lineup.samples, options.epochs)
    campaign = open_campaign(
        plan, about, resumes, lambda: Campaign(plan.folder, lineup, lineup.samples, None, terminal)
    )
    with terminal:
        interrupted = execute(plan, campaign)
    if options.protocol == "holdout" and not (interrupted or campaign.broken):
        _open_tests(plan, campaign)
    campaign.ledger.close()
    ended = sum(book.state == "complete" for book in campaign.books.values())
    if not campaign.broken and write_tables(plan) and ended and not interrupted:
        _print_table(plan.folder)
    for name in lineup.skipped:
        print(f"Not run: {name}, because an arm that it builds on did not complete.")
    print(f"\n{lineup.samples} trials, {time.monotonic() - started:.0f} s. Files: {plan.folder}")
    if interrupted or campaign.broken:
        print(resume_line("search.compare", plan))
    wanted = len(arms) * len(seeds)
    return INTERRUPTED if interrupted else DONE if ended == wanted else TOO_FEW


def parse_budget(text: str | None) -> int | None:
    """'updates=500' -> 500. Raises UsageError."""
    match = re.fullmatch(r"updates=([1-9]\d*)", text or "")
    if text and not match:
        raise UsageError(f"--budget wants updates=N with N at least 1; got '{text}'.")
    return int(match[1]) if match else None


def _configs(path: str | None) -> list[dict[str, Any]] | None:
    if path is None:
        return None
    from records.parquet import read_row, read_table

    read_row(Path(path), 0)  # says what is wrong with it
    return read_table(Path(path))


def _warn_of_seen_images(options: CompareOptions, seeds: list[int]) -> None:
    """Configs that were picked on one seed's validation images have seen what another seed tests on."""
    if not options.configs or options.protocol != "holdout" or options.split:
        return
    picked = sorted({row["setting_seed"] for row in _configs(options.configs) or []})
    if set(seeds) - set(picked):
        print(
            f"Note: these configs were picked on the validation images of seed {', '.join(map(str, picked))}, some of "
            f"which other seeds test on, so their figures are optimistic; --split gives all seeds one test part."
        )


def _as_search(options: CompareOptions, space: str, samples: int) -> SearchOptions:
    """The same run as a search with fixed configs, so that one plan serves both."""
    shared = options.model_dump(exclude=set(CompareOptions.model_fields) - set(RunOptions.model_fields))
    shared["keep"] = samples  # every network is kept until test has been opened for it
    name = options.name or f"compare-{time.strftime('%Y%m%d-%H%M%S')}"
    return SearchOptions(**shared | {"name": name}, space=space, samples=samples, anchors="none", scheduler="none")


def _check_arms(plan: Any, arms: list[Any]) -> None:
    """What only shows when an arm is made: its weights, the division, an image size."""
    from trainables.preparation import facts, make_network
    from trainables.strategies import get_strategy

    for arm in arms:
        random = get_strategy(arm.strategy).starts_from == "random"
        weights = "none" if random else arm.weights or plan.setting.weights
        if arm.weights and random:
            raise UsageError(f"{arm.strategy} starts from random weights; drop @{arm.weights}.")
        setting = plan.setting.model_copy(update={"strategy": arm.strategy, "weights": weights})
        make_network(setting, len(plan.data.classes))
        facts(setting)


def _open_tests(plan: Any, campaign: Any) -> None:
    """Test figures of every arm and seed, each measured once; the networks go afterwards."""
    from console.progress import track
    from records.folder import remove_checkpoints
    from search.testing import judge

    done = [b for number, b in campaign.books.items() if b.state == "complete" and number not in campaign.tests]
    for book in track(done, "opening test", unit="trials"):
        judge(plan, campaign, book)
        remove_checkpoints(campaign.folder, book.proposal.number)


def _print_table(folder: Path) -> None:
    """Needs pandas and scipy, which a machine that only trains may lack."""
    try:
        from analysis.comparison import write_comparison
    except ImportError:
        print("The table needs pandas and scipy: run `python -m analysis.comparison RUN` where they are.")
        return
    print("\n" + write_comparison(folder))


if __name__ == "__main__":
    sys.exit(main())
