#!/usr/bin/env python3
"""Peak memory of an export: the buffer and 64 MB, however large a tensor is; and so much for each name."""
import json
import os
import struct
import subprocess
import sys

from help import TENON, finish, place, result, skip, tenon

# A small process between: a child's peak begins at that of the process it was forked from.
PEAK = "import os, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ); " \
       "_, status, usage = os.wait4(pid, 0); print(usage.ru_maxrss); sys.exit(os.waitstatus_to_exitcode(status))"
ROWS, COLUMNS, NAMES, EACH = 4096, 10240, 20000, 2.5e-3     # 168 MB; MB that a tensor's record and its neighbours take
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


def peak(source, code, out, buffer):
    """In MB; or what went wrong."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", PEAK, TENON, "align", "-q", source, "-e", code, "--force",
                           "--buffer", buffer, "-o", out], capture_output=True, text=True, check=False)
    return int(done.stdout) / 1024 if done.returncode == 0 else done.stderr


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
os.unlink(sources[1])
for out in ("out.safetensors", "out.pth"):
    one = peak(many, "rules [[ ** -> x.** |> T ]]", place(out), "1MiB")
    result(not isinstance(one, str) and one <= 65 + NAMES * EACH, f"{NAMES} tensors into {out}", one)
finish()
