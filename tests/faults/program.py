"""Runs the program under test, and reads what it leaves."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import time
from collections.abc import Sequence

# Seconds of processors that any command of this tool may take, far above what it does take; and how many times as long
# it may last.
PATIENCE, WAITING = 60.0, 10
# Variables that would lead the program to other files, or change what it prints.
FOREIGN = ("RUST_", "MNIST_", "FASHION_", "CIFAR")
# What it may tell on standard error beside its error.
NOTICE = re.compile(r"network \d+ of \d+|kept the weights of epoch \d+|(?!error: ).*--resume.*")


@dataclasses.dataclass
class Outcome:
    """What came of a command; a negative status is the signal that ended it, none that it was still running."""

    status: int | None
    out: str
    err: str

    def error_lines(self) -> list[str]:
        """What it says on standard error but for notices."""
        return [line for line in self.err.splitlines() if line and not NOTICE.fullmatch(line)]

    def fault(self, allowed: Sequence[int] = (0, 2)) -> str | None:
        """What no end of the program may be: a panic, a signal, a hang, an error in several lines or in none."""
        told = " | ".join(self.err.splitlines()[:4])
        if "panicked at" in self.err + self.out:
            return f"it panicked: {told}"
        if self.status is None:
            return "it hangs"
        if self.status not in allowed:
            return f"it ended with status {self.status}: {told}"
        lines = self.error_lines()
        if self.status == 2 and not (len(lines) == 1 and lines[0].startswith("error: ")):
            return f"its error is not one line: {told}"
        return None


@dataclasses.dataclass
class Program:
    """The program, as it is started for all trials."""

    path: pathlib.Path
    work: pathlib.Path

    def environment(self) -> dict[str, str]:
        """The tool's own environment, but for what would change what the program does."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return kept | {"XDG_CACHE_HOME": str(self.work / "cache"), "TERM": "xterm-256color"}

    def start(
        self, arguments: Sequence[str], memory: int | None = None, heirloom: int | None = None
    ) -> subprocess.Popen[str]:
        """Starts it, with at most `memory` bytes of address space. With an `heirloom`, a file that it hands down to the
        processes that it starts, it leads a group of its own."""
        command = [str(self.path), *arguments]
        if memory is not None:
            # By the shell: code between fork and exec may block where there are threads.
            command = ["sh", "-c", f'ulimit -v {memory // 1024}; exec "$0" "$@"', *command]
        return subprocess.Popen(
            command,
            cwd=self.work,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=heirloom is not None,
            pass_fds=[] if heirloom is None else [heirloom],
        )

    def run(self, arguments: Sequence[str], patience: float = PATIENCE, memory: int | None = None) -> Outcome:
        """Runs it to its end."""
        return ended(self.start(arguments, memory), patience)

    def help(self, *command: str) -> str:
        """What `--help` of a command prints."""
        return self.run([*command, "--help"]).out


def ended(process: subprocess.Popen[str], patience: float = PATIENCE) -> Outcome:
    """Waits for the end of a process, and ends it where it takes so many seconds of processors, or `WAITING` times as
    many by the clock, in which others may have the processors."""
    last = time.monotonic() + WAITING * patience
    try:
        while True:
            try:
                out, err = process.communicate(timeout=0.5)
                return Outcome(process.returncode, out, err)
            except subprocess.TimeoutExpired:
                if processor_seconds(process.pid) > patience or time.monotonic() > last:
                    process.kill()
                    out, err = process.communicate()
                    return Outcome(None, out, err)
    finally:
        if process.poll() is None:
            process.kill()


def processor_seconds(pid: int) -> float:
    """The seconds of processors that a process and those that it has started have taken; none where it is over."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_seconds(int(child)) for child in children)


def read_json(path: pathlib.Path) -> object:
    """The content of a file, or nothing where it cannot be read, which may be while it is written."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def epochs(run: pathlib.Path) -> int:
    """How many epochs all networks of a run, or all runs of a search, have behind them."""
    found = 0
    for path in [run / "history.json", *run.glob("*/history.json")]:
        history = read_json(path)
        if isinstance(history, dict):
            found += len(history.get("epochs", [])) - bool(history.get("broken_off"))
    return found


def is_complete(run: pathlib.Path) -> bool:
    """Whether a run has its summary, and was not interrupted."""
    summary = read_json(run / "summary.json")
    return isinstance(summary, dict) and summary.get("stopped") is None


def state(folder: pathlib.Path) -> set[tuple[str, int, int]]:
    """The names, sizes and times of all files under a folder: it differs once one is written."""
    found = set()
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.stat(os.path.join(root, name))
            except OSError:
                continue
            found.add((os.path.join(root, name), status.st_size, status.st_mtime_ns))
    return found


def wait_for_write(folder: pathlib.Path, process: subprocess.Popen[str]) -> None:
    """Waits until a file under a folder is written, or the process ends."""
    before = state(folder)
    while process.poll() is None and state(folder) == before:
        time.sleep(0.0002)
