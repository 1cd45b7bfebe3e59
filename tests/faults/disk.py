"""`disk`: runs on a small file system that fills up at each of many points."""

import os
import pathlib
import re
import subprocess
import threading
import time

import compare
from program import Outcome, ended
from report import Report
from runs import Bench, Kind, Place, finish

# What an error on a full disk has to say.
FULL = re.compile(r"No space left|[Dd]isk (is )?full|Disk quota")


class SmallDisk:
    """A file system in memory, of so many bytes, at a folder."""

    def __init__(self, folder: pathlib.Path, size: int):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        options = f"size={size}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise PermissionError(done.stderr.strip())

    def __enter__(self) -> "SmallDisk":
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False)

    def free(self) -> int:
        """The bytes that are left."""
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_bsize

    def leave(self, room: int) -> pathlib.Path:
        """Fills it up to so many bytes, with a file that is returned."""
        ballast = self.folder / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, self.free() - room))
        return ballast


def is_permitted(folder: pathlib.Path) -> bool:
    """Whether a file system may be mounted here."""
    try:
        with SmallDisk(folder / "tried", 1 << 16):
            return True
    except (OSError, PermissionError):
        return False


def peak(bench: Bench, kind: Kind) -> int:
    """The bytes that an unbroken run of a kind has on disk at most."""
    folder = bench.program.work / f"peak-{kind.name}"
    with SmallDisk(folder, 1 << 28) as disk:
        place = placed(bench, kind, folder)
        before, least = disk.free(), disk.free()
        process = bench.program.start([*place.start(kind), "--plain"])
        reader = threading.Thread(target=ended, args=(process,))
        reader.start()
        while reader.is_alive():
            least = min(least, disk.free())
            time.sleep(0.0005)
        reader.join()
        return before - least


def placed(bench: Bench, kind: Kind, folder: pathlib.Path) -> Place:
    """A folder of runs on a disk, with what the kind starts from."""
    source = bench.place(f"{folder.name}-source", kind)
    subprocess.run(["cp", "-r", f"{source.runs}/.", str(folder)], check=True)
    return Place(bench, folder, kind)


def judged(place: Place, outcome: Outcome, report: Report) -> list[str]:
    """What is wrong with how a run failed, and with what it left."""
    found = []
    wrong = outcome.fault()
    if wrong:
        found.append(f"on a full disk {wrong}")
    elif outcome.status == 0:
        report.count("fitted in")
    elif not FULL.search(outcome.err):
        found.append(f"the error does not say that the disk is full: {outcome.err.strip()}")
    else:
        report.count("failed with one line")
    left = compare.unsound(place.run) if place.run.is_dir() else []
    return found + [f"after the failure {line}" for line in left]


def run(bench: Bench, kind: Kind, number: int, writes: int, peaks: dict[str, int], report: Report) -> list[str]:
    """A run whose space ends at the point `number` of `writes`, and which is resumed once there is space."""
    dice = bench.dice("disk", number)
    share = (number + dice.random()) / writes
    if kind.name not in peaks:
        peaks[kind.name] = peak(bench, kind)
    room = max(4096, int(share * peaks[kind.name]))
    folder = bench.program.work / f"disk-{number}"
    report.count("trials")
    with SmallDisk(folder, peaks[kind.name] * 2 + (4 << 20)) as disk:
        place = placed(bench, kind, folder)
        ballast = disk.leave(room)
        outcome = bench.program.run([*place.start(kind), "--plain"])
        found = judged(place, outcome, report)
        ballast.unlink()
        if outcome.status != 0:
            found += finish(place, kind, report)
        told = f"{room} bytes free, {share:.3f} of what it needs"
        return [f"{line} ({told})" for line in found]
