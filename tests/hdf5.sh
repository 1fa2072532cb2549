#!/bin/bash
# libhdf5 is optional: without it tenon builds, and says of a Keras file what to do.
set -u
cd "$(dirname "$0")/.." || exit 1
O=${O:-build}
number=0
failures=0

check() {   # NAME STATUS
    number=$((number + 1))
    if [ "$2" = 0 ]; then
        echo "ok $number - $1"
    else
        failures=$((failures + 1))
        echo "not ok $number - $1"
    fi
}

! make -n HDF5=no O=build-without-hdf5 2>&1 | grep -qiE 'HAVE_HDF5|-lhdf5'
check "make HDF5=no asks for nothing of libhdf5" $?
! grep -q HAVE_HDF5 <<< "$(make -n O=build-without-hdf5 all | grep -v hdf5_child)"
check "only hdf5_child*.c are compiled for libhdf5" $?
make -s O="$O" "$O/tenon-without-hdf5"
check "tenon without libhdf5 builds" $?
for file in model.keras model.weights.h5 legacy.h5 others.h5; do
    "$O/tenon-without-hdf5" ls tests/data/keras/$file > "$O/without.log" 2>&1
    [ $? = 2 ] && grep -q "built without libhdf5; install it" "$O/without.log"
    check "without it, $file is refused with the remedy" $?
done
"$O/tenon-without-hdf5" ls tests/data/flax/model.msgpack > "$O/without.log" 2>&1
check "without it, other formats are read" $?
echo "1..$number"
[ $failures -eq 0 ]
