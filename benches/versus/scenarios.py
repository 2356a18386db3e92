"""The scenarios. Each takes a test bed and leaves its measures there; a Failure makes the whole cell a failed one."""

import sqlite3
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from statistics import median

import work
from application import Probe
from bed import CALM, MIB, READY, Bed, Window
from process import Failure, evict, flush

Scenario = Callable[[Bed], None]
SCENARIOS: dict[str, Scenario] = {}
SMALL = 100  # rows of a small database


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


def rows_of(mib: float) -> int:
    return max(SMALL, int(mib * MIB / work.PAGE * work.ROWS_PER_PAGE))


def costs(bed: Bed, window: Window) -> None:
    bed.measure("CPU", window.cpu, "s")
    bed.measure("peak memory", bed.process.peak, "MiB")
    bed.measure("sent", window.sent, "MiB")


@scenario
def idle(bed: Bed) -> None:
    """A small database without writes, 60 s."""
    bed.databases(SMALL)
    bed.begin()
    window = Window(bed)
    time.sleep(60 * bed.scale)
    window.close()
    bed.measure("requests", len(window.requests))
    bed.measure("CPU", window.cpu, "s")
    bed.measure("peak memory", bed.process.peak, "MiB")
    bed.process.stop()


@scenario
def steady(bed: Bed) -> None:
    """200 transactions/s of one row, 20 s."""
    bed.databases(SMALL)
    bed.begin()
    window = Window(bed)
    bed.load(rate=200, seconds=20 * bed.scale).load()
    bed.quiet()
    costs(bed, window.close())
    bed.process.stop()
    bed.prove()


def lag_at(bed: Bed, interval_ms: int) -> None:
    bed.databases(SMALL)
    bed.begin(interval_ms)
    connection = bed.connect()
    lags, copies = [], []
    for n in range(1, max(3, round(15 * bed.scale)) + 1):
        time.sleep(bed.random.uniform(0.3, 2.3))
        before = time.monotonic()
        work.commit(connection, "insert", bed.seed, n, bed.rows)
        committed = time.monotonic()
        lags.append(bed.wait(lambda: bed.stored(before), "upload of a commit")[0].end - committed)
        copies.append(bed.folder / f"frozen{n}")
        bed.store.freeze(copies[-1])
    bed.process.stop()
    for n, copy in enumerate(copies, 1):
        if (found := bed.newest_in(copy)) != n:
            raise Failure(f"commit {n} was not in the upload after it: restored up to {found}")
    bed.measure("commit to stored, p50", median(lags), "s")
    bed.measure("commit to stored, max", max(lags), "s")


@scenario
def lag(bed: Bed) -> None:
    """15 single commits at random moments; synced every 1 s."""
    lag_at(bed, 1000)


@scenario
def lag10ms(bed: Bed) -> None:
    """15 single commits at random moments; synced every 10 ms."""
    lag_at(bed, 10)


def rpo_at(bed: Bed, interval_ms: int) -> None:
    bed.databases(SMALL)
    bed.begin(interval_ms)
    application = bed.load(rate=200)
    time.sleep(2)
    moments: list[tuple[float, Path]] = []
    for number in range(max(3, round(10 * bed.scale))):
        time.sleep(bed.random.uniform(1, 3))
        copy = bed.folder / f"frozen{number}"
        moments.append((bed.store.freeze(copy), copy))
    application.end()
    commits = application.load().commits
    bed.quiet()
    bed.process.stop()
    lost = []
    for moment, copy in moments:
        newest = bed.newest_in(copy)
        lost.append(moment - commits[newest - 1] if newest else moment - commits[0])
    bed.prove()
    bed.measure("loss window, p50", median(lost), "s")
    bed.measure("loss window, max", max(lost), "s")


@scenario
def rpo(bed: Bed) -> None:
    """200 transactions/s; the store frozen at 10 random moments, and restored from; synced every 1 s."""
    rpo_at(bed, 1000)


@scenario
def rpo10ms(bed: Bed) -> None:
    """200 transactions/s; the store frozen at 10 random moments, and restored from; synced every 10 ms."""
    rpo_at(bed, 10)


@scenario
def hot(bed: Bed) -> None:
    """Updates of the same 100 rows at full speed, 12 s; before that the same on a copy without replicator."""
    bed.databases(SMALL)
    alone = bed.folder / "alone.db"
    alone.write_bytes(bed.database.read_bytes())
    application = bed.load("update", seconds=12 * bed.scale, path=alone)
    free = application.load()
    application.close()
    bed.begin()
    load = bed.load("update", seconds=12 * bed.scale).load()
    bed.quiet()
    bed.process.stop()
    restored = bed.prove()
    bed.measure("throughput, of that without", 100 * (load.count / load.seconds) / (free.count / free.seconds), "%", True)
    bed.measure("longest commit", 1000 * load.longest, "ms")
    bed.measure("largest WAL", load.wal / MIB, "MiB")
    bed.measure("restore", restored.seconds, "s")


@scenario
def bulk(bed: Bed) -> None:
    """One transaction of 200 MiB."""
    bed.databases(SMALL)
    bed.begin()
    window = Window(bed)
    committed = bed.load(bulk=rows_of(200 * bed.scale)).load().commits[0]
    bed.wait(lambda: bed.stored(committed), "upload of the transaction")
    quiet = bed.quiet()
    window.close()
    visible = max(request.end for request in bed.stored() if request.end <= quiet + 1) - committed
    bed.measure("commit to stored", visible, "s")
    costs(bed, window)
    bed.process.stop()
    bed.prove()


@scenario
def big(bed: Bed) -> None:
    """1 GiB: the first snapshot, 10 s without writes, and a restore."""
    bed.databases(rows_of(1024 * bed.scale))
    flush(bed.database)
    start = bed.start()
    bed.ready()
    bed.measure("start to snapshot stored", bed.stored()[0].end - start, "s")
    bed.quiet()
    bed.measure("snapshot: CPU", bed.process.cpu(), "s")
    bed.measure("snapshot: peak memory", bed.process.peak, "MiB")
    bed.measure("snapshot: sent", sum(request.sent for request in bed.store.requests()) / MIB, "MiB")
    window = Window(bed)
    time.sleep(10 * bed.scale)
    bed.measure("CPU in 10 s afterwards", window.close().cpu / bed.scale, "s")
    bed.process.stop()
    restored = bed.prove()
    bed.measure("restore", restored.seconds, "s")
    bed.measure("restore: peak memory", restored.peak, "MiB")
    paths = {request.path for request in restored.requests if request.method == "GET" and not request.listing}
    plain = download(bed, sorted(paths)) + write_plainly(bed, restored.path)
    bed.measure("restore, times curl and a plain write", restored.seconds / plain, "×")


def download(bed: Bed, paths: list[str]) -> float:
    """Seconds that curl takes to get these objects, one after another."""
    endpoint = bed.store.endpoint
    command = ["curl", "--silent", "--show-error", "--fail", "--aws-sigv4", f"aws:amz:{endpoint.region}:s3",
               "--user", f"{endpoint.key}:{endpoint.secret}", "--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    for path in paths:
        command += ["--output", "/dev/null", endpoint.url + path]
    start = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"curl: {result.stderr.strip()[-200:]}")
    return time.monotonic() - start


def write_plainly(bed: Bed, like: Path) -> float:
    """Seconds that it takes to write a file as large as another, and to have it on the disk."""
    block, left = bytes(MIB), like.stat().st_size
    start = time.monotonic()
    with open(bed.folder / "plain", "wb") as file:
        while left > 0:
            left -= file.write(block[:left])
        file.flush()
        flush(Path(file.name))
    return time.monotonic() - start


@scenario
def segments(bed: Bed) -> None:
    """400 syncs: every 100 ms for 40 s under 50 transactions/s; then a restore."""
    bed.databases(SMALL)
    bed.begin(100)
    bed.load(rate=50, seconds=40 * bed.scale).load()
    bed.quiet()
    bed.process.stop()
    restored = bed.prove()
    bed.measure("restore", restored.seconds, "s")
    bed.measure("restore: LIST and GET", sum(request.method == "GET" for request in restored.requests))


def many(bed: Bed, count: int) -> None:
    count = max(3, round(count * bed.scale))
    bed.databases(20, count)
    start = bed.start()
    bed.measure("start to all snapshots stored", bed.ready() - start, "s")
    time.sleep(CALM)
    window = Window(bed)
    load = bed.load(rate=100, seconds=40 * bed.scale).load()
    time.sleep(CALM)
    window.close()
    bed.measure("CPU", window.cpu, "s")
    bed.measure("peak memory", bed.process.peak, "MiB")
    bed.measure("threads", bed.process.threads)
    bed.measure("LIST", sum(request.listing for request in window.requests))
    bed.measure("transactions", load.count / load.seconds, "/s", True)
    bed.process.stop()
    for replica in (bed.replicas[0], bed.replicas[count // 2], bed.replicas[-1]):
        bed.prove(replica)


@scenario
def many100(bed: Bed) -> None:
    """100 databases in one process, 100 transactions/s over all of them, 40 s."""
    many(bed, 100)


@scenario
def many1000(bed: Bed) -> None:
    """1,000 databases in one process, 100 transactions/s over all of them, 40 s."""
    many(bed, 1000)


@scenario
def outage(bed: Bed) -> None:
    """100 transactions/s; after 5 s the store refuses connections for 30 s; 10 s more."""
    bed.databases(SMALL)
    bed.begin()
    application = bed.load(rate=100)
    time.sleep(5 * bed.scale)
    bed.store.tell(down=True)
    time.sleep(30 * bed.scale)
    bed.store.tell()
    back = time.monotonic()
    upload = bed.wait(lambda: bed.stored(back), "upload after the return")[0]
    bed.measure("return to first upload", upload.end - back, "s")
    time.sleep(10 * bed.scale)
    application.end()
    load = application.load()
    bed.quiet()
    bed.measure("longest commit", 1000 * load.longest, "ms")
    bed.measure("largest WAL", load.wal / MIB, "MiB")
    bed.process.stop()
    bed.prove()


@scenario
def faults(bed: Bed) -> None:
    """50 transactions/s for 40 s and a restore, under 50–100 ms of latency and 20 % of failing requests."""
    bed.databases(SMALL)
    bed.begin()
    bed.store.tell(delay=[0.05, 0.1], share=0.2, seed=bed.seed)
    bed.load(rate=50, seconds=40 * bed.scale).load()
    bed.quiet()
    bed.store.tell()
    bed.process.stop()
    bed.store.tell(delay=[0.05, 0.1], share=0.2, seed=bed.seed + 1)
    restored = bed.prove()
    bed.measure("restored under faults = source", 1, "yes")
    bed.measure("restore under faults", restored.seconds, "s")


@scenario
def crash(bed: Bed) -> None:
    """25 MiB, 100 transactions/s; SIGKILL after 8 s, started again 4 s later; 10 s more."""
    bed.databases(rows_of(25 * bed.scale))
    bed.begin()
    application = bed.load(rate=100)
    time.sleep(8 * bed.scale)
    bed.process.kill()
    time.sleep(4 * bed.scale)
    start = bed.start()
    upload = bed.wait(lambda: bed.stored(start), "upload after the crash")[0]
    time.sleep(10 * bed.scale)
    application.end()
    application.load()
    bed.quiet()
    sent = sum(request.sent for request in bed.store.requests() if request.start >= start)
    bed.process.stop()
    bed.prove()
    bed.measure("start to first upload", upload.end - start, "s")
    bed.measure("sent since the start", sent / MIB, "MiB")
    bed.measure("restored = source", 1, "yes")


@scenario
def gap(bed: Bed) -> None:
    """25 MiB; while the replicator is stopped, 100 updates, a checkpoint, and 20 rows that begin the WAL anew."""
    bed.databases(rows_of(25 * bed.scale))
    bed.begin()
    connection = bed.connect()
    for n in range(1, 201):
        work.commit(connection, "insert", bed.seed, n, bed.rows)
    bed.quiet()
    bed.process.stop()
    before = pages(bed, connection)
    for n in range(201, 301):
        work.commit(connection, "update", bed.seed, n, bed.rows)
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    for n in range(301, 321):
        work.commit(connection, "insert", bed.seed, n, bed.rows)
    after = pages(bed, connection)
    start = bed.start()
    bed.wait(lambda: bed.stored(start), "upload after the gap")
    bed.quiet()
    sent = sum(request.sent for request in bed.store.requests() if request.start >= start)
    for n in range(321, 351):
        work.commit(connection, "insert", bed.seed, n, bed.rows)
    bed.quiet()
    bed.process.stop()
    bed.prove()
    bed.measure("sent after the gap", sent / MIB, "MiB")
    bed.measure("sent, times the changed pages compressed", sent / changed(before, after), "×")
    bed.measure("restored = source", 1, "yes")


def pages(bed: Bed, connection: sqlite3.Connection) -> bytes:
    """All pages of a database as they are at this moment."""
    copy = bed.folder / "pages.db"
    copy.unlink(missing_ok=True)
    target = sqlite3.connect(copy)
    connection.backup(target)
    target.close()
    return copy.read_bytes()


def changed(before: bytes, after: bytes) -> int:
    """The bytes of the pages that are not the same, compressed together."""
    offsets = range(0, len(after), work.PAGE)
    return len(zlib.compress(b"".join(after[at:at + work.PAGE] for at in offsets
                                      if before[at:at + work.PAGE] != after[at:at + work.PAGE])))


@scenario
def unchanged(bed: Bed) -> None:
    """2 GiB; clean stop, the last connection takes the WAL away, nothing changes; started again with a cold file."""
    bed.databases(rows_of(2048 * bed.scale))
    connection = bed.connect()
    work.commit(connection, "insert", bed.seed, 1, bed.rows)
    flush(bed.database)
    bed.begin()
    bed.process.stop()
    connection.close()
    if Path(f"{bed.database}-wal").exists():
        raise Failure("the WAL is still there after the last connection")
    plain = dd_of(bed.database)
    evict(bed.database)
    start = bed.start()
    seconds = bed.quiet(READY) - start
    sent = sum(request.sent for request in bed.store.requests() if request.start >= start)
    bed.process.stop()
    plain = (plain + dd_of(bed.database)) / 2
    bed.measure("start to quiet", seconds, "s")
    bed.measure("start to quiet, times dd of the file", seconds / plain, "×")
    bed.measure("sent", sent / MIB, "MiB")


def dd_of(path: Path) -> float:
    """Seconds that dd takes to read a file of which nothing is cached."""
    evict(path)
    begun = time.monotonic()
    subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=1M", "status=none"], check=True)
    return time.monotonic() - begun


@scenario
def contention(bed: Bed) -> None:
    """1 GiB under updates at full speed while the first snapshot is made; who asks for the write lock meanwhile?"""
    bed.databases(rows_of(1024 * bed.scale))
    flush(bed.database)
    application = bed.load("update")
    time.sleep(1)
    prober = bed.run(Probe(str(bed.database), 5))
    alone = prober.outcome()["runs"]
    prober = bed.run(Probe(str(bed.database)))
    time.sleep(0.2)
    bed.start()
    bed.ready()
    prober.end()
    runs = prober.outcome()["runs"]
    application.end()
    application.load()
    bed.quiet()
    bed.process.stop()
    bed.prove()
    bed.measure("longest BUSY", 1000 * max(runs, default=0), "ms")
    bed.measure("BUSY, p99", 1000 * p99(runs), "ms")
    bed.measure("longest BUSY before the replicator", 1000 * max(alone, default=0), "ms")


def p99(ordered: list[float]) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0
