"""The pairs of ../shared/real/truth, which name real files of several formats, as pairs to be scored."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "real"))
import pairs as truth_pairs
import run as real_run


def one_pair(pair):
    """Both files as CONTAINER specs, and the truth in the names that tenon lists."""
    source, target = (os.path.join(real_run.REAL, pair[side]) for side in ("source", "target"))
    at, sources = truth_pairs.find(source, {one["src"] for one in pair["map"]})
    to, targets = truth_pairs.find(target, {one["tgt"] for one in pair["map"]})
    known = {targets[one["tgt"]] for one in pair["map"]}
    listed = json.loads(real_run.tenon("ls", "--json", f"{target}::{to}").stdout)["tensors"]
    mentioned = set()
    for name in ("tgt_unfilled", "shape_mismatch"):
        for item in pair.get(name, ()):
            mentioned.add(item if isinstance(item, str) else item.get("tgt") or item.get("key"))
    unfilled = {key for key in (one["key"] for one in listed) if key not in known}
    return {"name": "real " + pair["name"], "source": f"{source}::{at}", "target": f"{target}::{to}",
            "truth": [[sources[one["src"]], targets[one["tgt"]]] for one in pair["map"]],
            "ignore": sorted(unfilled - mentioned) if mentioned else []}


def pairs():
    out = []
    for path in sorted(glob.glob(os.path.join(real_run.REAL, "truth", "*.json"))):
        with open(path, encoding="utf-8") as file:
            pair = json.load(file)
        try:
            out.append(one_pair(pair))
        except AssertionError as problem:
            print(f"# {pair['name']}: {problem}")
    return out
