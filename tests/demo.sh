#!/bin/sh
# The main job on bundled checkpoints: what `make demo` runs after the build.
set -eu
cd "$(dirname "$0")/.."
data=tests/data/demo
out=${DEMO_OUT:-build/demo}
mkdir -p "$out"

say() {
    printf '\n\033[1m%s\033[0m\n' "$1"
}
[ -t 1 ] || say() { printf '\n%s\n' "$1"; }

# Shows a command, then runs it; a status of 1 (differences remain) is what a diff is for.
try() {
    printf '$ %s\n' "$*"
    "$@" || [ $? -eq 1 ]
}

say "1. A model trained with DataParallel on 100 classes, and the one it should go into"
try ./tenon diff $data/pretrain.pth $data/net.pth

say "2. Two rules settle it"
try cat $data/fix.lua
try ./tenon align $data/pretrain.pth $data/net.pth -r $data/fix.lua

say "3. Written: as PyTorch itself would save it, and as safetensors"
try ./tenon align $data/pretrain.pth $data/net.pth -r $data/fix.lua -o "$out/aligned.pth" --force
try ./tenon align $data/pretrain.pth $data/net.pth -r $data/fix.lua -o "$out/aligned.safetensors" --force --sha256
try ./tenon ls "$out/aligned.pth" --tree

if [ -t 0 ] && [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
    say "4. The same in the viewer (? for help, q to leave)"
    printf 'press Enter '
    read -r _
    ./tenon $data/pretrain.pth $data/net.pth
else
    say "4. In a terminal the viewer would open here:"
    echo "\$ ./tenon $data/pretrain.pth $data/net.pth"
fi
