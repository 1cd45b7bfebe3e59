"""Counts what trials came to, and prints every difference with the line that shows it again."""

import collections
import dataclasses
import threading
import time


@dataclasses.dataclass
class Report:
    """What a subcommand came to."""

    title: str
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    differences: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)
    started: float = dataclasses.field(default_factory=time.monotonic)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    seconds: float | None = None

    def done(self) -> None:
        """Notes that all is done."""
        self.seconds = time.monotonic() - self.started

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
            self.differences += 1
            print(f"  DIFFERENCE {trial}: {what}\n    again: {again}", flush=True)

    def show(self) -> None:
        """Prints the counts."""
        counts = ", ".join(f"{what} {count}" for what, count in sorted(self.counts.items()))
        took = "broken off" if self.seconds is None else f"{self.seconds:.0f} s"
        print(f"{self.title}: {counts or 'nothing done'}, differences {self.differences} ({took})")
        for line in self.notes:
            print(f"  note: {line}", flush=True)
