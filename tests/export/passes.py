#!/usr/bin/env python3
"""What is larger than the buffer: the passes and bytes that are told beforehand are those that are read."""
import json
import os
import subprocess
import sys

from help import TENON, finish, floats, place, result, safetensors, skip, tenon

# Bytes that a program asks for in read calls, which are its parent's when it has ended. What reading the
# count itself takes differs by its digits.
COUNTED = """
import subprocess, sys
def counted():
    with open("/proc/self/io") as lines:
        return int(next(lines).split()[1])
before = counted()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(counted() - before)
"""
DIGITS = 40
ROWS, COLUMNS = 600, 900
TENSORS = {
    **{name: ("F32", [ROWS, COLUMNS], floats(ROWS, COLUMNS, i)) for i, name in enumerate("abc")},
    "half": ("F16", [COLUMNS, ROWS], bytes(2 * ROWS * COLUMNS)), "odd": ("BOOL", [700, 1100], bytes(700 * 1100)),
    "wide": ("F32", [3, 180000], floats(3, 180000, 5)), "grid": ("F32", [1, 576, 128], floats(576, 128, 7))}
SOURCE = safetensors(place("source.safetensors"), TENSORS)
OPS = {
    "copied": "x = 1", "transposed": "rules [[ {k:a|b|c|half|wide|odd} -> {k} |> T ]]",
    "cast": 'rules [[ {k:a|b|c|half|wide|grid} -> {k} |> cast("bf16") ]]',
    "joined": "rules [[ a, b -> d |> cat(0) ]]", "joined side by side": "rules [[ a, b -> d |> cat(1) ]]",
    "stacked": "rules [[ a, b, c -> d |> stack(1) ]]",
    "split": "rules [[ a -> a.0, a.1 |> split(2, 1) ; wide -> w.0, w.1, w.2 |> split(3) ]]",
    "turned and cast": 'rules [[ half -> half |> T, cast("f32") ; wide -> wide |> T, cast("f16") ]]',
    "reshaped": "rules [[ a -> a |> T, reshape(-1, 100) ]]", "scaled": "rules [[ a -> a |> T, mul(0.5) ]]",
    "rope": "rules [[ a -> a |> rope_pairs(6) ; half -> half |> rope_halves(9) ]]",
    "resampled": 'rule("grid", "grid", pos_embed{new = {48, 48}, prefix = 0})',
}


def asked(*args):
    """Bytes; or why it failed."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", COUNTED, TENON, "align", "-q", SOURCE, *args],
                          capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else done.stderr


def sources_of(report, targets):
    return {name for entry in report["entries"] if entry["target"] in targets for name in entry["sources"]}


if not os.path.exists("/proc/self/io"):
    skip("what is read", "the system does not count it")
    finish()
if "ASAN_OPTIONS" in os.environ:
    skip("what is read", "sanitizers read files of their own")
    finish()
out, plan = place("out.safetensors"), place("plan.json")
for name, code in OPS.items():
    bad, without = [], asked("-e", code)
    for buffer, threads in (("64KiB", "1"), ("512KiB", "2")):
        how = ("-e", code, "--force", "--buffer", buffer, "--threads", threads)
        status, said, err = tenon("align", SOURCE, "--json", *how, "-o", out)
        report = json.loads(said) if status == 0 else {}
        passes = report.get("passes", [])
        alone = {k for k in TENSORS} - sources_of(report, {one["target"] for one in passes}) if report else set()
        wanted = sum(one["read"] for one in passes) + sum(len(TENSORS[k][2]) for k in alone)
        read = asked(*how, "-o", out)
        fine = status == 0 and bool(passes) == (name != "copied") and abs(read - without - wanted) < DIGITS and \
            all(1 <= one["passes"] <= one["pieces"] + 1e-9 for one in passes)
        # A plan says the same, and whoever carries it out.
        tenon("align", SOURCE, "-q", *how, "--plan", plan)
        with open(plan, encoding="utf-8") as file:
            planned = json.load(file).get("passes", [])
        status, said, err = tenon("apply", plan, "--json", "--force", "--buffer", buffer, "--threads", threads, "-o", out)
        if not fine or planned != passes or status or json.loads(said).get("passes", []) != passes:
            bad.append((buffer, read, without, wanted, passes, planned, err))
    status, said, err = tenon("align", SOURCE, "--json", "-e", code, "--force", "-o", out)
    result(not bad and "passes" not in json.loads(said), name, bad or err)
status, said, err = tenon("align", SOURCE, "-e", OPS["transposed"], "--force", "--buffer", "512KiB", "--threads", "1",
                          "-o", out)
result("6 tensors are larger than the buffer" in said and "  a: 5 pieces, " in said and " read\n" in said, "and in words",
       said + err)
finish()
