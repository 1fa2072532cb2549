#!/bin/bash
# Runs every fuzz target with libFuzzer for FUZZ_SECONDS, under ASan and UBSan, from its corpus.
# What is found lies in build-fuzz/found/. Usage: tests/fuzz/run.sh fuzz_NAME...
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${FUZZ_SECONDS:-30}
mkdir -p build-fuzz/found
rm -f build-fuzz/results
targets=()
for name in "$@"; do targets+=("build-fuzz/libfuzzer/$name"); done
make --no-print-directory -s O=build-fuzz CC=clang OPT='-O1 -g' \
    SAN='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all' "${targets[@]}" || exit 1

fuzz_one() {   # speaks TAP: one test, that nothing was found
    local name=$1 corpus=tests/fuzz/corpus/${1#fuzz_} work=build-fuzz/corpus/$1 dict=tests/fuzz/${1#fuzz_}.dict
    mkdir -p "$work"
    local options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536
        -artifact_prefix="build-fuzz/found/$name-" -print_final_stats=1)
    [ -f "$dict" ] && options+=(-dict="$dict")
    if "build-fuzz/libfuzzer/$name" "${options[@]}" "$work" "$corpus" > "build-fuzz/$name.log" 2>&1; then
        echo "ok 1 - $name: $(awk '/number_of_executed_units/ { print $2 }' "build-fuzz/$name.log") executions in $seconds s"
    else
        echo "not ok 1 - $name"
        tail -40 "build-fuzz/$name.log" | sed 's/^/# /'
    fi
}

for name in "$@"; do
    export -f fuzz_one
    export seconds
    O=build-fuzz tests/run.sh "$name" bash -c "fuzz_one $name"
    grep '^ok' "build-fuzz/log/$name.log" | sed 's/^ok 1 - /      /'
done
O=build-fuzz tests/run.sh --total
