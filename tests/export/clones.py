#!/usr/bin/env python3
"""File systems that clone: unchanged values share their blocks, and names change in place."""
import fcntl
import os
import shutil
import struct
import subprocess

from help import Faults, finish, floats, place, read, result, safetensors, skip, tenon

SHARED, FIEMAP = 0x2000, 0xC020660B


def shared(path):
    """Bytes of a file whose blocks another file has, too (linux/fiemap.h)."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        room = 200
        answer = bytearray(struct.pack("=QQLLLL", 0, 2 ** 64 - 1, 0, 0, room, 0) + bytes(56 * room))
        fcntl.ioctl(file.fileno(), FIEMAP, answer)
        extents = (struct.unpack_from("=QQQQQL", answer, 32 + 56 * i)
                   for i in range(struct.unpack_from("=L", answer, 20)[0]))
        return sum(extent[2] for extent in extents if extent[5] & SHARED)


def mounted(kind):
    """A fresh file system of that kind in a file; None, and why, where that cannot be had."""
    if os.geteuid():
        return None, "only root can mount a file system"
    if not shutil.which("mkfs." + kind):
        return None, f"there is no mkfs.{kind}"
    image, folder = os.path.join("/tmp", f"tenon-{kind}-{os.getpid()}.img"), place("on-" + kind, "")
    with open(image, "wb") as file:
        file.truncate(400 << 20)
    made = subprocess.run(["mkfs." + kind, image], capture_output=True, check=False).returncode == 0 and \
        subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, check=False).returncode == 0
    os.unlink(image)                                   # the mount keeps it
    return (folder, "") if made else (None, "it cannot be mounted here")


def names(path):
    status, out, _ = tenon("ls", "-q", path)
    return [line.split()[0] for line in out.splitlines()] if status == 0 else None


faults = Faults()
for kind in ("xfs", "btrfs"):
    folder, why = mounted(kind)
    if not folder:
        skip(f"clones on {kind}", why)
        continue
    try:
        made = safetensors(place("made.safetensors"), {f"t{i}": ("F32", [300, 500], floats(300, 500, i))
                                                       for i in range(3)})
        source, out = folder + "source.safetensors", folder + "out.safetensors"
        tenon("align", "-q", made, "-o", source)
        size = os.path.getsize(source)
        status, _, err = tenon("align", "-q", source, "-e", "rules [[ t{i} -> u{i} ]]", "-o", out)
        result(status == 0 and shared(out) > size - 16384, f"{kind}: an export of names as long shares its values",
               (err, size, shared(out)))
        status, _, err = tenon("align", "-q", source, "-e", "rules [[ t{i} -> long{i} ]]", "-o", folder + "long.pth")
        plain = place("long.pth")
        tenon("align", "-q", source, "-e", "rules [[ t{i} -> long{i} ]]", "-o", plain)
        result(status == 0 and read(plain) == read(folder + "long.pth"), f"{kind}: the same bytes as elsewhere", err)

        path = folder + "place.safetensors"
        args = ("align", "-q", path, "-e", "rules [[ t{i} -> a.name.that.is.longer.{i} ]]", "--in-place")
        shutil.copyfile(source, path)
        before, old = read(path), names(path)
        os.link(path, folder + "kept")                 # else nobody has the old blocks any more
        status, _, err = tenon(*args)
        result(status == 0 and read(folder + "kept") == before and names(path) != old and shared(path) > size - 16384,
               f"{kind}: longer names in place copy nothing", (err, size, shared(path)))
        result(tenon("undo", path)[0] == 0 and read(path) == before and
               not [name for name in os.listdir(folder) if name.startswith(".")], f"{kind}: and back",
               os.listdir(folder))
        if faults.why:
            skip(f"{kind}: killed at each call", faults.why)
            continue
        new = None
        *_, calls = faults.run(*args)
        new, bad = names(path), []
        for at in range(1, calls + 1):
            for command in (args, ("undo", path)):
                for name in os.listdir(folder):
                    if name.startswith((".", "place")):
                        os.unlink(folder + name)
                shutil.copyfile(source, path)
                if command is not args:
                    tenon(*args)
                faults.run(*command, at=at, half=True)
                there = names(path)
                status, _, err = tenon("undo", path)
                if there not in (old, new) or read(path) != before or status not in (0, 2) or \
                        [name for name in os.listdir(folder) if name.startswith(".")]:
                    bad.append((at, command[0], there, status, err, os.listdir(folder)))
        result(calls > 5 and not bad, f"{kind}: killed at each of {calls} calls, and of undo", bad[:3])
    finally:
        subprocess.run(["umount", folder], check=False)
finish()
