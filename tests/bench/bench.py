"""Speed and memory as ratios in one run: against cp, against PyTorch, against json.load.

    make bench        BENCH_MB=1500 BENCH_RUNS=5 BENCH_DIR=/a/disk

Everything is warm (read once before it is timed), ends in fsync, and is the median of
BENCH_RUNS runs that are interleaved, so that a slow moment of the machine hits all alike.
PyTorch's figures do not count its import. Nothing here asserts a time.
"""
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import safetensors.torch
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TENON = os.path.join(ROOT, "tenon")
MB = int(os.environ.get("BENCH_MB", "1500"))
RUNS = int(os.environ.get("BENCH_RUNS", "5"))


# Between us and the program stands a small process: a child's peak memory starts at that of the
# process it was forked from, and ours holds PyTorch.
LAUNCHER = """
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - start, usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run(*args):
    """Runs a program; (seconds, peak resident kB, its standard output)."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, *args], capture_output=True,
                          check=False)
    if done.returncode:
        sys.exit(f"{args} ended with {done.returncode}: {done.stderr.decode()[:500]}")
    seconds, peak = done.stderr.split()[-2:]
    return float(seconds), int(peak), done.stdout


def fresh(path):
    if os.path.exists(path):
        os.unlink(path)
    os.sync()


def table(title, rows, base):
    print(f"\n{title}")
    print(f"  {'':34}{'median':>9}{'÷ ' + base:>12}{'peak memory':>14}")
    first = rows[0][1]
    for name, seconds, peak in rows:
        memory = f"{peak / 1024:.0f} MB" if peak else "-"
        print(f"  {name:34}{seconds:8.3f}s{seconds / first:12.2f}{memory:>14}")


def expert_keys(layers, key="model.layers.{}.mlp.experts.{}.{}_proj.{}", scale="weight_scale_inv"):
    """The tensors of so many layers of a mixture of 256 experts: 1536 a layer."""
    return [key.format(layer, expert, name, part) for layer in range(layers) for expert in range(256)
            for name in ("gate", "up", "down") for part in ("weight", scale)]


def opening(folder, counts):
    """Headers of safetensors files of so many tensors: the whole program against json.loads alone."""
    path = os.path.join(folder, "experts.safetensors")
    code = ("import json, struct, sys, time\n"
            "start = time.perf_counter()\n"
            "f = open(sys.argv[1], 'rb')\n"
            "n, = struct.unpack('<Q', f.read(8))\n"
            "json.loads(f.read(n))\n"
            "print(time.perf_counter() - start)\n")
    print("\nopen: the header of a safetensors file")
    print(f"  {'tensors':>9}{'header':>10}{'json.loads':>12}{'ls -q':>9}{'÷ Python':>10}"
          f"{'ls --json':>11}{'÷ Python':>10}{'peak memory':>13}")
    for count in counts:
        entries = {"__metadata__": {"format": "pt"}}
        # Short names: a header may have 100 MB, and a million tensors should go into one.
        keys = expert_keys(count // 1536 + 1, "layers.{}.experts.{}.{}.{}", "scale")
        for i, key in enumerate(keys[:count]):
            entries[key] = {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]}
        text = json.dumps(entries, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + bytes(4 * count))
        python, ours, listing, peak = [], [], [], 0
        for _ in range(RUNS):
            python.append(float(run(sys.executable, "-c", code, path)[2]))
            ours.append(run(TENON, "ls", "--json", path)[0])
            seconds, memory, _ = run(TENON, "ls", "-q", path)
            listing.append(seconds)
            peak = max(peak, memory)
        theirs, full, quiet = map(statistics.median, (python, ours, listing))
        print(f"  {count:9}{len(text) / 1e6:7.1f} MB{theirs:11.3f}s{quiet:8.3f}s{quiet / theirs:10.2f}"
              f"{full:10.3f}s{full / theirs:10.2f}{peak / 1024:10.0f} MB")


def rules(folder, layers, attention):
    """Expert keys of so many layers through rules for attention parts, which none of them fits, and three
    that fit; against re.sub in a loop over the same keys."""
    path, script = os.path.join(folder, "keys.txt"), os.path.join(folder, "rules.lua")
    keys = expert_keys(layers)
    with open(path, "w") as file:
        file.writelines(f"{key} torch.Size([1])\n" for key in keys)
    lines = [f"  model.layers.{{i}}.self_attn.part{k}.* -> blocks.{{i}}.attn.p{k}.*" for k in range(attention)]
    lines += [f"  model.layers.{{i}}.mlp.experts.{{e}}.{a}_proj.* -> blocks.{{i}}.ffn.{{e}}.{b}.*"
              for a, b in (("gate", "w1"), ("up", "w3"), ("down", "w2"))]
    with open(script, "w") as file:
        file.write("rules [[\n" + "\n".join(lines) + "\n]]\n")
    code = r"""
import re, sys, time
keys = [line.split(" ")[0] for line in open(sys.argv[1])]
rules = [(re.compile(r"model\.layers\.(\d+)\.self_attn\.part%d\.([^.]+)" % k), r"blocks.\1.attn.p%d.\2" % k) for k in range(int(sys.argv[2]))]
rules += [(re.compile(r"model\.layers\.(\d+)\.mlp\.experts\.(\d+)\.%s_proj\.([^.]+)" % a), r"blocks.\1.ffn.\2.%s.\3" % b) for a, b in (("gate", "w1"), ("up", "w3"), ("down", "w2"))]
start = time.perf_counter()
for key in keys:
    for pattern, to in rules:
        key = pattern.sub(to, key)
print(time.perf_counter() - start)
"""
    python, ours, plain, peak = [], [], [], 0
    for _ in range(RUNS):
        python.append(float(run(sys.executable, "-c", code, path, str(attention))[2]))
        seconds, memory, _ = run(TENON, "align", "-q", path, "-r", script)
        ours.append(seconds)
        peak = max(peak, memory)
        plain.append(run(TENON, "align", "-q", path)[0])
    matching = statistics.median(ours) - statistics.median(plain)
    table(f"rules: {len(keys)} keys through {len(lines)} rules",
          [("Python re.sub loop", statistics.median(python), 0),
           ("tenon align -r, whole process", statistics.median(ours), peak),
           ("tenon align without rules", statistics.median(plain), 0),
           ("what the rules take (difference)", matching, 0)], "Python")
    print(f"  matching is {statistics.median(python) / matching:.1f} × as fast as re.sub")


def dequantize(folder):
    """A GGUF file of Q8_0 to a safetensors of f16, against gguf-py."""
    try:
        import gguf
        import numpy
    except ImportError:
        print("\ndequantize: skipped, no gguf package")
        return
    source, out = os.path.join(folder, "q8.gguf"), os.path.join(folder, "out.safetensors")
    writer = gguf.GGUFWriter(source, "llama")
    kind, rows = gguf.GGMLQuantizationType.Q8_0, 4096
    block = gguf.quants.quantize(numpy.random.default_rng(0).standard_normal(
        (rows, 4096)).astype(numpy.float32), kind)
    for i in range(max(1, MB * 1000 * 1000 // block.nbytes)):
        writer.add_tensor(f"blk.{i}.weight", block, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    code = """
import os, resource, sys, time
import gguf, numpy, safetensors.numpy
start = time.perf_counter()
reader = gguf.GGUFReader(sys.argv[1])
safetensors.numpy.save_file({t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(numpy.float16)
                             for t in reader.tensors}, sys.argv[2])
fd = os.open(sys.argv[2], os.O_RDWR)
os.fsync(fd)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    ours, theirs, peak, most = [], [], 0, 0
    for _ in range(RUNS):
        fresh(out)
        seconds, memory, _ = run(TENON, "align", "-q", source, "-e",
                                 'rules [[ ** -> ** |> cast("f16") ]]', "-o", out)
        ours.append(seconds)
        peak = max(peak, memory)
        fresh(out)
        seconds, memory = run(sys.executable, "-c", code, source, out)[2].split()
        theirs.append(float(seconds))
        most = max(most, int(memory))
    table(f"dequantize: {os.path.getsize(source) / 1e9:.2f} GB of Q8_0 to f16",
          [("gguf-py, safetensors save_file", statistics.median(theirs), most),
           ("tenon align, cast(\"f16\")", statistics.median(ours), peak)], "gguf-py")
    fresh(source)
    fresh(out)


def learning(folder):
    """Two layouts of one model of about a gigabyte together: every matrix transposed, renamed."""
    old, new = os.path.join(folder, "old.safetensors"), os.path.join(folder, "new.safetensors")
    layers = max(1, min(MB, 1000) // 96)
    tensors = {f"h.{i}.{part}": torch.randn(1024, 4096) for i in range(layers) for part in ("a", "b", "c")}
    safetensors.torch.save_file(tensors, old)
    turned = {name.replace("h.", "blocks."): value.t().contiguous() for name, value in tensors.items()}
    safetensors.torch.save_file(turned, new)
    del tensors, turned
    size = os.path.getsize(old) + os.path.getsize(new)
    names = ("cat OLD NEW", "tenon diff --values (OLD, OLD)", "tenon learn OLD NEW")
    calls = (("sh", "-c", 'cat "$1" "$2" > /dev/null', "sh", old, new), (TENON, "diff", "-q", "--values", old, old),
             (TENON, "learn", "-q", old, new))
    times, peaks = {name: [] for name in names}, dict.fromkeys(names, 0)
    for _ in range(RUNS):
        for name, call in zip(names, calls):
            seconds, peak, _ = run(*call)
            times[name].append(seconds)
            peaks[name] = max(peaks[name], peak)
    rows = [(name, statistics.median(times[name]), peaks[name]) for name in names]
    table(f"values: {size / 1e9:.2f} GB in two layouts", rows, "cat")
    print(f"  learn reads both sides twice: {2 * size / 1e6 / rows[2][1]:.0f} MB/s; diff: {size / 1e6 / rows[1][1]:.0f} MB/s")
    fresh(old)
    fresh(new)


def main():
    torch.manual_seed(0)
    folder = tempfile.mkdtemp(prefix="tenon-bench-", dir=os.environ.get("BENCH_DIR"))
    try:
        print(f"PyTorch {torch.__version__}, {os.cpu_count()} cores, medians of {RUNS}, {folder}")
        opening(folder, (1000, 10000, 94000, 1000000))
        rules(folder, 61, 37)      # 94,000 keys
        rules(folder, 651, 7)      # a million
        dequantize(folder)
        learning(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
