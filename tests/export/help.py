"""What the tests of writing share: checkpoints made by hand, tenon run, faults put in its way."""
import atexit
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TENON = os.path.join(ROOT, os.environ.get("TENON", "tenon"))
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None      # syncing costs nothing there
FOLDER = tempfile.mkdtemp(prefix="tenon-export-", dir=MEMORY)
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
os.environ["LC_ALL"] = "C.UTF-8"
os.environ["NO_COLOR"] = "1"

number = failures = 0


def result(fine, name, detail=""):
    """A line of TAP."""
    global number, failures
    number += 1
    print(f"{'ok' if fine else 'not ok'} {number} - {name}", flush=True)
    if not fine:
        failures += 1
        print("# " + str(detail)[:2000].replace("\n", "\n# "))
    return fine


def skip(name, why):
    global number
    number += 1
    print(f"ok {number} - {name} # SKIP {why}", flush=True)


def finish():
    print(f"1..{number}")
    sys.exit(failures > 0)


def place(*parts):
    path = os.path.join(FOLDER, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def tenon(*args, env=None, timeout=60):
    """(exit status, standard output, standard error)"""
    done = subprocess.run([TENON, *args], capture_output=True, text=True, errors="surrogateescape",
                          env={**os.environ, **(env or {})}, timeout=timeout, check=False)
    return done.returncode, done.stdout, done.stderr


def safetensors(path, tensors, metadata=None, pad=0):
    """A file of {name: (dtype, shape, bytes)}; `pad` more blanks behind its header."""
    header, at = ({"__metadata__": metadata} if metadata else {}), 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8 + pad)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)
    return path


def floats(rows, columns, seed):
    """Bytes of finite f32 numbers."""
    return b"".join(struct.pack("<f", (i * 37 + seed * 11) % 251 / 7 - 9) for i in range(rows * columns))


def model(layers=8, rows=150, columns=120):
    return {f"module.layers.{i}.{part}": ("F32", [rows, columns], floats(rows, columns, 2 * i + k))
            for i in range(layers) for k, part in enumerate(("weight", "other"))}


def contents(folder):
    """{name: SHA-256} of all files, hidden ones too."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


class Faults:
    """The interposer; None where there is no compiler, or tenon is built with a sanitizer, which must
    be loaded first."""

    def __init__(self, name="fault"):
        self.library = place(name + ".so")
        cc = shutil.which("cc") or shutil.which("gcc")
        source = os.path.join(ROOT, "tests", "export", name + ".c")
        built = cc and subprocess.run([cc, "-shared", "-fPIC", "-O1", "-o", self.library, source, "-ldl"],
                                      check=False).returncode == 0
        self.why = "" if built else "there is no C compiler"
        if "ASAN_OPTIONS" in os.environ:
            self.why = "sanitizers do not let a library be loaded before theirs"

    def run(self, *args, at=None, errno=None, half=False, loss=None, reads=False):
        """tenon with a fault at the at-th call; (status, output, error, calls counted). With `loss` (loss.c) the
        power fails there; with `reads` only calls that read count."""
        count = place("count")
        write(count, b"0")
        env = {"LD_PRELOAD": self.library, "FAULT_COUNT": count}
        if at is not None:
            env["FAULT_AT"] = str(at)
        if errno is not None:
            env["FAULT_ERRNO"] = str(errno)
        if half:
            env["FAULT_HALF"] = "1"
        if reads:
            env["FAULT_READS"] = "1"
        if loss is not None:
            env["LOSS"] = str(loss)
        status, out, err = tenon(*args, env=env)
        return status, out, err, int(read(count) or b"0")
