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
    # Of 13,000 modules most are never imported.
    $venv/bin/pip install -q --no-compile -r tests/interop/requirements.txt &&
        $venv/bin/pip install -q --no-compile --no-deps -r tests/interop/upstream.txt &&
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

# As many files at once as there are processors; then a thread of PyTorch's own for each has nothing
# to gain, and would wait for its turn by turning round.
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2)}
export OMP_NUM_THREADS=1 O=build/interop python
# What is imported is compiled once, where the installation left that out.
unset PYTHONDONTWRITEBYTECODE

one_file() {   # what it says comes in one piece
    local said
    said=$(tests/run.sh "interop-$(basename "$1" .py)" "$python" tests/interop/tap.py "$1")
    printf '%s\n' "$said"
}
export -f one_file

rm -f build/interop/results build/interop/seconds
# Those that take longest begin first.
long="test_export test_slurm test_presets test_packs test_dcp test_glued test_check_table test_plans"
for name in $long; do echo "tests/interop/$name.py"; done > build/interop/files
for file in tests/interop/test_*.py; do
    case " $long " in *" $(basename "$file" .py) "*) ;; *) echo "$file" ;; esac
done >> build/interop/files
xargs -P "$jobs" -I FILE bash -c 'one_file FILE' < build/interop/files
# Debian's own PyTorch 1.13, where it is installed, reads what we write as well.
if /usr/bin/python3 -c 'import torch' 2> /dev/null; then
    tests/run.sh interop-torch-1.13 /usr/bin/python3 tests/interop/tap.py tests/interop/old_torch.py
else
    echo "skip  interop-torch-1.13: python3-torch is not installed"
fi
tests/run.sh --total
