"""What writing costs, as ratios in one run: against cp, dd, PyTorch and safetensors' Python.

    make bench        BENCH_MB=1500 BENCH_RUNS=5 BENCH_DIR=/a/disk

Everything is warm (read once before it is timed) and ends in fsync; runs are interleaved and medians
told. PyTorch's figures do not count its import. Bytes are what the kernel counted of read and write
calls (/proc/self/io, rchar and wchar; pages of a mapped file are not among them).
"""
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

import safetensors.torch
import torch

from bench import MB, RUNS, TENON, fresh

# A process of its own between us and what is measured: peak memory starts at that of the parent, and
# what its children read and wrote is added to its own account when they end.
LAUNCHER = """
import os, sys, time
def counted():
    with open("/proc/self/io") as lines:
        return [int(line.split()[1]) for line in lines][:2]
before = counted()
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds, after = time.perf_counter() - start, counted()
print(seconds, usage.ru_maxrss, after[0] - before[0], after[1] - before[1], file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""

# Load, rename, save, fsync; prints the time without the import.
IN_TORCH = """
import os, sys, time
import torch, safetensors, safetensors.torch
how, source, out = sys.argv[1:]
start = time.perf_counter()
if how in ("load", "mmap"):
    state = torch.load(source, weights_only=True, mmap=how == "mmap")
    torch.save({k.removeprefix("module."): v for k, v in state.items()}, out)
else:
    state = safetensors.torch.load_file(source)
    safetensors.torch.save_file({k.removeprefix("module."): v for k, v in state.items()}, out,
                                metadata={"format": "pt"})
fd = os.open(out, os.O_RDWR)
os.fsync(fd)
print(time.perf_counter() - start)
"""


class Row:
    """One way to do it: a command, and what it took so often."""

    def __init__(self, name, *command, inner=False, after=()):
        self.name, self.command, self.inner, self.after = name, command, inner, after
        self.seconds, self.peak, self.read, self.written = [], 0, 0, 0

    def run(self):
        done = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, *self.command], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            sys.exit(f"{self.command} ended with {done.returncode}: {done.stderr[:500]}")
        seconds, peak, read, written = done.stderr.split()[-4:]
        self.seconds.append(float(done.stdout) if self.inner else float(seconds))
        self.peak = max(self.peak, int(peak))
        self.read, self.written = int(read), int(written)
        if self.after:
            subprocess.run(self.after, check=True)


def compare(title, rows, out):
    """All rows once, then all again."""
    for _ in range(RUNS):
        for row in rows:
            fresh(out)
            row.run()
    fresh(out)
    first = statistics.median(rows[0].seconds)
    print(f"\n{title}")
    print(f"  {'':38}{'median':>9}{'÷ cp':>7}{'fastest':>9}{'peak memory':>13}{'read':>9}{'written':>9}")
    for row in rows:
        median = statistics.median(row.seconds)
        print(f"  {row.name:38}{median:8.3f}s{median / first:7.2f}{min(row.seconds):8.3f}s{row.peak / 1024:10.0f} MB"
              f"{row.read / 1e9:6.2f} GB{row.written / 1e9:6.2f} GB", flush=True)
    return {row.name: statistics.median(row.seconds) for row in rows}


def align(name, source, out, code):
    return Row(name, TENON, "align", "-q", source, "-e", code, "-o", out)


def exports(folder, ext):
    source, out = os.path.join(folder, "source." + ext), os.path.join(folder, "out." + ext)
    tensors = {f"module.layers.{i}.{part}": torch.randn(1024, 1024 * 4)
               for i in range(max(1, MB // 48)) for part in ("q", "k", "v")}
    if ext == "pth":
        torch.save(tensors, source)
    else:
        safetensors.torch.save_file(tensors, source, metadata={"format": "pt"})
    del tensors
    other = os.path.join(folder, "out." + ("safetensors" if ext == "pth" else "pth"))
    strip, python = 'strip "module."', (sys.executable, "-c", IN_TORCH)
    rows = [Row("cp --reflink=never, sync", "sh", "-c", 'cp --reflink=never "$1" "$2" && sync "$2"', "sh", source,
                out),
            Row("dd bs=4M conv=fsync", "dd", "bs=4M", "conv=fsync", "status=none", "if=" + source, "of=" + out),
            align("tenon, every key renamed", source, out, strip),
            Row("tenon, renamed --in-place", TENON, "align", "-q", source, "-e", strip, "--in-place",
                after=(TENON, "undo", "-q", source)),
            align("tenon, every tensor transposed", source, out, "rules [[ ** -> ** |> T ]]"),
            align("tenon, every tensor cast to bf16", source, out, 'rules [[ ** -> ** |> cast("bf16") ]]'),
            align("tenon, every tensor split in two", source, out, "rules [[ ** -> **.a, **.b |> split(2) ]]"),
            Row("tenon, to the other format", TENON, "align", "-q", "--force", source, "-e", strip, "-o", other)]
    if ext == "pth":
        rows += [Row("PyTorch load, rename, save", *python, "load", source, out, inner=True),
                 Row("PyTorch load(mmap=True), …", *python, "mmap", source, out, inner=True)]
    else:
        rows += [Row("safetensors load_file, save_file", *python, "file", source, out, inner=True)]
    subprocess.run(["cat", source], stdout=subprocess.DEVNULL, check=True)
    medians = compare(f"writing: {os.path.getsize(source) / 1e9:.2f} GB of .{ext}", rows, out)
    print(f"  tenon is {min(medians[row.name] for row in rows if row.inner) / medians[rows[2].name]:.1f} × as fast as "
          "Python at its fastest")
    for path in (source, other):
        fresh(path)


def in_place(folder):
    """A file of holes as large as models get: what in place costs does not grow with it."""
    path, rows = os.path.join(folder, "sparse.safetensors"), []
    for gigabytes in (0.1, 1.5, 40):
        count, header, at = 400, "{", 0
        each = int(gigabytes * 1e9 / count) // 4096 * 4096
        for i in range(count):
            header += f'{"," if i else ""}"module.layers.{i}.weight":{{"dtype":"U8","shape":[{each}],' \
                      f'"data_offsets":[{at},{at + each}]}}'
            at += each
        data = (header + "}").encode()
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(data)) + data)
            file.truncate(8 + len(data) + at)
        row = Row(f"{gigabytes} GB", TENON, "align", "-q", path, "-e", 'prefix "a.longer.name."', "--in-place",
                  after=(TENON, "undo", "-q", path))
        for _ in range(RUNS):
            row.run()
        rows.append(row)
        fresh(path)
    print("\nin place: every key of a .safetensors of 400 tensors renamed, and its header made longer")
    for row in rows:
        print(f"  {row.name:>10}{statistics.median(row.seconds) * 1000:8.0f} ms{row.peak / 1024:8.0f} MB")


def main():
    torch.manual_seed(0)
    folder = tempfile.mkdtemp(prefix="tenon-bench-", dir=os.environ.get("BENCH_DIR"))
    try:
        print(f"PyTorch {torch.__version__}, {os.cpu_count()} cores, medians of {RUNS}, {folder}")
        for ext in ("pth", "safetensors"):
            exports(folder, ext)
        in_place(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
