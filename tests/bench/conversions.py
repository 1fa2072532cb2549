"""The conversions of ../shared/rules: tenon against the function that somebody would write by hand.

Each side loads the source, converts, saves and ends in fsync, in a process of its own; PyTorch's
figure does not count its import. Sources have the keys of ../shared/rules and about BENCH_CONVERT_MB
megabytes (100): where the key set is that of a small model, every extent is multiplied."""
import inspect
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", "interop"), os.path.dirname(os.path.abspath(__file__))]

import conversions  # noqa: E402
import torch  # noqa: E402
from bench import RUNS, TENON, fresh, run  # noqa: E402

MB = int(os.environ.get("BENCH_CONVERT_MB", "100"))
CODE = """
import os, resource, sys, time
sys.path.insert(0, sys.argv[1])
import torch, conversions
start = time.perf_counter()
state = torch.load(sys.argv[3], weights_only=True)
state = state.get("state_dict", state)
torch.save(conversions.CONVERSIONS[sys.argv[2]](state), sys.argv[4])
fd = os.open(sys.argv[4], os.O_RDWR)
os.fsync(fd)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
TABLE = f"  {'':24}{'source':>9}{'lines: Lua':>12}{'Python':>8}{'by hand':>10}{'tenon':>10}{'ratio':>8}{'memory by hand':>16}{'tenon':>9}"


def multiple(keys):
    """By how much to multiply every extent so that the source comes near MB."""
    size = 1
    while 4 * sum(product(one["shape"], 2 * size) for one in keys["source"]["tensors"]) <= MB * 1e6:
        size *= 2
    return size


def product(shape, size):
    count = 1
    for extent in shape:
        count *= extent * size
    return count


def make_source(name, keys, path):
    """A small key set grows; one whose channels a rule counts, or that is large, does not."""
    small = sum(product(one["shape"], 1) for one in keys["source"]["tensors"]) < 1e5
    grows = small and name != "04_rgb2bgr"
    state = conversions.source_of(keys, multiple(keys) if grows else 1)
    if name == "04_rgb2bgr":
        state["conv1.weight"] = torch.randn(MB * 20000, 3, 2, 2)
    container = keys.get("container_of_source")
    torch.save({container: state, "epoch": 3} if container else state, path)


def measure(name, folder):
    keys = conversions.keys_of(name)
    source, out = os.path.join(folder, "source.pth"), os.path.join(folder, "out.pth")
    rules = os.path.join(conversions.RULES, keys["rules"])
    make_source(name, keys, source)
    subprocess.run(["cat", source], stdout=subprocess.DEVNULL, check=True)
    hand, ours, most, peak = [], [], 0, 0
    for _ in range(RUNS):
        fresh(out)
        seconds, memory = run(sys.executable, "-c", CODE, os.path.dirname(conversions.__file__), name,
                              source, out)[2].split()
        hand.append(float(seconds))
        most = max(most, int(memory))
        fresh(out)
        seconds, memory, _ = run(TENON, "align", "-q", source, "-r", rules, "-o", out)
        ours.append(seconds)
        peak = max(peak, memory)
    with open(rules) as file:
        lines = sum(1 for line in file if line.strip() and not line.lstrip().startswith("--"))
    python = len(inspect.getsource(conversions.CONVERSIONS[name]).strip().splitlines())
    slow, fast = statistics.median(hand), statistics.median(ours)
    print(f"  {name:24}{os.path.getsize(source) / 1e6:6.0f} MB{lines:12}{python:8}{slow:9.3f}s{fast:9.3f}s"
          f"{slow / fast:7.1f}×{most / 1024:13.0f} MB{peak / 1024:6.0f} MB")
    fresh(source)
    fresh(out)


def main():
    if not conversions.keys_of("01_dataparallel"):
        print("\nconversions: skipped, ../shared/rules is not here")
        return
    print(f"\nconversions: load, convert, save and fsync a .pth; by hand in PyTorch, and tenon\n{TABLE}")
    with tempfile.TemporaryDirectory(prefix="tenon-bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        for name in conversions.CONVERSIONS:
            measure(name, folder)


if __name__ == "__main__":
    main()
