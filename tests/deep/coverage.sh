#!/usr/bin/env bash
# Says what of the rooms that must not err no test passes by: by line, by region, and by branch where the compiler counts
# them.
#
#     tests/deep/coverage.sh               the unit and integration tests, and the quick ladder
#     tests/deep/coverage.sh --missed      the lines that were not reached, too
#
# Needs llvm-cov and llvm-profdata that read the profiles of the compiler: LLVM_COV and LLVM_PROFDATA name them.
# A wrapper of the compiler asks for the counters for this crate alone, so that nothing else is built anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
cov=${LLVM_COV:-llvm-cov}
profdata=${LLVM_PROFDATA:-llvm-profdata}
rooms=(wal db format seal compress.rs replica engine restore)

work=$PWD/target/coverage
mkdir -p "$work"
rm -f "$work"/*.profraw
# Branches are counted by an option that is not stable yet: without it there are lines and regions.
cat > "$work/rustc" << 'SH'
#!/bin/sh
export RUSTC_BOOTSTRAP=1
if echo 'fn main() {}' | "$1" -Cinstrument-coverage -Zcoverage-options=branch --emit=metadata -o "$0.probe" - 2> /dev/null
then exec "$@" -Cinstrument-coverage -Zcoverage-options=branch
else exec "$@" -Cinstrument-coverage
fi
SH
chmod +x "$work/rustc"
export RUSTC_WORKSPACE_WRAPPER=$work/rustc CARGO_INCREMENTAL=0 RUST_BACKTRACE=0
# Programs of one kind add up in a file of their own; two files for each let two at a time end at once.
export LLVM_PROFILE_FILE=$work/%2m.profraw

mapfile -t programs < <(cargo test --locked --all-features --no-run --message-format short 2>&1 | tee /dev/stderr \
    | sed -n 's/.*Executable .*(\(.*\))$/\1/p')
# Four tests fail that compare all that a program writes where it cannot write its counters.
cargo test --locked --all-features --no-fail-fast --lib --bins --test it --test layering || echo "counted all the same"
cargo test --locked --all-features --test deep
"$profdata" merge -sparse "$work"/*.profraw -o "$work/all.profdata"

objects=("${programs[0]}")
for program in "${programs[@]:1}" target/debug/waloy; do objects+=(-object "$program"); done
printf '\n%-10s  %14s  %14s  %14s\n' "" "lines" "regions" "branches"
for room in "${rooms[@]}"; do
    "$cov" report "${objects[@]}" -instr-profile="$work/all.profdata" "src/$room" \
        | awk -v room="${room%.rs}" '/^TOTAL/ {
            part(8, 9); lines = text; part(2, 3); regions = text; part(11, 12); branches = text
            printf "%-10s  %14s  %14s  %14s\n", room, lines, regions, branches }
          function part(all, missed) { text = ($all == 0) ? "-" : sprintf("%d/%d %5.1f%%", $all - $missed, $all, 100 * ($all - $missed) / $all) }'
done
if [ "${1:-}" = --missed ]; then
    for room in "${rooms[@]}"; do
        "$cov" show "${objects[@]}" -instr-profile="$work/all.profdata" -show-expansions=false "src/$room" \
            | awk '/^\/.*:$|^[^ ]*\.rs:$/ { file = $0; next } /^ *[0-9]+\| +0\|/ { print file $0 }'
    done
fi
