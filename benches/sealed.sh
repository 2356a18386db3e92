#!/usr/bin/env bash
# What encryption costs a snapshot and a restore, pair by pair. Needs the sqlite3 shell.
#
#   benches/sealed.sh [DIR [PAIRS]]      some 5 GiB of room in DIR; by default in a temporary directory, 9 pairs
#
# A database of 1 GiB is replicated once to a directory, and restored from it, in turn in the clear and with a key file,
# zstd each time, and everything in the page cache. Prints the milliseconds of each pair, and the median of the ratios;
# then what a passphrase costs besides, once a process. WALOY names another program than that of this checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${WALOY:-}" ]; then
    cargo build --release --quiet
    WALOY=$PWD/target/release/waloy
fi
dir=${1:-$(mktemp -d)} pairs=${2:-9}
mkdir -p "$dir"
cd "$dir"
rm -rf big.db* open sealed pass raw ratios-* small* state-*

"$WALOY" key generate -o pass 2>/dev/null
"$WALOY" key generate --raw -o raw 2>/dev/null
# Half of each row compresses to nothing, half does not at all.
sqlite3 big.db "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
    CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 103000)
    INSERT INTO t(x) SELECT randomblob(5000) || zeroblob(5000) FROM n;" >/dev/null
echo "big.db: $(stat -c %s big.db) bytes"

key() { # open | sealed
    if [ "$1" = open ]; then echo "--encrypt off"; else echo "--key-file raw"; fi
}

seconds() { # command
    local began ended
    began=$(date +%s%N)
    "$@"
    ended=$(date +%s%N)
    echo "$(((ended - began) / 1000000))"
}

snapshot() { # open | sealed
    rm -rf "$1" "state-$1"
    sync
    # shellcheck disable=SC2046
    seconds "$WALOY" replicate big.db --once --quiet --to "$1" --state-dir "state-$1" $(key "$1") 2>/dev/null
}

restore() { # open | sealed
    rm -f restored.db
    sync
    # shellcheck disable=SC2046
    seconds "$WALOY" restore --to "$1" --quiet -o restored.db $(key "$1") 2>/dev/null
}

for what in snapshot restore; do
    for ((pair = 1; pair <= pairs; pair++)); do
        # Whoever comes second may find things warm: in turn.
        if ((pair % 2)); then
            open=$($what open) sealed=$($what sealed)
        else
            sealed=$($what sealed) open=$($what open)
        fi
        echo "$what: $open ms open, $sealed ms sealed"
        echo $((sealed * 1000 / open)) >>"ratios-$what"
    done
    cmp --silent big.db restored.db 2>/dev/null && echo "$what: the restored database is identical"
    sort -n "ratios-$what" | awk -v what="$what" '{ all[NR] = $1 } END {
        printf "%s: median of the ratios %.3f (%.3f to %.3f)\n", what, all[int((NR + 1) / 2)] / 1000, all[1] / 1000, all[NR] / 1000 }'
done

sqlite3 small.db "PRAGMA journal_mode = WAL; CREATE TABLE t(x)" >/dev/null
"$WALOY" replicate small.db --once --quiet --to small --passphrase-file pass 2>/dev/null
for ((run = 1; run <= 5; run++)); do
    echo "passphrase: $(seconds "$WALOY" inspect small.db --quiet --passphrase-file pass 2>/dev/null | tail -1) ms for a small command"
done
