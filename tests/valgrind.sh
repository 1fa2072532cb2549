#!/bin/bash
# The demo's commands under valgrind: no error, no leak.
set -u
cd "$(dirname "$0")/.." || exit 1
tenon=${TENON:-tenon}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
data=tests/data/demo
number=0
failures=0

if ! command -v valgrind > /dev/null 2>&1; then
    echo "ok 1 - valgrind # SKIP it is not installed"
    echo "1..1"
    exit 0
fi

clean() {   # STATUS COMMAND...
    local want=$1
    shift
    number=$((number + 1))
    valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect \
        "./$tenon" "$@" > "$out/log" 2>&1
    local got=$?
    if [ $got -eq "$want" ]; then
        echo "ok $number - $*"
    else
        failures=$((failures + 1))
        echo "not ok $number - $* (status $got instead of $want)"
        tail -30 "$out/log" | sed 's/^/# /'
    fi
}

clean 0 ls $data/pretrain.pth --stats
clean 0 ls --json tests/data/dtypes/legacy.pth
clean 0 ls --tree tests/data/kinds/sharded-safetensors
clean 1 diff $data/pretrain.pth $data/net.pth
clean 0 check tests/data/check/sick.pth --json
clean 1 check tests/data/check/damaged.pth
clean 0 align $data/pretrain.pth $data/net.pth -r $data/fix.lua -o "$out/a.pth"
clean 0 align $data/pretrain.pth $data/net.pth -r $data/fix.lua -o "$out/a.safetensors" --sha256
clean 2 align $data/pretrain.pth -e 'while true do end'
clean 2 ls $data/fix.lua
# Without libhdf5 it is refused.
"./$tenon" ls tests/data/keras/legacy.h5 > /dev/null 2>&1
clean $? ls --stats tests/data/keras/legacy.h5
echo "1..$number"
[ $failures -eq 0 ]
