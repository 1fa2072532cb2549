#!/usr/bin/env python3
"""Every element of what automatic alignment joins and takes apart: the families of other/glued.py in a small size, with
values. What is loaded must hold the very numbers that the truth says: a pair of the right names with the wrong op is
wrong. Then again with the answers that a user would give to the questions, and by the rules that --emit-rules writes.

  glue.py [--pair NAME]      with a name: what is wrong or open, in full

Speaks TAP; needs nothing but Python's standard library.
"""
import array
import itertools
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "other")]
import glued
import scoring


# ---- tensors: (shape, flat list) ----

def permute(tensor, axes):
    shape, flat = tensor
    steps = [math.prod(shape[i + 1:]) for i in range(len(shape))]
    out = [shape[a] for a in axes]
    return out, [flat[sum(i * steps[a] for i, a in zip(index, axes))] for index in itertools.product(*map(range, out))]


def cut(tensor, axis, start, end):
    shape, flat = tensor
    inner = math.prod(shape[axis + 1:])
    block = shape[axis] * inner
    out = [x for at in range(0, len(flat), block) for x in flat[at + start * inner:at + end * inner]]
    return [*shape[:axis], end - start, *shape[axis + 1:]], out


def cat(tensors, axis):
    shape = tensors[0][0]
    inner = math.prod(shape[axis + 1:])
    outer = math.prod(shape[:axis])
    out = []
    for i in range(outer):
        for one, flat in tensors:
            n = one[axis] * inner
            out += flat[i * n:(i + 1) * n]
    return [*shape[:axis], sum(one[axis] for one, _ in tensors), *shape[axis + 1:]], out


def value(x, state):
    if x[0] == "key":
        return state[x[1]]
    if x[0] == "reshape":
        return list(x[2]), value(x[1], state)[1]
    if x[0] == "permute":
        return permute(value(x[1], state), x[2])
    if x[0] == "slice":
        return cut(value(x[1], state), *x[2:])
    if x[0] == "cat":
        return cat([value(one, state) for one in x[2]], x[1])
    each = [value(one, state) for one in x[1]]
    return cat([([1, *shape], flat) for shape, flat in each], 0)


def write(path, state):
    header, at = {}, 0
    for name, (shape, flat) in state.items():
        header[name] = {"dtype": "I32", "shape": list(shape), "data_offsets": [at, at + 4 * len(flat)]}
        at += 4 * len(flat)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, flat in state.values():
            array.array("i", flat).tofile(file)


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        body = file.read()
    out = {}
    for name, entry in header.items():
        if name != "__metadata__":
            flat = array.array("i")
            flat.frombytes(body[slice(*entry["data_offsets"])])
            out[name] = (entry["shape"], list(flat))
    return out


# ---- one family ----

def run(folder, *arguments):
    """What was written, and the report. What is open is left out of the output."""
    out = os.path.join(folder, "out.safetensors")
    if os.path.exists(out):
        os.remove(out)
    environment = {**os.environ, "XDG_CONFIG_HOME": folder}
    done = subprocess.run([scoring.TENON, "align", "source.safetensors", "target.json", *arguments, "-e",
                           'policy{missing="keep", shape="skip"}', "-o", "out.safetensors", "--force", "--omit-kept", "--json"],
                          cwd=folder, capture_output=True, text=True, env=environment, check=False)
    if not os.path.exists(out):
        raise AssertionError(f"status {done.returncode}: {done.stderr.strip()[:300]}")
    return read(out), json.loads(done.stdout)


def judge(family, want, folder, *arguments):
    got, report = run(folder, *arguments)
    loaded = {entry["target"] for entry in report["entries"] if entry["status"] in ("loaded", "tied")}
    wrong = [name for name in loaded if name not in want or list(got[name][0]) != list(want[name][0]) or got[name][1] != want[name][1]]
    return sorted(wrong), sorted(set(want) - loaded), report


def tell(report, names):
    for entry in report["entries"]:
        if entry["target"] in names:
            print("#  ", entry["status"], entry["target"], "<-", entry["sources"][:4], entry["ops"], entry.get("reason") or "")
    for tie in report["ties"]:
        print("#   tie", tie["tensors"], tie["ask"], "|", tie.get("say"), tie["sources"][:3], tie["targets"][:4])


def main():
    wanted = sys.argv[sys.argv.index("--pair") + 1] if "--pair" in sys.argv else ""
    number = failures = right = total = answered = 0
    for family in glued.pairs(glued.SMALL):
        if wanted not in family["name"]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            state, at = {}, 1
            for one in family["source"]["tensors"]:
                n = math.prod(one["shape"])
                state[one["key"]] = (one["shape"], list(range(at, at + n)))
                at += n
            write(os.path.join(folder, "source.safetensors"), state)
            target = {"tensors": [{**one, "dtype": "i32"} for one in family["target"]["tensors"]]}
            with open(os.path.join(folder, "target.json"), "w", encoding="utf-8") as file:
                json.dump(target, file)
            want = {name: value(x, state) for name, x in family["truths"].items()}
            says = family["answers"]
            results = []
            for label, options in (("as it is", ["--auto"]), ("answered", ["--auto", *says]),
                                   ("by its rules", ["-r", "found.lua"])):
                try:
                    if label == "by its rules":
                        run(folder, "--auto", *says, "--emit-rules", "found.lua")
                    wrong, left, report = judge(family, want, folder, *options)
                except AssertionError as problem:
                    number += 1
                    failures += 1
                    print(f"not ok {number} - {family['name']}, {label}\n# {problem}")
                    continue
                results.append(len(want) - len(left))
                problem = bool(wrong) or (label != "as it is" and len(left) > family["left"])
                number += 1
                failures += problem
                print(f"{'not ok' if problem else 'ok'} {number} - {family['name']}, {label}: {len(want) - len(left)} of {len(want)}"
                      f"{f', {len(wrong)} wrong' if wrong else ''}")
                if problem or wanted:
                    tell(report, set((wrong + left)[:8]))
            right, total = right + results[0], total + len(want)
            answered += results[1] if len(results) > 1 else 0
    print(f"1..{number}")
    print(f"# {right} of {total} tensors without a question, {answered} with its answers")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
