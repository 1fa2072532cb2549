#!/usr/bin/env python3
"""--in-place and undo: killed at every write, the file is the old one or the new one, and opens."""
import json
import os
import shutil
import struct
import zipfile

from help import (ROOT, Faults, crc32, finish, floats, model, place, read, result, safetensors, skip, tenon,
                  write)

RENAME = 'strip "module."'
EIO, ENOSPC = 5, 28


def names(path):
    """The keys, as tenon lists them; None when it does not open."""
    status, out, _ = tenon("ls", "--json", path)
    return [tensor["key"] for tensor in json.loads(out)["tensors"]] if status == 0 else None


def whole_zip(path):
    """Python reads the directory in its own way, and every CRC."""
    with zipfile.ZipFile(path) as file:
        return file.testzip() is None


faults = Faults()


def every_call(label, original, opens=lambda path: True, command=None):
    """Kills and fails at each call; `opens`: what holds besides, of old and new files."""
    path = place("every", os.path.basename(original))
    args = command or ("align", "-q", path, "-e", RENAME, "--in-place")
    shutil.copy(original, path)
    old = names(path)
    *_, err, calls = faults.run(*args)
    new = names(path)
    result(calls >= 3 and old != new and opens(path), f"{label}: {calls} calls", err)
    for half in (False, True):
        bad = []
        for at in range(1, calls + 1):
            shutil.copy(original, path)
            faults.run(*args, at=at, half=half)
            there = names(path)                        # also mends what needs it
            if there not in (old, new) or not opens(path):
                bad.append((at, "neither old nor new", there))
            status, _, err = tenon(*args)              # goes on from there; renamed already: nothing
            if status or names(path) != new:
                bad.append((at, "cannot be done again", err))
            status, _, err = tenon("undo", path)
            if status or read(path) != read(original) or leftovers(path):
                bad.append((at, "undo", err, leftovers(path)))
        result(not bad, f"{label}: killed {'in the middle of' if half else 'before'} each call", bad[:4])
    for number in (EIO, ENOSPC):
        bad = []
        for at in range(1, calls + 1):
            shutil.copy(original, path)
            status, _, err, _ = faults.run(*args, at=at, errno=number)
            there = names(path)
            if there not in (old, new) or (status == 0) != (there == new):
                bad.append((at, status, err, there))
            tenon("undo", path)
            if read(path) != read(original):
                bad.append((at, "not the same after undo"))
            for name in leftovers(path):
                os.unlink(place("every", name))
        result(not bad, f"{label}: errno {number} at each call", bad[:4])
    # and the way back, killed at each of its calls
    shutil.copy(original, path)
    tenon(*args)
    *_, calls = faults.run("undo", path)
    bad = []
    for at in range(1, calls + 1):
        for half in (False, True):
            shutil.copy(original, path)
            tenon(*args)
            faults.run("undo", path, at=at, half=half)
            there = names(path)
            if there not in (old, new):
                bad.append((at, there))
            tenon("undo", path)
            if names(path) != old or read(path) != read(original) or leftovers(path):
                bad.append((at, half, names(path) == old, leftovers(path)))
    result(calls >= 2 and not bad, f"{label}: undo killed at each of {calls} calls", bad[:4])


def leftovers(path):
    folder = os.path.dirname(path)
    return [name for name in os.listdir(folder) if name.startswith(".") and "tenon" in name]


plain = safetensors(place("plain.safetensors"), model(4))
torch = place("net.pth")
tenon("align", "-q", plain, "-o", torch)
if faults.why:
    skip("killed at every call", faults.why)
else:
    every_call("torch zip", torch)

# A rename on top of a rename, and both taken back; every way of reading agrees.
path = place("twice", "net.pth")
shutil.copy(torch, path)
for code in (RENAME, 'prefix "a."', 'prefix "b."'):
    status, out, err = tenon("align", path, "-e", code, "--in-place")
    result(status == 0 and "renamed in place" in out and whole_zip(path), f"in place: {code}", out + err)
result(names(path)[0] == "b.a.layers.0.weight", "three on top of one another", names(path))
status, out, err = tenon("check", path)
result(status == 0 and "hole" not in out and "tenon undo takes the change back" in out, "check knows it", out + err)
copy = place("twice", "copy.pth")
tenon("align", "-q", path, "-o", copy)
result(names(copy) == names(path) and whole_zip(copy), "exported from it", names(copy))
for wanted in ("a.layers.0.weight", "layers.0.weight", "module.layers.0.weight"):
    status, out, err = tenon("undo", path)
    result(status == 0 and names(path)[0] == wanted, f"undo to {wanted}", out + err)
status, out, err = tenon("undo", path)
result(status == 2 and "nothing to take back" in err and read(path) == read(torch), "nothing more to undo", err)

# Wherever the ends fall in a sector, they lie in one.
bad = []
for length in range(1, 130):
    shutil.copy(torch, path)
    tenon("align", "-q", path, "-e", f'prefix "{"m" * length}"', "--in-place")
    size = os.path.getsize(path)
    if (size - 98) // 512 != (size - 1) // 512 or not whole_zip(path):
        bad.append(length)
result(not bad, "the end records lie in one sector", bad)

# What is no pure rename is refused, with the reason, and nothing is written.
shutil.copy(torch, path)
for code, says in (('rules [[ module.layers.0.weight -> ]]', "is left out"),
                   ('rules [[ ** -> ** |> cast("f16") ]]', "is computed"),
                   ('rules [[ module.layers.0.weight -> a, b |> copy ]]', "is written under two names")):
    status, out, err = tenon("align", path, "-e", code, "--in-place")
    result(status == 2 and says in err and "-o" in err and read(path) == read(torch), f"refused: {says}", err)
for option in (("-o", place("x.pth")), ("--whole",), ("--to", "pth"), ("--shard-size", "5GB")):
    status, out, err = tenon("align", path, "-e", RENAME, "--in-place", *option)
    result(status == 2 and "does not go with it" in err and read(path) == read(torch), f"refused: {option[0]}", err)
status, out, err = tenon("align", os.path.join(ROOT, "tests/data/golden/plain.npz") if os.path.exists(
    os.path.join(ROOT, "tests/data/golden/plain.npz")) else place("none.npz"), "--in-place")
result(status == 2, "refused: another format", err)
status, out, err = tenon("undo", place("twice", "nobody.pth"))
result(status == 2 and "No such file" in err, "undo of nothing", err)

# Bytes behind a changed file belong to somebody else: undo keeps its hands off.
tenon("align", "-q", path, "-e", RENAME, "--in-place")
with open(path, "ab") as file:
    file.write(b"tail")
before = read(path)
status, out, err = tenon("undo", path)
result(status == 2 and "appended" in err and read(path) == before, "undo of what was appended to", err)

# The whole checkpoint stays around the weights.
rich = os.path.join(ROOT, "tests/data/golden")
tried = 0
for name in sorted(os.listdir(rich)):
    if not name.endswith(".pth"):
        continue
    path = place("rich", name)
    shutil.copy(os.path.join(rich, name), path)
    before, listed = read(path), names(path)
    status, out, err = tenon("align", "-q", path, "-e", 'prefix "in.place."', "--in-place")
    if status:
        if read(path) != before:
            result(False, f"refused and unchanged: {name}", err)
        continue
    tried += 1
    fine = whole_zip(path) and names(path) == ["in.place." + key for key in listed] and \
        tenon("undo", path)[0] == 0 and read(path) == before
    if not fine:
        result(False, f"renamed and back: {name}", (names(path), listed))
result(tried > 3, f"{tried} files of PyTorch renamed and back")
finish()
