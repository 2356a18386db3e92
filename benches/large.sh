#!/usr/bin/env bash
# Memory, time and exactness with large databases, measured on whole processes. Needs the sqlite3 shell and GNU time.
#
#   benches/large.sh [DIR]      some 12 GiB of room in DIR; by default in a temporary directory
#
# Prints, for a database of 2 GiB, for one transaction of 500 MB, and for page sizes 512, 4096 and 65536: seconds and
# peak memory of `replicate --once` and of `restore`, and whether the restored file is the database, byte for byte.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
waloy=$PWD/target/release/waloy
dir=${1:-$(mktemp -d)}
mkdir -p "$dir"
cd "$dir"

measured() { # name, command…
    local name=$1
    shift
    command time -f "$name: %e s, peak %M KiB" "$@" >"$name.out"
}

fill() { # database, page size, megabytes: half of it compressible, as real data is
    sqlite3 "$1" "PRAGMA page_size = $2; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
        CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $3 * 100)
        INSERT INTO t(x) SELECT randomblob(5000) || zeroblob(5000) FROM n;" >/dev/null
}

compare() { # database, restored
    # What is still in the WAL goes into the file, so that the two can be compared.
    sqlite3 "$1" "PRAGMA wal_checkpoint(TRUNCATE)" >/dev/null
    if cmp -s "$1" "$2"; then echo "$2: identical"; else echo "$2: DIFFERENT" && exit 1; fi
}

round_trip() { # database
    measured "$1-replicate" "$waloy" replicate "$1" --to "$1.replica" --once --quiet
    measured "$1-restore" "$waloy" restore "$1" --to "$1.replica" -o "$1.restored" --quiet
    compare "$1" "$1.restored"
}

echo "== 2 GiB"
fill big.db 4096 2100
ls -l big.db | awk '{ print "big.db: " $5 " bytes" }'
round_trip big.db

echo "== one transaction of 500 MB, captured while waloy runs"
fill tx.db 4096 1
"$waloy" replicate tx.db --to tx.replica --json >tx.events &
pid=$!
trap 'kill $pid 2>/dev/null || true' EXIT
until grep -qs '"type":"generation"' tx.events; do sleep 0.1; done
sqlite3 tx.db "PRAGMA busy_timeout = 10000; BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
    INSERT INTO t(x) SELECT randomblob(5000) || zeroblob(5000) FROM n; COMMIT;" >/dev/null
"$waloy" sync tx.db --timeout 120s
grep VmHWM "/proc/$pid/status" | awk '{ print "tx-replicate: peak " $2 " KiB" }'
ls -l tx.db-wal | awk '{ print "tx.db-wal: " $5 " bytes" }'
kill $pid
wait $pid || true
trap - EXIT
measured tx-restore "$waloy" restore tx.db --to tx.replica -o tx.restored --quiet
compare tx.db tx.restored

for size in 512 4096 65536; do
    echo "== page size $size, beyond 1 GiB"
    fill "p$size.db" "$size" 1100
    round_trip "p$size.db"
done
