#!/usr/bin/env bash
# Proves the ladder: plants one fault after the other, and says which rung finds it, after how many seeds; or which of the
# integration tests, if none does.
#
#     tests/deep/planted.sh              all of them
#     tests/deep/planted.sh "a fault"    one
#
# The faults are in the sources, as `planted::is("…")`, and only in a build with `--cfg planted`: a wrapper of the
# compiler says so for this crate alone, so that nothing else is built anew.
set -euo pipefail
cd "$(dirname "$0")/../.."

mkdir -p target/planted
wrapper=$PWD/target/planted/rustc
printf '#!/bin/sh\nexec "$@" --cfg planted\n' > "$wrapper"
chmod +x "$wrapper"
mapfile -t programs < <(CARGO_INCREMENTAL=0 RUSTC_WORKSPACE_WRAPPER=$wrapper cargo test --release --locked --all-features \
    --test deep --test it --no-run --message-format short 2>&1 | sed -n 's/.*Executable .*(\(.*\))$/\1/p')
program=${programs[0]} integration=${programs[1]}

if [ $# -gt 0 ]; then
    faults=("$@")
else
    mapfile -t faults < <(grep -rhoE 'planted::is\("[^"]+' src | sed 's/.*"//' | sort -u)
fi

missed=0
printf '%-70s  %-8s  %s\n' "fault" "rung" "seeds"
for fault in "${faults[@]}"; do
    found=
    # The rungs from the quickest to the slowest; the seeds are those of everybody.
    for attempt in "found 20" "wal 24" "sim 500" "crash 2000" "sim 10000"; do
        read -r rung count <<< "$attempt"
        out=$(PLANTED_FAULT=$fault RUST_BACKTRACE=0 "$program" deep "$rung" --count "$count" --first 2> /dev/null) || true
        seed=$(sed -n 's/^ *seed \([0-9]*\): .*/\1/p' <<< "$out" | head -1)
        # A seed that fails without the fault, too, has not found it.
        if [ -n "$seed" ] && "$program" one "$rung" "$seed" > /dev/null 2>&1; then
            seeds=$(sed -n 's/^FAILED [^ ]* *\([0-9]*\) seeds.*/\1/p' <<< "$out" | head -1)
            printf '%-70s  %-8s  %s\n' "$fault" "$rung" "$((seeds + 1))"
            sed -n 's/^ *seed \([0-9]*\): /    seed \1: /p' <<< "$out" | head -1 | cut -c1-400
            found=1
            break
        fi
    done
    # What SQLite never does can only be made by hand.
    if [ -z "$found" ]; then
        out=$(PLANTED_FAULT=$fault RUST_BACKTRACE=0 "$integration" 2> /dev/null) || true
        while read -r test; do
            if [ -z "$found" ] && "$integration" --exact "$test" > /dev/null 2>&1; then
                printf '%-70s  %-8s  %s\n' "$fault" "it" "$test"
                found=1
            fi
        done < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' <<< "$out")
    fi
    if [ -z "$found" ]; then
        printf '%-70s  %-8s\n' "$fault" "MISSED"
        missed=$((missed + 1))
    fi
done
echo "${#faults[@]} faults, $missed missed"
[ "$missed" = 0 ]
