#!/usr/bin/env python3
"""Peak memory of an export: the buffer and 64 MB, however large a tensor is, and 115 MB for very many of them."""
import json
import os
import struct
import subprocess
import sys

from help import ROOT, TENON, finish, place, result, skip, tenon, write

# A small process between: a child's peak begins at that of the process it was forked from, and the calls
# that read and write are its parent's when it has ended (0: the system does not count them).
PEAK = """
import os, sys
def calls():
    if not os.path.exists("/proc/self/io"):
        return 0
    with open("/proc/self/io") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith(("syscr", "syscw")))
before = calls()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, calls() - before)
sys.exit(os.waitstatus_to_exitcode(status))
"""
ROWS, COLUMNS, NAMES = 4096, 10240, 94000     # 168 MB
OPS = {
    "names": "rules [[ a -> b ]]", "transposed": "rules [[ a -> b |> T ]]", "cast": 'rules [[ a -> b |> cast("bf16") ]]',
    "transposed and cast": 'rules [[ a -> b |> T, cast("f16") ]]', "split": "rules [[ a -> b, c |> split(2, 1) ]]",
    "rotary rows": "rules [[ a -> b |> rope_pairs(8) ]]", "scaled": "rules [[ a -> b |> mul(2) ]]",
    "all axes moved": "rules [[ a -> b |> reshape(64, 64, 64, 160), permute(3, 1, 0, 2) ]]",
    "reshaped after": "rules [[ a -> b |> T, reshape(-1, 512, 8) ]]",
}


def holes(path, tensors):
    """A .safetensors of zeros that take no room."""
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 4 * shape[0] * shape[1]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    return path


def gguf(path, kind, size):
    """A matrix of that type of GGML, of zeros that take no room."""
    name, head = b"general.architecture", b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    head += struct.pack("<Q", len(name)) + name + struct.pack("<IQ", 8, 5) + b"llama"
    head += struct.pack("<Q", 1) + b"a" + struct.pack("<IQQIQ", 2, COLUMNS, ROWS, kind, 0)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32))
        file.truncate(len(head) + -len(head) % 32 + size)
    return path


def hdf5():
    """What make_holes.py made, as long as it was."""
    path = place("holes.h5")
    with open(os.path.join(ROOT, "tests", "data", "export", "holes.h5"), "rb") as head:
        data = write(path, head.read())
    os.truncate(path, os.path.getsize(data) + 4 * ROWS * COLUMNS)
    return path


def run(source, code, out, buffer):
    """Peak memory in MB, and calls that read and write; or what went wrong. What is in no file is no bomb here."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", PEAK, TENON, "align", "-q", source, "-e", code, "--force",
                           "--buffer", buffer, "--limit", "zip-ratio=1000000", "-o", out],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr, 0
    held, calls = done.stdout.split()
    return int(held) / 1024, int(calls)


def peak(*args):
    return run(*args)[0]


if "ASAN_OPTIONS" in os.environ:
    skip("peak memory", "sanitizers take more")
    finish()
large = holes(place("large.safetensors"), {"a": [ROWS, COLUMNS]})
many = holes(place("many.safetensors"), {f"layers.{i // 6}.{'abcdef'[i % 6]}_proj.weight": [8, 4] for i in range(NAMES)})
sources = [large, place("large.pth")]
tenon("align", "-q", large, "-o", sources[1])
for i, (name, code) in enumerate(OPS.items()):
    buffer, most = (("1MiB", 65.1), ("64MB", 128))[i % 2]
    one = peak(sources[i // 2 % 2], code, place("out.pth" if i % 3 else "out.safetensors"), buffer)
    result(not isinstance(one, str) and one <= most, f"{name}, --buffer {buffer}", one)
for source in sources:
    os.unlink(source)
values = ROWS * COLUMNS
for kind, source, drop in (("GGUF q8_0", gguf(place("q8_0.gguf"), 8, values // 32 * 34), ""),
                           ("GGUF q4_k", gguf(place("q4_k.gguf"), 12, values // 256 * 144), ""),
                           ("GGUF f16", gguf(place("f16.gguf"), 1, values * 2), ""),
                           ("HDF5 in chunks", place("holes.h5"), "whole"), ("HDF5 in a piece", place("holes.h5"), "chunks")):
    if source.endswith("h5") and "without libhdf5" in tenon("ls", hdf5())[2]:
        skip(kind, "tenon is built without libhdf5")
        continue
    rest = f"rules [[ {drop} -> ]]" if drop else ""
    for name, op, buffer, most in (("transposed", 'cast("f32"), T', "64MB", 128), ("cast", 'cast("bf16")', "1MiB", 65.1)):
        one = peak(source, f"{rest} rules [[ * -> b |> {op} ]]", place("out.pth"), buffer)
        result(not isinstance(one, str) and one <= most, f"{kind}, {name}, --buffer {buffer}", one)
    os.unlink(source)
for form in ("safetensors", "pth"):
    source = many if form == "safetensors" else place("many.pth")
    if form == "pth":
        tenon("align", "-q", many, "-o", source)
    for out in ("out.safetensors", "out.pth"):
        one, calls = run(source, "rules [[ ** -> x.** |> T ]]", place(out), "1MiB")
        result(not isinstance(one, str) and one <= 115, f"{NAMES} tensors of a .{form} into {out}", one)
        result(calls <= NAMES / 4, f"{NAMES} tensors of a .{form} into {out}: not one call each", calls)
finish()
