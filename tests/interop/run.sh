#!/bin/bash
# Makes a virtual environment with the pinned PyTorch and safetensors and runs the tests of this
# folder in it. INTEROP=skip says that it is all right where they cannot be installed.
set -u
cd "$(dirname "$0")/../.." || exit 1
venv=.venv/interop
python=$venv/bin/python

# A Python for which the pinned PyTorch has a wheel: the newest first.
pick_python() {
    for name in python3.13 python3.12 python3.11 python3.10 python3; do
        if command -v $name > /dev/null 2>&1 &&
            $name -c 'import sys, venv, ensurepip; sys.exit(not sys.version_info >= (3, 10))' 2> /dev/null; then
            echo "$name"
            return
        fi
    done
}

install_all() {
    [ -x $python ] || "$(pick_python)" -m venv $venv || return 1
    # What was installed last stands beside it: a changed list is installed anew.
    cat tests/interop/requirements.txt tests/interop/upstream.txt | cmp -s - $venv/requirements.txt && return 0
    # The CPU build, where the registry has one of its own for it, is enough and much smaller. The
    # systems whose loaders are compared come without what they need beyond that (see upstream.py).
    $venv/bin/pip install -q -r tests/interop/requirements.txt &&
        $venv/bin/pip install -q --no-deps -r tests/interop/upstream.txt &&
        cat tests/interop/requirements.txt tests/interop/upstream.txt > $venv/requirements.txt
}

mkdir -p .venv build/interop
if ! install_all > build/interop/install.log 2>&1; then
    echo "make interop: PyTorch and safetensors cannot be installed:"
    tail -5 build/interop/install.log | sed 's/^/   /'
    [ "${INTEROP:-}" = skip ] || { echo "(INTEROP=skip makes this no failure)"; echo "0 passed, 1 failed"; exit 1; }
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

rm -f build/interop/results
for file in tests/interop/test_*.py; do
    name=interop-$(basename "$file" .py)
    O=build/interop tests/run.sh "$name" $python tests/interop/tap.py "$file"
done
# Debian's own PyTorch 1.13, where it is installed, reads what we write as well.
if /usr/bin/python3 -c 'import torch' 2> /dev/null; then
    O=build/interop tests/run.sh interop-torch-1.13 /usr/bin/python3 tests/interop/tap.py tests/interop/old_torch.py
else
    echo "skip  interop-torch-1.13: python3-torch is not installed"
fi
O=build/interop tests/run.sh --total
