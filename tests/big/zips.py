#!/usr/bin/env python3
"""Zips over 4 GiB and with more than 65535 members, sparse on disk: what 32 and 16 bits cannot count.

Speaks TAP; needs nothing but Python's standard library, and a file system that keeps holes (without
one it needs 5 GB for a moment). Not part of `make check`: run by `make check-big`.
"""
import json
import os
import struct
import subprocess
import sys
import zlib

import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TENON = os.path.abspath(os.environ.get("TENON", os.path.join(ROOT, "tenon")))
LARGE = (1 << 32) + 64          # bytes of a storage
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def tensor(kind, key, numel, first=0, count=None):
    """_rebuild_tensor_v2 of `count` elements from `first` on."""
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\n" + kind.encode() +
            b"\n" + text(key) + text("cpu") + number(numel) + b"tQ" + number(first) + b"(" +
            number(count if count is not None else numel) + b"t(K\x01t\x89ccollections\nOrderedDict\n)RtR")


def state_dict(tensors):
    return b"}(" + b"".join(text(name) + value for name, value in tensors) + b"u."


class Zip:
    """As PyTorch's writer lays it out: descriptors behind the data, zip64 where it must."""

    def __init__(self, path):
        self.out = open(path, "wb")
        self.at, self.directory, self.count = 0, [], 0

    def skip(self, n):
        self.at += n
        self.out.seek(self.at)

    def put(self, data):
        self.out.write(data)
        self.at += len(data)

    def add(self, name, data=b"", hole=0):
        """A record of `data`, or of a hole."""
        name, size, header = name.encode(), hole or len(data), self.at
        wide = struct.pack("<QQ", size, size) if size >= FULL32 else b""
        far = struct.pack("<Q", header) if header >= FULL32 else b""
        extra = struct.pack("<HH", 1, len(wide + far)) + wide + far if wide + far else b""
        pad = -(header + 30 + len(name) + len(extra) + 4) % 64
        local = extra + b"FB" + struct.pack("<H", pad) + b"Z" * pad
        crc = 0 if hole else zlib.crc32(data)
        self.put(struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 0, 0x808, 0, 0, 0, 0, 0, 0, len(name), len(local)))
        self.put(name + local)
        if hole:
            self.skip(hole)
        self.put(data)
        form = "<4sIQQ" if extra else "<4sIII"
        self.put(struct.pack(form, b"PK\7\x08", crc, size, size))
        self.directory.append(struct.pack(
            "<4sHHHHHHIIIHHHHHII", b"PK\1\2", 0, 0, 0x808, 0, 0, 0, crc, min(size, FULL32),
            min(size, FULL32), len(name), len(extra), 0, 0, 0, 0, min(header, FULL32)) + name + extra)
        self.count += 1

    def close(self):
        start, directory = self.at, b"".join(self.directory)
        self.put(directory)
        end = self.at
        self.put(struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 0x31E, 45, 0, 0, self.count, self.count,
                             len(directory), start))
        self.put(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        self.put(struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, min(self.count, FULL16),
                             min(self.count, FULL16), min(len(directory), FULL32),
                             min(start, FULL32), 0))
        self.out.close()


def tenon(*args):
    return subprocess.run([TENON, *args], capture_output=True, text=True, check=False)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def listed(path):
    got = tenon("ls", "--json", path)
    check(got.returncode == 0, got.stderr)
    check("note:" not in tenon("ls", path).stdout, "there are findings")
    return {one["key"]: one for one in json.loads(got.stdout)["tensors"]}


def values(path, key, folder):
    """The bytes of one tensor, through an aligned safetensors file."""
    out = os.path.join(folder, "out.safetensors")
    if os.path.exists(out):
        os.unlink(out)
    got = tenon("align", path, schema(folder, key, path), "-o", out)
    check(got.returncode == 0, got.stderr)
    with open(out, "rb") as file:
        head = struct.unpack("<Q", file.read(8))[0]
        entry = json.loads(file.read(head))[key]
        file.seek(8 + head + entry["data_offsets"][0])
        return file.read(entry["data_offsets"][1] - entry["data_offsets"][0])


def schema(folder, key, path):
    target = os.path.join(folder, "target.json")
    with open(target, "w", encoding="utf-8") as file:
        json.dump({"tensors": [{name: one[name] for name in ("key", "dtype", "shape")}
                               for one in listed(path).values() if one["key"] == key]}, file)
    return target


def large_storage(folder):
    """A storage of more than 4 GiB, and one whose local header lies beyond."""
    path = os.path.join(folder, "large.pth")
    made = Zip(path)
    made.add("large/data.pkl", state_dict([
        ("large", tensor("ByteStorage", "0", LARGE)), ("end", tensor("ByteStorage", "0", LARGE, LARGE - 4, 4)),
        ("small", tensor("FloatStorage", "1", 3))]))
    made.add("large/data/0", hole=LARGE)
    made.add("large/data/1", struct.pack("<3f", 1.5, 2.5, 3.5))
    made.add("large/version", b"3\n")
    made.close()
    got = listed(path)
    check(got["large"]["bytes"] == LARGE, got["large"])
    check(got["end"]["offset"] == LARGE - 4, got["end"])
    check(values(path, "small", folder) == struct.pack("<3f", 1.5, 2.5, 3.5), "the values of small")
    check(values(path, "end", folder) == bytes(4), "the values of end")


def far_archive(folder):
    """A TorchScript whose pickles, code and directory all lie beyond 4 GiB."""
    path = os.path.join(folder, "far.pt")
    made = Zip(path)
    made.add("far/data/0", hole=LARGE)
    made.add("far/data/1", struct.pack("<2f", 4, 5))
    made.add("far/data.pkl", b"\x80\x02c__torch__\nNet\n)\x81}(" + text("w") +
             tensor("FloatStorage", "1", 2) + text("b") + tensor("ByteStorage", "0", LARGE, 0, 2) + b"ub.")
    made.add("far/constants.pkl", b"\x80\x02).")
    made.add("far/code/__torch__.py",
             b'class Net(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = ["b", ]\n')
    made.add("far/version", b"3\n")
    made.close()
    check(list(listed(path)) == ["w", "b"], listed(path))
    check(values(path, "w", folder) == struct.pack("<2f", 4, 5), "the values of w")


def many_members(folder):
    """More members than 16 bits count."""
    path = os.path.join(folder, "many.pth")
    made, count = Zip(path), 70000
    made.add("many/data.pkl", state_dict([(f"w{i}", tensor("FloatStorage", str(i), 1)) for i in range(count)]))
    for i in range(count):
        made.add(f"many/data/{i}", struct.pack("<f", i))
    made.add("many/version", b"3\n")
    made.close()
    got = listed(path)
    check(len(got) == count, len(got))
    check(values(path, "w69999", folder) == struct.pack("<f", 69999), "the value of w69999")


def zip_in_zip(folder):
    """A checkpoint of more than 4 GiB stored in a zip, which stays where it is."""
    inner, path = os.path.join(folder, "large.pth"), os.path.join(folder, "hub.zip")
    size = os.path.getsize(inner)
    made = Zip(path)
    made.add("large.pth", hole=size)
    made.close()
    with open(path, "r+b") as out, open(inner, "rb") as source:
        head = out.read(30)
        start = 30 + sum(struct.unpack("<HH", head[26:30]))
        for at in (0, LARGE - (1 << 20)):       # what is no hole: both ends
            source.seek(at)
            out.seek(start + at)
            out.write(source.read((1 << 20) if at == 0 else size - at))
    check(values(path, "small", folder) == struct.pack("<3f", 1.5, 2.5, 3.5), "the values of small")


def main():
    return tap.run((large_storage, zip_in_zip, far_archive, many_members))


if __name__ == "__main__":
    sys.exit(main())
