#!/usr/bin/env python3
"""Remote files: tenon against scripted servers on loopback. Speaks TAP; standard library alone.

    tests/remote/run.py [WORD]…      the cases whose names have one of the words
"""
import atexit
import concurrent.futures
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
from server import Server  # noqa: E402

# Where a shell started all this in the background it ignores Ctrl-C, and tenon would go on doing so.
signal.signal(signal.SIGINT, signal.default_int_handler)

TENON = os.path.abspath(os.environ.get("TENON", os.path.join(ROOT, "tenon")))
SCRATCH = tempfile.mkdtemp()
atexit.register(shutil.rmtree, SCRATCH, True)

# Nothing of the user's own: neither keys nor caches nor proxies.
CLEAN = {name: value for name, value in os.environ.items()
         if not name.lower().endswith("_proxy") and name.split("_")[0] not in
         ("AWS", "HF", "OSS", "TORCH", "SSL", "CURL", "HUGGINGFACE", "HUGGING", "TRANSFORMERS",
          "XDG", "STORAGE")}
CLEAN.update(HOME=os.path.join(SCRATCH, "home"), LC_ALL="C.UTF-8", NO_COLOR="1")
os.makedirs(CLEAN["HOME"], exist_ok=True)

cases = []


def case(function):
    cases.append(function)
    return function


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err
        self.text = out + err

    def __repr__(self):
        return f"status {self.status}\n{self.out}{self.err}"


PATIENCE = 120      # seconds: what is not over by then does not end by itself, on the slowest machine


def tenon(*args, env=None, fast=True, timeout=PATIENCE):
    """Runs it. `fast`: servers that fail are asked twice. One that is silent is waited for, since it may
    only be slow: whoever tests silence says how long."""
    limits = ["--limit", "remote-tries=2", "--limit", "remote-seconds=60"] if fast else []
    done = subprocess.run([TENON, args[0], *limits, *args[1:]], capture_output=True, text=True,
                          errors="surrogateescape", timeout=timeout, cwd=here.folder,
                          stdin=subprocess.DEVNULL, env={**CLEAN, **(env or {})})
    return Result(done.returncode, done.stdout, done.stderr)


def check(condition, *shown):
    if not condition:
        raise AssertionError("\n".join(str(s) for s in shown))


def wait_until(condition, what):
    """Waits for what another process brings about."""
    end = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < end, f"in vain: {what}")
        time.sleep(0.01)


def refuses(result, *words):
    """One clear error: one line on standard error with these words, nothing else."""
    check(result.status == 2, result)
    check(result.err.count("\n") == 1 and result.err.startswith("tenon: "), result)
    for word in words:
        check(word in result.err, f"no {word!r} in:", result)


here = threading.local()        # of the case that a thread runs: its folder, its servers


def path(name):
    return os.path.join(here.folder, name)


def safetensors(tensors):
    """{name: bytes of an f32 vector} as a file."""
    header, at = {}, 0
    for name, data in tensors.items():
        header[name] = {"dtype": "F32", "shape": [len(data) // 4],
                        "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensors.values())


def numbers(n, seed):
    """n bytes of floats that are all different from other seeds'."""
    return struct.pack(f"<{n // 4}f", *((seed * 7919 + i) % 65521 for i in range(n // 4)))


def thousand():
    """A model of a thousand tensors, 20 MB."""
    return {f"model.layers.{i // 10}.block.{i % 10}.weight": numbers(20000, i)
            for i in range(1000)}


def serve(routes, **options):
    server = Server(**options)
    server.routes.update(routes)
    here.servers.append(server)
    return server


making = threading.Lock()


def certificate():
    """A certificate for 127.0.0.1 and its key, made once."""
    key, cert = os.path.join(SCRATCH, "key.pem"), os.path.join(SCRATCH, "cert.pem")
    with making:
        if os.path.exists(cert):
            return cert, key
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-keyout", key, "-out", cert, "-subj", "/CN=tenon",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True,
                       capture_output=True)
    return cert, key


def run(function):
    """What went wrong, as text; None when nothing did."""
    here.folder = tempfile.mkdtemp(dir=SCRATCH)
    here.servers = []
    try:
        function()
        return None
    except Exception as error:      # whatever a case meets, the others go on
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        return kind + str(error)
    finally:
        for server in here.servers:
            server.stop()


def main():
    for name in sorted(os.listdir(HERE)):
        if name.startswith("cases_"):
            __import__(name[:-3])
    words, failures = sys.argv[1:], 0
    chosen = [c for c in cases if not words or any(w in c.__name__ for w in words)]
    # most of them wait for a server that does nothing
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for number, (function, wrong) in enumerate(zip(chosen, pool.map(run, chosen)), 1):
            failures += wrong is not None
            print(f"{'not ' if wrong is not None else ''}ok {number} - {function.__name__}: "
                  f"{function.__doc__}", flush=True)
            if wrong is not None:
                print("# " + wrong.replace("\n", "\n# "), flush=True)
    print(f"1..{len(chosen)}")
    return failures > 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
