#!/usr/bin/env python3
"""Outputs in shards: by one process and by tasks, in any order, twice and after kills, the same bytes."""
import json
import os
import random
import shutil
import subprocess
import time

from help import (ROOT, TENON, Faults, contents, finish, floats, model, place, read, result, safetensors,
                  skip, tenon, write)

source = safetensors(place("source.safetensors"), model())
SIZE = "160kB"                                       # two tensors of 72,000 bytes in each


def plan_for(name, rules, size=SIZE, of=source):
    path = place(name)
    status, _, err = tenon("align", "-q", of, "-e", rules, "--plan", path, "--shard-size", size)
    assert status == 0, err
    return path


RENAME, TURN = 'strip "module."', 'rules [[ module.** -> ** |> T ]]'
plans = {"renamed": plan_for("renamed.json", RENAME), "turned": plan_for("turned.json", TURN)}
wanted = {}
for name, plan in plans.items():
    for out in ("model.safetensors", "model.pth"):
        folder = place("wanted", name, out, "")
        status, _, err = tenon("apply", "-q", plan, "-o", os.path.join(folder, out))
        wanted[name, out] = contents(folder)
        fine = status == 0 and len(wanted[name, out]) == 9 and out + ".index.json" in wanted[name, out]
        result(fine, f"{name} {out}: eight shards and an index", (err, wanted[name, out]))
        status, text, err = tenon("ls", "-q", os.path.join(folder, out + ".index.json"))
        result(status == 0 and text.count("layers.") == 16, f"{name} {out}: the index opens", text + err)

index = json.loads(read(place("wanted", "renamed", "model.safetensors", "model.safetensors.index.json")))
text = read(place("wanted", "renamed", "model.safetensors", "model.safetensors.index.json")).decode()
result(index["metadata"] == {"total_size": 16 * 72000} and
       text == json.dumps(index, indent=2, sort_keys=True) + "\n", "the index is as transformers write it", text)
folder = place("direct", "")
status, out, err = tenon("align", source, "-e", TURN, "--shard-size", SIZE, "-o", folder + "model.safetensors")
result(status == 0 and contents(folder) == wanted["turned", "model.safetensors"] and
       "written 8 of 8 shards" in out, "align writes what apply writes", out + err)


def run_tasks(name, out, tasks, order, label, *more):
    """All tasks one after the other, each in a process of its own."""
    folder = place("tasks", f"{name}-{out}-{tasks}-{label}", "")
    for task in order:
        status, text, err = tenon("apply", "-q", plans[name], "-o", os.path.join(folder, out), "--task",
                                  f"{task}/{tasks}", *more)
        if status:
            return result(False, f"{name} {out} {tasks} {label}", text + err)
    return result(contents(folder) == wanted[name, out], f"{name} {out}: {tasks} tasks, {label}",
                  (contents(folder), wanted[name, out]))


shuffle = random.Random(7).sample
for name, out in wanted:
    for tasks in (1, 3, 16):
        run_tasks(name, out, tasks, shuffle(range(1, tasks + 1), tasks), "shuffled")
    run_tasks(name, out, 3, [2, 2, 1, 3, 3, 1], "twice", "--resume")
    run_tasks(name, out, 3, [3, 1, 3, 2, 1, 2], "by-force", "--force")

folder = place("side-by-side", "")
running = [subprocess.Popen([TENON, "apply", "-q", plans["turned"], "-o", folder + "model.pth", "--task",
                             f"{task}/4"]) for task in (1, 2, 3, 4)]
result([process.wait(60) for process in running] == [0, 0, 0, 0] and
       contents(folder) == wanted["turned", "model.pth"], "four tasks at once", contents(folder))

# Killed after a random time, again and again, then run to the end.
folder, moment = place("killed", ""), random.Random(11)
for round_ in range(12):
    process = subprocess.Popen([TENON, "apply", "-q", plans["turned"], "-o", folder + "model.safetensors",
                                "--resume", "--task", f"{round_ % 2 + 1}/2"])
    time.sleep(moment.random() * 0.02)
    process.kill()
    process.wait()
    bad = [name for name in os.listdir(folder) if name.endswith(".safetensors") and not name.startswith(".") and
           contents(folder).get(name) != wanted["turned", "model.safetensors"][name]]
    if bad:
        result(False, "a shard that is there is whole", bad)
for task in (1, 2):
    tenon("apply", "-q", plans["turned"], "-o", folder + "model.safetensors", "--resume", "--task", f"{task}/2")
result(contents(folder) == wanted["turned", "model.safetensors"], "killed twelve times, then finished",
       contents(folder))

faults = Faults()
if faults.why:
    skip("killed at every call", faults.why)
else:
    few = plan_for("few.json", RENAME, "600kB")
    *_, calls = faults.run("apply", "-q", few, "-o", place("counted", "model.pth"), "--resume")
    whole = contents(place("counted", ""))
    bad = []
    for at in range(1, calls + 1):
        folder = place("every", "")
        status, *_ = faults.run("apply", "-q", few, "-o", folder + "model.pth", "--resume", at=at)
        index_there = os.path.exists(folder + "model.pth.index.json")
        seen = {k: v for k, v in contents(folder).items() if not k.startswith(".")}
        if index_there and seen != whole:
            bad.append((at, "an index before its shards"))
        if any(whole.get(k) != v for k, v in seen.items()):
            bad.append((at, "not whole"))
        status, _, err = tenon("apply", "-q", few, "-o", folder + "model.pth", "--resume")
        if status and not (index_there and "is there already" in err):
            bad.append((at, err))
        if contents(folder) != whole:
            bad.append((at, sorted(contents(folder))))
        shutil.rmtree(folder)
    result(calls > 30 and len(whole) == 3 and not bad, f"killed at each of {calls} calls, then finished", bad[:5])

    # What was done is believed only together with the part that it was done in.
    one, whole = place("one.json"), place("one", "model.pth")
    tenon("align", "-q", source, "-e", TURN, "--plan", one)
    tenon("apply", "-q", one, "-o", whole)
    args = ("apply", "-q", one, "--resume", "--threads", "1", "-o")

    def begin(path):
        """A part of which the log has several stretches."""
        shutil.rmtree(os.path.dirname(path), ignore_errors=True)
        os.makedirs(os.path.dirname(path))
        *_, calls = faults.run(*args, path)
        os.unlink(path)
        faults.run(*args, path, at=calls - 4, errno=5)
        part, log = (os.path.join(os.path.dirname(path), f".model.pth.tenon-{what}") for what in ("part", "log"))
        return part, os.path.exists(part) and os.path.getsize(part) > 500000 and os.path.getsize(log) > 200

    def replace(part):
        shutil.copy(part, part + "2")
        os.replace(part + "2", part)
        with open(part, "r+b") as file:
            file.write(bytes(os.path.getsize(part)))

    for how, change in (("as it was", lambda part: None), ("removed", os.unlink), ("replaced", replace),
                        ("cut short", lambda part: os.truncate(part, 300000)), ("emptied", lambda part: os.truncate(part, 0))):
        path = place("part", "model.pth")
        part, begun = begin(path)
        if begun:
            change(part)
        status, _, err = tenon(*args, path)
        result(begun and status == 0 and read(path) == read(whole), f"gone on with a part that was {how}",
               (begun, err, os.listdir(os.path.dirname(path))))

# Whatever is computed, and however: by threads, in small pieces, by tasks, killed at some call and resumed.
grid = safetensors(place("grid.safetensors"), {
    **model(4), **{f"pos.{i}": ("F32", [1, 196, 64], floats(196, 64, i)) for i in range(4)}})
STACK = "rules [[ module.layers.{i}.weight, module.layers.{i}.other -> stacked.{i} |> stack(1) ]]\n" \
        'for i = 0, 3 do rule("pos." .. i, "pos." .. i, pos_embed{new = {20, 20}, prefix = 0}) end'
NORM = "rules [[ module.layers.{i}.weight -> unit.{i} |> T, reshape(-1, 60), cast(\"bf16\") ]]"
QUANTIZED = 'rules [[ ** -> ** |> cast("f16") ]]'
kills = random.Random(5)
for name, of, rules, size in (("stacked and resampled", grid, STACK, "200kB"), ("turned and reshaped", grid, NORM, "60kB"),
                              ("dequantized", os.path.join(ROOT, "tests/data/gguf/types.gguf"), QUANTIZED, "4kB")):
    plan, bad = plan_for(name + ".json", rules, size, of), []
    for out in ("model.pth", "model.safetensors"):
        folder = place("odd", name, out, "")
        status, _, err = tenon("apply", "-q", plan, "-o", folder + out, "--threads", "1")
        whole = contents(folder)
        for threads, tasks in ((1, 3), (2, 1), (2, 16), (8, 3), (8, 16)):
            again = place("odd", name, f"{out}-{threads}-{tasks}", "")
            for task in range(1, tasks + 1):
                args = ("apply", "-q", plan, "-o", again + out, "--resume", "--task", f"{task}/{tasks}", "--threads",
                        str(threads), "--buffer", "64KiB" if tasks == 3 else "1MiB")
                if not faults.why and task < 3:
                    faults.run(*args, at=kills.randrange(1, 30), half=True)
                status, _, err = tenon(*args)
                if status and "is there already" not in err:
                    bad.append((threads, task, tasks, err))
            if contents(again) != whole or len(whole) < 4:
                bad.append((out, threads, tasks, sorted(contents(again)), sorted(whole)))
    result(not bad, f"{name}: the same by any threads and tasks, killed and resumed", bad[:3])

# What is refused, and that nothing is touched then.
folder = place("refused", "")
tenon("apply", "-q", plans["renamed"], "-o", folder + "model.safetensors")
before = contents(folder)
for args, says in ((("--task", "1/2"), "is there already"), ((), "is there already")):
    status, _, err = tenon("apply", plans["renamed"], "-o", folder + "model.safetensors", *args)
    result(status == 2 and says in err and contents(folder) == before, f"refused: {says} {args}", err)
one = place("one.json")
tenon("align", "-q", source, "--plan", one)
for args, says in (((one, "--task", "1/2"), "the plan is for one file"),
                   ((plans["renamed"], "--task", "3/2"), "no I/N"), ((plans["renamed"], "--task", "0/2"), "no I/N"),
                   ((plans["renamed"], "--sha256"), "--sha256 is of one file"),
                   ((plans["renamed"], "--under", "x", "--to", "pth"), "shards hold tensors alone")):
    status, _, err = tenon("apply", *args, "-o", place("none", "x.pth"))
    result(status == 2 and says in err and not os.listdir(place("none", "")), f"refused: {says}", err)
status, _, err = tenon("align", source, "--shard-size", SIZE, "-o", place("none", "x.npz"))
result(status == 2 and "no program reads npz in shards" in err, "refused: npz", err)
status, out, err = tenon("align", source, "--shard-size", "5GB", "-o", place("single", "model.safetensors"))
result(status == 0 and os.listdir(place("single", "")) == ["model.safetensors"], "one shard is one file", out + err)

# Ties stay together in a .pth and become copies in a .safetensors; a large tensor has its own shard.
large = safetensors(place("large.safetensors"), {
    "a": ("F32", [10, 10], floats(10, 10, 1)), "big": ("F32", [300, 200], floats(300, 200, 2)),
    "b": ("F32", [10, 10], floats(10, 10, 3)), "c": ("F32", [10, 10], floats(10, 10, 4))})
folder = place("ties", "")
status, out, err = tenon("align", "-q", large, "-e", "rules [[ a -> a, z |> copy ]]", "--shard-size", "1kB", "-o",
                         folder + "m.pth")
where = json.loads(read(folder + "m.pth.index.json"))["weight_map"]
result(status == 0 and where["big"] not in (where["a"], where["b"]), "a large tensor has its own shard", where)

# The source's own index is not written over.
folder = place("own", "")
tenon("align", "-q", source, "--shard-size", SIZE, "-o", folder + "model.safetensors")
before = contents(folder)
status, out, err = tenon("align", "-q", folder + "model.safetensors.index.json", "-e", RENAME, "--shard-size", SIZE,
                         "--force", "-o", folder + "model.safetensors")
result(status == 2 and "is the source itself" in err and contents(folder) == before,
       "the source's shards and index stay", err)
write(place("other", "model.safetensors.index.json"), b"{}")
status, out, err = tenon("apply", "-q", plans["renamed"], "-o", place("other", "model.safetensors"), "--force")
result(status == 0 and contents(place("other", "")) == wanted["renamed", "model.safetensors"],
       "an index of another output goes", err)
finish()
