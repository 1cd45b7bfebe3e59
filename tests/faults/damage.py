"""`damage`: damaged files, each of which the program has to refuse in one line, or to read as what they say."""

import hashlib
import json
import pathlib
import shutil
import threading
import time

from harm import damages
from program import Outcome, state
from report import Report
from runs import Bench
from targets import Target

# Seconds of processors and bytes of address space that a command on a damaged file may take.
PATIENCE, MEMORY = 20.0, 4 << 30


class Goods:
    """The results of the commands where nothing is damaged."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.results: dict[tuple[str, ...], object] = {}
        self.lock = threading.Lock()

    def result(self, target: Target, without: bool = False) -> object:
        """The result of a target's command, with its file or without."""
        key = (*target.command(target.folder), *([target.file] if without else []))
        with self.lock:
            if key not in self.results:
                self.results[key] = self.found(target, without)
            return self.results[key]

    def found(self, target: Target, without: bool) -> object:
        """The result in a copy of the target's folder."""
        copy = self.bench.program.work / "damage-good"
        shutil.copytree(target.folder, copy)
        if without:
            (copy / target.file).unlink()
        outcome = self.bench.program.run(target.command(copy))
        if outcome.status != 0:
            raise SystemExit(f"the program does not read a good {target.file}, {target.what}: {outcome.err.strip()}")
        result = target.result(copy, outcome)
        shutil.rmtree(copy)
        return result


def changed_keys(good: bytes, bad: bytes) -> set[str]:
    """The keys of a JSON file whose values differ, with those that they are in."""
    try:
        one, other = json.loads(good), json.loads(bad.decode())
    except (ValueError, RecursionError):
        return set()
    found: set[str] = set()

    def walk(one: object, other: object, keys: tuple[str, ...]) -> None:
        if isinstance(one, dict) and isinstance(other, dict):
            for key in one.keys() | other.keys():
                walk(one.get(key), other.get(key), (*keys, key))
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            for item, its in zip(one, other):
                walk(item, its, keys)
        elif one != other or type(one) is not type(other):
            found.update(keys)

    walk(one, other, ())
    return found


def judged(
    target: Target, good: bytes, bad: bytes | None, outcome: Outcome, folder: pathlib.Path, busy: bool, goods: Goods
) -> str | None:
    """What is wrong with how the program took a damaged file, if anything; `busy` where it was at work to the last."""
    is_valid = bad is not None and target.is_valid(bad)
    if outcome.status is None and is_valid and busy:
        return None  # A longer run, as the file says.
    wrong = outcome.fault()
    if wrong:
        return wrong
    if outcome.status == 2:
        line, told = outcome.err.strip(), names(target, good, bad, is_valid)
        if target.is_left_out or (bad is None and target.is_spare):
            return f"it goes without this file, but was refused: {line}"
        return None if any(word in line for word in told) else f"the error does not name {target.file}: {line}"
    if is_valid or (bad is None and target.is_spare):
        return None
    result = target.result(folder, outcome)
    if result == goods.result(target):
        return None
    if target.is_left_out and target.file in outcome.err and result == goods.result(target, without=True):
        return None
    return "it was read, and the result differs"


def names(target: Target, good: bytes, bad: bytes | None, is_valid: bool) -> set[str]:
    """What an error may name, so that one finds what is damaged."""
    name, folder = pathlib.Path(target.file).name, f"/{pathlib.Path(target.file).parent.name}/"
    told = {name, name.removesuffix(".sha256"), name.removesuffix(".gz")}
    if bad is None or target.forged:
        # Another file of the folder may be the first that does not fit.
        told.add(folder)
    if bad is None and folder == "/checkpoint/":
        # It was the only one.
        told.add("has no checkpoint yet")
    if bad is not None and name.endswith(".json"):
        told |= changed_keys(good, bad)
    if is_valid and target.misfit:
        told.add(target.misfit)
    if is_valid and target.forged:
        # The weights are others.
        told.add("diverged")
    if is_valid and name == "config.json":
        # It is the configuration of another run: with another number of networks, or a seed that holds out other images.
        told |= {"has no checkpoint yet", "the data of the run"}
    if is_valid and name in ("config.json", "start.json"):
        # It is that of a run for which there is no memory.
        told.add("training would take about")
    return told


def is_at_work(folder: pathlib.Path, started: float) -> bool:
    """Whether a command that was ended just now had written something in the second half of its time."""
    half = (started + time.time()) / 2
    return any(modified / 1e9 > half for _, _, modified in state(folder / "runs"))


def trial(bench: Bench, target: Target, number: int, goods: Goods, report: Report) -> list[str]:
    """Damages a copy of a file, runs the command that reads it, and judges its outcome."""
    dice = bench.dice("damage", number)
    folder = bench.program.work / f"damage-{number}"
    shutil.copytree(target.folder, folder)
    path = folder / target.file
    good = path.read_bytes()
    damage = dice.choice([*damages(target.file), None])
    if damage is None:
        bad, what = None, "removed"
        path.unlink()
    else:
        bad, what = damage(good, dice), damage.__name__
        if bad == good:
            bad, what = bad[:-1], "cut by a byte"
        path.write_bytes(bad)
        if target.forged:
            what += ", its checksum renewed"
            path.with_name(f"{path.name}.sha256").write_text(f"{hashlib.sha256(bad).hexdigest()}  {path.name}\n")
    started = time.time()
    outcome = bench.program.run(target.command(folder), PATIENCE, MEMORY)
    report.count("files")
    wrong = judged(target, good, bad, outcome, folder, is_at_work(folder, started), goods)
    report.count({0: "read", 2: "refused", None: "still running"}.get(outcome.status, "crashed"))
    if wrong is None:
        shutil.rmtree(folder)
        return []
    size = "" if bad is None else f", {len(good)} bytes to {len(bad)}"
    return [f"{wrong} ({target.what}: {target.file} {what}{size})"]
