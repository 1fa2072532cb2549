#!/usr/bin/env python3
"""--emit-rules on every pair: run without --auto, the file comes to the same plan. Speaks TAP.

For each pair of ../shared/pairs, where it is, and of other/unseen.py and other/glued.py, in both directions: `align --auto --emit-rules`,
then `align -r`, and the values of every target (the "expr" of the plan where one can be made, else sources and ops of the report)
are compared. With --all also for scripts of several kinds before --auto. Prints how many rules a pair came to."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "other"))
import glued
import unseen

ROOT = os.path.dirname(os.path.dirname(HERE))
TENON = os.path.join(ROOT, os.environ.get("TENON", "tenon"))
PAIRS = os.path.join(ROOT, "..", "shared", "pairs")

# What stands before --auto.
SCRIPTS = [
    [],
    ["-e", 'policy{missing="keep", shape="skip"}'],
    ["-e", 'prefix "outer."'],
    ["-e", 'match{"suffix", shape=true, reuse="all"}'],
]


def run(folder, *arguments):
    done = subprocess.run([TENON, "align", "source.json", "target.json", *arguments],
                          cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def values(folder, *arguments):
    """Every target with what it gets: its expression when the plan is complete, else what the report says."""
    status, out, error = run(folder, *arguments, "--plan", "plan.json", "--force", "--json", "--omit-kept")
    if not out:
        return status, error
    entries = json.loads(out)["entries"]
    plan = os.path.join(folder, "plan.json")
    if status == 0 and os.path.exists(plan):
        with open(plan, encoding="utf-8") as file:
            entries = json.load(file)["entries"]
        os.remove(plan)
    keys = ("target", "status", "expr", "sources", "ops") if status == 0 else ("target", "sources", "ops")
    loaded = {}
    for entry in entries:
        if entry["status"] in ("loaded", "tied", "filled"):
            loaded[entry["target"]] = [entry.get(key) for key in keys if key != "ops"]
            loaded[entry["target"]].append([op for op in entry["ops"] if op != "copy"])
    return status, loaded


def check(folder, name, script):
    """None, or what is wrong."""
    rules = os.path.join(folder, "found.lua")
    if os.path.exists(rules):
        os.remove(rules)
    status, first = values(folder, *script, "--auto", "--emit-rules", "found.lua")
    if status == 2 and run(folder, *script, "--auto")[0] == 2:
        return None, 0           # the script is in error: there is no plan
    if not os.path.exists(rules):
        return f"no rules: {first if isinstance(first, str) else status}", 0
    again, second = values(folder, "-r", "found.lua")
    with open(rules, encoding="utf-8") as file:
        lines = sum(" -> " in line and not line.lstrip().startswith("--") for line in file)
    if (status == 0) != (again == 0):
        return f"exit {status}, and {again} without --auto", lines
    if first != second:
        wrong = [key for key in {**first, **second} if first.get(key) != second.get(key)]
        return f"{len(wrong)} targets differ, the first {wrong[0]}", lines
    return None, lines


def pairs():
    """Every pair that is there."""
    for file_name in sorted(os.listdir(PAIRS)) if os.path.isdir(PAIRS) else ():
        if file_name.endswith(".json"):
            with open(os.path.join(PAIRS, file_name), encoding="utf-8") as file:
                yield json.load(file)
    yield from unseen.pairs()
    yield from glued.pairs()


def main():
    number = failures = total = 0
    for pair in pairs():
        for sides in (("source", "target"), ("target", "source")):
            with tempfile.TemporaryDirectory() as folder:
                for side, name in zip(sides, ("source", "target")):
                    with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
                        json.dump(pair[side], file)
                for script in SCRIPTS if "--all" in sys.argv else SCRIPTS[:1]:
                    problem, lines = check(folder, pair["name"], script)
                    number += 1
                    total += lines
                    what = pair["name"] + ("" if sides[0] == "source" else ", back")
                    what += ": " + " ".join(script) if script else ""
                    print(f"{'not ' if problem else ''}ok {number} - {what} ({lines} rules)")
                    if problem:
                        failures += 1
                        print(f"# {problem}")
    print(f"1..{number}")
    print(f"# {total} rules in all")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
