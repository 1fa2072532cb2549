"""What can go wrong on the way, met by every command that reads: one error that says what, status 2,
nothing half-written, no waiting beyond the time that is allowed.

A fault is what a server does: from the first request on to commands that read a header alone, from
the second one on (in mid-read) to those that read values. Each is one case, a row of the table; the
commands are its columns.
"""
import concurrent.futures
import os
import tempfile
import time

from run import case, certificate, check, here, numbers, path, safetensors, serve, tenon
from server import etag_of, file, first, redirect, whole

MODEL = safetensors({f"t.{i}": numbers(40000, i) for i in range(10)})      # 400 kB
OTHER = safetensors({f"q.{i}": numbers(40000, i) for i in range(10)})
LOG = ('Error(s) in loading state_dict for R:\n\tMissing key(s) in state_dict: "x.0". \n'
       '\tUnexpected key(s) in state_dict: "t.0". \n')
CAST = "rules [[ ** -> ** |> cast(\"f16\") ]]"

# Commands, with "URL" for what is remote; whether they read values.
COMMANDS = {
    "ls": (["ls", "URL"], False),
    "globals": (["ls", "URL", "--globals"], False),
    "stats": (["ls", "URL", "--stats"], True),
    "json": (["ls", "URL", "--stats", "--json"], True),
    "diff": (["diff", "here.safetensors", "URL", "--values"], True),
    "check": (["check", "URL"], True),
    "copy": (["align", "URL", "-o", "out.safetensors"], True),
    "torch": (["align", "URL", "-o", "out.pth"], True),
    "cast": (["align", "URL", "-e", CAST, "-o", "out.safetensors"], True),
    "auto": (["align", "URL", "other.safetensors", "--auto", "-o", "out.safetensors"], True),
    "shards": (["align", "URL", "-o", "out.safetensors", "--shard-size", "100KB"], True),
    "apply": (["apply", "plan.json", "--source", "URL", "-o", "out.safetensors"], True),
    "learn": (["learn", "other.safetensors", "URL", "-o", "out.lua"], True),
    "explain": (["explain", "log.txt", "URL"], False),
    "repl": (["repl", "URL"], False),
    "script": (["run", "open.lua"], False),
    "fetch": (["fetch", "URL", "-o", "out.bin"], False),
}
SILENT = "sent nothing for 1 s"      # of a server that is waited for in vain


def write(name, data):
    with open(path(name), "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())


def prepare():
    write("here.safetensors", MODEL)
    write("other.safetensors", OTHER)
    write("log.txt", LOG)
    r = tenon("align", "here.safetensors", "--plan", "plan.json")
    check(r.status == 0, r)


def refused(name, url, words, limits):
    """A command over a URL that fails, in a folder of its own."""
    args, _ = COMMANDS[name]
    files = [path(n) for n in ("here.safetensors", "other.safetensors", "log.txt", "plan.json")]
    here.folder = tempfile.mkdtemp(dir=here.folder)
    for one in files:
        os.symlink(one, path(os.path.basename(one)))
    write("open.lua", f'open_source("{url}")')
    start = time.monotonic()
    # Nobody is told that a server is silent who waits for a slow machine.
    allowed = 1 if any(SILENT in w for w in words) else 60
    patience = ["--limit", "remote-tries=1", "--limit", f"remote-seconds={allowed}"]
    r = tenon(args[0], *patience, *limits, *[url if a == "URL" else a for a in args[1:]])
    took = time.monotonic() - start
    what = f"{name} of {url}"
    lines = r.err.splitlines()[:1 if name == "script" else None]    # below: the script's own line
    check(r.status == 2 and len(lines) == 1 and lines[0].startswith("tenon: "), what, r)
    check(url.split("?")[0] in r.err and any(w in r.err for w in words), what, words, r)
    check("damaged" not in r.text and "SECRET" not in r.text and (allowed == 1 or took < allowed), what, f"{took} s", r)
    check(name != "json" or not r.out, what, r)
    left = {n for n in os.listdir(path(".")) if not os.path.islink(path(n))} - {"open.lua"}
    kept = {"out.bin.partial", "out.bin.partial.etag"} if "what came is kept" in r.err else set()
    check(left == kept, what, left, r)


def beside(works):
    """All of them at once, most of which wait; what went wrong is raised."""
    folder, servers = here.folder, here.servers

    def run(work):
        here.folder, here.servers = folder, servers
        refused(*work)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(run, works))


def row(fault, *words, etag=None, only=None, limits=()):
    """All commands against a route; `only` those that read values, or those that read none."""
    prepare()
    works = []
    for name, (_, values) in COMMANDS.items():
        if only is None or only == values:
            s = serve({"/m.safetensors": first(file(MODEL, etag=etag), fault) if values else fault,
                       "/loop": redirect("/loop")})
            works.append((name, s.url + "/m.safetensors?X-Sig=SECRET", words, limits))
    beside(works)


def part(x, announce=None, bytes_=None, headers=()):
    """An answer with a range as it was asked for, but for what is said here."""
    a, b = x.wanted(len(MODEL)) or (0, len(MODEL) - 1)
    x.head(206 if x.headers.get("Range") else 200,
           [("Content-Length", str(announce or b + 1 - a)), ("ETag", etag_of(MODEL)),
            ("Content-Range", f"bytes {a}-{b}/{len(MODEL)}"), *headers])
    x.body(MODEL[a:b + 1][:bytes_])


@case
def fault_stall():
    """a body that stops short and stays silent"""
    def route(x):
        part(x, bytes_=100)
        x.wfile.flush()
        x.server.over.wait()            # nothing but its own patience ends the command
        x.close_connection = True
    row(route, "sent nothing for 1 s (--limit remote-seconds=N")


@case
def fault_short():
    """a body that ends early"""
    def route(x):
        part(x, bytes_=100)
        x.drop()
    row(route, "remaining to read (1 try; --limit remote-tries=N allows more)")


@case
def fault_dropped():
    """a connection that dies before it answers"""
    row(lambda x: x.drop(), "Empty reply from server (1 try;")


@case
def fault_changed():
    """another version in mid-read"""
    row(file(MODEL[::-1], etag='"two"'), "changed on its server", "is not the file that", etag='"one"',
        only=True)


@case
def fault_403():
    """access that is refused, or was and ended"""
    row(lambda x: x.say(403), "refuses it (403); a signed URL may have expired")


@case
def fault_404():
    """a file that is not there, or no longer"""
    row(lambda x: x.say(404), "there is no such file on the server (404)")


@case
def fault_429():
    """a server that wants less"""
    row(lambda x: x.say(429, b"", [("Retry-After", "0")]), "answers 429 (1 try;")


@case
def fault_500():
    """a server that fails"""
    row(lambda x: x.say(500, b"<html>"), "answers 500 (1 try;")


@case
def fault_loop():
    """redirects without an end"""
    row(redirect("/loop"), "redirects, more than the limit of 5 (--limit remote-redirects=N")


@case
def fault_other_range():
    """bytes of another place"""
    def route(x):
        x.say(206, MODEL[1:11], [("Content-Range", f"bytes 1-10/{len(MODEL)}")])
    row(route, "sends bytes 1-10 where ", "sends a part where all was asked for")


@case
def fault_no_range():
    """a part that does not say which"""
    row(lambda x: x.say(206, MODEL[:100]), "does not say which")


@case
def fault_no_longer_parts():
    """a server that sent parts and sends none now"""
    row(whole(MODEL, [("ETag", etag_of(MODEL))]), "now sends only all of it", only=True)


@case
def fault_gzip():
    """a body that is compressed though nobody asked"""
    row(lambda x: part(x, headers=[("Content-Encoding", "gzip")]), "compressed (gzip)")


@case
def fault_more():
    """lengths that lie: more than the range has"""
    row(lambda x: part(x, announce=len(MODEL) + 5, headers=[("Connection", "close")]),
        "announces ", "remaining to read")


@case
def fault_endless():
    """a body without an end"""
    def route(x):
        x.head(200, [("Connection", "close")])
        while not x.server.over.wait(0.0):
            x.body(b"x" * 65536)
    row(route, "now sends only all of it", "neither parts of it nor its size",
        "has no end: more than the limit of 1000000 (--limit remote-spool=N",
        limits=["--limit", "remote-spool=1000000"])


@case
def fault_connection():
    """names that nobody has, ports where nobody listens, TLS that is none"""
    prepare()
    s = serve({})
    port = s.url.rsplit(":", 1)[1]
    s.stop()
    plain = serve({"/m.safetensors": file(MODEL)})
    untrusted = serve({"/m.safetensors": file(MODEL)}, certificate=certificate())
    beside([(name, url, words, ()) for url, *words in (
        ("https://nobody.invalid/m.safetensors", "resolve", "sent nothing for 1 s"),
        (f"http://127.0.0.1:{port}/m.safetensors", "connect"),
        (plain.url.replace("http:", "https:") + "/m.safetensors", "SSL", "TLS"),
        (untrusted.url + "/m.safetensors", "certificate is not trusted")) for name in COMMANDS])
