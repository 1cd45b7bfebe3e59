"""A terminal for the program: a pseudo-terminal that keeps what is written to it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable

from program import Program

MODE = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
ESCAPE = re.compile(rb"\x1b(\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>78])")
ALTERNATE_SCREEN, CURSOR, WRAP = 1049, 25, 7


class Terminal:
    """The program in a terminal of its own, of which it is the session's leader."""

    def __init__(self, program: Program, arguments: list[str]):
        self.master, self.slave = pty.openpty()
        self.is_open = True
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.written = b""
        # The leader of a session gets the first terminal that it opens.
        command = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self.slave), str(program.path), *arguments]
        self.process = subprocess.Popen(command, cwd=program.work, env=program.environment(), start_new_session=True)

    def read(self, seconds: float) -> bool:
        """Reads what is written for so many seconds, or to the end; says whether the program has ended."""
        end = time.monotonic() + seconds
        while self.is_open:
            left = end - time.monotonic()
            ready = select.select([self.master], [], [], max(0.0, min(left, 0.02)))[0]
            if ready:
                self.written += os.read(self.master, 1 << 16)
            elif self.process.poll() is not None:
                return True
            if left <= 0:
                return self.process.poll() is not None
        try:
            self.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def read_until(self, is_time: Callable[[], bool]) -> bool:
        """Reads what is written until it is time; says whether the program has ended."""
        while not is_time():
            if self.read(0.005):
                return True
        return False

    def type(self, keys: bytes) -> None:
        """Sends what keys send, but not in the moment in which a dashboard opens and keys are no signals yet."""
        for _ in range(500):
            flags = termios.tcgetattr(self.slave)[3]
            if flags & (termios.ICANON | termios.ISIG):
                break
            time.sleep(0.001)
        os.write(self.master, keys)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the program."""
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Takes the terminal away, as closing its window does."""
        os.close(self.slave)
        os.close(self.master)
        self.is_open = False

    def text(self) -> str:
        """What was written after the alternate screen was left for the last time, without escape sequences."""
        after = self.written.rpartition(b"\x1b[?1049l")[2]
        return ESCAPE.sub(b"", after).decode(errors="replace").replace("\r", "")

    def disorder(self) -> list[str]:
        """What of the terminal is not as it was before the program."""
        if not self.is_open:
            return []
        found = []
        if termios.tcgetattr(self.slave) != self.before:
            found.append("the terminal's attributes are not restored")
        modes = {CURSOR: True, WRAP: True}
        for numbers, letter in MODE.findall(self.written):
            modes.update(dict.fromkeys(map(int, numbers.split(b";")), letter == b"h"))
        if modes.pop(ALTERNATE_SCREEN, False):
            found.append("the alternate screen is not left")
        if not modes.pop(CURSOR):
            found.append("the cursor is not shown")
        if not modes.pop(WRAP):
            found.append("lines are not wrapped")
        on = [str(mode) for mode, is_on in modes.items() if is_on]
        if on:
            found.append(f"the terminal's modes {', '.join(on)} (mouse, paste) are still on")
        return found

    def close(self) -> int:
        """Ends the program where it has not ended, and gives its status."""
        if self.process.poll() is None:
            self.process.kill()
        if self.is_open:
            self.hang_up()
        return self.process.wait()
