"""What writing costs, as ratios in one run: against cp, dd, PyTorch, safetensors' Python and gguf-py.

    make bench        BENCH_MB=1500 BENCH_RUNS=5 BENCH_DIR=/a/disk BENCH_HUGE_GB=40

Everything is warm (read once before it is timed) and ends in fsync, but where a table says otherwise;
runs are interleaved and medians told. PyTorch's figures do not count its import. "cpu" is the time of
all processors together, which other programs disturb less. Bytes are what the kernel counted of read
and write calls (/proc/self/io, rchar and wchar; pages of a mapped file are not among them).
"""
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

import gguf
import numpy
import safetensors.torch
import torch

from bench import MB, RUNS, TENON, fresh

HUGE = int(os.environ.get("BENCH_HUGE_GB", "40"))

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
print(seconds, usage.ru_maxrss, after[0] - before[0], after[1] - before[1],
      usage.ru_utime + usage.ru_stime, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""

# Load, rename, save, and fsync unless it is to be left out; prints the time, and that of the
# processors, without the import.
IN_TORCH = """
import os, sys, time
import torch, safetensors, safetensors.torch
how, source, out, *unsynced = sys.argv[1:]
start, cpu = time.perf_counter(), time.process_time()
if how in ("load", "mmap"):
    state = torch.load(source, weights_only=True, mmap=how == "mmap")
    torch.save({k.removeprefix("module."): v for k, v in state.items()}, out)
else:
    state = safetensors.torch.load_file(source)
    safetensors.torch.save_file({k.removeprefix("module."): v for k, v in state.items()}, out,
                                metadata={"format": "pt"})
if not unsynced:
    fd = os.open(out, os.O_RDWR)
    os.fsync(fd)
print(time.perf_counter() - start, time.process_time() - cpu)
"""

# The same for a GGUF file: what gguf-new-metadata does to write another one.
IN_GGUF = """
import os, sys, time
import gguf
source, out = sys.argv[1:]
start, cpu = time.perf_counter(), time.process_time()
reader = gguf.GGUFReader(source)
writer = gguf.GGUFWriter(out, "llama")
for t in reader.tensors:
    writer.add_tensor_info(t.name.replace("blk.", "layers."), t.data.shape, t.data.dtype, t.data.nbytes, t.tensor_type)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_ti_data_to_file()
for t in reader.tensors:
    writer.write_tensor_data(t.data)
writer.close()
fd = os.open(out, os.O_RDWR)
os.fsync(fd)
print(time.perf_counter() - start, time.process_time() - cpu)
"""


def drop(path):
    """Out of the page cache, so that what reads it next reads the disk."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


class Row:
    """One way to do it: a command, and what it took so often."""

    def __init__(self, name, *command, inner=False, after=()):
        self.name, self.command, self.inner, self.after = name, command, inner, after
        self.seconds, self.cpu, self.peak, self.read, self.written = [], [], 0, 0, 0

    def run(self):
        done = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, *self.command], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            sys.exit(f"{self.command} ended with {done.returncode}: {done.stderr[:500]}")
        seconds, peak, read, written, cpu = done.stderr.split()[-5:]
        if self.inner:
            seconds, cpu = done.stdout.split()
        self.seconds.append(float(seconds))
        self.cpu.append(float(cpu))
        self.peak = max(self.peak, int(peak))
        self.read, self.written = int(read), int(written)
        if self.after:
            subprocess.run(self.after, check=True)


def compare(title, rows, out, runs=RUNS, cold=None):
    """All rows once, then all again; `cold`: the source, which is dropped from the page cache before each."""
    for _ in range(runs):
        for row in rows:
            fresh(out)
            if cold:
                drop(cold)
            row.run()
    fresh(out)
    first = statistics.median(rows[0].seconds)
    print(f"\n{title}")
    print(f"  {'':38}{'median':>9}{'÷ cp':>7}{'fastest':>9}{'cpu':>8}{'peak memory':>13}{'read':>9}{'written':>9}")
    for row in rows:
        median = statistics.median(row.seconds)
        print(f"  {row.name:38}{median:8.3f}s{median / first:7.2f}{min(row.seconds):8.3f}s{statistics.median(row.cpu):7.2f}s"
              f"{row.peak / 1024:10.0f} MB{row.read / 1e9:6.2f} GB{row.written / 1e9:6.2f} GB", flush=True)
    return {row.name: statistics.median(row.seconds) for row in rows}


def against_python(medians, rows):
    """How many times as fast as Python at its fastest: cp, which does nothing but copy, and tenon."""
    python = min(medians[row.name] for row in rows if row.inner)
    mine = next(medians[row.name] for row in rows if row.name == RENAMED)
    print(f"  as fast as Python at its fastest: tenon {python / mine:.1f} ×, cp {python / medians[rows[0].name]:.1f} ×")


RENAMED = "tenon, every key renamed"


def copy(source, out, synced=True):
    return Row("cp --reflink=never" + ", sync" * synced, "sh", "-c",
               'cp --reflink=never --sparse=never "$1" "$2"' + ' && sync "$2"' * synced, "sh", source, out)


def align(name, source, out, code):
    return Row(name, TENON, "align", "-q", source, "-e", code, "-o", out)


def in_python(ext, source, out, *unsynced):
    python = (sys.executable, "-c", IN_TORCH)
    if ext == "safetensors":
        return [Row("safetensors load_file, save_file", *python, "file", source, out, *unsynced, inner=True)]
    return [Row("PyTorch load, rename, save", *python, "load", source, out, *unsynced, inner=True),
            Row("PyTorch load(mmap=True), …", *python, "mmap", source, out, *unsynced, inner=True)]


def make_source(path, megabytes, dtype=torch.float32):
    """Matrices of 16 MB in f32, three of them a layer."""
    tensors = {f"module.layers.{i}.{part}": torch.randn(1024, 1024 * 4 * 4 // dtype.itemsize).to(dtype)
               for i in range(max(1, megabytes // 48)) for part in ("q", "k", "v")}
    if path.endswith(".pth"):
        torch.save(tensors, path)
    else:
        safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
    return os.path.getsize(path) / 1e9


STRIP = 'strip "module."'


def transforms(source, out):
    """Whatever is done to every tensor."""
    ops = (("transposed", "rules [[ ** -> ** |> T ]]"), ("cast to bf16", 'rules [[ ** -> ** |> cast("bf16") ]]'),
           ("split in two", "rules [[ ** -> **.a, **.b |> split(2) ]]"),
           ("rotary rows moved", "rules [[ ** -> ** |> rope_pairs(8) ]]"),
           ("joined to two others", "rules [[ {l}.q, {l}.k, {l}.v -> {l}.qkv |> cat(0) ]]"),
           ("stacked with two others", "rules [[ {l}.q, {l}.k, {l}.v -> {l}.qkv |> stack(0) ]]"))
    return [align("tenon, every tensor " + name, source, out, code.replace("{l}", "module.layers.{l}"))
            for name, code in ops]


def exports(folder, ext):
    """One format: everything at BENCH_MB, names alone at 100 MB, and names alone otherwise than warm and synced."""
    source, out = os.path.join(folder, "source." + ext), os.path.join(folder, "out." + ext)
    other = os.path.join(folder, "out." + ("safetensors" if ext == "pth" else "pth"))
    for megabytes in (100, MB):
        size = make_source(source, megabytes)
        rows = [copy(source, out), align(RENAMED, source, out, STRIP),
                Row("tenon, renamed --in-place", TENON, "align", "-q", source, "-e", STRIP, "--in-place",
                    after=(TENON, "undo", "-q", source))]
        if megabytes == MB:
            rows += [Row("dd bs=4M conv=fsync", "dd", "bs=4M", "conv=fsync", "status=none", "if=" + source, "of=" + out),
                     *transforms(source, out),
                     Row("tenon, to the other format", TENON, "align", "-q", "--force", source, "-e", STRIP, "-o", other)]
        rows += in_python(ext, source, out)
        against_python(compare(f"writing: {size:.2f} GB of .{ext}, f32", rows, out), rows)
        fresh(other)
    few = min(RUNS, 3)
    rows = [copy(source, out), align(RENAMED, source, out, STRIP), *in_python(ext, source, out)]
    compare(f"the same, cold: the source is on the disk only (medians of {few})", rows, out, few, source)
    rows = [copy(source, out, synced=False), align(RENAMED + " (synced)", source, out, STRIP),
            *in_python(ext, source, out, "unsynced")]
    compare(f"the same, without fsync, which tenon never leaves out (medians of {few})", rows, out, few)
    for dtype in (torch.float16, torch.bfloat16) if ext == "safetensors" else ():
        size, name = make_source(source, MB, dtype), str(dtype)[6:]
        rows = [copy(source, out), *transforms(source, out)]
        if dtype == torch.bfloat16:
            rows[2] = align("tenon, every tensor cast to f32", source, out, 'rules [[ ** -> ** |> cast("f32") ]]')
        compare(f"writing: {size:.2f} GB of .{ext}, {name} (medians of {few})", rows, out, few)
    fresh(source)


def renaming_gguf(folder):
    """A GGUF file has its names changed in it; gguf-py writes another one."""
    source, out = os.path.join(folder, "source.gguf"), os.path.join(folder, "out.gguf")
    writer = gguf.GGUFWriter(source, "llama")
    block = numpy.random.default_rng(0).standard_normal((1024, 4096)).astype(numpy.float32)
    for i in range(max(1, MB // 16)):
        writer.add_tensor(f"blk.{i}.attn_q.weight", block)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    rows = [copy(source, out),
            Row("tenon, renamed --in-place", TENON, "align", "-q", source, "-e", "rules [[ blk.** -> layers.** ]]",
                "--in-place", after=(TENON, "undo", "-q", source)),
            Row("gguf-py: read, rename, write", sys.executable, "-c", IN_GGUF, source, out, inner=True)]
    compare(f"renaming: {os.path.getsize(source) / 1e9:.2f} GB of .gguf", rows, out, min(RUNS, 3))
    fresh(source)


def make_sparse(path, gigabytes):
    """400 tensors of holes."""
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


def in_place(folder):
    """A file of holes as large as models get: what in place costs does not grow with it."""
    path, rows = os.path.join(folder, "sparse.safetensors"), []
    for gigabytes in (0.1, 1.5, 40):
        make_sparse(path, gigabytes)
        row = Row(f"{gigabytes} GB", TENON, "align", "-q", path, "-e", 'prefix "a.longer.name."', "--in-place",
                  after=(TENON, "undo", "-q", path))
        for _ in range(RUNS):
            row.run()
        rows.append(row)
        fresh(path)
    print("\nin place: every key of a .safetensors of 400 tensors renamed, and its header made longer")
    for row in rows:
        print(f"  {row.name:>10}{statistics.median(row.seconds) * 1000:8.0f} ms{row.peak / 1024:8.0f} MB")


def huge(folder):
    """One run each of a model larger than memory, whose source is a file of holes: reading it costs what reading
    zeros costs, writing it is real. Of the .pth that is made, the zeros are given back before it is a source."""
    source, other = os.path.join(folder, "huge.safetensors"), os.path.join(folder, "huge.pth")
    need, free = HUGE * 1.05e9, shutil.disk_usage(folder).free
    if free < need:
        print(f"\nhuge: skipped: {HUGE} GB have no room in {folder} ({free / 1e9:.0f} GB free)")
        return
    make_sparse(source, HUGE)
    for path in (source, other):
        out = os.path.join(folder, "out" + os.path.splitext(path)[1])
        rows = [copy(path, out), align(RENAMED, path, out, STRIP)]
        compare(f"writing: {HUGE} GB of {os.path.splitext(path)[1]}, the source sparse (one run)", rows, out, 1)
        if path == source:
            row = Row("tenon, .safetensors to .pth", TENON, "align", "-q", source, "-e", 'prefix "module."', "-o", other)
            row.run()
            print(f"  {row.name:38}{row.seconds[0]:8.3f}s{row.seconds[0] / rows[0].seconds[0]:7.2f}")
            fresh(source)
            subprocess.run(["fallocate", "--dig-holes", other], check=True)
    fresh(other)


def main():
    torch.manual_seed(0)
    folder = tempfile.mkdtemp(prefix="tenon-bench-", dir=os.environ.get("BENCH_DIR"))
    try:
        print(f"PyTorch {torch.__version__}, {os.cpu_count()} cores, medians of {RUNS}, {folder}")
        for ext in ("pth", "safetensors"):
            exports(folder, ext)
        renaming_gguf(folder)
        in_place(folder)
        huge(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
