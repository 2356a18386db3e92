#!/usr/bin/env bash
# What a restart uploads for a database of 2 GiB. Needs the sqlite3 shell and GNU time.
#
#   benches/restart.sh [DIR]      some 8 GiB of room in DIR; by default in a temporary directory
#
# Prints the bytes that come to the replica: when 1 % of the pages were changed while waloy was down and the WAL was
# taken away by its last connection; when nothing was changed; and when the database was restored to another directory
# and is replicated from there. Also seconds and peak memory of each, and whether what is restored then is the database.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
waloy=$PWD/target/release/waloy
dir=${1:-$(mktemp -d)}
mkdir -p "$dir"
cd "$dir"

stored() { du --bytes --summarize replica | cut -f1; }

replicate() { # name, database
    local before after
    before=$(stored 2>/dev/null || echo 0)
    command time -f "$1: %e s, peak %M KiB" "$waloy" replicate "$2" --once --quiet --to replica 2>"$1.err" || { cat "$1.err"; exit 1; }
    after=$(stored)
    grep peak "$1.err"
    echo "$1: $(((after - before) / 1024)) KiB uploaded"
}

sqlite3 big.db "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
    CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 205000)
    INSERT INTO t(x) SELECT randomblob(5000) || zeroblob(5000) FROM n;" >/dev/null
echo "big.db: $(stat -c %s big.db) bytes"
replicate first big.db

# A row has two pages of its own and shares one.
sqlite3 big.db "UPDATE t SET x = randomblob(5000) || zeroblob(5000) WHERE id % 100 = 7" >/dev/null
test ! -e big.db-wal
replicate changed big.db
replicate unchanged big.db

mkdir elsewhere
"$waloy" restore big.db --quiet -o elsewhere/big.db
cmp big.db elsewhere/big.db && echo "restored: identical"
replicate elsewhere elsewhere/big.db
"$waloy" verify --to replica --read-data=all --quiet && echo "verified"
