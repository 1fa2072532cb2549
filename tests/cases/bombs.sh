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

# A file that opens: a command whose output has WORDS and whose status is STATUS.
tells() {    # STATUS WORDS COMMAND…
    local want=$1 words=$2 said status fine=yes
    shift 2
    said=$(ulimit -v $memory; "$tenon" "$@" 2>&1 < /dev/null)
    status=$?
    [ $status -eq "$want" ] || fine=no
    grep -qE -- "$words" <<< "$said" || fine=no
    grep -qiE 'Cannot allocate|Sanitizer' <<< "$said" && fine=no
    result "$*" "$said ($status)" "$fine"
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

tells 0 'BYTEARRAY8.*the file ends' ls --globals bytearray8.pkl
tells 0 '--limit pickle-memo=N' ls --globals memo.pkl

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

# Shapes of 2^60 and more without values: GGUF, MXNet, ONNX, Caffe, Flax, listings, JSON
printf 'GGUF\3\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0w\1\0\0\0'"$most"'\0\0\0\0' |
    { cat; n 00 40; } | bomb shape.gguf 'but the file ends at byte'
{ printf '\x12\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\xC9\xFA\x93\xF9'
  printf '\0\0\0\0\1\0\0\0'"$most"'\1\0\0\0\0\0\0\0\0\0\0\0'; n 00 30; } |
    bomb shape.params 'its values need 4611686018427387900 bytes'
dims='\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x0F'
printf '\x08\x08\x12\1t\x3A\x15\x2A\x13'"$dims"'\x10\1\x42\1w\x4A\2\0\0' |
    bomb shape.onnx 'has more bytes than 64 bits can count'
printf '\x0A\1n\xA2\6\x25\x0A\1c\x12\x0BConvolution\x3A\x13\x3A\x0B\x0A\x09'"${dims#????}"'\x2A\4\0\0\0\0' |
    bomb shape.caffemodel 'needs 4611686018427387900 bytes, the storage has 4'
printf '\x81\xA1w\xC7\x15\1\x93\x91\xCF\x0F'"$(n FF 7)"'\xA7float32\xC4\0' |
    bomb shape.msgpack '1152921504606846975'
echo 'w (1152921504606846975, 4096)' | bomb listing.txt 'bits can count'
echo '{"tensors":[{"key":"w","dtype":"f32","shape":[1152921504606846975,4096]}]}' |
    bomb schema.json 'bits can count'

# Zips, and what only Python writes in a few lines
mkdir made
"${PYTHON:-python3}" - << 'END'
import io, struct, zipfile

MANY = 2**60 - 1


def pickle(elements, size, stride, view=b""):
    """A state dict of one tensor."""
    number = lambda value: b"L%dL\n" % value
    return (b"\x80\2}U\1wctorch._utils\n_rebuild_tensor_v2\n((U\7storagectorch\nFloatStorage\n"
            b"U\0010U\3cpu" + number(elements) + view + b"tQK\0(" + number(size) + b"t("
            + number(stride) + b"t\x89}tRs.")


def save(name, members):
    with zipfile.ZipFile("made/" + name, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)


def torch(name, content, record=b"1234"):
    save(name, {"a/data.pkl": content, "a/data/0": record, "a/version": b"3"})


torch("elements.pth", pickle(MANY, MANY, 1))
torch("repeated.pth", pickle(1, MANY, 0))
torch("strides.pth", pickle(1, 2, MANY))
torch("sparse.pth", b"\x80\2}U\1wctorch._utils\n_rebuild_sparse_tensor\n(ctorch.serialization\n"
      b"_get_layout\nU\x10torch.sparse_coo\x85R(" + pickle(0, 0, 1)[6:-2].replace(
          b"Float", b"Long").replace(b"(L0L\nt(L1L\nt", b"(K\1K\0t(K\0K\1t")
      + pickle(0, 0, 1)[6:-2] + b"(L%dL\ntttRs." % MANY, b"")
torch("inflates.pth", pickle(1, 1, 1))
data = bytearray(open("made/inflates.pth", "rb").read())
at = data.rindex(b"PK\1\2", 0, data.rindex(b"a/data/0"))
data[at + 10:at + 12] = struct.pack("<H", 8)
data[at + 24:at + 28] = struct.pack("<I", 2**32 - 2)
open("made/inflates.pth", "wb").write(data)
magic = b"\x80\2\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.\x80\2M\xE9\3.\x80\2}."
open("made/stream.pth", "wb").write(magic + pickle(MANY, MANY, 1, b"N") + b"\x80\2]U\0010a."
                                    + struct.pack("<Q", MANY) + b"1234")
head = bytearray(b"storages".ljust(124, b"\0") + b"77777777777\0" + b" " * 20
                 + b"0".ljust(101, b"\0") + b"ustar\0").ljust(512, b"\0")
head[148:156] = b"%06o\0 " % sum(head)
open("made/tar.pth", "wb").write(head)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# a block of TensorFlow's index that Snappy is to make 4 GiB of
block = b"\xFF\xFF\xFF\xFF\x0F\0a" + b"\1"
crc = crc32c(block)
block += struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
open("made/snappy.index", "wb").write(block + (b"\0\0" + b"\0\7").ljust(40, b"\0")
                                      + b"\x57\xFB\x80\x8B\x24\x75\x47\xDB")
npy = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }" % MANY
save("long.npz", {"a.npy": b"\x93NUMPY\1\0" + struct.pack("<H", len(npy)) + npy})
save("weights.pt2", {
    "p/archive_format": b"pt2", "p/models/model.json": b"{}", "p/data/weights/weight_0": b"1234",
    "p/data/weights/model_weights_config.json":
        b'{"config":{"w":{"path_name":"weight_0","is_param":true,"use_pickle":false,"tensor_meta":{'
        b'"dtype":7,"sizes":[%d],"strides":[1],"storage_offset":{"as_int":0},"layout":7}}}}' % MANY})
open("made/array.pkl", "wb").write(
    b"\x80\2}U\1wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1L%dL\n"
    b"\x85cnumpy\ndtype\nU\2f4K\0K\1\x87R(K\3U\1<NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFFK\0tb\x89U\0"
    b"tbs." % MANY)
save("old.pt", {"m/version": b"3", "m/model.json": b'{"protoVersion":"5","mainModule":{"parameters":'
                b'[{"isBuffer":false,"tensorId":"0","name":"w"}]},"tensors":[{"dims":["%d"],"offset":'
                b'"0","strides":["1"],"requiresGrad":true,"dataType":"FLOAT","data":{"key":"tensors/0"'
                b'},"device":"cpu"}]}' % MANY, "m/tensors/0": b"1234"})
END
bomb elements.pth 'needs 4611686018427387900 bytes, the storage has 4' < made/elements.pth
bomb strides.pth 'reaches to byte 4611686018427387904, the storage has 4' < made/strides.pth
tells 0 '^w +f32 +1152921504606846975 ' ls made/repeated.pth
tells 2 '--limit expanded-bytes=N' ls --stats made/repeated.pth
tells 0 '--limit expanded-bytes=N' check made/repeated.pth
tells 0 '--limit dense-bytes=N' ls made/sparse.pth
tells 0 '--limit dense-bytes=N' ls --stats made/sparse.pth
bomb inflates.pth 'claims to inflate more than deflate can' < made/inflates.pth
bomb stream.pth 'needs 4611686018427387900 bytes, the storage has 4' < made/stream.pth
bomb tar.pth 'of which members are missing' < made/tar.pth
bomb snappy.index 'claims a size that Snappy cannot have made' < made/snappy.index
bomb weights.pt2 'needs 4611686018427387900 bytes' < made/weights.pt2
bomb array.pkl 'its shape needs 4611686018427387900 bytes, 0 are given' < made/array.pkl
bomb long.npz '0 are there' < made/long.npz
bomb old.pt 'needs 4611686018427387900 bytes' < made/old.pt

# DCP: the metadata of a folder
printf '\x80\4\x8D'"$most"'.' | bomb lengths/.metadata 'BINUNICODE8' lengths
printf '\x80\4}r\xFF\xFF\xFF\xFF.' | bomb memo/.metadata 'memo' memo

echo "1..$number"
[ $failures -eq 0 ]
