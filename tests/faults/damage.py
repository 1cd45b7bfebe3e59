"""`damage`: damaged files, each of which the program has to refuse in one line, or to read as what they say."""

import dataclasses
import hashlib
import json
import pathlib
import random
import shutil
import signal
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import compare
import data
from program import Outcome, ended, epochs, state
from report import Report
from runs import NAME, Bench, Kind, Place, must

# Seconds and bytes of address space that a command on a damaged file may take.
PATIENCE, MEMORY = 20.0, 4 << 30
# Runs that take some seconds, to be killed on the way.
SLOW = Kind("slow", "--model mlp --widths 64 --batch-norm false --batch-size 1 --epochs 6 --ema 0.9", 6)
ENSEMBLE = Kind("pair", "--model mlp --widths 16 --batch-size 8 --epochs 2 --ensemble 2", 4)
SHORT = ["--model", "mlp", "--widths", "8", "--epochs", "1", "--validation-images", "100", "--plain", "--name", NAME]

Damage = Callable[[bytes, random.Random], bytes]


@dataclasses.dataclass(frozen=True)
class Target:
    """A file to damage, below a folder that is copied for each trial, and the command that reads it."""

    what: str
    folder: pathlib.Path
    file: str
    command: Callable[[pathlib.Path], list[str]]
    # The result of the command in this folder, for comparison with that on good files.
    result: Callable[[pathlib.Path, Outcome], object]
    # Whether a damaged content is still a good file, of other content.
    is_valid: Callable[[bytes], bool] = lambda content: False
    # Where the good folder's checksum of the file may be renewed, so that the damage gets past it.
    forged: bool = False


# ---------------------------------------------------------------------------------------------------------------------
# Damage


def flipped(content: bytes, dice: random.Random) -> bytes:
    """Some bits changed."""
    changed = bytearray(content)
    for _ in range(dice.choice([1, 1, 2, 8, 64])):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def flipped_head(content: bytes, dice: random.Random) -> bytes:
    """Some bits of the first bytes changed, where headers are."""
    head = min(len(content), dice.choice([8, 32, 512]))
    return flipped(content[:head], dice) + content[head:]


def truncated(content: bytes, dice: random.Random) -> bytes:
    """Cut off somewhere."""
    length = len(content)
    return content[: dice.choice([dice.randrange(length), length - 1, min(length, dice.randrange(64))])]


def emptied(_: bytes, __: random.Random) -> bytes:
    """Nothing left."""
    return b""


def extended(content: bytes, dice: random.Random) -> bytes:
    """Something appended."""
    return content + dice.choice([b"\0", b"x", b"\n\n}", dice.randbytes(100), bytes(4096), content])


def zeroed(content: bytes, dice: random.Random) -> bytes:
    """A range set to zero, as after a crash of the system."""
    start = dice.randrange(len(content))
    end = min(len(content), start + dice.choice([1, 16, 512, 4096, len(content)]))
    return content[:start] + bytes(end - start) + content[end:]


def swapped(content: bytes, dice: random.Random) -> bytes:
    """Two blocks exchanged."""
    size = max(1, min(dice.choice([4, 64, 512, 4096]), len(content) // 2))
    one, other = sorted([dice.randrange(len(content) // size) for _ in range(2)])
    blocks = [content[at : at + size] for at in range(0, len(content), size)]
    blocks[one], blocks[other] = blocks[other], blocks[one]
    return b"".join(blocks)


def huge(content: bytes, dice: random.Random) -> bytes:
    """A word of the head replaced by a number that is too large."""
    width = dice.choice([2, 4, 8])
    start = dice.randrange(max(1, min(len(content) - width, dice.choice([24, 64, 1024]))))
    most = b"\xff" * (width - 1)
    word = dice.choice([b"\xff" + most, b"\x7f" + most, most + b"\x7f", bytes(width)])
    return content[:start] + word + content[start + width :]


def replaced(_: bytes, dice: random.Random) -> bytes:
    """Another file altogether."""
    return dice.choice(
        [b"<!DOCTYPE html>\n<html></html>\n", dice.randbytes(300), b"{}", b"[]", b"null\n", b"\xef\xbb\xbf{}"]
    )


BYTES: list[Damage] = [flipped, flipped, flipped_head, truncated, emptied, extended, zeroed, swapped]
BYTES += [huge, huge, replaced]
ODD = [0, -1, 1.5, 1e308, 2**31, 2**32 + 1, 2**53, 2**63, 2**64, 10**30, "", "x", "\0", None, True, [], {}, [[]]]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every item of a JSON value, as what holds it and its key."""
    found: list[tuple[Any, Any]] = []
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []:
        found += [(value, key), *places(value[key])]
    return found


def deleted(content: bytes, dice: random.Random) -> bytes:
    """A key or an item of a JSON file taken out."""
    value = json.loads(content)
    holder, key = dice.choice(places(value))
    del holder[key]
    return json.dumps(value, indent=2).encode()


def mistyped(content: bytes, dice: random.Random) -> bytes:
    """A value of a JSON file replaced by an odd one."""
    value = json.loads(content)
    holder, key = dice.choice(places(value))
    holder[key] = dice.choice(ODD)
    return json.dumps(value, indent=2).encode()


def overflowing(content: bytes, dice: random.Random) -> bytes:
    """A number of a JSON file replaced by one that is too large or too small."""
    value = json.loads(content)
    numbers = [(holder, key) for holder, key in places(value) if type(holder[key]) in (int, float)]
    holder, key = dice.choice(numbers)
    holder[key] = dice.choice([item for item in ODD if type(item) in (int, float)])
    return json.dumps(value, indent=2).encode()


def doubled(content: bytes, dice: random.Random) -> bytes:
    """A line of a JSON file written twice."""
    lines = content.split(b"\n")
    at = dice.randrange(len(lines))
    return b"\n".join(lines[: at + 1] + lines[at:])


def nested(_: bytes, __: random.Random) -> bytes:
    """Brackets nested deeper than any parser should follow."""
    return b"[" * 200_000


JSON: list[Damage] = [flipped, truncated, emptied, extended, zeroed, swapped, doubled, nested, replaced]
JSON += [deleted, deleted, mistyped, mistyped, mistyped, overflowing, overflowing]


def png_checksums(content: bytes, dice: random.Random) -> bytes:
    """A PNG picture whose header or pixels are changed, its checksums made good again."""
    header = bytearray(content[16:29])
    at = dice.randrange(len(header))
    header[at] = dice.choice([0, 1, 0x7F, 0xFF, header[at] ^ (1 << dice.randrange(8))])
    pixels = dice.choice([zlib.compress(bytes(dice.choice([0, 10, 812, 100_000]))), dice.randbytes(50)])
    parts = [data.chunk(b"IHDR", bytes(header)), data.chunk(b"IDAT", pixels), data.chunk(b"IEND", b"")]
    return content[:8] + b"".join(parts)


def damages(target: Target) -> list[Damage]:
    """The kinds of damage that make sense for a file."""
    kinds = JSON if target.file.endswith(".json") else BYTES
    return kinds + [png_checksums] * 3 if target.file.endswith(".png") else kinds


# ---------------------------------------------------------------------------------------------------------------------
# What is still a good file


def is_json(content: bytes) -> bool:
    """Whether a content is JSON: then it may well be that of another run."""
    try:
        json.loads(content.decode())
        return True
    except (ValueError, RecursionError):
        return False


def is_idx(good: bytes) -> Callable[[bytes], bool]:
    """Whether a content is an IDX file of the same sizes as the good one, which may be gzipped."""
    head = 4 + 4 * unpacked(good)[3]

    def check(content: bytes) -> bool:
        try:
            plain, expected = unpacked(content), unpacked(good)
        except (OSError, EOFError, zlib.error):
            return False
        labels = plain[head:] if head == 8 else b""
        return plain[:head] == expected[:head] and len(plain) == len(expected) and all(label < 10 for label in labels)

    return check


def unpacked(content: bytes) -> bytes:
    """The content of a gzipped file, up to what follows its first member; or the content itself."""
    if content[:2] != b"\x1f\x8b":
        return content
    reader = zlib.decompressobj(31)
    plain = reader.decompress(content)
    if not reader.eof:
        raise EOFError
    return plain


def is_png(content: bytes) -> bool:
    """Whether all checksums of a PNG picture's parts are right."""
    at = 8
    while at + 12 <= len(content):
        length = struct.unpack(">I", content[at : at + 4])[0]
        part, check = content[at + 4 : at + 8 + length], content[at + 8 + length : at + 12 + length]
        if check != struct.pack(">I", zlib.crc32(part)):
            return False
        if part[:4] == b"IEND":
            return content[:8] == b"\x89PNG\r\n\x1a\n"
        at += 12 + length
    return False


def always(_: bytes) -> bool:
    """Whether a file without checksums is good: any content may be that of another."""
    return True


def never(_: bytes) -> bool:
    """Whether a file with a checksum may have another content: never."""
    return False


# ---------------------------------------------------------------------------------------------------------------------
# Targets


def printed(_: pathlib.Path, outcome: Outcome) -> object:
    """What the command prints."""
    return outcome.out


def trained(folder: pathlib.Path, _: Outcome) -> object:
    """What the run came to."""
    run = folder / "runs" / NAME
    return {name: compare.content(run / name) for name in ("history.json", "summary.json", "model.bpk")}


def unfinished(bench: Bench) -> pathlib.Path:
    """A folder with a run that was killed when it had three epochs behind it, and nothing half written."""
    for attempt in range(20):
        place = Place(bench, bench.program.work / f"damage-unfinished-{attempt}" / "runs")
        process = bench.program.start([*place.start(SLOW), "--plain"])
        while process.poll() is None and epochs(place.run) < 3:
            time.sleep(0.001)
        written = state(place.run / "checkpoint")
        while process.poll() is None:
            time.sleep(0.02)
            written, before = state(place.run / "checkpoint"), written
            if written == before:
                break
        process.send_signal(signal.SIGKILL)
        ended(process)
        left = [path for path in place.run.rglob("*") if compare.LEFT_OVER.fullmatch(path.name)]
        if epochs(place.run) == 3 and not left:
            return place.runs.parent
    raise SystemExit("no run could be killed on its way")


def targets(bench: Bench, report: Report) -> list[Target]:
    """All files to damage."""
    work, name = bench.program.work, NAME
    found = []

    def images(folder: pathlib.Path) -> list[str]:
        return [*SHORT, "--data", str(folder / "images"), "--artifacts", str(folder / "runs")]

    for packed in (False, True):
        folder = work / f"damage-idx-{packed}"
        data.write_idx(folder / "images", bench.seed, packed)
        for path in sorted((folder / "images").iterdir()):
            good = is_idx(path.read_bytes())
            found.append(Target("images to train on", folder, f"images/{path.name}", images, trained, good))

    def resumed(folder: pathlib.Path) -> list[str]:
        return [*Place(bench, folder / "runs").resume(), "--plain"]

    folder = unfinished(bench)
    run = folder / "runs" / name
    files = [*sorted(run.rglob("checkpoint/*")), run / "history.json", run / "config.json"]
    for path in [path for path in files if path.is_file()]:
        valid = is_json if path.suffix == ".json" else never
        file = str(path.relative_to(folder))
        found.append(Target("a run to resume", folder, file, resumed, trained, valid))
        if path.with_name(f"{path.name}.sha256").exists():
            found.append(Target("a run to resume", folder, file, resumed, trained, always, forged=True))

    def evaluated(folder: pathlib.Path) -> list[str]:
        return Place(bench, folder / "runs").command("eval", name)

    place = Place(bench, work / "damage-trained" / "runs")
    must(bench.program.run([*place.start(ENSEMBLE), "--plain"]))
    folder = work / "damage-trained"
    files = [*sorted(place.run.rglob("model.bpk*")), place.run / "summary.json", place.run / "config.json"]
    for path in files:
        valid = is_json if path.suffix == ".json" else never
        file = str(path.relative_to(folder))
        found.append(Target("a run to evaluate", folder, file, evaluated, printed, valid))
        if path.with_name(f"{path.name}.sha256").exists():
            found.append(Target("a run to evaluate", folder, file, evaluated, printed, always, forged=True))

    pictures: list[tuple[str, bytes, Callable[[bytes], bool]]]
    pictures = [("digit.png", data.png(bench.seed), is_png), ("digit.jpg", data.jpeg(), always)]
    for picture, content, is_good in pictures:
        (folder / picture).write_bytes(content)

        def predicted(folder: pathlib.Path, picture: str = picture) -> list[str]:
            return [*Place(bench, folder / "runs").command("predict", name), str(folder / picture)]

        found += [Target("a picture", folder, picture, predicted, printed, is_good)] * 2
    return [target for target in found + data_sets(bench, report) if is_read(bench, target, report)]


def data_sets(bench: Bench, report: Report) -> list[Target]:
    """Data sets of further forms, where the program's help names them."""
    help_text = bench.program.help()
    found = []
    cases = [("cifar10", "cifar", data.cifar), ("csv", "csv", data.csv)]
    for name, word, make in cases:
        if word not in help_text.lower():
            report.note(f"{name}: not in the program's --help, left out")
            continue
        folder = bench.program.work / f"damage-{name}"
        (folder / "images").mkdir(parents=True)
        for file, content in make(bench.seed).items():
            (folder / "images" / file).write_bytes(content)

        def images(folder: pathlib.Path, name: str = name) -> list[str]:
            flags = ["--dataset", name, "--data", str(folder / "images"), "--artifacts", str(folder / "runs")]
            return [*SHORT, *flags]

        for path in sorted((folder / "images").iterdir()):
            found.append(Target(f"{name} to train on", folder, f"images/{path.name}", images, trained, always))
    return found


def is_read(bench: Bench, target: Target, report: Report) -> bool:
    """Whether the program reads the good file at all; it may not know this form."""
    if target.file.endswith(".jpg") and "JPEG" not in bench.program.help("predict"):
        report.note("JPEG: not in the help of `predict`, left out")
        return False
    if "cifar10" in target.what or "csv" in target.what or target.file.endswith(".jpg"):
        copy = bench.program.work / "damage-good"
        shutil.copytree(target.folder, copy)
        outcome = bench.program.run(target.command(copy))
        shutil.rmtree(copy)
        if outcome.status != 0:
            report.note(f"{target.file}: the program does not read the good one, left out: {outcome.err.strip()}")
            return False
    return True


# ---------------------------------------------------------------------------------------------------------------------
# Trials


class Goods:
    """The results of the commands on good files."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.results: dict[tuple[str, str], object] = {}

    def result(self, target: Target) -> object:
        """The result of a target's command where nothing is damaged."""
        key = (str(target.folder), target.what + pathlib.Path(target.file).suffix * (target.what == "a picture"))
        if key not in self.results:
            copy = self.bench.program.work / "damage-good"
            shutil.copytree(target.folder, copy)
            self.results[key] = target.result(copy, must(self.bench.program.run(target.command(copy))))
            shutil.rmtree(copy)
        return self.results[key]


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
    target: Target, good: bytes, bad: bytes | None, outcome: Outcome, folder: pathlib.Path, goods: Goods
) -> str | None:
    """What is wrong with how the program took a damaged file, if anything."""
    is_valid = bad is not None and target.is_valid(bad)
    if outcome.status is None and is_valid and written_lately(folder):
        return None  # A longer run, as the file says.
    wrong = outcome.fault()
    if wrong:
        return wrong
    if outcome.status == 2:
        line = outcome.err.strip()
        name = pathlib.Path(target.file).name
        keys = changed_keys(good, bad) if bad is not None and target.file.endswith(".json") else set()
        told = {name, name.removesuffix(".sha256"), name.removesuffix(".gz"), *keys}
        if bad is None or target.forged:
            # Another file of the folder may be the first that does not fit.
            told.add(f"/{pathlib.Path(target.file).parent.name}/")
        if is_valid and target.forged:
            told.add("diverged")  # The weights are others.
        if is_valid and name == "config.json":
            told.add(
                "has no checkpoint yet"
            )  # It is the configuration of another run, with another number of networks.
        if not any(word in line for word in told):
            return f"the error does not name {name}: {line}"
        return None
    if is_valid:
        return None
    return None if target.result(folder, outcome) == goods.result(target) else "it was read, and the result differs"


def written_lately(folder: pathlib.Path) -> bool:
    """Whether a command that was ended just now had written something in its last seconds."""
    return any(time.time() - modified / 1e9 < PATIENCE / 2 for _, _, modified in state(folder / "runs"))


def trial(bench: Bench, target: Target, number: int, goods: Goods, report: Report) -> list[str]:
    """Damages a copy of a file, runs the command that reads it, and judges its outcome."""
    dice = bench.dice("damage", number)
    folder = bench.program.work / f"damage-{number}"
    shutil.copytree(target.folder, folder)
    path = folder / target.file
    good = path.read_bytes()
    damage = dice.choice([*damages(target), None])
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
    outcome = bench.program.run(target.command(folder), PATIENCE, MEMORY)
    report.count("files")
    wrong = judged(target, good, bad, outcome, folder, goods)
    report.count({0: "read", 2: "refused", None: "still running"}.get(outcome.status, "crashed"))
    if wrong is None:
        shutil.rmtree(folder)
        return []
    size = "" if bad is None else f", {len(good)} bytes to {len(bad)}"
    return [f"{wrong} ({target.what}: {target.file} {what}{size})"]
