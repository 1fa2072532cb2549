#!/bin/bash
# make bench: prepares the environment of make interop and runs the benchmark in it.
set -u
cd "$(dirname "$0")/../.." || exit 1
python=.venv/interop/bin/python
if ! $python -c 'import torch, safetensors' 2> /dev/null; then
    .ci/packages interop && mkdir -p .venv && python3 -m venv .venv/interop &&
        .venv/interop/bin/pip install -q -r tests/interop/requirements.txt || exit 1
fi
build/tests/bench_viewer
$python tests/bench/first_screen.py
$python tests/bench/writing.py && $python tests/bench/bench.py "$@" && $python tests/bench/conversions.py && exec python3 tests/bench/auto.py
