"""The viewer over servers that let it wait."""
import json
import os
import pty
import select
import signal
import subprocess
import time

from run import CLEAN, PATIENCE, TENON, case, check, numbers, path, safetensors, serve
from server import Held, file, stall

SMALL = safetensors({"a": numbers(4000, 1), "b": numbers(400, 2)})


class Viewer:
    """tenon on a terminal of 80×24."""

    def __init__(self, *args, env=()):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen([TENON, *args], cwd=path("."), stdin=slave, stdout=slave,
                                        stderr=slave, env={**CLEAN, "TERM": "xterm", **dict(env)},
                                        start_new_session=True)
        os.close(slave)

    def until(self, word):
        """Waits for a word that was not on the screen before."""
        seen, end = b"", time.monotonic() + PATIENCE
        while word.encode() not in seen and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                seen += os.read(self.master, 65536)
        check(word.encode() in seen, f"no {word!r} in", seen)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def type(self, line):
        """A line after ":"."""
        self.press(f":{line}\r")

    def ends(self, status):
        check(self.process.wait(timeout=PATIENCE) == status, self.process.returncode)
        os.close(self.master)


@case
def first_file_waits():
    """the screen is there before the file is; q ends it, and Ctrl-C"""
    s = serve({"/m.safetensors": stall()})
    for leave, status in ((lambda v: v.press("q"), 0),
                          (lambda v: v.process.send_signal(signal.SIGINT), 130)):
        v = Viewer(s.url + "/m.safetensors")
        v.until("1 request")
        leave(v)
        v.ends(status)


@case
def first_file_comes():
    """the screen goes on to the list when both files are there"""
    small = Held(file(SMALL))
    s = serve({"/m.safetensors": small, "/n.safetensors": small})
    v = Viewer(s.url + "/m.safetensors", s.url + "/n.safetensors")
    v.until("opening")
    small.let_go()
    v.until("2 loaded")
    v.press("q")
    v.ends(0)


@case
def first_file_fails():
    """what is wrong with the file is said when the screen is gone"""
    unknown = Held(file(b"nothing that is known"))
    s = serve({"/m.safetensors": unknown})
    v = Viewer(s.url + "/m.safetensors")
    v.until("opening")
    unknown.let_go()
    v.until("tenon: ")
    v.ends(2)


def index_of(names):
    """An index that places them in one shard."""
    return file(json.dumps({"weight_map": dict.fromkeys(names, "1.safetensors")}).encode())


@case
def names_come_first():
    """names are there before what they are of, and can be moved through; q ends it"""
    s = serve({"/m.safetensors.index.json": index_of(f"layers.{i}.weight" for i in range(2000)),
               "/1.safetensors": stall()})
    v = Viewer(s.url + "/m.safetensors.index.json")
    v.until("names read so far")
    v.press("G")
    v.until("981-100")             # the last that are kept
    v.press("h")                         # nothing is behind the names
    v.press("g")
    v.until("0.weight  ")
    v.press("]")
    v.until("1 key waits")
    v.press("q")                         # it could be typed into something
    v.until("2 keys wait")
    v.press("\x1b")
    v.until("2000 names so far")
    v.press("q")
    v.ends(0)


@case
def typed_ahead():
    """what is typed while names are read is done with the list"""
    shard = Held(file(safetensors({"x.a": numbers(4000, 1), "x.b": numbers(400, 2)})))
    s = serve({"/m.safetensors.index.json": index_of(("x.a", "x.b")), "/1.safetensors": shard})
    with open(path("here.safetensors"), "wb") as out:
        out.write(SMALL)
    v = Viewer(s.url + "/m.safetensors.index.json", "here.safetensors")
    v.until("names read so far")
    v.press(':strip "x."\r')
    v.until("for the list")
    shard.let_go()
    v.until("applied (load 2")
    v.type("quit!")
    v.ends(0)


@case
def other_file_waits():
    """keys are answered while another source is opened; Esc stops it"""
    s = serve({"/m.safetensors": stall()})
    with open(path("here.safetensors"), "wb") as out:
        out.write(SMALL)
    v = Viewer("here.safetensors")
    v.until("here.safetensors")
    v.type(f"open-source {s.url}/m.safetensors")
    v.until("Esc stops")
    v.press("?")
    v.until("row below")
    v.press("q")
    v.until("Esc stops")
    v.press("\x1b")
    v.until("not opened")
    v.press("q")
    v.ends(0)


@case
def other_file_comes():
    """another target is opened beside the keys, and what was typed meanwhile is done then"""
    small = Held(file(SMALL))
    s = serve({"/m.safetensors": small})
    with open(path("here.safetensors"), "wb") as out:
        out.write(safetensors({"x.a": numbers(4000, 1), "x.b": numbers(400, 2)}))
    v = Viewer("here.safetensors")
    v.until("here.safetensors")
    v.type(f'open_target "{s.url}/m.safetensors"')
    v.until("Esc stops")
    v.type('strip "x."')
    v.until("waits: strip")
    small.let_go()
    v.until("(load 2, break 0)")         # "2 loaded" may differ by its digit from what stood there
    v.type("quit!")
    v.ends(0)


@case
def values_come_late():
    """values over a slow server are read beside the keys"""
    large = safetensors({"a": numbers(4000000, 1), "b": numbers(400, 2)})   # more than a header brings
    values = Held(file(large), held=False)
    s = serve({"/m.safetensors": values})
    v = Viewer(s.url + "/m.safetensors")
    v.until("2 tensors")
    values.hold()
    v.press("v")
    v.until("reading")
    v.press("?")
    v.until("row below")
    v.press("q")
    values.let_go()
    v.until("mean")
    v.press("qq")
    v.ends(0)
