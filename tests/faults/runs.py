"""The kinds of runs that are broken, their unbroken references, and how a broken run is brought to its end."""

import dataclasses
import pathlib
import random
import re
import resource
import shutil
from collections.abc import Callable

import compare
import data
from program import Outcome, Program, epochs, is_complete
from report import Report

NAME = "run"
BASE = "base"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of run: its flags, and how many epochs all of its networks are trained."""

    name: str
    flags: str
    epochs: int
    # What is tried, where this is a search over runs with these flags.
    search: str = ""

    def arguments(self) -> list[str]:
        """The flags of a new run."""
        return self.flags.split()


MLP = "--model mlp --widths 256 --batch-size 2"
CNN = "--model cnn --widths 4,8 --kernels 3,3 --strides 2,2 --batch-size 3"
KINDS = [
    Kind("mlp", f"{MLP} --epochs 6", 6),
    Kind("cnn", f"{CNN} --epochs 6 --augment --ema 0.9", 6),
    Kind("ensemble", "--model mlp --widths 32 --batch-size 2 --epochs 4 --ensemble 3 --bagging", 12),
    Kind("snapshots", f"{MLP} --epochs 6 --snapshots 3", 6),
    Kind("curriculum", f"{MLP} --epochs 6 --curriculum linear=0.3,3epochs", 6),
    Kind("transfer", f"{MLP} --epochs 6 --from {BASE} --unfreeze 1 --layer-decay 0.5", 6),
    Kind("sam", "--model mlp --widths 64 --batch-size 2 --epochs 6 --accumulate 2 --dropout 0.3 --sam 0.05", 6),
    Kind("swa", f"{CNN} --epochs 6 --batch-norm true --swa 3", 6),
    Kind(
        "noise",
        "--model mlp --widths 64 --batch-size 2 --epochs 5 --optimizer sgd-noise --schedule plateau=0.5,1 "
        "--lookahead 3:0.5 --criterion accuracy",
        5,
    ),
]
SMALL = "--model mlp --widths 64 --batch-size 2"
SEARCHES = [
    Kind("tuning", SMALL, 12, "--over optimizer=adam,nadam --over lr=0.001,0.01 --epochs 3 --jobs 2"),
    Kind("halving", SMALL, 8, "--over dropout=0..0.5 --over lr=1e-3..1e-1 --trials 4 --halving 2 --epochs 4 --jobs 2"),
]


@dataclasses.dataclass
class Reference:
    """An unbroken run: its folder, the seconds of processors that it took, and what of it was the same twice."""

    kind: Kind
    folder: pathlib.Path
    seconds: float
    reproducible: set[str]


class Place:
    """A folder of runs for one trial."""

    def __init__(self, bench: "Bench", folder: pathlib.Path, kind: Kind | None = None):
        self.bench = bench
        self.runs = folder
        self.run = folder / "tune" / NAME if kind and kind.search else folder / NAME

    def command(self, *arguments: str) -> list[str]:
        """The program's arguments, on the tool's data and in this folder of runs."""
        return [*arguments, "--data", str(self.bench.images), "--artifacts", str(self.runs)]

    def start(self, kind: Kind) -> list[str]:
        """The arguments that start a run of a kind."""
        seed = ["--seed", str(self.bench.seed)]
        flags = ["--validation-images", "100", *seed, *kind.arguments()]
        if kind.search:
            search = ["tune", *kind.search.split(), *seed, "--name", NAME, "--artifacts", str(self.runs)]
            return [*search, "--", "--data", str(self.bench.images), *flags]
        return self.command("--name", NAME, *flags)

    def resume(self, kind: Kind) -> list[str]:
        """The arguments that go on with the run; a search goes on by those that started it."""
        return self.start(kind) if kind.search else self.command("--resume", NAME)

    def surplus(self) -> list[str]:
        """What lies beside the run in its folder of runs."""
        found = {*self.runs.iterdir(), *self.run.parent.iterdir()} - {self.run, self.run.parent, self.runs / BASE}
        return [f"`{path.name}` is left beside the run" for path in sorted(found)]


class Bench:
    """What all trials share: the program, the images, the references and the folder for everything."""

    def __init__(self, program: Program, seed: int, invocation: str):
        self.program = program
        self.seed = seed
        self.invocation = invocation
        self.images = data.write_idx(program.work / "images", seed)
        self.references: dict[str, Reference] = {}
        self.base: pathlib.Path | None = None

    def dice(self, command: str, number: int) -> random.Random:
        """The random numbers of a trial, which do not depend on other trials."""
        return random.Random(f"{self.seed}/{command}/{number}")

    def again(self, command: str) -> str:
        """The line that does something again."""
        return f"{self.invocation} {command}"

    def place(self, name: str, kind: Kind | None = None) -> Place:
        """A new folder of runs, with the run that this kind starts from."""
        folder = self.program.work / name
        folder.mkdir()
        if kind and BASE in kind.flags.split():
            shutil.copytree(self.base_run(), folder / BASE)
        return Place(self, folder, kind)

    def base_run(self) -> pathlib.Path:
        """The run that a transfer starts from."""
        if self.base is None:
            folder = self.program.work / "base"
            flags = f"--name {BASE} --validation-images 100 --plain {MLP} --epochs 1"
            must(self.program.run(Place(self, folder).command(*flags.split())))
            self.base = folder / BASE
        return self.base

    def reference(self, kind: Kind) -> Reference:
        """The unbroken run of a kind, trained twice to see what is the same both times."""
        if kind.name not in self.references:
            places = [self.place(f"reference-{kind.name}-{number}", kind) for number in (1, 2)]
            seconds = []
            for place in places:
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                must(self.program.run([*place.start(kind), "--plain"]))
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            same = compare.reproducible(places[0].run, places[1].run)
            reference = Reference(kind, places[0].run, min(seconds), same)
            found = compare.differences(reference.folder, places[1].run, same)
            if found:
                raise SystemExit(f"two unbroken runs of {kind.name} differ: {'; '.join(found)}")
            self.references[kind.name] = reference
        return self.references[kind.name]

    def control(self, reference: Reference, report: Report) -> None:
        """Changes a copy of the reference in each way that a comparison has to find."""
        changes: dict[str, Callable[[pathlib.Path], object]] = {
            "a byte of the weights": lambda run: flip_last(next(run.rglob("model.bpk"))),
            "a digit of the history": lambda run: raise_digit(next(run.rglob("history.json"))),
            "a digit of the summary": lambda run: raise_digit(next(run.rglob("summary.json"))),
            "a file left over": lambda run: (run / ".tmpAbCdEf").write_bytes(b"half"),
            "a file lost": lambda run: next(run.rglob("checkpoint/*")).unlink(),
            "a file cut off": lambda run: next(run.rglob("config.json")).write_bytes(b"{"),
        }
        for what, change in changes.items():
            copy = self.program.work / "control"
            shutil.copytree(reference.folder, copy)
            change(copy)
            if not compare.differences(reference.folder, copy, reference.reproducible):
                raise SystemExit(f"the comparison of {reference.kind.name} does not find {what}")
            shutil.rmtree(copy)
        report.count("deliberate changes found", len(changes))


def flip_last(path: pathlib.Path) -> None:
    """Changes the last byte of a file."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def raise_digit(path: pathlib.Path) -> None:
    """Changes the last digit of every loss in a JSON file."""
    digit = re.compile(r'(_loss": [0-9.]*)([0-9])')
    path.write_text(digit.sub(lambda found: f"{found[1]}{(int(found[2]) + 1) % 10}", path.read_text()))


def must(outcome: Outcome) -> Outcome:
    """The outcome of what has to succeed for there to be anything to compare."""
    if outcome.status != 0:
        raise SystemExit(f"an unbroken run failed with status {outcome.status}: {outcome.err.strip()}")
    return outcome


def kinds(names: str | None, all_kinds: list[Kind]) -> list[Kind]:
    """The kinds of these names, between commas."""
    if names is None:
        return all_kinds
    known = {kind.name: kind for kind in all_kinds}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise SystemExit(f"unknown kind `{unknown[0]}`; known: {', '.join(known)}")
    return [known[name] for name in names.split(",")]


def next_command(place: Place, kind: Kind, outcome: Outcome, before: int) -> list[str] | str | None:
    """What follows the end of what was to go on: nothing more where that is complete, a new start where there was
    nothing to resume, or else what is wrong. `before` are the epochs that it had behind it."""
    if outcome.status == 0:
        return None
    wrong = outcome.fault()
    if wrong:
        return f"it failed to go on: {wrong}"
    if kind.search:
        return f"it refused to go on: {outcome.err.strip()}"
    if "complete" in outcome.err and is_complete(place.run):
        return None
    nothing = "--overwrite" in outcome.err or "no run" in outcome.err
    if not nothing:
        return f"--resume refused: {outcome.err.strip()}"
    if before >= 2:
        return f"--resume has nothing to go on from after {before} epochs: {outcome.err.strip()}"
    return [*place.start(kind), "--overwrite", "--plain"]


def finish(place: Place, kind: Kind, report: Report) -> list[str]:
    """Brings a broken run to its end, and says what differs from its reference then."""
    before = epochs(place.run)
    outcome = place.bench.program.run([*place.resume(kind), "--plain"])
    following = next_command(place, kind, outcome, before)
    if isinstance(following, str):
        return [following]
    if following is None:
        report.count("resumed")
    else:
        report.count("started again")
        outcome = place.bench.program.run(following)
        if outcome.status != 0:
            return [f"it cannot be started again with --overwrite: {outcome.fault() or outcome.err.strip()}"]
    return compared(place, kind, report)


def compared(place: Place, kind: Kind, report: Report) -> list[str]:
    """What differs between a run that came to its end and its reference."""
    reference = place.bench.reference(kind)
    found = compare.differences(reference.folder, place.run, reference.reproducible) + place.surplus()
    report.count("different" if found else "identical")
    return found


def phase(place: Place, kind: Kind) -> str:
    """How far a run has come."""
    if (place.run / ("report.json" if kind.search else "summary.json")).exists():
        return "after its end"
    done = epochs(place.run)
    return "before the first epoch was over" if done == 0 else "in training" if done < kind.epochs else "at finishing"
