"""python -m search.status RUN: how far a run is, or each of several, in plain lines; with --watch, until it ends."""

import datetime
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from console.arguments import DONE, Parser, guarded
from console.layout import fitted
from console.wording import clock, printable
from records.follow import LedgerFollower, read_all
from records.found_runs import find_runs
from records.history import SAID, TrialHistory
from search.views.terminal import Terminal

SHOWN_ERRORS = 3
LOOK_SECONDS = 1.0  # between two looks at the ledger


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="python -m search.status", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+",
                        help="a run folder, live or finished; a folder of runs, or a pattern: 'runs/*'")  # fmt: skip
    parser.add_argument("--watch", action="store_true", help="go on until the run ends, or all of them have")
    asked = parser.parse_args(words)
    return guarded(lambda: _of(asked.runs, asked.watch))


def _of(words: list[str], watching: bool) -> int:
    folders = find_runs(words)
    if folders != [Path(words[0])]:  # a folder of runs is many, though there be one in it
        shown = show_all(folders)
        return watch_all(words, shown) if watching else DONE
    return watch(LedgerFollower(folders[0])) if watching else show(LedgerFollower(folders[0]))


def show(follower: LedgerFollower) -> int:
    """Say how far the run is. Raises UsageError for a damaged ledger."""
    follower.read()
    print(as_shown(follower), flush=True)
    return DONE


def as_shown(follower: LedgerFollower) -> str:
    """The lines as a terminal may be given them, whatever names and reasons the ledger holds."""
    return fitted("\n".join(printable(line.replace("\n", " ")) for line in lines(follower, time.time())))


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


def show_all(folders: list[Path]) -> list[LedgerFollower]:
    """A block for each run, live ones first, the newest first; one that cannot be read says why, at the end.

    Returns those that were shown.
    """
    read, unread = read_all(folders)
    blocks = [block(follower) for follower in sorted(read, key=_standing)]
    print(
        "\n\n".join([*blocks, *(fitted(printable(f"{name}: {error}")) for name, error in unread.items())]), flush=True
    )
    return read


def _standing(follower: LedgerFollower) -> tuple[bool, float]:
    """Sorts live runs first, and the newest first."""
    begun = follower.history.first
    return not follower.live, -(follower.run_written / 1e9 if begun is None else begun)


def block(follower: LedgerFollower) -> str:
    """As for the run alone, without its failures but for their number; all but the first line stand in."""
    said = lines(follower, time.time())[: -len(errors(follower)) or None]
    return fitted("\n  ".join(printable(line.replace("\n", " ")) for line in said))


def watch_all(words: list[str], shown: list[LedgerFollower]) -> int:
    """After a block for each run: a line for each trial that ends, and the block again of a run that has ended.

    A run that is begun meanwhile where the words lead to is watched too.
    """
    watched = {each.folder: Watched(each) for each in shown}
    try:
        while any(each.follower.live for each in watched.values()):
            time.sleep(LOOK_SECONDS)
            new = [folder for folder in find_runs(words) if folder not in watched]
            for follower in read_all(new)[0]:
                watched[follower.folder] = Watched(follower)
                print(block(follower), flush=True)
            for each in watched.values():
                each.look()
    except KeyboardInterrupt:
        return DONE
    return DONE


class Watched(Terminal):
    """One of several runs that are watched: a line for each trial that ends, with the run's name before it."""

    def __init__(self, follower: LedgerFollower):
        super().__init__(follower.history.samples, follower.run["options"]["epochs"])
        self.follower, self.said = follower, ended(follower)

    def look(self) -> None:
        """Say what is new, while the run is live."""
        if not self.follower.live:
            return
        self.follower.read()
        self.trials, self.samples = self.follower.history.trials, self.follower.history.samples
        now = ended(self.follower)
        for number in sorted(now - self.said):
            self.ended(self.trials[number])
        self.said = now
        if not self.follower.live:
            print(block(self.follower), flush=True)

    def say(self, text: str) -> None:
        super().say(f"{self.follower.folder.absolute().name}: {text}")


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
