"""The application that writes, and one that only asks for the write lock: each a process of its own.

    application.py write|probe SPEC        SPEC is a JSON object, the fields of Load or of Probe

It works for `seconds`, or until SIGTERM if that comes first, prints what came of it as one JSON object, and keeps its
databases open until its standard input ends.
"""

import array
import json
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import work


@dataclass(frozen=True)
class Load:
    """Transactions one after another, over all databases in turn."""

    databases: list[str]
    commits: str  # the file for the times of the commits: doubles, seconds, monotonic
    seed: int
    rows: int  # in each database at the beginning
    kind: str = "insert"  # or update: see work.commit
    rate: float = 0  # transactions a second over all databases; 0: as fast as it goes
    seconds: float = 3600
    bulk: int = 0  # one transaction of so many rows instead of all that


@dataclass(frozen=True)
class Probe:
    """BEGIN IMMEDIATE and ROLLBACK every 2 ms, without patience."""

    database: str
    seconds: float = 3600


@dataclass
class Outcome:
    """What a load came to."""

    count: int = 0  # transactions
    seconds: float = 0
    longest: float = 0  # seconds from BEGIN to the return of COMMIT
    wal: int = 0  # bytes of the largest WAL file
    commits: "array.array[float]" = field(default_factory=lambda: array.array("d"))  # when transaction n + 1 was committed


asked = False


def ask(*_: object) -> None:
    """The handler of SIGTERM."""
    global asked
    asked = True


def write(load: Load) -> None:
    connections = [work.connect(path) for path in load.databases]
    files = [Path(f"{path}-wal") for path in load.databases]
    count, longest, wal, commits = 0, 0.0, 0, array.array("d")
    start = time.monotonic()
    stop = start + load.seconds
    while not asked and not (load.bulk and count):
        if load.rate:
            due = start + count / load.rate
            if due >= stop:
                break
            time.sleep(max(0.0, due - time.monotonic()))
        if (before := time.monotonic()) >= stop:
            break
        turn, place = divmod(count, len(connections))
        retry(connections[place], load, turn + 1)
        commits.append(time.monotonic())
        longest = max(longest, commits[-1] - before)
        wal = max(wal, files[place].stat().st_size)
        count += 1
    seconds = time.monotonic() - start
    Path(load.commits).write_bytes(commits.tobytes())
    finish({"count": count, "seconds": seconds, "longest": longest, "wal": wal})
    for connection in connections:
        connection.close()


def retry(connection: sqlite3.Connection, load: Load, n: int) -> None:
    """Commits transaction n, however often the database is locked for longer than the connection waits."""
    while True:
        try:
            work.commit(connection, load.kind, load.seed, n, load.rows, load.bulk or 1)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def probe(spec: Probe) -> None:
    connection = work.connect(spec.database)
    connection.execute("PRAGMA busy_timeout = 0")
    runs: list[float] = []  # seconds from the first refusal to the next success
    since = 0.0
    stop = time.monotonic() + spec.seconds
    while not asked and (now := time.monotonic()) < stop:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            if since:
                runs.append(time.monotonic() - since)
                since = 0.0
        except sqlite3.OperationalError:
            since = since or now
        time.sleep(0.002)
    if since:
        runs.append(time.monotonic() - since)
    finish({"runs": sorted(runs)})
    connection.close()


def finish(outcome: dict[str, Any]) -> None:
    print(json.dumps(outcome), flush=True)
    sys.stdin.read()


class Application:
    """A process of this program."""

    def __init__(self, spec: Load | Probe) -> None:
        self.spec = spec
        name = "write" if isinstance(spec, Load) else "probe"
        self.child = subprocess.Popen([sys.executable, "-B", __file__, name, json.dumps(asdict(spec))],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def outcome(self) -> dict[str, Any]:
        """What came of it, once its time is over."""
        if self.child.stdout is None or not (line := self.child.stdout.readline()):
            raise RuntimeError("the application ended early")
        outcome: dict[str, Any] = json.loads(line)
        return outcome

    def load(self) -> Outcome:
        """What came of a load, once its time is over."""
        assert isinstance(self.spec, Load)
        fields = self.outcome()
        return Outcome(**fields, commits=array.array("d", Path(self.spec.commits).read_bytes()))

    def end(self) -> None:
        """Its time is over now."""
        self.child.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Closes its databases."""
        if self.child.stdin is not None:
            self.child.stdin.close()
        self.end()
        self.child.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, ask)
    program, arguments = sys.argv[1], json.loads(sys.argv[2])
    if program == "write":
        write(Load(**arguments))
    else:
        probe(Probe(**arguments))
