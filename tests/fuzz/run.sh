#!/bin/bash
# Runs fuzz targets with libFuzzer under ASan and UBSan, each for FUZZ_SECONDS, from its corpus; as many at
# once as there are processors, or JOBS. What is found lies in build-fuzz/found/; build-fuzz/record gets a
# line a run: target, executions, seconds, edges, features. FUZZ_FAST=1 is for long runs: comparisons are
# not traced, which doubles the speed of what compares much, and finds fewer numbers by itself.
# Usage: tests/fuzz/run.sh fuzz_NAME...
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${FUZZ_SECONDS:-30}
out=build-fuzz cover=
[ -n "${FUZZ_FAST:-}" ] && out=build-fuzz-fast cover=' -fno-sanitize-coverage=trace-cmp,stack-depth'
mkdir -p $out/found
rm -f $out/results $out/seconds
targets=()
for name in "$@"; do targets+=("$out/libfuzzer/$name"); done
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2)}
make --no-print-directory -s -j"$jobs" O=$out CC=clang OPT='-O2 -g -fno-omit-frame-pointer' \
    SAN="-fsanitize=address,undefined,fuzzer-no-link$cover -fno-sanitize-recover=all" \
    "${targets[@]}" || exit 1

# A megabyte of freed memory is some hundred executions: enough to see a use after free, and it stays
# in the cache. For a deeper trace of an allocation, run the target on the input that was found.
export ASAN_OPTIONS=malloc_context_size=1:quarantine_size_mb=1:thread_local_quarantine_size_kb=32:max_malloc_fill_size=64
export UBSAN_OPTIONS=print_stacktrace=1

# Bytes of an input: what a target does takes longer with its length, and says little more.
longest() {
    case ${1#fuzz_} in
    induce | rules | script) echo 512 ;;
    deepspeed | gguf) echo 1536 ;;
    check | dcp | jit | tar | torch | whole) echo 4096 ;;
    *) echo 1024 ;;
    esac
}

fuzz_one() {   # speaks TAP: one test, that nothing was found
    local name=$1 corpus=tests/fuzz/corpus/${1#fuzz_} work=build-fuzz/corpus/$1 dict=tests/fuzz/${1#fuzz_}.dict
    local log=$out/$name.log found fine
    mkdir -p "$work"
    # Choosing inputs by entropy costs half of the time of a fast target.
    local options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len="$(longest "$name")"
        -entropic=0 -artifact_prefix="$out/found/$name-" -print_final_stats=1)
    [ -f "$dict" ] && options+=(-dict="$dict")
    "$out/libfuzzer/$name" "${options[@]}" "$work" "$corpus" > "$log" 2>&1 && fine=1
    found=$(awk '/cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1) } }
        /number_of_executed_units/ { runs = $2 } END { print runs + 0, cov + 0, ft + 0 }' "$log")
    set -- $found
    echo "$name $1 $seconds $2 $3" >> $out/record
    if [ -n "${fine:-}" ]; then
        echo "ok 1 - $name: $1 executions in $seconds s, $2 edges"
    else
        echo "not ok 1 - $name"
        tail -40 "$log" | sed 's/^/# /'
    fi
}

one_target() {   # what it says comes in one piece
    local said
    said=$(O=$out tests/run.sh "$1" bash -c "fuzz_one $1"
           grep '^ok' "$out/log/$1.log" | sed 's/^ok 1 - /      /')
    printf '%s\n' "$said"
}

export -f one_target fuzz_one longest
export seconds out
printf '%s\n' "$@" | xargs -P "$jobs" -I NAME bash -c 'one_target NAME'
O=$out tests/run.sh --total
