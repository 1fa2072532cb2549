#!/bin/bash
# Every limit of the table (loader/core/limits.h), set low for a file with which nothing is wrong:
# tenon says which limit it was and how to raise it, and without the option says nothing of limits.
# A row of the table without a line here fails.
set -u
cd "$(dirname "$0")/../.." || exit 1
tenon=./${TENON:-tenon}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export LC_ALL=C.UTF-8 NO_COLOR=1
number=0
failures=0
tried=" "

result() {   # NAME FINE OUTPUT
    number=$((number + 1))
    if [ "$2" = yes ]; then
        echo "ok $number - $1"
    else
        failures=$((failures + 1))
        echo "not ok $number - $1"
        sed 's/^/# /' <<< "$3"
    fi
}

# "(--limit NAME=N allows more)", or one of several names there.
limited() {  # NAME=VALUE[,NAME=VALUE] STATUS COMMAND…
    local limits=${1//,/ --limit } name=${1%%=*} status=$2 plain said fine=yes
    shift 2
    tried+="$name "
    plain=$("$tenon" "$@" 2>&1 < /dev/null) || fine=no
    grep -q -- '--limit' <<< "$plain" && fine=no
    said=$("$tenon" "$@" --limit $limits 2>&1 < /dev/null)
    [ $? -eq "$status" ] || fine=no
    grep -qE -- "--limit ([a-z-]+=N,? (or )?)?$name=N|--limit [a-z]+=N, $name=N" <<< "$said" ||
        fine=no
    result "$name: ${*//"$scratch/"/}" $fine "$plain"$'\n'"$said"
}

kinds=tests/data/kinds
deflated=tests/data/numpy/numpy2-deflated.npz
printf 'KEY | STATUS\na.{0...9}.weight | MISSING |\n' > "$scratch/folded.txt"
printf '\x80\2}r\xF4\1\0\0.' > "$scratch/memo.pkl"                    # number 500, of 9 bytes
printf '\x80\2(C\4\x80\2N.C\4\x80\2N.l.' > "$scratch/nested.pkl"      # two pickles in bytes
{ printf '\x80\2X\x20\x4E\0\0cos\nsystem\n)R.'; head -c 19986 /dev/zero | tr '\0' ' '; printf .; } \
    > "$scratch/text.pkl"                                             # 20000 bytes of text

limited header-bytes=10 2 ls $kinds/plain.safetensors
limited index-bytes=10 2 ls $kinds/schema.json
limited index-bytes=10 2 ls $kinds/listing.txt
limited index-bytes=10 2 ls $kinds/sharded-bin
limited index-bytes=1 2 ls tests/data/tensorflow/saver
limited index-bytes=10 2 ls tests/data/zips/old.pt
limited pickle-bytes=10 2 ls $kinds/zip.pth
limited pickle-bytes=10 2 ls $kinds/legacy.pth
limited pickle-nodes=10 2 ls $kinds/zip.pth
limited pickle-stack=1 2 ls $kinds/zip.pth
limited pickle-name=3 2 ls $kinds/zip.pth
limited pickle-memo=9 2 ls "$scratch/memo.pkl"
limited pickles=1 2 ls tests/data/numpy/numpy2-several.pkl
limited scanned-pickles=1 0 ls --globals $kinds/legacy.pth
limited nested-pickles=1 0 ls --globals "$scratch/nested.pkl"
limited nested-bytes=10k 0 ls --globals "$scratch/text.pkl"
head -c 3000 $kinds/zip.pth > "$scratch/cut.pth"                      # a zip without its directory
limited searched-bytes=99 0 ls --globals "$scratch/cut.pth"
# every format: by its directory where it has one, else by what it lists
for file in $kinds/plain.safetensors $kinds/zip.pth $kinds/legacy.pth $kinds/module.pt \
    $kinds/sharded-safetensors $kinds/schema.json $kinds/listing.txt tests/data/gguf/types.gguf \
    tests/data/mxnet/list.params tests/data/flax/model.msgpack tests/data/onnx/dense.onnx \
    tests/data/caffe/tiny.caffemodel tests/data/tensorflow/saver tests/data/folders/dcp \
    tests/data/folders/dcp_safetensors tests/data/folders/zero2 $deflated tests/data/zips/script.pt \
    tests/data/zips/export.pt2 tests/data/pickled/old.tar tests/data/keras/model.h5; do
    limited tensors=1 2 ls $file
done
limited containers=1 2 ls $kinds/training.ckpt
limited containers=0 2 ls $kinds/plain.safetensors
limited containers=1 2 ls tests/data/tensorflow/trained
limited containers=1 2 ls tests/data/zips/agent.zip
limited listing-bytes=0,listing-ratio=0 2 ls $kinds/zip.pth
limited listing-ratio=0,listing-bytes=0 2 ls tests/data/flax/model.msgpack
limited piece-pairs=0 0 ls tests/data/folders/dcp
limited piece-runs=1 0 ls tests/data/tensorflow/saver
limited shards=1 2 ls $kinds/sharded-safetensors
limited folder-files=1 2 ls $kinds/sharded-safetensors
limited inner-depth=0 2 ls tests/data/zips/hub.zip
limited depth=1 0 ls $kinds/training.ckpt
limited depth=1 2 ls tests/data/flax/model.msgpack
limited module-depth=1 0 ls $kinds/module.pt
limited zip-members=1 2 ls $kinds/zip.pth
limited zip-directory=9 2 ls $kinds/zip.pth
limited zip-ratio=1 2 ls $deflated
limited zip-ratio=0 2 ls $deflated
limited inflate-bytes=1 2 ls $deflated
limited string-bytes=1 2 ls tests/data/gguf/keys.gguf
limited string-bytes=1 2 ls tests/data/mxnet/v2.params
limited entries=1 2 ls tests/data/gguf/keys.gguf
limited sparse-bytes=1 2 ls --stats tests/data/pickled/sparse.pth
limited dense-bytes=1 0 ls tests/data/pickled/sparse.pth
limited expanded-bytes=1 2 ls --stats tests/data/golden/views.pth
limited expanded-bytes=1 0 check tests/data/golden/views.pth
limited folded-bytes=9 0 ls "$scratch/folded.txt"
limited objects=1 0 ls --all $kinds/training.ckpt
if grep -q H5Fopen "$tenon"; then
    # a sanitizer's child is not bounded: it reserves more than any limit
    if grep -q __asan_init "$tenon"; then tried+="child-memory "
    else limited child-memory=0 2 ls tests/data/keras/model.h5; fi
    limited index-bytes=500 2 ls tests/data/keras/model.h5
    limited index-bytes=2500 2 ls tests/data/keras/model.h5
    limited child-seconds=0 2 ls tests/data/keras/model.h5
else
    tried+="child-memory child-seconds "
fi

# what servers do is tried by tests/remote/run.py
for name in cache spool seconds tries redirects; do
    grep -q "remote-$name=" tests/remote/*.py && tried+="remote-$name "
done

absent=
for name in $(sed -nE 's/^    X\(LIMIT_[A-Z_]+, "([a-z-]+)".*/\1/p' loader/core/limits.h); do
    [[ $tried == *" $name "* ]] || absent+="$name "
done
[ -z "$absent" ] && fine=yes || fine=no
result "every limit has a line" $fine "$absent"
echo "1..$number"
[ $failures -eq 0 ]
