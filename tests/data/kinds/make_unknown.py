#!/usr/bin/env python3
"""unknown.pth: tensors of types that no PyTorch has, beside one that can be read. Standard library
only: what PyTorch does not know it does not write."""
import os
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def tensor(version, storage, key, n, dtype=b""):
    return (b"ctorch._utils\n_rebuild_tensor_" + version + b"\n((" + text("storage") + b"c" + storage +
            b"\n" + text(key) + text("cpu") + b"K" + bytes([n]) + b"tQK\0(K" + bytes([n]) +
            b"t(K\x01t\x89ccollections\nOrderedDict\n)R" + dtype + b"tR")


FLOAT, UNTYPED = b"torch\nFloatStorage", b"torch.storage\nUntypedStorage"
TENSORS = [("plain", tensor(b"v2", FLOAT, "0", 2)),
           ("of a class", tensor(b"v2", b"torch\nFoo7Storage", "1", 4)),
           ("of a type", tensor(b"v3", UNTYPED, "2", 4, b"ctorch\nfloat3_foo\n")),
           ("bits", tensor(b"v3", UNTYPED, "3", 4, b"ctorch\nbits1x8\n"))]

with zipfile.ZipFile(os.path.join(HERE, "unknown.pth"), "w") as out:
    def add(name, data):
        out.writestr(zipfile.ZipInfo("unknown/" + name), data)
    add("data.pkl", b"\x80\x02}(" + b"".join(text(name) + value for name, value in TENSORS) + b"u.")
    add("data/0", bytes(8))
    for i in range(1, 4):
        add("data/%d" % i, bytes(4))
    add("version", "3\n")
