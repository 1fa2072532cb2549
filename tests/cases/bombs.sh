#!/bin/bash
# Claims bombs: files of about 100 bytes that say they hold billions. Each is refused in words,
# with an address space that would not do for what it claims. (AddressSanitizer reserves more than
# that, so a build with it leaves the bound out; what is asserted otherwise stays.)
set -u
shopt -s lastpipe      # bomb, the last of a pipe, counts in this shell
cd "$(dirname "$0")/../.." || exit 1
tenon=$PWD/${TENON:-tenon}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export LC_ALL=C.UTF-8 NO_COLOR=1
number=0
failures=0
memory=400000   # KiB
grep -q __asan_init "$tenon" && memory=unlimited

result() {   # NAME OUTPUT FINE
    number=$((number + 1))
    if [ "$3" = yes ]; then
        echo "ok $number - $1"
    else
        failures=$((failures + 1))
        echo "not ok $number - $1"
        sed 's/^/# /' <<< "$2"
    fi
}

# Standard input is the file NAME; its refusal has the word WORDS (a pattern) and status 2.
bomb() {     # NAME WORDS [WHAT TO OPEN]
    mkdir -p "$(dirname "./$1")"
    cat > "$1"
    local said status fine=yes
    said=$(ulimit -v $memory; "$tenon" ls "${3:-$1}" 2>&1 < /dev/null)
    status=$?
    [ $status -eq 2 ] || fine=no
    grep -qE -- "$2" <<< "$said" || fine=no
    grep -qiE 'memory|Sanitizer' <<< "$said" && fine=no
    result "$1 ($(stat -c %s "$1") bytes)" "$said ($status)" "$fine"
}

n() { printf "\\x$1%.0s" $(seq "$2"); }   # byte $1 (hex), $2 times
most=$(printf '\\xFF%.0s' 1 2 3 4 5 6 7)'\x0F'      # about 2^60, little-endian

# GGUF: magic, version, tensors, keys
printf 'GGUF\3\0\0\0'"$most"'\0\0\0\0\0\0\0\0' | bomb tensors.gguf '--limit tensors=N'
printf 'GGUF\3\0\0\0\0\0\0\0\0\0\0\0'"$most" | bomb keys.gguf '--limit entries=N'
printf 'GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0'"$most"'key' |
    bomb key.gguf 'only 11 bytes follow'
printf 'GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0k\x09\0\0\0\4\0\0\0'"$most" |
    bomb array.gguf '--limit entries=N'

# MXNet: arrays; the rank of one
{ printf '\x12\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0'"$most"; n 00 60; } |
    bomb arrays.params 'its 84 bytes are too few'
{ printf '\x12\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\xCA\xFA\x93\xF9'
  printf '\0\0\0\0\xFF\xFF\xFF\x7F'
  n 00 60; } | bomb rank.params 'more than 32 dimensions'

# msgpack: map32, array32, bin32, str32, ext32
for kind in df dd c6 db; do
    printf '\x81\xA6params\x81\xA1w\x'$kind'\xFF\xFF\xFF\xFF' |
    bomb $kind.msgpack 'and 0 are left'
done
printf '\x81\xA6params\x81\xA1w\xC9\xFF\xFF\xFF\xFF\1\x93' |
    bomb ext.msgpack 'and 1 are left'
printf '\xDF\xFF\xFF\xFF\xFF\xA6params\x80' | bomb top.msgpack 'no UTF-8'

# Protobuf: an ONNX model whose graph, and a Caffe network whose layer, are longer than the file
printf '\x08\x08\x12\4test\x3A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x0A\0' |
    bomb graph.onnx 'field 7 claims'
printf '\x0A\3net\xA2\6\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F' |
    bomb layer.caffemodel 'field 100 claims'

# TensorFlow: a footer whose handles are far outside, or as long as 2^60
handle='\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x0F'
{ n 00 48; printf "$handle$handle$handle$handle"'\0\0\0\0\x57\xFB\x80\x8B\x24\x75\x47\xDB'; } |
    bomb model.index 'does not lie in the file'
{ n 00 48; printf '\0\0\0'"$handle"; n 00 28; printf '\x57\xFB\x80\x8B\x24\x75\x47\xDB'; } |
    bomb long.index 'does not lie in the file'

# npy: the length of the header; the sizes in it
printf '\x93NUMPY\2\0\xFF\xFF\xFF\xFF{}' | bomb header.npy 'its header claims'
shape="{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 2), }"
printf '\x93NUMPY\1\0\x50\0%-79s\n' "$shape" | bomb shape.npy 'more elements than 63 bits'
shape=${shape/4611686018427387904, 2/1152921504606846975,}
printf '\x93NUMPY\1\0\x50\0%-79s\n' "$shape" | bomb long.npy '0 are there'

# zip: members and bytes of the directory, in 16 and in 64 bits
{ printf 'PK\3\4'; n 00 60; printf 'PK\5\6\0\0\0\0\xFE\xFF\xFE\xFF\x3C\0\0\0\4\0\0\0\0\0'; } |
    bomb count.zip 'no end record'
{ printf 'PK\3\4'; n 00 30
  printf 'PK\6\6\x2C\0\0\0\0\0\0\0\x2D\0\x2D\0\0\0\0\0\0\0\0\0'"$most$most$most"'\0\0\0\0\0\0\0\0'
  printf 'PK\6\7\0\0\0\0\x22\0\0\0\0\0\0\0\1\0\0\0'
  printf 'PK\5\6\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0'; } |
    bomb count64.zip 'no end record'

# pickle: lengths of 4 and 8 bytes, memo numbers, frames
printf '\x80\4]\x8B\xFF\xFF\xFF\x7F.' | bomb long4.pkl 'LONG4.*the file ends'
printf '\x80\4]\x8D'"$most"'.' | bomb unicode8.pkl 'BINUNICODE8.*the file ends'
printf '\x80\4]\x8E'"$most"'.' | bomb bytes8.pkl 'BINBYTES8.*the file ends'
printf '\x80\5\x96'"$most"'.' | bomb bytearray8.pkl 'BYTEARRAY8.*the file ends'
printf '\x80\4]r\xFF\xFF\xFF\xFF.' | bomb memo.pkl 'memo.*--limit pickle-memo=N'
printf '\x80\4]p99999999999999999999\n.' | bomb memo-text.pkl 'no memo index'
printf '\x80\4\x95'"$most"']\x94.' | bomb frame.pkl 'no format that tenon knows'

# safetensors: the length of the header; sizes
printf '\xFF\xE0\xF5\5\0\0\0\0{"a":1}' | bomb header.safetensors 'the file ends after 7'
printf "$most"'{"a":1}' | bomb far.safetensors '--limit header-bytes=N'
text='{"a":{"dtype":"F32","shape":[1152921504606846975],"data_offsets":[0,4611686018427387900]}}'
printf '\x5A\0\0\0\0\0\0\0%-90s' "$text" | bomb shape.safetensors 'more than 64 bits'
text='{"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,4]}}'
printf '\x5A\0\0\0\0\0\0\0%-90s1234' "$text" | bomb wraps.safetensors 'more than 64 bits'

# HDF5: a superblock whose file is said to be 2^60 bytes long, with its group there
{ printf '\x89HDF\r\n\x1A\n\0\0\0\0\0\x08\x08\0\4\0\x10\0\0\0\0\0'; n 00 8; n FF 8
  printf "$most"; n FF 8; printf '\0\0\0\0\0\0\0\0'"$most"'\1\0\0\0\0\0\0\0'"$most$most"; } |
    bomb superblock.h5 'truncated file'

# DCP: the metadata of a folder
printf '\x80\4\x8D'"$most"'.' | bomb lengths/.metadata 'BINUNICODE8' lengths
printf '\x80\4}r\xFF\xFF\xFF\xFF.' | bomb memo/.metadata 'memo' memo

echo "1..$number"
[ $failures -eq 0 ]
