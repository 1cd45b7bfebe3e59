"""`kill`: runs that are killed at random instants, resumed, and compared with unbroken ones."""

import random
import subprocess
import time

from program import Outcome, ended, epochs, wait_for_write
from report import Report
from runs import Bench, Kind, Place, compared, next_command, phase


def instant(dice: random.Random) -> float:
    """A share of the time that an unbroken run takes, now and then near its start or its end."""
    return dice.choice([*[dice.random()] * 4, 0.08 * dice.random(), 1 - 0.08 * dice.random()])


def killed(place: Place, arguments: list[str], seconds: float, at_a_write: bool, dice: random.Random) -> Outcome:
    """Starts the program, and kills it after so many seconds, or right after the first write that follows."""
    process = place.bench.program.start(arguments)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        if at_a_write:
            wait_for_write(place.runs, process)
            time.sleep(dice.choice([0, dice.uniform(0, 0.001), dice.uniform(0, 0.01)]))
        process.kill()
    return ended(process)


def trial(bench: Bench, kind: Kind, number: int, report: Report) -> list[str]:
    """Kills a run up to three times, brings it to its end, and says what differs from its reference then."""
    dice = bench.dice("kill", number)
    reference = bench.reference(kind)
    place = bench.place(f"kill-{number}", kind)
    kills = dice.choice([1, 1, 2, 3])
    command, resuming = [*place.start(kind), "--plain"], False
    story = []
    while True:
        before = epochs(place.run)
        if kills > 0:
            kills -= 1
            share, at_a_write = instant(dice), dice.random() < 0.5
            outcome = killed(place, command, share * reference.seconds, at_a_write, dice)
        else:
            outcome = bench.program.run(command)
        if outcome.status == -9:
            place_in_time = phase(place, kind)
            report.count(f"killed {place_in_time}")
            story.append(f"killed at {share:.3f}{' and a write' * at_a_write} ({place_in_time})")
            command, resuming = [*place.resume(), "--plain"], True
            continue
        if resuming:
            following = next_command(place, kind, outcome, before)
            if following is None:
                report.count("resumed")
                break
            if isinstance(following, str):
                return [f"{following} ({', '.join(story)})"]
            report.count("started again")
            story.append("started again")
            command, resuming = following, False
            continue
        if outcome.status == 0:
            break
        wrong = outcome.fault() or outcome.err.strip()
        return [f"it cannot be started: {wrong} ({', '.join(story)})"]
    return [f"{line} ({', '.join(story) or 'not killed'})" for line in compared(place, kind, report)]
