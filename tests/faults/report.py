"""Counts what trials came to, and lists every difference with the line that shows it again."""

import collections
import dataclasses
import threading
import time


@dataclasses.dataclass
class Report:
    """The outcome of a subcommand."""

    title: str
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    differences: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    started: float = dataclasses.field(default_factory=time.monotonic)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def count(self, what: str, times: int = 1) -> None:
        """Counts something that happened."""
        with self.lock:
            self.counts[what] += times

    def note(self, line: str) -> None:
        """Notes what a reader should know, such as a part that was skipped."""
        with self.lock:
            if line not in self.notes:
                self.notes.append(line)

    def differ(self, trial: str, what: str, again: str) -> None:
        """Notes a difference, and says so at once."""
        with self.lock:
            self.differences.append((trial, what, again))
            print(f"  {trial}: {what}", flush=True)

    def show(self) -> None:
        """Prints the counts and every difference."""
        counts = ", ".join(f"{what} {count}" for what, count in self.counts.items())
        print(f"{self.title}: {counts or 'nothing done'} ({time.monotonic() - self.started:.0f} s)")
        for line in self.notes:
            print(f"  note: {line}")
        for trial, what, again in self.differences:
            print(f"  DIFFERENCE {trial}: {what}\n    again: {again}")
        print(f"{self.title}: {len(self.differences) or 'no'} difference{'s' * (len(self.differences) != 1)}", flush=True)
