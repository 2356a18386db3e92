"""The test bed of one cell: one tool in one scenario, with a directory, a store, databases and processes of its own."""

import contextlib
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import work
from application import Application, Load, Probe
from process import Failure, Process
from store import Endpoint, Request, Server, Store
from tools import Replica, Tool

MIB = 1 << 20
CALM = 3.0  # seconds without activity after which a replicator counts as quiet
READY = 600.0  # seconds at most until it has begun
PATIENCE = 180.0  # seconds at most for whatever else is waited for

Value = TypeVar("Value")


@dataclass(frozen=True)
class Setting:
    """What all cells have in common."""

    folder: Path
    rclone: Path
    scale: float
    conditional: bool  # whether the store refuses to replace what it is told not to


@dataclass(frozen=True)
class Restored:
    """A restore: seconds, MiB of memory at most, and its requests."""

    path: Path
    seconds: float
    peak: float
    requests: list[Request]


class Window:
    """What the replicator does from here to `close`."""

    def __init__(self, bed: "Bed") -> None:
        self.bed = bed
        self.start = time.monotonic()
        self.before = bed.process.cpu()

    def close(self) -> "Window":
        end = time.monotonic()
        self.cpu = self.bed.process.cpu() - self.before  # seconds
        self.requests = [request for request in self.bed.store.requests() if self.start <= request.start < end]
        self.sent = sum(request.sent for request in self.requests) / MIB
        return self


class Bed:
    def __init__(self, setting: Setting, tool: Tool, scenario: str, run: int) -> None:
        self.setting, self.tool, self.seed, self.scale = setting, tool, 1 + run, setting.scale
        self.random = random.Random(f"{scenario} {run}")  # the same moments for every tool
        self.folder = setting.folder / f"{scenario}-{tool.name.replace(' ', '-')}-{run}"
        self.folder.mkdir()
        self.measures: list[dict[str, Any]] = []  # as table.py has them
        self.replicas: list[Replica] = []
        self.rows = 0
        self.interval_ms = 1000
        self.uploads: list[Request] = []  # requests that made commits restorable
        self.looked = 0  # requests that were looked through for that
        self.process: Process
        self.applications: list[Application] = []
        self.processes: list[Process] = []
        self.servers: list[Server] = []
        self.connections: list[sqlite3.Connection] = []
        self.store = Store(setting.rclone, self.folder, setting.conditional)

    def measure(self, name: str, value: float, unit: str = "", more_is_better: bool = False) -> None:
        """One figure of this cell."""
        self.measures.append({"measure": name, "unit": unit, "more_is_better": more_is_better, "value": value})

    # The databases and who writes to them

    def databases(self, rows: int, count: int = 1) -> None:
        """So many databases with so many rows each, from a master that all cells of this size share."""
        master = self.setting.folder / f"master-{rows}.db"
        if not master.exists():
            work.create(master, rows)
        self.rows = rows
        for number in range(count):
            path = self.folder / f"app{number}.db"
            shutil.copyfile(master, path)
            self.replicas.append(Replica(path, f"p{number}"))

    @property
    def database(self) -> Path:
        return self.replicas[0].database

    def connect(self) -> sqlite3.Connection:
        """A connection of an application in this process."""
        self.connections.append(work.connect(self.database))
        return self.connections[-1]

    def load(self, kind: str = "insert", rate: float = 0, seconds: float = 3600, bulk: int = 0,
             path: Path | None = None) -> Application:
        """Starts an application that writes to the databases, or to another one."""
        paths = [path] if path else [replica.database for replica in self.replicas]
        file = self.folder / f"commits-{len(self.applications)}"
        return self.run(Load([str(one) for one in paths], str(file), self.seed, self.rows, kind, rate, seconds, bulk))

    def run(self, spec: Load | Probe) -> Application:
        self.applications.append(Application(spec))
        return self.applications[-1]

    # The replicator

    def start(self, interval_ms: int = 1000) -> float:
        """Starts the replicator on all databases and returns the moment."""
        self.interval_ms = interval_ms
        command = self.tool.replicate(self.folder, self.store.endpoint, self.replicas, interval_ms)
        environment = self.tool.environment(self.folder, self.store.endpoint)
        self.process = Process(command, environment, self.folder / "replicator.log")
        self.processes.append(self.process)
        return self.process.started

    def ready(self) -> float:
        """Waits until every database has an upload to be restored from, and returns when that was."""
        there: set[str] = set()
        looked = 0

        def all_there() -> bool:
            nonlocal looked
            uploads = self.stored()
            there.update(request.path.split("/")[2] for request in uploads[looked:])
            looked = len(uploads)
            return len(there) == len(self.replicas)
        self.wait(all_there, "first upload", READY)
        return time.monotonic()

    def begin(self, interval_ms: int = 1000) -> None:
        """Starts the replicator, and waits until it has done all there is to do at first."""
        self.start(interval_ms)
        self.ready()
        self.quiet()

    def stored(self, after: float = 0) -> list[Request]:
        """Requests, begun after a moment, that made commits restorable."""
        requests = self.store.requests()
        self.uploads += filter(self.tool.restorable, requests[self.looked:])
        self.looked = len(requests)
        return [request for request in self.uploads if request.start >= after]

    def wait(self, condition: Callable[[], Value], what: str, limit: float = PATIENCE) -> Value:
        """What the condition returns, once that is true."""
        end = time.monotonic() + limit
        while not (value := condition()):
            if not self.process.running():
                raise Failure(f"ended before {what}: {self.process.words()}")
            if time.monotonic() > end:
                raise Failure(f"no {what} within {limit:.0f} s: {self.process.words()}")
            time.sleep(0.005)
        return value

    def quiet(self, limit: float = PATIENCE) -> float:
        """Waits until the replicator has been quiet for CALM seconds, and returns when it became so.

        Quiet: nothing uploaded, less than a quarter of a core, less than a MiB a second from the disk.
        """
        step = 0.2
        last = begun = time.monotonic()
        cpu, read, uploads = self.process.cpu(), self.process.read(), len(self.stored())
        while (now := time.monotonic()) - last < CALM:
            if now - begun > limit:
                raise Failure(f"not quiet within {limit:.0f} s: {self.process.words()}")
            time.sleep(step)
            was = cpu, read, uploads
            cpu, read, uploads = self.process.cpu(), self.process.read(), len(self.stored())
            if cpu - was[0] > step / 4 or read - was[1] > step * MIB or uploads > was[2]:
                last = time.monotonic()
        return last

    # What can be restored

    def restore(self, replica: Replica | None = None, endpoint: Endpoint | None = None) -> Restored:
        """Restores the latest state of a database with the tool itself, from the store or from another endpoint."""
        replica, endpoint = replica or self.replicas[0], endpoint or self.store.endpoint
        output = self.folder / "restored.db"
        output.unlink(missing_ok=True)
        log = self.folder / "restore.log"
        log.unlink(missing_ok=True)
        process = Process(self.tool.restore(self.folder, endpoint, replica, output),
                          self.tool.environment(self.folder, endpoint), log)
        self.processes.append(process)
        code = process.wait(READY)
        seconds = time.monotonic() - process.started
        if code != 0:
            raise Failure(f"restore: exit {code}: {process.words()}")
        requests = [request for request in self.store.requests() if request.start >= process.started]
        return Restored(output, seconds, process.peak, requests)

    def prove(self, replica: Replica | None = None) -> Restored:
        """A restore, which must be equal to the source."""
        restored = self.restore(replica)
        work.equal((replica or self.replicas[0]).database, restored.path)
        return restored

    def newest_in(self, copy: Path) -> int:
        """The newest transaction that can be restored from a frozen copy of the store."""
        server = Server(self.setting.rclone, copy)
        self.servers.append(server)
        try:
            return work.newest(self.restore(endpoint=server.endpoint).path, self.seed, self.rows)
        finally:
            server.stop()

    def close(self, keep: bool) -> None:
        """Ends whatever still runs, and gives the room of the directory back.

        Its files are deleted at the end of all: for minutes afterwards ext4 looks for inodes that were not deleted lately
        whenever it makes a file, and the next cell would have to wait for that.
        """
        for connection in self.connections:
            connection.close()
        for application in self.applications:
            with contextlib.suppress(OSError):
                application.close()
        for process in self.processes:
            process.kill()
        for server in self.servers:
            server.stop()
        self.store.stop()
        if not keep:
            for path in self.folder.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    os.truncate(path, 0)
