#!/usr/bin/env python3
"""--in-place and undo: killed at every write, the file is the old one or the new one, and opens."""
import atexit
import fcntl
import json
import os
import shutil
import struct
import tempfile
import zipfile

from help import (ROOT, Faults, contents, finish, floats, model, place, read, result, safetensors, skip, tenon,
                  write)

RENAME = 'strip "module."'
EIO = 5


def names(path):
    """The keys, as tenon lists them; None when it does not open."""
    status, out, _ = tenon("ls", "--json", path)
    return [tensor["key"] for tensor in json.loads(out)["tensors"]] if status == 0 else None


def leftovers(path):
    folder = os.path.dirname(path)
    return [name for name in os.listdir(folder) if name.startswith(".") and "tenon" in name]


def whole_zip(path):
    """Python reads the directory in its own way, and every CRC."""
    with zipfile.ZipFile(path) as file:
        return file.testzip() is None


faults = Faults()


def every_call(label, original, code=RENAME, halves=(False, True), errors=(EIO,)):
    """Kills and fails at each call that changes a file."""
    path = os.path.join(os.path.dirname(original), "every", os.path.basename(original))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    args = ("align", "-q", path, "-e", code, "--in-place")
    shutil.copy(original, path)
    old = names(path)
    *_, err, calls = faults.run(*args)
    new = names(path)
    result(calls >= 3 and old != new, f"{label}: {calls} calls", err)
    for half in halves:
        bad = []
        for at in range(1, calls + 1):
            shutil.copy(original, path)
            faults.run(*args, at=at, half=half)
            there = names(path)                        # also mends what needs it
            if there not in (old, new):
                bad.append((at, "neither old nor new", there))
            status, _, err = tenon(*args)              # goes on from there; renamed already: nothing
            if status or names(path) != new:
                bad.append((at, "cannot be done again", err))
            status, _, err = tenon("undo", path)
            if status or read(path) != read(original) or leftovers(path):
                bad.append((at, "undo", err, leftovers(path)))
        result(not bad, f"{label}: killed {'in the middle of' if half else 'before'} each call", bad[:4])
    for number in errors:
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
                os.unlink(os.path.join(os.path.dirname(path), name))
        result(not bad, f"{label}: errno {number} at each call", bad[:4])
    # and the way back, killed at each of its calls
    shutil.copy(original, path)
    tenon(*args)
    *_, calls = faults.run("undo", path)
    bad = []
    for at in range(1, calls + 1):
        shutil.copy(original, path)
        tenon(*args)
        faults.run("undo", path, at=at, half=True)
        there = names(path)
        tenon("undo", path)
        if there not in (old, new) or read(path) != read(original) or leftovers(path):
            bad.append((at, there, leftovers(path)))
    result(calls >= 2 and not bad, f"{label}: undo killed at each of {calls} calls", bad[:4])


plain = safetensors(place("plain.safetensors"), model(4))
torch = place("net.pth")
tenon("align", "-q", plain, "-o", torch)
if faults.why:
    skip("killed at every call", faults.why)
else:
    every_call("torch zip", torch)

# Files that begin with their header need a file system that inserts blocks, unless the names fit.
disk = tempfile.mkdtemp(prefix="tenon-in-place-", dir=os.environ.get("TMPDIR", "/tmp"))
atexit.register(shutil.rmtree, disk, ignore_errors=True)


def gguf(path, tensors, keys=()):
    """A GGUF file of f32 tensors {name: (sizes, bytes)}."""
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for key, value in keys:
        header += text(key) + struct.pack("<I", 8) + text(value)
    at, values = 0, b""
    for name, (sizes, data) in tensors.items():
        header += text(name) + struct.pack("<I", len(sizes)) + struct.pack(f"<{len(sizes)}Q", *sizes)
        header += struct.pack("<IQ", 0, at)
        values += data + bytes(-len(data) % 32)
        at = len(values)
    return write(path, header + bytes(-len(header) % 32) + values)


SHORT, LONG = RENAME, "rules [[ module.** -> a.much.longer.name.than.there.was.** ]]"
longer = safetensors(os.path.join(disk, "model.safetensors"), model(4), {"format": "pt"})
names_of = {f"module.blk.{i}.weight": ([120, 90], floats(120, 90, i)) for i in range(4)}
llama = gguf(os.path.join(disk, "model.gguf"), names_of, [("general.architecture", "llama"), ("a.b", "c")])
probe = shutil.copy(longer, os.path.join(disk, "probe.safetensors"))
status, out, err = tenon("align", "-q", probe, "-e", LONG, "--in-place")
inserts = status == 0
if not inserts:
    result("neither clone nor insert" in err and "writes all" in err and read(probe) == read(longer) and not leftovers(probe),
           "where nothing can be inserted the price is told", err)
for kind, original in (("safetensors", longer), ("gguf", llama)):
    if faults.why:
        skip(f"{kind}: killed at every call", faults.why)
        continue
    if kind == "safetensors":
        every_call(f"{kind}, names that fit", original, SHORT, halves=(True,), errors=())
    if inserts and kind == "safetensors":
        every_call(f"{kind}, names that do not", original, LONG)
    elif inserts:
        every_call(f"{kind}, names that do not", original, LONG, halves=(True,), errors=())
    else:
        skip(f"{kind}: names that do not fit", "this file system inserts no blocks")

for kind, original in (("safetensors", longer), ("gguf", llama)) if inserts else ():
    path = os.path.join(disk, "values", os.path.basename(original))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copy(original, path)
    for code in (LONG, SHORT, 'prefix "b."', LONG, 'strip "b."', SHORT):
        status, out, err = tenon("align", "-q", path, "-e", code, "--in-place")
        if status and "at most 63" in err:
            continue
        copied = os.path.join(disk, "copied.safetensors")
        one = tenon("align", "-q", path, "-e", 'rules [[ **.{i}.{k:*} -> {i}.{k} ]]', "-o", copied, "--force")
        two = tenon("align", "-q", original, "-e", 'rules [[ **.{i}.{k:*} -> {i}.{k} ]]', "-o", copied + "2.safetensors",
                    "--force")
        tensors = [tenon("ls", "--stats", "-q", file)[1] for file in (copied, copied + "2.safetensors")]
        result(status == 0 and one[0] == 0 and tensors[0] == tensors[1], f"{kind}: the values after {code}",
               (err, one, two))
        status, out, err = tenon("check", path)
        result(status == 0 and "container ok" in out, f"{kind}: check after {code}", out + err)

# Models in shards: each shard, and then the index.
def every_call_of_shards(label, original, index, step):
    folder = original + ".every"
    path = os.path.join(folder, index)

    def named(at):                                     # by its index or by its folder: it is one model
        return path if at % 2 else folder

    def start():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(original, folder)

    start()
    before, old = contents(folder), names(path)
    args = ("align", "-q", folder, "-e", LONG, "--in-place")
    *_, err, calls = faults.run(*args)
    new = names(path)
    result(calls > 6 and new and new != old and new[0].startswith("a.much.longer."), f"{label}: {calls} calls", err)
    bad = []
    for at in range(1, calls + 1, step):
        start()
        faults.run(*args, at=at, half=True)
        there = names(named(at // 2))                  # the folder's name mends it, too
        status, _, err = tenon("undo", named(at))
        if there not in (old, new) or status != (2 if there == old else 0) or contents(folder) != before:
            bad.append((at, there and there[0], status, err, sorted(set(contents(folder)) - set(before))))
    result(not bad, f"{label}: killed in the middle of {'each' if step == 1 else 'every third'} call", bad[:3])
    if step > 1:
        return                                         # the rest is what the other kind of shards does
    bad = []
    for at in range(1, calls + 1, 3):
        start()
        status, _, err, _ = faults.run(*args, at=at, errno=EIO)
        if (names(path) != new if status == 0 else contents(folder) != before):
            bad.append((at, status, err, sorted(set(contents(folder)) - set(before))))
    result(not bad, f"{label}: an error at each call", bad[:3])
    start()
    tenon(*args)
    *_, calls = faults.run("undo", path)
    bad = []
    for at in range(1, calls + 1, 2):
        start()
        tenon(*args)
        faults.run("undo", named(at // 2), at=at, half=True)
        tenon("undo", named(at // 4))
        if names(path) != old or contents(folder) != before:
            bad.append((at, sorted(set(contents(folder)) - set(before))))
    result(not bad, f"{label}: undo killed at each call", bad[:3])


for kind, out, base in (("shards of .pth", "model.pth", place("sharded")),
                        ("shards of .safetensors", "model.safetensors", os.path.join(disk, "sharded"))):
    if out.endswith("safetensors") and not inserts:
        skip(kind, "this file system inserts no blocks")
        continue
    os.makedirs(base)
    tenon("align", "-q", plain, "--shard-size", "300kB", "-o", os.path.join(base, out))
    if faults.why:
        skip(kind, faults.why)
    else:
        every_call_of_shards(kind, base, out + ".index.json", 3 if out.endswith("safetensors") else 1)
    path = os.path.join(base, out + ".index.json")
    fresh = contents(base)
    text = json.loads(read(path))
    status, out, err = tenon("align", path, "-e", LONG, "--in-place")
    after = json.loads(read(path))
    result(status == 0 and after["metadata"] == text["metadata"] and sorted(after["weight_map"].values()) ==
           sorted(text["weight_map"].values()), f"{kind}: the index says the same", err)
    status, out, err = tenon("check", path)
    result(status == 0 and " error" not in out.replace(" 0 errors", ""), f"{kind}: check", out + err)
    undone = tenon("undo", base), contents(base) == fresh
    short = tenon("align", base, "-e", SHORT, "--in-place"), names(base)
    result(undone[0][0] == 0 and undone[1] and short[0][0] == 0 and "renamed in place" in short[0][1] and
           short[1][0] == "layers.0.other" and tenon("undo", path)[0] == 0 and contents(base) == fresh,
           f"{kind}: by its folder, and back", (undone, short))

# A folder of one file is that file; one of several is nothing that could be meant.
base = place("one")
os.makedirs(base)
shutil.copy(plain, os.path.join(base, "pytorch_model.bin"))
fresh = contents(base)
done = tenon("align", base, "-e", SHORT, "--in-place"), names(base), tenon("undo", base), contents(base) == fresh
result(done[0][0] == 0 and done[1][0] == "layers.0.weight" and done[2][0] == 0 and done[3], "a folder of one file", done)
shutil.copy(longer, os.path.join(base, "model.safetensors"))
fresh = contents(base)
done = tenon("align", base, "-e", SHORT, "--in-place"), tenon("undo", base)
result(all(one[0] == 2 and "2 copies of a model" in one[2] and "name the file" in one[2] for one in done) and
       contents(base) == fresh, "a folder of copies is refused", done)

# What is done is in nobody's way: many read it at once, and those who may only read.
if inserts:
    path = os.path.join(disk, "many", "model.safetensors")
    os.makedirs(os.path.dirname(path))
    shutil.copy(longer, path)
    tenon("align", "-q", path, "-e", LONG, "--in-place")
    with open(path, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        os.chmod(path, 0o444)
        result(names(path) is not None and leftovers(path), "a change that is done is in no reader's way")
        status, out, err = tenon("undo", path)
        result(status == 2 and "another tenon is changing it" in err, "one change at a time", err)
    os.chmod(path, 0o644)

# A journal of somebody else's file, or of another one of that name, is not believed.
path = os.path.join(disk, "foreign", "model.safetensors")
os.makedirs(os.path.dirname(path), exist_ok=True)
shutil.copy(longer, path)
tenon("align", "-q", path, "-e", SHORT, "--in-place")
shutil.copy(longer, path + ".new")
os.replace(path + ".new", path)
status, out, err = tenon("undo", path)
result(status == 2 and "of another file" in err and read(path) == read(longer), "a journal of another file", err)
journal = os.path.join(os.path.dirname(path), ".model.safetensors.tenon-undo")
write(journal, b"tenon undo 1\nP" + bytes(200))
status, out, err = tenon("ls", path)
result(status == 2 and "remove it" in err and read(path) == read(longer), "a damaged journal", err)
if os.geteuid() == 0:
    os.unlink(journal)
    tenon("align", "-q", path, "-e", SHORT, "--in-place")
    data = bytearray(read(journal))
    data[13:14] = b"P"
    write(journal, data)
    os.chown(journal, 12345, 12345)
    before = read(path)
    status, out, err = tenon("ls", path)
    result(status == 0 and read(path) == before and "complete" not in err, "a journal of another user", err)
else:
    skip("a journal of another user", "only root can make one")

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
for length in range(1, 130, 3):
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
