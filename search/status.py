"""python -m search.status RUN: how far a run is, in plain lines; with --watch, until it ends."""

import datetime
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from console.arguments import DONE, Parser, guarded
from console.wording import clock, printable
from records.follow import LedgerFollower
from records.history import SAID, TrialHistory
from search.views.terminal import Terminal

SHOWN_ERRORS = 3
LOOK_SECONDS = 1.0  # between two looks at the ledger


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m search.status", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder, live or finished")
    parser.add_argument("--watch", action="store_true", help="go on until the run ends")
    asked = parser.parse_args(words)
    return guarded(lambda: watch(LedgerFollower(asked.run)) if asked.watch else show(LedgerFollower(asked.run)))


def show(follower: LedgerFollower) -> int:
    """Say how far the run is. Raises UsageError for a damaged ledger."""
    follower.read()
    print(as_shown(follower), flush=True)
    return DONE


def as_shown(follower: LedgerFollower) -> str:
    """The lines as a terminal may be given them, whatever names and reasons the ledger holds."""
    return "\n".join(printable(line.replace("\n", " ")) for line in lines(follower, time.time()))


def watch(follower: LedgerFollower) -> int:
    """Say how far it is, then a line for each trial that ends (and a bar on a terminal), then how it ended."""
    show(follower)
    if not follower.live:
        return DONE
    terminal = terminal_of(follower, time.time())
    said = ended(follower)
    try:
        with terminal:
            for _ in follower.changes(LOOK_SECONDS):
                terminal.trials = follower.history.trials
                for number in sorted(ended(follower) - said):
                    terminal.ended(terminal.trials[number])
                said = ended(follower)
                follower.history.changed.clear()
    except KeyboardInterrupt:
        return DONE
    print(as_shown(follower), flush=True)
    return DONE


def ended(follower: LedgerFollower) -> set[int]:
    """The numbers of the trials that do not run."""
    return {number for number, trial in follower.history.trials.items() if trial.state != "running"}


def terminal_of(follower: LedgerFollower, now: float) -> Terminal:
    """What the search itself would show, from its ledger. `now`: seconds since 1970."""
    options, history = follower.run["options"], follower.history
    terminal = Terminal(history.samples, options["epochs"])
    terminal.trials = history.trials
    until = now if follower.live else history.last or now
    terminal.started = time.monotonic() - history.seconds(until)
    return terminal


def lines(follower: LedgerFollower, now: float) -> list[str]:
    """How far the run is. `now`: seconds since 1970."""
    terminal = terminal_of(follower, now)
    said = [headline(follower)]
    if follower.live:
        said += [*terminal.status(), *_expected_end(terminal, now)]
    else:
        spent = clock(time.monotonic() - terminal.started)
        said += [" · ".join([*terminal.counts(), f"{spent} in all"]), *terminal.best()]
    enough = follower.history.satisfied
    return said + ([enough.reason] if enough else []) + errors(follower)


def headline(follower: LedgerFollower) -> str:
    """'first: self_paced on scenes, 12 trials of up to 12 epochs, finished'."""
    options, trials = follower.run["options"], follower.history.trials
    head_to_head = follower.history.kind == "head_to_head"
    strategies = follower.run["compare"]["strategies"] if head_to_head else options["space"]
    samples = follower.history.samples
    left = samples - sum(trial.state in SAID for trial in trials.values())
    state = (
        "running"
        if follower.live
        else "finished"
        if left <= 0
        else f"stopped with {left} trial{'s' * (left != 1)} to go"
    )
    return (
        f"{follower.folder.absolute().name}: {strategies} on {options['data']}, {samples} trials of up to "
        f"{options['epochs']} epochs, {state}"
    )


def _expected_end(terminal: Terminal, now: float) -> list[str]:
    left = terminal.left()
    if left is None:
        return []
    at = datetime.datetime.fromtimestamp(now + left)
    day = "" if at.date() == datetime.datetime.fromtimestamp(now).date() else f" on {at:%A}, {at.day} {at:%B}"
    return [f"expected end: about {at:%H:%M}{day}"]


def errors(follower: LedgerFollower) -> list[str]:
    """The trials that failed last, with their reasons, newest first."""
    failed = [trial for trial in follower.history.trials.values() if trial.state == "failed"]
    failed.sort(key=lambda trial: -(trial.over or 0.0))
    more = [f"and {len(failed) - SHOWN_ERRORS} more failed"] if len(failed) > SHOWN_ERRORS else []
    return [_failure(follower.folder, trial) for trial in failed[:SHOWN_ERRORS]] + more


def _failure(folder: Path, trial: TrialHistory) -> str:
    log = folder / "log" / f"trial-{trial.number:04d}.txt"
    where = f" ({log})" if log.exists() else ""
    return f"trial {trial.number} failed: {trial.reason}{where}"


if __name__ == "__main__":
    sys.exit(main())
