#!/usr/bin/env python3
"""Breaks runs of the `mnist` example on purpose, and compares what comes of them with unbroken runs.

Usage: python3 tests/faults --program PATH [--work DIR] [--keep] [--seed N] [--jobs N] SUBCOMMAND

Exit status 1 if anything differs from what it should be, each with the line that shows it again.
"""

import argparse
import pathlib
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True

import crowd  # noqa: E402
import damage  # noqa: E402
import disk  # noqa: E402
import kill  # noqa: E402
import stop  # noqa: E402
import targets  # noqa: E402
from program import Program  # noqa: E402
from report import Report  # noqa: E402
from runs import KINDS, SEARCHES, Bench, Kind, kinds  # noqa: E402

# The kinds of `all --quick`: those that differ most in what they write.
FEW = "cnn,ensemble,snapshots,curriculum"

Trial = Callable[[int], list[str]]


def span(text: str) -> range:
    """The numbers from the first to the last: `2..8`, or `5` alone."""
    first, _, last = text.partition("..")
    numbers = range(int(first), int(last or first) + 1)
    if not numbers:
        raise ValueError
    return numbers


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="faults", description="Breaks runs on purpose, and compares.")
    parser.add_argument("--program", type=pathlib.Path, required=True, help="the built example")
    parser.add_argument("--work", type=pathlib.Path, help="folder for everything [default: a temporary one]")
    parser.add_argument("--keep", action="store_true", help="leave that folder, with the runs that differ")
    parser.add_argument("--seed", type=int, default=1, help="seed of images, instants and damage [default: 1]")
    parser.add_argument("--jobs", type=int, default=1, help="trials at once [default: 1]")
    commands = parser.add_subparsers(dest="command", required=True, metavar="SUBCOMMAND")
    for name, flag, default, text in [
        ("kill", "--times", 90, "SIGKILL at random instants, resume, compare"),
        ("stop", "--times", 63, "signals and Ctrl-C in the dashboard, resume, compare"),
        ("disk", "--writes", 45, "a disk that is full at so many points, resume, compare"),
        ("damage", "--files", 500, "damaged files: refused in a line that names them, or read as they are"),
    ]:
        command = commands.add_parser(name, help=text)
        command.add_argument(flag, dest="number", type=int, default=default, metavar="N")
        command.add_argument("--only", type=span, metavar="TRIAL", help="only this trial of them, or those of A..B")
        if name != "damage":
            names = ", ".join(kind.name for kind in (KINDS + SEARCHES if name == "kill" else KINDS))
            command.add_argument("--kinds", help=f"kinds of runs, between commas [default: {names}]")
    command = commands.add_parser("crowd", help="processes in one folder at once")
    text = "how many, or a range such as 2..8 [default: 2..4]"
    command.add_argument("--processes", type=span, default="2..4", help=text)
    command = commands.add_parser("all", help="everything")
    command.add_argument("--quick", action="store_true", help="a short version, for CI")
    return parser.parse_args()


class Trials:
    """Runs the trials of a subcommand, some at a time."""

    def __init__(self, bench: Bench, jobs: int):
        self.bench = bench
        self.jobs = jobs
        self.reports: list[Report] = []

    def report(self, title: str) -> Report:
        """A new report, which is shown also where the tool is ended early."""
        self.reports.append(Report(title))
        return self.reports[-1]

    def each(self, report: Report, numbers: range, trial: Trial, again: str, jobs: int) -> None:
        """Runs the trials of these numbers, and notes what differs."""

        def one(number: int) -> None:
            for line in trial(number):
                report.differ(f"{report.title} {number}", line, self.bench.again(f"{again} --only {number}"))

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, numbers))

    def broken(self, name: str, number: int, only: range | None, names: str | None) -> None:
        """`kill` or `stop`."""
        report, chosen = self.report(name), kinds(names, KINDS + SEARCHES if name == "kill" else KINDS)
        numbers = only or range(number)

        def kind_of(trial: int) -> Kind:
            return chosen[trial % len(chosen)]

        for kind in {kind_of(trial).name: kind_of(trial) for trial in numbers}.values():
            self.bench.control(self.bench.reference(kind), report)
        trial = {"kill": kill.trial, "stop": stop.trial}[name]

        def run(number: int) -> list[str]:
            report.count("trials")
            found = trial(self.bench, kind_of(number), number, report)
            # What differs is left to be looked at.
            if not found:
                shutil.rmtree(self.bench.program.work / f"{name}-{number}")
            return found

        again = f"{name} --times {number}" + (f" --kinds {names}" if names else "")
        self.each(report, numbers, run, again, self.jobs)
        report.done()

    def full_disk(self, number: int, only: range | None, names: str | None) -> None:
        """`disk`."""
        report, chosen = self.report("disk"), kinds(names, KINDS)
        if not disk.is_permitted(self.bench.program.work):
            report.note("skipped: mounting a small file system is not permitted here")
            return
        peaks: dict[str, int] = {}

        def trial(index: int) -> list[str]:
            return disk.run(self.bench, chosen[index % len(chosen)], index, number, peaks, report)

        again = f"disk --writes {number}" + (f" --kinds {names}" if names else "")
        self.each(report, only or range(number), trial, again, 1)
        report.done()

    def damaged(self, number: int, only: range | None) -> None:
        """`damage`."""
        report = self.report("damage")
        found, goods = targets.targets(self.bench), damage.Goods(self.bench)
        numbers = only or range(number)
        for index in {index % len(found) for index in numbers}:
            goods.result(found[index])

        def trial(index: int) -> list[str]:
            return damage.trial(self.bench, found[index % len(found)], index, goods, report)

        self.each(report, numbers, trial, f"damage --files {number}", self.jobs)
        report.done()

    def crowd(self, numbers: range) -> None:
        """`crowd`."""
        report = self.report("crowd")
        for processes in numbers:
            crowd.run(self.bench, processes, report, self.bench.again(f"crowd --processes {processes}"))
        report.done()

    def all(self, quick: bool) -> None:
        """Everything."""
        few = FEW if quick else None
        self.broken("kill", 12 if quick else 90, None, few)
        self.broken("stop", 14 if quick else 63, None, few)
        self.full_disk(8 if quick else 45, None, few)
        self.damaged(60 if quick else 500, None)
        self.crowd(range(3, 4) if quick else range(2, 9))

    def run(self, options: argparse.Namespace) -> None:
        """A subcommand."""
        match options.command:
            case "kill" | "stop":
                self.broken(options.command, options.number, options.only, options.kinds)
            case "disk":
                self.full_disk(options.number, options.only, options.kinds)
            case "damage":
                self.damaged(options.number, options.only)
            case "crowd":
                self.crowd(options.processes)
            case _:
                self.all(options.quick)


def main() -> int:
    options = arguments()
    program = options.program.resolve()
    if not program.is_file():
        raise SystemExit(f"{program} is not there: `cargo build --example mnist` builds it")
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="faults-", dir=options.work)).resolve()
    invocation = f"python3 tests/faults --program {shlex.quote(str(options.program))} --seed {options.seed} --keep"
    # So that disks are taken away and processes ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    trials = Trials(Bench(Program(program, work), options.seed, invocation), options.jobs)
    try:
        trials.run(options)
        return 1 if any(report.differences for report in trials.reports) else 0
    finally:
        for report in trials.reports:
            report.show()
        if options.keep:
            print(f"kept in {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
