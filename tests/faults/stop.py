"""`stop`: runs with the dashboard that are told to stop at random instants, by signals, by keys and by a hang-up."""

import signal
from collections.abc import Callable

from program import epochs, is_complete, processor_seconds
from report import Report
from runs import Bench, Kind, finish
from terminal import Terminal

# Seconds in which the program has to end.
GRACE = 10.0
WAYS: dict[str, list[Callable[[Terminal], None]]] = {
    "Ctrl-C": [lambda terminal: terminal.type(b"\x03")],
    "SIGINT": [lambda terminal: terminal.send(signal.SIGINT)],
    "SIGTERM": [lambda terminal: terminal.send(signal.SIGTERM)],
    "Ctrl-C twice": [lambda terminal: terminal.type(b"\x03")] * 2,
    "SIGHUP": [lambda terminal: terminal.send(signal.SIGHUP)],
    "a hang-up": [Terminal.hang_up],
    "SIGINT twice": [lambda terminal: terminal.send(signal.SIGINT)] * 2,
}

# What a program ends with that was interrupted, whatever told it so.
INTERRUPTED = 130

# The signals that may end the program in each way, which its status then tells.
SIGNALS = {
    way: signal.SIGTERM if way == "SIGTERM" else signal.SIGHUP if way in ("SIGHUP", "a hang-up") else signal.SIGINT
    for way in WAYS
}


def trial(bench: Bench, kind: Kind, number: int, report: Report) -> list[str]:
    """Tells a run to stop, looks at what it leaves of the terminal, resumes it, and compares."""
    dice = bench.dice("stop", number)
    reference = bench.reference(kind)
    place = bench.place(f"stop-{number}", kind)
    way = list(WAYS)[number % len(WAYS)]
    share = dice.random()
    terminal = Terminal(bench.program, place.start(kind))
    found = []
    try:
        if terminal.read_until(lambda: processor_seconds(terminal.process.pid) >= share * reference.seconds):
            report.count("over before they were told")
            return []
        behind = epochs(place.run)
        for repetition, tell in enumerate(WAYS[way]):
            if repetition == 0 or not terminal.read(dice.choice([0.0, 0.05, 0.2])):
                tell(terminal)
        report.count(f"told by {way}")
        if not terminal.read(GRACE):
            found.append(f"it still runs {GRACE:.0f} s later")
        found += terminal.disorder()
        screen = terminal.text()
    finally:
        status = terminal.close()
    ended_by = SIGNALS[way]
    if "panicked at" in screen or status not in (0, 2, INTERRUPTED, -ended_by):
        found.append(f"it ended with status {status}: {screen.strip()[-300:]}")
    told = f"told by {way} at {share:.3f} with {behind} of {kind.epochs} epochs behind it, status {status}"
    if is_complete(place.run):
        if behind <= kind.epochs - 2:
            found.append("it went on to its end all the same")
    elif way != "a hang-up" and "--resume" not in screen and epochs(place.run) > 0:
        found.append(f"no line names --resume; it printed: {' | '.join(screen.strip().splitlines()[:3])[:200]}")
    found += finish(place, kind, report)
    return [f"{line} ({told})" for line in found]
