"""The line of progress on a terminal, while bytes come slowly."""
import fcntl
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import time

from run import CLEAN, PATIENCE, TENON, case, check, numbers, path, safetensors, serve, wait_until
from server import etag_of, file

MODEL = safetensors({f"t.{i}": numbers(400000, i) for i in range(5)})     # 2 MB
PIECE = 50_000
UNIT = {"B": 1, "kB": 1e3, "MB": 1e6}


def unread(x):
    """Bytes that lie with the client's system and were not read by the client (Linux alone knows)."""
    address, port = x.client_address
    own = socket.inet_aton(address)[::-1].hex().upper() + f":{port:04X}"
    try:
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in table:
                if line.split()[1] == own:
                    return int(line.split()[4].split(":")[1], 16)
    except OSError:
        pass
    return 0


def drip(data, seconds=1.6, known=True):
    """All of it within so many seconds, or as much of them as the part that is asked for; later where
    the client needs longer to take it, which would else find much at once."""
    def route(x):
        first, last = x.wanted(len(data)) or (0, len(data) - 1)
        part = [("Content-Range", f"bytes {first}-{last}/{len(data)}")] if first else []
        length = [("Content-Length", str(last + 1 - first))] if known else []
        x.head(206 if first else 200, [("ETag", etag_of(data)), *part, *length])
        for at in range(first, last + 1, PIECE):
            x.body(data[at:min(at + PIECE, last + 1)])
            x.wfile.flush()
            x.server.over.wait(seconds * PIECE / len(data))
            while unread(x) and not x.server.over.wait(0.01):
                pass
        x.close_connection = True
    return route


def watch(*args, columns=80, env=(), background=False):
    """Exit status, and all that came on a terminal that is standard error and controls the process."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    # a session of its own with the terminal; in the background as a shell's "&" has it
    script = ("import fcntl, os, sys, termios, subprocess; fcntl.ioctl(2, termios.TIOCSCTTY, 0);"
              f"sys.exit(subprocess.run(sys.argv[1:], process_group={0 if background else None}).returncode)")
    process = subprocess.Popen(["python3", "-c", script, TENON, *args], cwd=path("."), stderr=slave,
                               stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                               start_new_session=True, env={**CLEAN, "TERM": "xterm", **dict(env)})
    os.close(slave)
    seen, end = b"", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            seen += os.read(master, 65536)
        except OSError:              # nobody has it open any more
            break
    status = process.wait(timeout=PATIENCE)
    os.close(master)
    return status, seen.decode()


def lines(text):
    """What was drawn, one after the other; the last thing is that it is wiped."""
    check(text.endswith("\r\x1b[K") and "\n" not in text, repr(text))
    return text.split("\r\x1b[K")[:-1]


def count(text):
    number, unit = text.split()
    return float(number) * UNIT[unit]


LINE = re.compile(r"(?P<name>\S+) \[(?P<bar>[#.]+)\] +(?P<percent>\d+) %  (?P<done>[\d.]+ k?M?B) of 2\.0 MB"
                  r"(, (?P<rate>[\d.]+ k?M?B)/s)?(, (?P<left>\d+) s left)?$")


@case
def progress_grows():
    """percent, bytes and bar grow to the end, and say the same; the time left follows from the rate"""
    s = serve({"/m.safetensors": drip(MODEL)})
    status, text = watch("fetch", s.url + "/m.safetensors", columns=200)
    drawn = [LINE.match(line) for line in lines(text)]
    check(status == 0 and len(drawn) >= 4 and all(drawn), status, text.replace("\r", "\n"))
    percents = [int(m["percent"]) for m in drawn]
    check(percents == sorted(percents) and percents[0] < 50 < percents[-1], percents)
    for m in drawn:
        check(m["name"] == s.url + "/m.safetensors", m[0])
        done = count(m["done"])
        check(abs(done / len(MODEL) * 100 - int(m["percent"])) <= 6, m[0])     # 2.0 MB is rounded
        check(abs(m["bar"].count("#") / len(m["bar"]) * 100 - int(m["percent"])) <= 5, m[0])
        if m["rate"]:
            left = (len(MODEL) - done) / count(m["rate"])
            check(abs(left - int(m["left"])) <= 1.2 + left / 5, m[0])
    check(all(m["left"] for m in drawn[1:]), text.replace("\r", "\n"))


@case
def progress_fits():
    """a line that wrapped could not be drawn over: it is never as wide as the terminal"""
    s = serve({"/a/long/name/of/a/folder/m.safetensors": drip(MODEL, 0.8)})
    url = s.url + "/a/long/name/of/a/folder/m.safetensors"
    for columns, shows in ((40, r"….*m\.safetensors +\d+ %  \d s left$"),
                           (80, r"….*m\.safetensors \[[#.]{8}\] +\d+ %  .*, .*/s, \d s left$"),
                           (200, r"http://.* \[[#.]{24}\] +\d+ %  .*, .*/s, \d s left$")):
        status, text = watch("fetch", url, "--force", columns=columns, env={"NO_COLOR": "1"})
        drawn = lines(text)
        check(status == 0 and len(drawn) >= 3, status, repr(text))
        check(all(len(line) < columns for line in drawn), columns, drawn)
        check(re.match(shows, drawn[-1]), columns, drawn[-1])


@case
def progress_dumb():
    """a terminal that knows no escapes gets none"""
    s = serve({"/m.safetensors": drip(MODEL, 0.6)})
    status, text = watch("fetch", s.url + "/m.safetensors", env={"TERM": "dumb"})
    check(status == 0 and "\x1b" not in text and "\n" not in text, repr(text))
    drawn = [line for line in text.split("\r") if line.strip()]
    check(len(drawn) >= 2 and all("m.safetensors" in line for line in drawn), repr(text))
    check(re.search(r"\r *\r$", text), repr(text))


@case
def progress_goes_on():
    """what an earlier try brought is no part of the rate"""
    s = serve({"/m.safetensors": drip(MODEL)})
    have = len(MODEL) - 500_000
    with open(path("m.safetensors.partial"), "wb") as part:
        part.write(MODEL[:have])
    with open(path("m.safetensors.partial.etag"), "w") as tag:
        tag.write(f"{etag_of(MODEL)}\n{len(MODEL)}\n")
    status, text = watch("fetch", s.url + "/m.safetensors", columns=200)
    drawn = [LINE.match(line) for line in lines(text)]
    check(status == 0 and drawn and all(drawn), status, text.replace("\r", "\n"))
    check(s.asked[0].headers["Range"] == f"bytes={have}-", s.asked[0].headers)
    # 1.25 MB/s is what the server gives; with what was there it would be 15 at first
    check(all(count(m["rate"]) < 3e6 for m in drawn if m["rate"]), text.replace("\r", "\n"))
    check(min(int(m["percent"]) for m in drawn) >= 75, text.replace("\r", "\n"))


@case
def progress_of_unknown_size():
    """where the server does not say how large it is there is no percent, and no end is told"""
    s = serve({"/m.safetensors": drip(MODEL, 0.8, known=False)})
    status, text = watch("fetch", s.url + "/m.safetensors", "-o", "x")
    drawn = lines(text)
    check(status == 0 and len(drawn) >= 3, status, repr(text))
    for line in drawn:
        check(re.match(r"\S*m\.safetensors  [\d.]+ k?M?B(, [\d.]+ k?M?B/s)?$", line), line)


@case
def progress_silent():
    """nothing with -q, in the background, where standard error is no terminal, and where it is soon over"""
    s = serve({"/m.safetensors": drip(MODEL, 0.6), "/small": file(b"1")})
    url = s.url + "/m.safetensors"
    check(watch("fetch", url, "-q") == (0, ""))
    check(watch("fetch", url, "--force", background=True) == (0, ""))
    # soon, once the machine has time for it
    wait_until(lambda: watch("fetch", s.url + "/small", "--force") == (0, ""), "silence")
    done = subprocess.run([TENON, "fetch", url, "--force"], cwd=path("."), env=CLEAN, timeout=PATIENCE,
                          capture_output=True, text=True)
    check(done.returncode == 0 and done.stderr == "", done)


@case
def progress_of_an_export():
    """the same line, of an export from a URL, and of check"""
    s = serve({"/m.safetensors": file(MODEL)})
    at_once = file(MODEL)

    def route(x):
        x.server.over.wait(0.15)
        return at_once(x)
    s.routes["/m.safetensors"] = route
    for args in (("align", s.url + "/m.safetensors", s.url + "/m.safetensors", "-o", "out.safetensors",
                  "--threads", "1", "--buffer", "1MB"), ("check", s.url + "/m.safetensors")):
        status, text = watch(*args)
        drawn = lines(text)
        check(status in (0, 1) and drawn, status, repr(text))
        percents = [int(re.search(r" (\d+) %  .* of 2\.0 MB", line)[1]) for line in drawn]
        check(percents == sorted(percents), percents)
