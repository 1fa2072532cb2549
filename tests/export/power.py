#!/usr/bin/env python3
"""The power fails, and what was not synced is lost (loss.c): nothing half-written stands under a name, what
was reported as done is there, and a change in place is done or not, and can be taken back."""
import json
import os
import shutil
import tempfile

from help import Faults, contents, finish, model, place, read, result, safetensors, skip, tenon, write

SEEDS = (0, 1)
SHORT, LONG = 'strip "module."', "rules [[ module.** -> a.much.longer.name.than.there.was.** ]]"
loss = Faults("loss")
if loss.why:
    skip("the power fails", loss.why)
    finish()
source = safetensors(place("source.safetensors"), model(3))
out = place("out", "model.pth")
folder = os.path.dirname(out)


def start(before=None):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    if before is not None:
        write(out, before)


def each(args, look, prepare):
    """The power fails at each call, and behind the last one. *look says what is wrong then; *done: it was reported."""
    prepare()
    *_, calls = loss.run(*args)
    bad = []
    for at in range(1, calls + 2):
        for seed in SEEDS:
            prepare()
            status, _, err, _ = loss.run(*args, at=at, loss=seed)
            wrong = look(at > calls)
            if wrong or (at > calls and status):
                bad.append((at, calls, seed, wrong, status, err))
    return calls, bad


# What is written at once, where nothing is and over something else.
for name, code in (("renamed", SHORT), ("turned", "rules [[ module.** -> ** |> T ]]")):
    start()
    args = ("align", "-q", source, "-e", code, "--threads", "1", "-o", out)
    tenon(*args)
    wanted = read(out)

    def is_whole(done, old=None):
        there = read(out) if os.path.exists(out) else None
        return "" if there == wanted or (there == old and not done) else there and len(there)

    calls, bad = each(args, is_whole, start)
    result(calls > 4 and not bad, f"{name}: at each of {calls} calls", bad[:3])
    calls, bad = each((*args, "--force"), lambda done: is_whole(done, b"another file"), lambda: start(b"another file"))
    result(calls > 4 and not bad, f"{name}: over another file", bad[:3])

# What goes on afterwards, in one file and in shards.
for name, more in (("one file", ()), ("shards", ("--shard-size", "250kB"))):
    plan = place(name + ".json")
    tenon("align", "-q", source, "-e", "rules [[ module.** -> ** |> T ]]", "--plan", plan, *more)
    start()
    tenon("apply", "-q", plan, "-o", out)
    whole = contents(folder)
    args = ("apply", "-q", plan, "-o", out, "--resume", "--threads", "1")

    def is_finished(done):
        seen = {k: v for k, v in contents(folder).items() if not k.startswith(".")}
        if any(whole.get(k) != v for k, v in seen.items()) or (done and seen != whole):
            return "there", sorted(seen)
        if out + ".index.json" in seen and len(seen) < len(whole):
            return "an index before its shards"
        status, _, err = tenon(*args)
        seen = {k: v for k, v in contents(folder).items() if not k.startswith(".")}
        return "" if seen == whole and (status == 0 or "is there already" in err) else ("later", err, sorted(seen))

    calls, bad = each(args, is_finished, start)
    result(calls > 4 and not bad, f"--resume, {name}: at each of {calls} calls, then gone on with", bad[:3])


# Changes in place.
def names(path):
    status, listed, _ = tenon("ls", "--json", path)
    return [tensor["key"] for tensor in json.loads(listed)["tensors"]] if status == 0 else None


def in_place(label, original, code, inside=""):
    """`original` is a folder; the model is the file `inside` of it."""
    def prepare():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(original, folder)

    path = os.path.join(folder, inside)
    args = ("align", "-q", path, "-e", code, "--in-place")
    prepare()
    before, old = contents(folder), names(path)
    status, _, err = tenon(*args)
    if status:
        return skip(label, err.strip())
    new = names(path)

    def is_settled(done):
        there = names(path)                            # also mends what needs it
        if there not in ((new,) if done else (old, new)):
            return "neither old nor new", there and there[0]
        status, _, err = tenon(*args)
        if status or names(path) != new:
            return "cannot be done again", err
        status, _, err = tenon("undo", path)
        seen = {k: v for k, v in contents(folder).items() if k in before}
        return "" if status == 0 and seen == before else ("undo", err)

    calls, bad = each(args, is_settled, prepare)
    result(calls > 2 and old != new and not bad, f"{label}: at each of {calls} calls", bad[:3])

    def changed():
        prepare()
        tenon(*args)

    def is_back(done):
        there = names(path)
        if there not in ((old,) if done else (old, new)):
            return "neither old nor new", there and there[0]
        tenon("undo", path)
        seen = {k: v for k, v in contents(folder).items() if k in before}
        return "" if seen == before else "not the same"

    calls, bad = each(("undo", path), is_back, changed)
    return result(calls > 1 and not bad, f"{label}: undo, at each of {calls} calls", bad[:3])


disk = tempfile.mkdtemp(prefix="tenon-power-", dir=os.environ.get("TMPDIR", "/tmp"))
try:
    base = place("zip")
    os.makedirs(base)
    tenon("align", "-q", source, "-o", os.path.join(base, "net.pth"))
    in_place("torch zip in place", base, SHORT, "net.pth")
    base = place("shards")
    os.makedirs(base)
    tenon("align", "-q", source, "--shard-size", "250kB", "-o", os.path.join(base, "model.pth"))
    in_place("shards of .pth in place", base, LONG, "model.pth.index.json")
    base = place("header")
    os.makedirs(base)
    shutil.copy(source, os.path.join(base, "model.safetensors"))
    in_place("safetensors in place, names that fit", base, SHORT, "model.safetensors")
    folder = os.path.join(disk, "out")                 # where blocks can perhaps be inserted
    in_place("safetensors in place, names that do not", base, LONG, "model.safetensors")
finally:
    shutil.rmtree(disk)
finish()
