"""`crowd`: several processes in one folder of runs at once."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable

import compare
from program import Outcome, ended, epochs
from report import Report
from runs import NAME, Bench, Kind, Place, must

QUICK = "--model mlp --widths 64 --batch-size 4 --epochs 3 --validation-images 100 --plain"
# Slow enough for a second process to come while it runs.
SLOW = Kind("slow", "--model mlp --widths 128 --batch-size 2 --epochs 8", 8)
KEPT = re.compile(r"kept in (.+)")
IN_USE = re.compile(r"in use|already (running|being|used|open)|another (process|program)|is running|locked")


def at_once(bench: Bench, commands: list[list[str]]) -> list[Outcome]:
    """Starts a process for each command at the same instant, and waits for them."""
    # Each waits for the end of its input, which is one for all.
    reader, writer = os.pipe()
    processes = [
        subprocess.Popen(
            ["sh", "-c", 'read -r _; exec "$0" "$@" </dev/null', str(bench.program.path), *arguments],
            cwd=bench.program.work,
            env=bench.program.environment(),
            stdin=reader,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        for arguments in commands
    ]
    os.close(reader)
    time.sleep(0.1)
    os.close(writer)
    return [ended(process) for process in processes]


def alone(bench: Bench, lr: float) -> pathlib.Path:
    """The run of a learning rate without any other beside it."""
    folder = bench.program.work / f"alone-{lr}"
    if not folder.exists():
        arguments = Place(bench, folder).command(*QUICK.split(), "--lr", str(lr), "--name", NAME)
        must(bench.program.run(arguments))
    return folder / NAME


def learning_rates(processes: int) -> list[float]:
    """Another learning rate for each process."""
    return [round(0.0005 * (number + 1), 4) for number in range(processes)]


def nameless(bench: Bench, place: Place, processes: int) -> list[str]:
    """Runs without names: each gets a folder of its own, and comes to what it would have come to alone."""
    rates = learning_rates(processes)
    outcomes = at_once(bench, [place.command(*QUICK.split(), "--lr", str(lr)) for lr in rates])
    found: list[str] = []
    taken: dict[str, float] = {}
    for lr, outcome in zip(rates, outcomes):
        told = f"the run with --lr {lr}"
        if outcome.status != 0:
            found.append(f"{told} did not finish: {outcome.fault() or outcome.err.strip()}")
            continue
        kept = KEPT.search(outcome.out)
        if not kept:
            found.append(f"{told} does not say where it is kept")
            continue
        folder = place.runs / pathlib.Path(kept[1]).name
        if folder.name in taken:
            found.append(f"{told} and that with --lr {taken[folder.name]} were both kept in `{folder.name}`")
            continue
        taken[folder.name] = lr
        config = json.loads((folder / "config.json").read_bytes())
        if config["lr"] != lr:
            found.append(f"the config.json of {told} in `{folder.name}` says lr {config['lr']}")
        found += [f"{told}: {line}" for line in compare.differences(alone(bench, lr), folder, set())]
    folders = sorted(path.name for path in place.runs.iterdir())
    if len(folders) != processes:
        found.append(f"{processes} runs left {len(folders)} folders: {', '.join(folders)}")
    return found


def same_name(bench: Bench, place: Place, processes: int) -> list[str]:
    """Runs of one name: one wins, the others are told."""
    rates = learning_rates(processes)
    commands = [place.command(*QUICK.split(), "--lr", str(lr), "--name", NAME) for lr in rates]
    outcomes = at_once(bench, commands)
    found = one_wins(outcomes, f"{processes} runs of one name", f"`{NAME}`|/{NAME}\\b")
    winners = [lr for lr, outcome in zip(rates, outcomes) if outcome.status == 0]
    if len(winners) == 1:
        found += compare.differences(alone(bench, winners[0]), place.run, set())
    return found + place.surplus()


def one_wins(outcomes: list[Outcome], what: str, told: str) -> list[str]:
    """What is wrong where not exactly one process succeeds, and the others fail with one line that tells why."""
    winners = sum(outcome.status == 0 for outcome in outcomes)
    found = [] if winners == 1 else [f"{what}: {winners} of them succeeded"]
    for outcome in outcomes:
        wrong = outcome.fault()
        if wrong:
            found.append(f"{what}: {wrong}")
        elif outcome.status == 2 and not re.search(told, outcome.err):
            found.append(f"{what}: the error of another does not tell why: {outcome.err.strip()}")
    return found


def started(bench: Bench, place: Place, behind: int) -> subprocess.Popen[str]:
    """A live run that has so many epochs behind it."""
    process = bench.program.start([*place.start(SLOW), "--plain"])
    while process.poll() is None and epochs(place.run) < behind:
        time.sleep(0.001)
    return process


def resumed_twice(bench: Bench, place: Place) -> list[str]:
    """Two resume a run that was killed: its lock is gone with it, one wins and comes to the reference."""
    reference = bench.reference(SLOW)
    process = started(bench, place, 2)
    process.kill()
    ended(process)
    outcomes = at_once(bench, [[*place.resume(SLOW), "--plain"]] * 2)
    found = one_wins(outcomes, "two --resume of one run", IN_USE.pattern)
    if not any(outcome.status == 0 for outcome in outcomes):
        found.append("the lock of a killed run stays")
    return found + compare.differences(reference.folder, place.run, reference.reproducible) + place.surplus()


def live(bench: Bench, place: Place) -> list[str]:
    """A live run is neither resumed nor replaced by others, and comes to its reference."""
    reference = bench.reference(SLOW)
    process = started(bench, place, 2)
    found = []
    others = {"--resume": place.resume(SLOW), "--overwrite": [*place.start(SLOW), "--overwrite"]}
    for what, arguments in others.items():
        if process.poll() is not None:
            break
        outcome = bench.program.run([*arguments, "--plain"])
        found += [f"{what} of a live run: {line}" for line in refused(outcome)]
    outcome = ended(process)
    if outcome.status != 0:
        found.append(f"the live run did not finish: {outcome.fault() or outcome.err.strip()}")
    return found + compare.differences(reference.folder, place.run, reference.reproducible) + place.surplus()


def refused(outcome: Outcome) -> list[str]:
    """What is wrong with the answer to one who would take a run that is in use."""
    wrong = outcome.fault()
    if wrong:
        return [wrong]
    if outcome.status == 0:
        return ["it succeeded"]
    return [] if IN_USE.search(outcome.err) else [f"the error does not say that it is in use: {outcome.err.strip()}"]


def run(bench: Bench, processes: int, report: Report, again: str) -> None:
    """All of it, with so many processes."""
    parts: dict[str, Callable[[Place], list[str]]] = {
        "without names": lambda place: nameless(bench, place, processes),
        "one name": lambda place: same_name(bench, place, processes),
        "two --resume": lambda place: resumed_twice(bench, place),
        "a live run": lambda place: live(bench, place),
    }
    for what, part in parts.items():
        report.count("trials")
        place = bench.place(f"crowd-{processes}-{what.replace(' ', '-')}")
        found = part(place)
        for line in found:
            report.differ(f"{processes} processes, {what}", line, again)
        report.count("faulty" if found else "as it should be")
        if not found:
            shutil.rmtree(place.runs)
