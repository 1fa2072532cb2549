#!/usr/bin/env python3
"""The pairs of ../shared/real/truth: two files that hold the same weights in two layouts. Aligned by
rules that say the stated map and ops, every value must arrive; where the evidence is that the values
are equal, they must be the target's own within 1e-6.

Speaks TAP; needs nothing but Python's standard library.
"""
import array
import glob
import json
import os
import re
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run

TRUTH = os.path.join(run.REAL, "truth")
TYPES = {"F32": "f", "F64": "d", "I64": "q", "I32": "i", "I16": "h", "I8": "b", "U8": "B", "BOOL": "B"}


def containers(path):
    """{container's path: {listing's name: key}} of a checkpoint or schema."""
    first = run.tenon("ls", "--json", path)
    if first.returncode:
        raise AssertionError(first.stderr.strip())
    listed, out = json.loads(first.stdout), {}
    for container in listed.get("containers") or [{"path": listed["container"]}]:
        spec = f"{path}::{container['path']}"
        got = run.tenon("ls", "--json", spec)
        tensors = json.loads(got.stdout)["tensors"] if not got.returncode else listed["tensors"]
        names = {}
        levels = [part for _, part in run.steps(container["path"])]
        for tensor in tensors:
            key = tensor["key"]
            name = re.sub(r"^\[(\d+)\]$", r"\1", key)
            names["/".join(levels + [name])] = key
            names["/".join(levels + name.split("."))] = key
            for kind in ("module:", "script:"):
                names[kind + "/".join(levels + name.split("."))] = key
        out[container["path"]] = names
    return out


def find(path, wanted):
    """The container that has all the wanted names of the listing, and {name: key}."""
    for container, names in containers(path).items():
        keys = {name: names.get(run.canonical(name)) or names.get(name) for name in wanted}
        if all(keys.values()):
            return container, keys
    raise AssertionError(f"{path}: no container has all of {sorted(wanted)[:3]} …")


def quoted(key):
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def rules(mapped, sources, targets):
    """One rule a source, which may feed several targets; every other key of its container is dropped."""
    lines, used = [], {}
    for one in mapped:
        used.setdefault((sources[one["src"]], one["op"].replace(" (alias)", "")), []).append(targets[one["tgt"]])
    for (source, op), names in used.items():
        ops = [f"{name}({args})" for name, args in re.findall(r"(permute|reshape)\(([^)]*)\)", op)]
        ops += ["copy"] if len(names) > 1 else []
        line = f"{quoted(source)} -> {', '.join(map(quoted, names))}"
        lines.append(line + (" |> " + ", ".join(ops) if ops else ""))
    return lines + ["** ->"]


def read(path):
    """{key: values} of a safetensors file that tenon wrote."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = file.read()
    out = {}
    for key, entry in header.items():
        if key != "__metadata__":
            start, end = entry["data_offsets"]
            out[key] = array.array(TYPES[entry["dtype"]])
            out[key].frombytes(body[start:end])
    return out


def write(folder, name, *args):
    out = os.path.join(folder, name)
    got = run.tenon("align", *args, "-o", out, "--omit-kept", "-q")
    if got.returncode:
        raise AssertionError(got.stderr.strip() or f"status {got.returncode}")
    return read(out)


def compare(pair, folder):
    source, target = (os.path.join(run.REAL, pair[side]) for side in ("source", "target"))
    mapped = [one for one in pair["map"] if "flip" not in one["op"]]
    at, sources = find(source, {one["src"] for one in mapped})
    to, targets = find(target, {one["tgt"] for one in mapped})
    script = os.path.join(folder, "pair.lua")
    with open(script, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write('policy{shape="skip", missing="keep"}\nrules [==[\n')
        file.write("\n".join(rules(mapped, sources, targets)) + "\n]==]\n")
    given = write(folder, "got.safetensors", f"{source}::{at}", f"{target}::{to}", "-r", script)
    absent = [one["tgt"] for one in mapped if targets[one["tgt"]] not in given]
    if absent:
        raise AssertionError(f"not written: {absent[:3]}")
    if not pair["evidence"].startswith("values equal"):
        return len(mapped)
    own = write(folder, "own.safetensors", f"{target}::{to}", "-e", 'rules [[ _CHECKPOINTABLE_OBJECT_GRAPH -> ]]')
    for one in mapped:
        key = targets[one["tgt"]]
        a, b = given[key], own[key]
        if len(a) != len(b):
            raise AssertionError(f"{key}: {len(a)} values instead of {len(b)}")
        worst = max((abs(x - y) for x, y in zip(a, b)), default=0)
        if not worst <= 1e-6:
            raise AssertionError(f"{key}: differs by {worst}")
    return len(mapped)


def learned(pair):
    """tenon learn finds the stated origin of every tensor from the values of the two files alone."""
    source, target = (os.path.join(run.REAL, pair[side]) for side in ("source", "target"))
    at, sources = find(source, {one["src"] for one in pair["map"]})
    to, targets = find(target, {one["tgt"] for one in pair["map"]})
    got = run.tenon("learn", f"{source}::{at}", f"{target}::{to}", "--json")
    if got.returncode not in (0, 1):
        raise AssertionError(got.stderr.strip())
    found = {target: (bundle["sources"], [re.sub(r"^T$", "permute(1,0)", op) for op in bundle["ops"] if op != "copy"])
             for bundle in json.loads(got.stdout)["bundles"] for target in bundle["targets"]}
    for one in pair["map"]:
        origin, ops = found.get(targets[one["tgt"]], ([], []))
        if origin != [[sources[one["src"]]]]:
            raise AssertionError(f"{one['tgt']}: from {origin} instead of {one['src']}")
        wanted = re.findall(r"permute\([^)]*\)", one["op"].replace(" ", ""))
        if ops != wanted:
            raise AssertionError(f"{one['tgt']}: {ops} instead of {wanted}")
    return len(pair["map"])


def main():
    pairs = sorted(glob.glob(os.path.join(TRUTH, "*.json")))
    if not pairs:
        print("ok 1 - pairs # SKIP no ../shared/real/truth beside this clone")
        print("1..1")
        return 0
    failures, number = 0, 0
    for path in pairs:
        with open(path, encoding="utf-8") as file:
            pair = json.load(file)
        number += 1
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"ok {number} - {pair['name']}: {compare(pair, folder)} tensors")
            except AssertionError as problem:
                failures += 1
                print(f"not ok {number} - {pair['name']}\n# {problem}")
        if not pair["evidence"].startswith("values equal"):
            continue
        number += 1
        try:
            print(f"ok {number} - {pair['name']}: {learned(pair)} tensors learned by value")
        except AssertionError as problem:
            failures += 1
            print(f"not ok {number} - {pair['name']}, learned\n# {problem}")
    print(f"1..{number}")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
