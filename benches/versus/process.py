"""A process under measurement: started here, watched from outside, stopped by its own id."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

CPU_CLOCK = 2  # the kernel's number for the time that all threads of a process ran, in nanoseconds
SAMPLE = 0.01  # seconds between two looks at its memory and threads


class Failure(Exception):
    """Why a cell of the table has no figure."""


class Process:
    """One process, its output in a file."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        self.started = time.monotonic()
        with open(log, "ab") as output:
            self.child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.peak = 0.0  # MiB of memory at most (VmHWM)
        self.threads = 0  # threads at the same time at most
        self.ended = threading.Event()
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()

    def sample(self) -> None:
        while True:
            try:
                status = Path(f"/proc/{self.child.pid}/status").read_text()
            except OSError:
                return
            memory, threads = re.search(r"VmHWM:\s+(\d+)", status), re.search(r"Threads:\s+(\d+)", status)
            if memory and threads:
                self.peak = max(self.peak, int(memory[1]) / 1024)
                self.threads = max(self.threads, int(threads[1]))
            if self.ended.wait(SAMPLE):
                return

    def running(self) -> bool:
        return self.child.poll() is None

    def cpu(self) -> float:
        """Seconds that it ran on a core so far, those of ended threads included."""
        try:
            return time.clock_gettime((~self.child.pid << 3) | CPU_CLOCK)
        except OSError:
            raise Failure(f"ended early: {self.words()}") from None

    def read(self) -> int:
        """Bytes that came from the disk for it so far."""
        counters = re.search(r"^read_bytes: (\d+)", Path(f"/proc/{self.child.pid}/io").read_text(), re.M)
        return int(counters[1]) if counters else 0

    def words(self) -> str:
        """The end of what it said."""
        return " ".join(self.log.read_text(errors="replace").split())[-300:] or "(nothing said)"

    def wait(self, limit: float) -> int:
        """Its exit code; killed and a failure if it takes more than `limit` seconds."""
        try:
            code = self.child.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"did not end within {limit:.0f} s: {self.words()}") from None
        self.ended.set()
        self.sampler.join()
        return code

    def stop(self, limit: float = 120) -> None:
        """Asks it to end (SIGTERM); a failure if it does not end well."""
        self.child.send_signal(signal.SIGTERM)
        if (code := self.wait(limit)) != 0:
            raise Failure(f"exit {code} after SIGTERM: {self.words()}")

    def kill(self) -> None:
        if self.running():
            self.child.kill()
        self.child.wait()
        self.ended.set()
        self.sampler.join()


def flush(path: Path) -> None:
    """Has the disk hold a file, so that its writing back does not fall into a measurement."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def evict(path: Path) -> None:
    """Asks the kernel to forget what it has cached of a file. To drop every cache for certain takes root.

    In a virtual machine free memory may go back to the host after some seconds (free page reporting), and whoever reads
    into it waits for the host to give it again, which takes longer than the disk. Five seconds are for that: not always
    enough, but as long for one as for the other.
    """
    os.sync()
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    time.sleep(5)
