"""`kill`: runs that are killed at random instants, resumed, and compared with unbroken ones."""

import os
import random
import select
import signal
import subprocess
import time

from program import PATIENCE, Outcome, ended, epochs, processor_seconds, wait_for_write
from report import Report
from runs import Bench, Kind, Place, compared, next_command, phase


class Family:
    """The runs that a search starts: they hold one end of a pipe, whose other end tells when all of them are over."""

    def __init__(self) -> None:
        self.reader, self.heirloom = os.pipe()

    def __enter__(self) -> "Family":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.reader)

    def are_over(self) -> bool:
        """Whether the last of them ends in time, where no more are started."""
        os.close(self.heirloom)
        return bool(select.select([self.reader], [], [], PATIENCE)[0])


def instant(dice: random.Random) -> float:
    """A share of the processors' time that an unbroken run takes, now and then near its start or its end."""
    return dice.choice([*[dice.random()] * 4, 0.08 * dice.random(), 1 - 0.08 * dice.random()])


def killed(
    place: Place, process: subprocess.Popen[str], seconds: float, at_a_write: bool, alone: bool, dice: random.Random
) -> Outcome:
    """Kills a process after so many seconds of processors, or right after the first write that follows, `alone` or with
    its group."""
    while process.poll() is None and processor_seconds(process.pid) < seconds:
        time.sleep(0.0005)
    if at_a_write:
        wait_for_write(place.runs, process)
        time.sleep(dice.choice([0, dice.uniform(0, 0.001), dice.uniform(0, 0.01)]))
    else:
        # The clock of processors has ticks.
        time.sleep(dice.uniform(0, 1 / os.sysconf("SC_CLK_TCK")))
    if alone:
        process.kill()
    elif process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return ended(process)


def trial(bench: Bench, kind: Kind, number: int, report: Report) -> list[str]:
    """Kills a run up to three times, brings it to its end, and says what differs from its reference then."""
    place = bench.place(f"kill-{number}", kind)
    with Family() as family:
        story, wrong = broken(place, kind, number, family, report)
        if not family.are_over():
            wrong = wrong or "a run of a killed search hangs"
    found = [wrong] if wrong else compared(place, kind, report)
    return [f"{line} ({', '.join(story) or 'not killed'})" for line in found]


def broken(place: Place, kind: Kind, number: int, family: Family, report: Report) -> tuple[list[str], str | None]:
    """Kills a run up to three times and brings it to its end: how that went, and what is wrong with it."""
    bench = place.bench
    dice = bench.dice("kill", number)
    reference = bench.reference(kind)
    kills = dice.choice([1, 1, 2, 3])
    command, resuming = [*place.start(kind), "--plain"], False
    story: list[str] = []
    while True:
        before = epochs(place.run)
        process = bench.program.start(command, heirloom=family.heirloom if kind.search else None)
        if kills > 0:
            kills -= 1
            share, at_a_write = instant(dice), dice.random() < 0.5
            alone = not kind.search or dice.random() < 0.5
            outcome = killed(place, process, share * reference.seconds, at_a_write, alone, dice)
        else:
            outcome = ended(process)
        if outcome.status == -signal.SIGKILL:
            place_in_time = phase(place, kind)
            report.count(f"killed {place_in_time}")
            whom = "" if not kind.search else " without its runs" if alone else " with its runs"
            story.append(f"killed{whom} at {share:.3f}{' and a write' * at_a_write} ({place_in_time})")
            command, resuming = [*place.resume(kind), "--plain"], True
            continue
        if resuming:
            following = next_command(place, kind, outcome, before)
            if following is None:
                report.count("resumed")
                return story, None
            if isinstance(following, str):
                return story, following
            report.count("started again")
            story.append("started again")
            command, resuming = following, False
            continue
        if outcome.status == 0:
            if not story:
                report.count("over before they were killed")
            return story, None
        return story, f"it cannot be started: {outcome.fault() or outcome.err.strip()}"
