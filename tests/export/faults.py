#!/usr/bin/env python3
"""Exports with something in their way: the output is whole or not there, and one clear error says why."""
import errno
import os
import shutil
import subprocess

from help import FOLDER, TENON, Faults, contents, finish, floats, model, place, read, result, safetensors, skip, tenon

source = safetensors(place("source.safetensors"), {**model(3), "module.big": ("F32", [300, 1000], floats(300, 1000, 1))})
CODES = {"renamed": 'strip "module."', "turned": "rules [[ module.** -> ** |> T ]]"}
wanted = {}
for how, code in CODES.items():
    for out in ("o.safetensors", "o.pth", "o.npz"):
        status, _, err = tenon("align", "-q", source, "-e", code, "-o", place(how, out))
        wanted[how, out] = read(place(how, out))


def hidden(folder):
    return [name for name in os.listdir(folder) if name.startswith(".")]


faults = Faults()
if faults.why:
    skip("a fault at each call", faults.why)
else:
    for how, out in (("renamed", "o.safetensors"), ("renamed", "o.pth"), ("turned", "o.pth")):
        path = place("faults", out)
        args = ("align", "-q", source, "-e", CODES[how], "--force", "--threads", "1", "-o", path)
        *_, calls = faults.run(*args)
        bad = []
        for at in range(1, calls + 1):
            for number in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
                if os.path.exists(path):
                    os.unlink(path)
                status, said, err, _ = faults.run(*args, at=at, errno=number)
                there = read(path) if os.path.exists(path) else None
                left = hidden(os.path.dirname(path))
                # A fault that nothing hangs on (a copy in the kernel, a reservation, the folder's sync) is made up for.
                fine = there == wanted[how, out] if status == 0 else \
                    status == 2 and there is None and err.startswith("tenon: ") and len(err.splitlines()) == 1
                if not fine or left:
                    bad.append((at, number, status, err, there and len(there), left))
                for name in left:
                    os.unlink(os.path.join(os.path.dirname(path), name))
        result(calls > 4 and not bad, f"{how} {out}: a fault at each of {calls} calls", bad[:4])
        bad = []
        for at in range(1, calls + 1):
            if os.path.exists(path):
                os.unlink(path)
            faults.run(*args, at=at, half=True)
            if os.path.exists(path) and read(path) != wanted[how, out]:
                bad.append((at, os.path.getsize(path)))
        result(not bad, f"{how} {out}: killed at each call, nothing partial under the name", bad)
        shutil.rmtree(os.path.dirname(path))           # kills leave their temporary files
        path = place("faults", out)
        *_, calls = faults.run(*args, reads=True)
        bad = []
        for at in range(1, calls + 1):
            if os.path.exists(path):
                os.unlink(path)
            status, said, err, _ = faults.run(*args, at=at, errno=errno.EIO, reads=True)
            left = os.listdir(os.path.dirname(path))
            # A read that nothing hangs on is the kernel's copy, tried otherwise.
            fine = status == 2 and not left and err.startswith("tenon: ") and len(err.splitlines()) == 1 and \
                "Input/output error" in err
            if not fine and not (status == 0 and read(path) == wanted[how, out]):
                bad.append((at, status, err, left))
        result(calls > 2 and not bad, f"{how} {out}: EIO at each of {calls} reads", bad[:3])
        shutil.rmtree(os.path.dirname(path))


def mounted(name, options):
    """A small file system; None where that may not be done."""
    path = place(name, "")
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", path],
                                      stderr=subprocess.DEVNULL, check=False).returncode:
        return None
    return path


folder = mounted("full", "size=1m")
if folder:
    for how, out in wanted:
        status, _, err = tenon("align", "-q", source, "-e", CODES[how], "-o", folder + out)
        result(status == 2 and "disk" in err and "are free" in err and not os.listdir(folder), f"full disk: {how} {out}",
               (err, os.listdir(folder)))
    subprocess.run(["umount", folder], check=True)
else:
    skip("full disk", "only root can mount a small file system")
folder = mounted("read-only", "size=1m,ro")
if folder:
    status, _, err = tenon("align", "-q", source, "-o", folder + "o.pth")
    result(status == 2 and "cannot create a file" in err and "Read-only" in err, "read-only target", err)
    subprocess.run(["umount", folder], check=True)
elif os.geteuid():
    folder = place("closed", "")
    os.chmod(folder, 0o555)
    status, _, err = tenon("align", "-q", source, "-o", folder + "o.pth")
    result(status == 2 and "cannot create a file" in err, "read-only target", err)
    os.chmod(folder, 0o755)
else:
    skip("read-only target", "nothing can be mounted here, and root may write everywhere")

# Another file system: nothing can be cloned, and perhaps not copied inside the kernel either.
other = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"tenon-faults-{os.getpid()}.pth")
status, _, err = tenon("align", "-q", source, "-e", CODES["renamed"], "-o", other)
sizes = os.path.getsize(other), len(wanted["renamed", "o.pth"])
os.unlink(other)
result(status == 0 and abs(sizes[0] - sizes[1]) < 1000, f"from {FOLDER} to another file system", (err, sizes))

# The source is written to while it is read.
busy = safetensors(place("busy.safetensors"), {f"t{i}": ("F32", [512, 512], bytes(1 << 20)) for i in range(64)})
out, changed = place("busy", "o.pth"), 0
for _ in range(20):
    process = subprocess.Popen([TENON, "align", "-q", busy, "-e", "rules [[ ** -> ** |> T ]]", "-o", out, "--force",
                                "--threads", "1", "--buffer", "64KiB"], stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        if hidden(os.path.dirname(out)):
            with open(busy, "r+b") as file:
                file.seek(-8, 2)
                file.write(b"12345678")
    err = process.stderr.read()
    if process.returncode == 2:
        changed += "was written to by somebody else" in err and not os.path.exists(out) and \
            not hidden(os.path.dirname(out))
    if changed:
        break
    if os.path.exists(out):
        os.unlink(out)
result(changed == 1, "a source that is written to while it is read", err)
result(contents(place("busy", "")) == {}, "and nothing stays behind")
finish()
