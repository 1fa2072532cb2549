#!/usr/bin/env python3
"""Writes the .params files of this folder, as MXNet's ndarray.cc does: one for each generation.

MXNet itself no longer installs, so this is a second, independent reading of its source.
Needs nothing but the standard library: python3 make_mxnet.py
"""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = {"f": 0, "d": 1, "e": 2, "B": 3, "i": 4, "b": 5, "q": 6, "?": 7, "h": 8, "H": 9, "I": 10, "Q": 11}
CPU = struct.pack("<ii", 1, 0)


def shape64(dims):
    return struct.pack(f"<i{len(dims)}q", len(dims), *dims)


def values(code, numbers):
    return struct.pack(f"<{len(numbers)}{code}", *numbers)


def oldest(dims, code, numbers):
    """Before V1: the rank stands where later a magic number does."""
    return (struct.pack(f"<I{len(dims)}I", len(dims), *dims) + CPU +
            struct.pack("<i", FLAGS[code]) + values(code, numbers))


def v1(dims, code, numbers):
    return (struct.pack("<I", 0xF993FAC8) + shape64(dims) + CPU + struct.pack("<i", FLAGS[code]) +
            values(code, numbers))


def v2(dims, code, numbers, magic=0xF993FAC9):
    return (struct.pack("<Ii", magic, 0) + shape64(dims) + CPU + struct.pack("<i", FLAGS[code]) +
            values(code, numbers))


def v3(dims, code, numbers):
    return v2(dims, code, numbers, 0xF993FACA)


def empty_v2():
    return struct.pack("<Ii", 0xF993FAC9, -1) + shape64(())


def unknown_v3():
    return struct.pack("<Ii", 0xF993FACA, 0) + struct.pack("<i", -1)


def sparse(kind, stored, dims, code, numbers, *indices):
    """kind 1 row_sparse, 2 csr; indices are lists of i64."""
    out = struct.pack("<Ii", 0xF993FAC9, kind) + shape64(stored) + shape64(dims) + CPU
    out += struct.pack("<i", FLAGS[code])
    for one in indices:
        out += struct.pack("<i", FLAGS["q"]) + shape64((len(one),))
    out += values(code, numbers)
    for one in indices:
        out += values("q", one)
    return out


def write(name, arrays, names=None):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(struct.pack("<QQQ", 0x112, 0, len(arrays)) + b"".join(arrays))
        names = names or []
        file.write(struct.pack("<Q", len(names)))
        for one in names:
            raw = one.encode()
            file.write(struct.pack("<Q", len(raw)) + raw)


WEIGHT = [0.5 * i - 3 for i in range(12)]
write("v0.params", [oldest((4, 3), "f", WEIGHT), oldest((4,), "f", [1, 2, 3, 4]), oldest((), "f", [])[:4]],
      ["arg:fc_weight", "arg:fc_bias", "aux:none"])
write("v1.params", [v1((4, 3), "f", WEIGHT), v1((2,), "d", [1.5, -2]), v1((3,), "B", [1, 2, 255])],
      ["arg:fc_weight", "arg:wide", "aux:bytes"])
write("v2.params", [v2((2, 1, 3, 2), "f", WEIGHT), v2((4,), "e", [1, 2, 3, 4]), v2((2,), "i", [-1, 7]),
                    v2((2,), "b", [-1, 7]), v2((2,), "q", [-1, 1 << 40]), empty_v2(),
                    v2((0, 3), "f", [])],
      ["arg:conv0_weight", "arg:bn_gamma", "int", "small", "aux:long", "lost", "nothing"])
write("v3.params", [v3((), "f", [2.5]), v3((3,), "?", [True, False, True]), v3((2,), "h", [-300, 300]),
                    v3((2,), "H", [1, 65535]), v3((1,), "I", [1 << 31]), v3((1,), "Q", [1 << 63]),
                    unknown_v3()],
      ["features.0.scale", "mask", "short", "ushort", "uint", "ulong", "unknown"])
write("list.params", [v2((2,), "f", [1, 2]), v2((1,), "f", [3])])
write("sparse.params", [sparse(1, (2, 3), (5, 3), "f", [1, 2, 3, 4, 5, 6], [0, 3]),
                        sparse(2, (4,), (3, 4), "f", [1, 2, 3, 4], [0, 2, 2, 4], [0, 2, 1, 3]),
                        v2((1,), "f", [9])],
      ["embedding", "adjacency", "dense"])
