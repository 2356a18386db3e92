"""The databases: what is in them, and whether one that was restored holds what was committed.

All content follows from numbers: transaction n of an application with a seed writes the row `text(seed, n)`.
"""

import hashlib
import random
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from process import Failure

PAGE = 4096
ROW = 502  # bytes of text in a row
ROWS_PER_PAGE = 7  # whatever the numbers in them: an update splits no page
FILLER = 0  # the seed of the rows that are there at the beginning


def word_list() -> list[str]:
    chance = random.Random(256)
    return ["".join(chance.choices("eeeaaioutnrslhdcmgpbk", k=chance.randint(3, 11))) for _ in range(256)]


WORDS = word_list()


def text(seed: int, n: int) -> str:
    """32 random hexadecimal digits and words: compressible about as lines of a log are."""
    digest = hashlib.shake_128(b"%d/%d" % (seed, n)).digest(16 + ROW // 4)
    return " ".join([digest[:16].hex(), *(WORDS[byte] for byte in digest[16:])])[:ROW]


def connect(path: Path | str, busy_ms: int = 5000) -> sqlite3.Connection:
    """A connection such as applications have: WAL mode, synchronous=NORMAL, checkpoints every 1,000 pages."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=busy_ms / 1000)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def create(path: Path, rows: int) -> None:
    """A database in WAL mode with so many rows, all of them in its file."""
    connection = connect(path)
    connection.execute("CREATE TABLE entry(id INTEGER PRIMARY KEY, tx INTEGER NOT NULL, body TEXT NOT NULL)")
    connection.execute("PRAGMA wal_autocheckpoint = 20000")
    for first in range(1, rows + 1, 100_000):
        connection.execute("BEGIN")
        insert(connection, ((n, 0, text(FILLER, n)) for n in range(first, min(first + 100_000, rows + 1))))
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def insert(connection: sqlite3.Connection, rows: Iterable[tuple[int, int, str]]) -> None:
    connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", rows)


def commit(connection: sqlite3.Connection, kind: str, seed: int, n: int, rows: int, bulk: int = 1) -> None:
    """Commits transaction n: `insert` adds `bulk` rows after the `rows` that were there; `update` changes one of them."""
    connection.execute("BEGIN IMMEDIATE")
    if kind == "insert":
        first = (n - 1) * bulk
        insert(connection, ((rows + i, n, text(seed, i)) for i in range(first + 1, first + bulk + 1)))
    else:
        body = text(seed, n)
        connection.execute("UPDATE entry SET tx = ?, body = ? WHERE id = ?", (n, body, 1 + int(body[:12], 16) % rows))
    connection.execute("COMMIT")


def check(connection: sqlite3.Connection) -> None:
    verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if verdict != "ok":
        raise Failure(f"restored database: integrity_check: {verdict}")


def newest(restored: Path, seed: int, rows: int) -> int:
    """The newest transaction in a restored database of inserts. A failure if it holds anything but all up to that."""
    connection = sqlite3.connect(restored)
    try:
        check(connection)
        last = 0
        for last, (number, transaction, body) in enumerate(connection.execute("SELECT * FROM entry ORDER BY id"), 1):
            n = max(last - rows, 0)
            if (number, transaction, body) != (last, n, text(seed, n) if n else text(FILLER, last)):
                raise Failure(f"restored database: row {number} is not what was committed")
        if last < rows:
            raise Failure(f"restored database: {last} rows of {rows}")
        return last - rows
    finally:
        connection.close()


def equal(source: Path, restored: Path) -> None:
    """A failure unless both hold the same rows."""
    connection = sqlite3.connect(restored)
    try:
        check(connection)
        connection.execute("ATTACH ? AS source", (str(source),))
        want, have, same = connection.execute(
            "SELECT (SELECT count(*) FROM source.entry), (SELECT count(*) FROM main.entry), (SELECT count(*) FROM "
            "source.entry a JOIN main.entry b USING (id) WHERE a.tx = b.tx AND a.body = b.body)").fetchone()
        if not want == have == same:
            raise Failure(f"restored database: {want} rows in the source, {have} restored, {same} the same in both")
    finally:
        connection.close()
