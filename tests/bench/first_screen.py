"""From the start of the process to the first screen with names, to all names, and to the first
ledger: pairs of 94,000 tensors that PyTorch and safetensors wrote.

    make bench        BENCH_RUNS=5 BENCH_DIR=/a/disk FIRST_TENSORS=94000

The program runs on a pseudo terminal; a screen is there when the bytes that show it have come out.
Files are warm, and are written by another process: what is measured starts with our memory, and takes
longer to fork the more that is. Nothing here asserts a time.
"""
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TENON = os.path.join(ROOT, "tenon")
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
TENSORS = int(os.environ.get("FIRST_TENSORS", "94000"))
LONGEST_S = 60

# What the screen shows first of each: a name of the source; what stands above names when all of them
# are there; how many tensors the ledger loaded.
SIGNS = {"names": b"experts", "all": b"as they stand", "ledger": b" loaded"}

PAIRS = [("source.safetensors", "target.safetensors"), ("source.safetensors", "target.json"),
         ("source.pth", "target.pth"), ("source.pth", "target.json")]


def names(prefix):
    """Experts of a mixture."""
    parts = ("gate_proj", "up_proj", "down_proj")
    return [f"{prefix}model.layers.{i // 1536}.mlp.experts.{i // 6 % 256}.{parts[i // 2 % 3]}.weight"
            + ("_scale_inv" if i % 2 else "") for i in range(TENSORS)]


def write(folder):
    """The files of both sides; sizes differ, so that nothing folds."""
    import torch                             # not where it is measured
    from safetensors.torch import save_file
    for side, prefix in (("source", "module."), ("target", "")):
        tensors = {name: torch.zeros(1 + i * 2654435761 % 97) for i, name in enumerate(names(prefix))}
        torch.save(tensors, os.path.join(folder, f"{side}.pth"))
        save_file(tensors, os.path.join(folder, f"{side}.safetensors"))
    with open(os.path.join(folder, "target.json"), "w") as file:
        json.dump({"tensors": [{"key": key, "dtype": "f32", "shape": list(value.shape)}
                               for key, value in tensors.items()]}, file)


def watch(terminal, start):
    """Milliseconds until each of SIGNS has come out of the terminal."""
    shown, reached = b"", {}
    while len(reached) < len(SIGNS) and select.select([terminal], [], [], LONGEST_S)[0]:
        try:
            shown += os.read(terminal, 1 << 16)
        except OSError:                      # it has ended
            break
        for sign, text in SIGNS.items():
            if text in shown:
                reached.setdefault(sign, (time.monotonic() - start) * 1e3)
    return reached


def drain(terminal):
    """What the program says at its end must be read, or it would wait."""
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        pass


def run(*args):
    """(milliseconds to each sign, seconds of the processor, peak resident kB)."""
    start = time.monotonic()
    pid, terminal = pty.fork()
    if not pid:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        os.execve(TENON, [TENON, *args], {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8",
                                          "XDG_STATE_HOME": "/dev/null"})
    reached = watch(terminal, start)
    os.kill(pid, signal.SIGTERM)
    drain(terminal)
    usage = os.wait4(pid, 0)[2]
    os.close(terminal)
    return reached, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main():
    folder = tempfile.mkdtemp(dir=os.environ.get("BENCH_DIR"))
    try:
        subprocess.run([sys.executable, __file__, folder], check=True)
        print(f"\nthe viewer, {TENSORS} tensors on each side: from the start of the process")
        print(f"  {'':42}{'names':>9}{'all':>10}{'ledger':>10}{'processor':>11}{'peak memory':>13}")
        for source, target in PAIRS:
            paths = [os.path.join(folder, name) for name in (source, target)]
            run(*paths)                      # warm
            runs = [run(*paths) for _ in range(RUNS)]
            first, all_names, ledger = (statistics.median(reached.get(sign, float("nan"))
                                               for reached, _, _ in runs) for sign in SIGNS)
            processor = statistics.median(seconds for _, seconds, _ in runs) * 1e3
            peak = max(peak for _, _, peak in runs) / 1024
            print(f"  {source + ' ' + target:42}{first:6.0f} ms{all_names:7.0f} ms{ledger:7.0f} ms{processor:8.0f} ms"
                  f"{peak:10.0f} MB", flush=True)
    finally:
        shutil.rmtree(folder)


if len(sys.argv) > 1:
    write(sys.argv[1])
else:
    main()
