#!/usr/bin/env python3
"""What opening takes, by what is in the header and not by what the weights weigh: a checkpoint of 40 GB
that is a hole, and headers of hundreds of thousands of tensors; and what writing a tensor of 10 GB takes.

Speaks TAP; needs nothing but Python's standard library. Not part of `make check`: run by
`make check-big`.
"""
import os
import struct
import subprocess
import sys

import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TENON = os.path.abspath(os.environ.get("TENON", os.path.join(ROOT, "tenon")))
KILO, MEGA = 1000, 1000 * 1000
NAME = "model.layers.{}.mlp.experts.{}.w{}.weight"


def written(path, code, out, bound):
    """The most memory that writing what the rules say of it takes."""
    child = subprocess.Popen([TENON, "align", "-q", path, "-e", code, "-o", out])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode, held = os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
    size = os.path.getsize(out)
    os.unlink(out)
    if child.returncode or held > bound:
        raise AssertionError(f"exit status {child.returncode}, {held} bytes of memory, {bound} were allowed")
    print(f"# {code}: {held / MEGA:.1f} MB for {size / MEGA:.1f} MB")


def listed(path):
    """How many names `ls -q` gives, and the most memory that it held, in bytes."""
    with open(os.devnull, "w", encoding="ascii") as nowhere:
        child = subprocess.Popen([TENON, "ls", "-q", path], stdout=subprocess.PIPE, stderr=nowhere)
        count = sum(1 for _ in child.stdout)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise AssertionError(f"exit status {child.returncode}")
    return count, usage.ru_maxrss * 1024


def safetensors(path, count, elements):
    entries, at, size = [], 0, 4 * elements
    for i in range(count):
        name = NAME.format(i // 3000, i // 3 % 1000, i % 3)
        entries.append(f'"{name}":{{"dtype":"F32","shape":[{elements}],"data_offsets":[{at},{at + size}]}}')
        at += size
    header = ("{" + ",".join(entries) + "}").encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        out.truncate(8 + len(header) + at)


def gguf(path, count):
    at, infos = 0, bytearray()
    for i in range(count):
        name = NAME.format(i // 3000, i // 3 % 1000, i % 3).encode()
        infos += struct.pack("<Q", len(name)) + name + struct.pack("<IQIQ", 1, 8, 0, at)
        at += 32
    head = b"GGUF" + struct.pack("<IQQ", 3, count, 0) + infos
    with open(path, "wb") as out:
        out.write(head)
        out.truncate(-(-len(head) // 32) * 32 + at)


def make(kind, *args):
    """In a process of its own: what a process held before it became another counts as the other's."""
    subprocess.run([sys.executable, os.path.abspath(__file__), kind, *map(str, args)], check=True)


def check(path, count, bound):
    got, held = listed(path)
    if got != count:
        raise AssertionError(f"{got} names instead of {count}")
    if held > bound:
        raise AssertionError(f"{held} bytes of memory, more than {bound}")
    print(f"# {os.path.basename(path)}: {held / MEGA:.1f} MB")


def forty_gigabytes(folder):
    """40 GB of weights take no more than a program that does nothing."""
    path = os.path.join(folder, "forty.safetensors")
    make("safetensors", path, 400, 25 * MEGA)
    check(path, 400, 24 * MEGA)


def header_of_safetensors(folder):
    """900,000 tensors of a safetensors header: 400 bytes each."""
    path = os.path.join(folder, "many.safetensors")
    make("safetensors", path, 900 * KILO, 1)
    check(path, 900 * KILO, 900 * KILO * 400)


def header_of_gguf(folder):
    """A million tensors of a GGUF header: 500 bytes each."""
    path = os.path.join(folder, "many.gguf")
    make("gguf", path, MEGA)
    check(path, MEGA, MEGA * 500)


def one_of_ten_gigabytes(folder):
    """One tensor of 10 GB, cast and summed over its rows: the buffer and 64 MB."""
    path, side = os.path.join(folder, "ten.safetensors"), 50 * KILO
    text = f'{{"a":{{"dtype":"F32","shape":[{side},{side}],"data_offsets":[0,{4 * side * side}]}}}}'.encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + 4 * side * side)
    for code in ("rules [[ a -> a |> mean(0) ]]", 'rules [[ a -> a |> cast("f8_e4m3") ]]'):
        written(path, code, os.path.join(folder, "out.pth"), 128 * MEGA)


def main():
    if len(sys.argv) > 1:
        made = safetensors if sys.argv[1] == "safetensors" else gguf
        made(sys.argv[2], *map(int, sys.argv[3:]))
        return 0
    return tap.run((forty_gigabytes, header_of_safetensors, header_of_gguf, one_of_ten_gigabytes))


if __name__ == "__main__":
    sys.exit(main())
