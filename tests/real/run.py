#!/usr/bin/env python3
"""Real third-party files against an independent reading of them: ../shared/real, where it is.

Every file of a format that tenon reads must give exactly the keys, dtypes, shapes, statistics
and CRCs of its listing; every other one must be refused with a message and exit status 2.
Speaks TAP; needs nothing but Python's standard library.
"""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TENON = os.path.abspath(os.environ.get("TENON", os.path.join(ROOT, "tenon")))
REAL = os.path.join(os.environ.get("TENON_SHARED", os.path.join(ROOT, "..", "shared")), "real")

# Formats of later issues: refused today, by name.
# Formats whose first container has the file's own names; the others repeat it, or are no weights.
RAW = ("onnx", "caffemodel", "tf-checkpoint(V2)")


def tenon(*args):
    return subprocess.run([TENON, *args], capture_output=True, text=True, errors="surrogateescape")


def rows(path):
    """The listing as {key: (dtype, shape, stats, crc)}."""
    out = {}
    with open(path, encoding="utf-8", errors="surrogateescape") as lines:
        next(lines)
        for line in lines:
            key, dtype, shape, *numbers, crc = line.rstrip("\n").split("\t")
            dims = [] if shape == "()" else [int(n) for n in shape.split("x")]
            out[key] = (dtype, dims, numbers, crc)
    return out


def steps(path):
    """`a.b[0]["c.d"]`, tenon's path of a container, as the listing's levels."""
    out = []
    for plain, index, quoted in re.findall(r'([^.\[\]"]+)|\[(-?\d+)\]|\["((?:[^"\\]|\\.)*)"\]', path):
        out.append(("key", plain) if plain else ("index", index) if index else ("key", quoted))
    return out


def canonical(key):
    """A listing's key with its levels joined by '/': list elements, and modules pickled whole,
    whose attributes hold what their state dict names. Those of TorchScript do so themselves."""
    script = key.startswith("<")
    key = re.sub(r"\[(-?\d+)\]", r"/\1", re.sub(r"<[^>]*>", "", key))
    if re.search(r"/_(parameters|buffers|modules)/", "/" + key):
        key = re.sub(r"(?<=/)_(parameters|buffers|modules)/", "", "/" + key)[1:]
        return "module:" + key
    return "script:" + key.lstrip("/") if script else key.lstrip("/")


def joined(container, key, seen):
    """The listing's key for tensor `key` of a container, or None."""
    levels = [part for _, part in steps(container)]
    name = re.sub(r"^\[(\d+)\]$", r"\1", key)
    plain = "/".join(levels + ([name] if name else []))
    script = "script:" + name.replace(".", "/") if container in ("", "attributes") else None
    return (seen.get(plain) or seen.get("module:" + "/".join(levels + name.split("."))) or
            seen.get(script))


def close(text, value):
    if text == "-" or value is None:
        return text == "-"
    return abs(float(text) - value) <= 2e-5 * max(abs(float(text)), 1e-6) + 1e-12


def compare(path, listing, raw=False):
    """None when all is equal, else what differs."""
    first = tenon("ls", "--json", path)
    if first.returncode:
        if not listing and first.returncode == 2:
            return None
        return f"status {first.returncode}: {first.stderr.strip()}"
    extra = []
    found, seen = {}, {canonical(key): (key,) for key in listing}
    for container in json.loads(first.stdout)["containers"][:1 if raw else None]:
        spec = f"{path}::{container['path']}" if container["path"] else path + "::"
        got = tenon("ls", "--stats", "--json", spec)
        if got.returncode:
            return got.stderr.strip()
        inner = json.loads(got.stdout)
        if inner["format"] == "torch-script" and container["path"] == "constants":
            continue                    # no part of the module, and of no listing
        for tensor in inner["tensors"]:
            name = joined(container["path"], tensor["key"], seen)
            if name:
                found[name[0]] = tensor
            else:
                extra.append((container["path"], tensor["key"], (tensor["stats"] or {}).get("crc32")))
    missing = [key for key in listing if key not in found]
    if missing:
        return f"missing {missing[:3]} of {len(listing)}"
    # Dicts of dicts are offered joined as well: such tensors stand elsewhere under their own path.
    known = {crc for _, _, _, crc in listing.values()}
    strangers = [one for one in extra if one[2] not in known]
    if strangers:
        return f"not in the listing: {strangers[:3]}"
    for key, (dtype, dims, numbers, crc) in listing.items():
        tensor = found[key]
        stats = tensor["stats"] or {"crc32": None}      # no numbers: text, sparse, on meta
        if tensor["dtype"] != dtype or tensor["shape"] != dims:
            return f"{key}: {tensor['dtype']} {tensor['shape']} instead of {dtype} {dims}"
        if crc not in ("-", stats["crc32"]):
            return f"{key}: crc {stats['crc32']} instead of {crc}"
        if numbers[0] == "-":
            continue
        for text, name in zip(numbers, ("min", "max", "mean", "std")):
            if not close(text, stats[name]):
                return f"{key}: {name} {stats[name]} instead of {text}"
        for text, name in zip(numbers[4:], ("nan", "inf", "zeros")):
            if int(text) != stats[name]:
                return f"{key}: {name} {stats[name]} instead of {text}"
    return None


def formats():
    """{path: (format, whether PyTorch reads it)} from the tables of the README."""
    out, repository = {}, None
    with open(os.path.join(REAL, "README.md"), encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("### "):
                repository = line[4:].split(" ")[0].replace("/", "+")
            cells = [cell.strip() for cell in line.split("|")]
            if repository and len(cells) >= 10 and cells[3].isdigit():
                out[repository + "/" + cells[1]] = (cells[4], cells[8])
    return out


def main():
    if not os.path.isdir(REAL):
        print("ok 1 - real files # SKIP no ../shared/real beside this clone")
        print("1..1")
        return 0
    table, number, failures = formats(), 0, 0
    for name, (kind, torch) in sorted(table.items()):
        path = os.path.join(REAL, name)
        listing = rows(os.path.join(REAL, "listing", name + ".tsv"))
        reads = kind in ("torch-zip", "torch-zip TorchScript", "torch-legacy", "safetensors", "npz") + RAW or kind.startswith(("npy", "torch tar", "gguf"))
        number += 1
        if kind == "hdf5":
            reads = True
            if "built without libhdf5" in tenon("ls", path).stderr:
                print(f"ok {number} - {name} # SKIP this tenon was built without libhdf5")
                continue
        if reads:
            problem = compare(path, listing, kind in RAW)
        else:
            got = tenon("ls", path)
            ok = got.returncode == 2 and got.stderr.startswith("tenon: ")
            problem = None if ok or got.returncode == 0 else f"status {got.returncode}: {got.stderr[:300]}"
        if problem:
            failures += 1
            print(f"not ok {number} - {name}\n# {problem}")
        else:
            print(f"ok {number} - {name} ({kind}{'' if reads else ', refused'})")
    print(f"1..{number}")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
