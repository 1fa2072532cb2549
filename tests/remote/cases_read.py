"""Reading ranges, and what servers do wrong."""
import json
import os
import signal
import struct
import subprocess
import threading
import time

from hub import Hub
from run import (CLEAN, PATIENCE, ROOT, TENON, case, certificate, check, numbers, path, refuses,
                 safetensors, serve, tenon, thousand, wait_until)
from server import (Proxy, etag_of, file, first, redirect, stall, whole)

SMALL = safetensors({"a": numbers(4000, 1), "b": numbers(400, 2)})
BIG = safetensors({f"t.{i}": numbers(400000, i) for i in range(10)})     # 4 MB


def write(name, data):
    with open(path(name), "wb") as out:
        out.write(data)
    return path(name)


def read(name):
    with open(path(name), "rb") as data:
        return data.read()


@case
def header_safetensors():
    """a thousand tensors are listed with 3 requests and 256 KB at most"""
    s = serve({"/m.safetensors": file(safetensors(thousand()))})
    r = tenon("ls", s.url + "/m.safetensors", "-q")
    check(r.status == 0 and len(r.out.splitlines()) == 1000, r)
    check(len(s.asked) <= 3, len(s.asked))
    check(s.sent() <= 256 << 10, s.sent())


@case
def header_pth():
    """the same of a PyTorch zip"""
    write("m.safetensors", safetensors(thousand()))
    r = tenon("align", "m.safetensors", "-o", "m.pth", "-q")
    check(r.status == 0, r)
    s = serve({"/m.pth": file(read("m.pth"))})
    r = tenon("ls", s.url + "/m.pth", "-q")
    check(r.status == 0 and len(r.out.splitlines()) == 1000, r)
    check(len(s.asked) <= 3, [x.headers.get("Range") for x in s.asked])
    check(s.sent() <= 256 << 10, s.sent(), [x.headers.get("Range") for x in s.asked])


@case
def export_needs():
    """an export fetches the tensors that the plan needs, in few requests, and no others"""
    data = safetensors(thousand())
    s = serve({"/m.safetensors": file(data)})
    write("m.safetensors", data)

    rules = "rules [[ model.layers.{0-39}.** ->\n model.layers.{50-99}.** -> ]]"
    for source, out in ((s.url + "/m.safetensors", "remote.safetensors"),
                        ("m.safetensors", "local.safetensors")):
        r = tenon("align", source, "-e", rules, "-o", out, "--force", "-q")
        check(r.status == 0, r)
    check(read("remote.safetensors") == read("local.safetensors"), "other bytes")
    check(s.sent() < 2_000_000 + (600 << 10), s.sent(), [x.headers.get("Range") for x in s.asked])
    check(len(s.asked) <= 12, [x.headers.get("Range") for x in s.asked])


def beside(data, wanted, most):
    """A server that answers nothing behind the header before so many requests wait for it, or a while;
    most[0] becomes how many did."""
    good, now, changed = file(data), [0], threading.Condition()

    def route(x):
        with changed:
            now[0] += 1
            most[0] = max(most[0], now[0])
            changed.notify_all()
            if x.wanted(len(data))[0]:
                changed.wait_for(lambda: most[0] >= wanted, PATIENCE / 4)
        good(x)
        with changed:
            now[0] -= 1

    return route


@case
def export_parallel():
    """an export asks for what comes next while it writes: several requests at once, no byte twice"""
    data, most = safetensors({f"t.{i}": numbers(1_000_000, i) for i in range(24)}), [0]
    s = serve({"/m.safetensors": beside(data, 4, most)})
    for threads in ("1", "4"):
        s.asked.clear()
        most[0] = 0
        r = tenon("align", s.url + "/m.safetensors", "-o", f"{threads}.safetensors", "--threads",
                  threads, fast=False)
        check(r.status == 0, r)
        check(most[0] >= 4, most)
        check(s.sent() <= len(data) + (200 << 10), s.sent(), len(data))
        check(len(s.asked) <= 40, len(s.asked))
    write("m.safetensors", data)
    check(read("1.safetensors") == read("4.safetensors"), "other bytes")
    check(tenon("diff", "m.safetensors", "4.safetensors", "--values").status == 0)
    s.asked.clear()
    r = tenon("check", s.url + "/m.safetensors", fast=False)
    check(r.status == 0 and s.sent() <= len(data) + (200 << 10), r, s.sent())


@case
def export_parallel_fault():
    """one of several requests that fails is the export's one error, and ends the others"""
    data = safetensors({f"t.{i}": numbers(1_000_000, i) for i in range(24)})
    good = file(data)
    s = serve({"/m.safetensors": lambda x: (
        x.say(500) if x.wanted(len(data))[0] > 10_000_000 else good(x))})
    r = tenon("align", s.url + "/m.safetensors", "-o", "out.safetensors", "-q")
    refuses(r, "the server answers 500 (2 tries;")
    check(os.listdir(path(".")) == [], os.listdir(path(".")))


@case
def export_repository():
    """of a sharded repository the index, the headers and the tensors that are wanted, once"""
    shards = {f"model-0000{k}-of-00004.safetensors": safetensors(
        {f"layers.{10 * k + i}.weight": numbers(200_000, 10 * k + i) for i in range(10)})
        for k in (1, 2, 3, 4)}
    index = {"metadata": {}, "weight_map": {f"layers.{10 * int(name[10]) + i}.weight": name
                                            for name in shards for i in range(10)}}
    h = Hub(serve, shards, {"model.safetensors.index.json": json.dumps(index).encode()})
    rules = ('rules [[ layers.12.weight -> a\n layers.13.weight -> b\n layers.37.weight -> c\n'
             ' layers.*.weight -> ]]')
    r = tenon("align", "hf://org/model", "-e", rules, "-o", "out.safetensors", "-q", env=h.env())
    check(r.status == 0, r)
    write("want.safetensors", safetensors({"a": numbers(200_000, 12), "b": numbers(200_000, 13),
                                           "c": numbers(200_000, 37)}))
    check(tenon("diff", "out.safetensors", "want.safetensors", "--values").status == 0)
    sent = [(x.path, x.headers["Range"]) for x in h.cdn.asked]
    check(h.cdn.sent() <= 4 * (128 << 10) + 600_000 + 6 * (32 << 10), h.cdn.sent(), sent)
    check(len(sent) <= 4 + 4, sent)


@case
def export_zip():
    """the same of a PyTorch zip, whose members begin where their own headers say"""
    write("m.safetensors", safetensors(thousand()))
    check(tenon("align", "m.safetensors", "-o", "m.pth", "-q").status == 0)
    s = serve({"/m.pth": file(read("m.pth"))})
    r = tenon("align", s.url + "/m.pth", "-o", "out.safetensors", "-q")
    check(r.status == 0, r)
    check(tenon("diff", "m.safetensors", "out.safetensors", "--values").status == 0)
    check(s.sent() < os.path.getsize(path("m.pth")) + (600 << 10), s.sent())
    check(len(s.asked) < 60, len(s.asked))


@case
def export_computed():
    """a tensor that is computed, and a few rows of one, fetch no more than they need"""
    data = safetensors({f"t.{i}": numbers(4_000_000, i) for i in range(3)})
    s = serve({"/m.safetensors": file(data)})
    write("m.safetensors", data)
    rules = "rules [[ t.0 -> a |> slice(0, 0, 1000)\n t.1 -> b |> cast(\"f16\")\n t.2 -> ]]"
    for source, out in ((s.url + "/m.safetensors", "a.safetensors"),
                        ("m.safetensors", "b.safetensors")):
        r = tenon("align", source, "-e", rules, "-o", out, "-q")
        check(r.status == 0, r)
    check(read("a.safetensors") == read("b.safetensors"), "other bytes")
    check(s.sent() < 4_000_000 + (600 << 10), s.sent(), [x.headers["Range"] for x in s.asked])


@case
def hdf5():
    """of an HDF5 file, too, only what is needed is fetched, by the library that reads it"""
    with open(os.path.join(ROOT, "tests", "data", "keras", "model.h5"), "rb") as data:
        small = data.read()
    padded = small + bytes(8_000_000)          # behind its end, which it says itself
    write("here.h5", small)
    r = tenon("ls", "here.h5", "-q")
    if "without libhdf5" in r.err:
        return
    s = serve({"/m.h5": file(padded)})
    there = tenon("ls", s.url + "/m.h5", "-q")
    check(there.status == 0 and there.out == r.out, there)
    check(s.sent() <= 400 << 10, s.sent(), [x.headers["Range"] for x in s.asked])
    r = tenon("diff", s.url + "/m.h5", "here.h5", "--values")
    check(r.status == 0, r)


def legacy(count, elements):
    """A file as torch.save wrote it before 1.6: each storage behind its length."""
    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()
    ordered, two = b"ccollections\nOrderedDict\n)R", b"\x80\x02"
    size = b"J" + struct.pack("<i", elements)
    items = b"".join(
        text(f"w{i}") + b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\nFloatStorage\n" +
        text(str(i)) + text("cpu") + size + b"NtQK\x00" + size + b"\x85K\x01\x85\x89" + ordered + b"tR"
        for i in range(count))
    info = b"}(" + text("little_endian") + b"\x88" + text("protocol_version") + b"M\xe9\x03u."
    keys = b"](" + b"".join(text(str(i)) for i in range(count)) + b"e."
    storages = b"".join(struct.pack("<q", elements) + numbers(4 * elements, i) for i in range(count))
    return two + b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + two + b"M\xe9\x03." + two + info + two + \
        ordered + b"(" + items + b"u." + two + keys + storages


@case
def scattered():
    """headers with values between them, read from front to back, do not take a request each"""
    near, far = legacy(100, 20000), legacy(40, 150000)                  # 80 kB and 600 kB between
    s = serve({"/near.pth": file(near), "/far.pth": file(far)})
    r = tenon("ls", s.url + "/near.pth", "-q")
    check(r.status == 0 and r.out.count("\n") == 100, r)
    check(len(s.asked) < 50, len(s.asked), [x.headers["Range"] for x in s.asked])
    del s.asked[:]
    before = s.sent()
    r = tenon("ls", s.url + "/far.pth", "-q")
    check(r.status == 0 and r.out.count("\n") == 40, r)
    check(s.sent() - before < len(far) // 4, s.sent() - before, [x.headers["Range"] for x in s.asked])


@case
def values():
    """statistics, and the difference to a local copy, are those of the values"""
    write("big.safetensors", BIG)
    s = serve({"/big.safetensors": file(BIG)})
    r = tenon("diff", s.url + "/big.safetensors", "big.safetensors", "--values")
    check(r.status == 0, r)
    check(s.sent() < len(BIG) + (300 << 10), s.sent(), len(BIG),
          [x.headers.get("Range") for x in s.asked])


@case
def no_ranges():
    """a server without ranges is read whole, once, and check says so"""
    s = serve({"/big.safetensors": whole(BIG)})
    r = tenon("check", s.url + "/big.safetensors")
    check(r.status == 0 and "sends no parts" in r.out, r)
    check(len(s.asked) == 1, len(s.asked))


@case
def no_ranges_limit():
    """beyond a limit it is refused, and fetch is the remedy"""
    s = serve({"/big.safetensors": whole(BIG)})
    r = tenon("ls", s.url + "/big.safetensors", "--limit", "remote-spool=1000000")
    refuses(r, "big.safetensors", "sends no parts", "--limit remote-spool=N", "tenon fetch")


@case
def no_size():
    """a server that says neither ranges nor a size is refused"""
    def route(x):
        x.head(200, [("Connection", "close")])
        x.body(BIG)
        x.close_connection = True
    s = serve({"/big.safetensors": route})
    refuses(tenon("ls", s.url + "/big.safetensors"), "neither parts of it nor its size",
            "tenon fetch")


@case
def changed_etag():
    """another ETag in mid-read is one error, whether the server minds If-Range or not"""
    good = file(BIG, etag='"one"')
    for other in (file(BIG[::-1], etag='"two"'),
                  lambda x: x.say(206, BIG[slice(x.wanted(len(BIG))[0], x.wanted(len(BIG))[1] + 1)],
                                  [("ETag", '"two"'), ("Content-Range", "bytes %d-%d/%d" %
                                    (*x.wanted(len(BIG)), len(BIG)))])):
        s = serve({"/big.safetensors": first(good, other)})
        r = tenon("align", s.url + "/big.safetensors", "-o", "out.safetensors")
        refuses(r, "changed on its server", '"one"', '"two"', "start again")
        check(not os.path.exists(path("out.safetensors")), "half an output")
        check(s.asked[1].headers["If-Range"] == '"one"', "no If-Range")


@case
def changed_size():
    """another size without any ETag is found out too"""
    def part(data):
        def route(x):
            a, b = x.wanted(len(data))
            x.say(206, data[a:b + 1], [("Content-Range", f"bytes {a}-{b}/{len(data)}")])
        return route
    s = serve({"/big.safetensors": first(part(BIG), part(BIG + b"more"))})
    refuses(tenon("align", s.url + "/big.safetensors", "-o", "out.safetensors"),
            "changed on its server", "its size")


@case
def stalled():
    """a server that falls silent is given up after the time that is allowed"""
    s = serve({"/m.safetensors": stall()})
    r = tenon("ls", s.url + "/m.safetensors", "--limit", "remote-tries=1", "--limit", "remote-seconds=1")
    refuses(r, "sent nothing for 1 s", "--limit remote-seconds=N")


@case
def interrupted():
    """Ctrl-C ends a read that waits, with status 130 and no output"""
    s = serve({"/m.safetensors": stall()})
    p = subprocess.Popen([TENON, "align", s.url + "/m.safetensors", "-o", "out.safetensors"],
                         cwd=path("."), env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: s.asked, "the request")
    time.sleep(0.1)                     # most often it waits for the answer then; it need not
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=PATIENCE)
    check(p.returncode == 130, p.returncode)
    check(not os.path.exists(path("out.safetensors")), "half an output")


@case
def short_body():
    """a body that ends early is asked for again, from where it ended"""
    def half(x):
        a, b = x.wanted(len(SMALL))
        x.head(206, [("Content-Range", f"bytes {a}-{b}/{len(SMALL)}"), ("ETag", etag_of(SMALL)),
                     ("Content-Length", str(b + 1 - a))])
        x.body(SMALL[a:a + 1000])
        x.drop()
    s = serve({"/m.safetensors": first(half, file(SMALL))})
    r = tenon("ls", s.url + "/m.safetensors", "-q")
    check(r.status == 0 and r.out == "a\nb\n", r)
    check(s.asked[1].headers["Range"].startswith("bytes=1000-"), s.asked[1].headers["Range"])
    s = serve({"/m.safetensors": half})
    refuses(tenon("ls", s.url + "/m.safetensors"), "(2 tries; --limit remote-tries=N")


@case
def dropped():
    """a connection that dies before it answers is tried again"""
    s = serve({"/m.safetensors": first(lambda x: x.drop(), file(SMALL))})
    check(tenon("ls", s.url + "/m.safetensors").status == 0)
    s = serve({"/m.safetensors": lambda x: x.drop()})
    refuses(tenon("ls", s.url + "/m.safetensors"), "(2 tries; --limit remote-tries=N")
    check(len(s.asked) == 2, len(s.asked))


@case
def wrong_range():
    """other bytes than were asked for are not taken"""
    def answer(range_, n=None):
        return lambda x: x.say(206, SMALL[:n], [("Content-Range", range_)])
    for range_, says in (("bytes 8-4471/4472", "where 0-"), ("bytes 0-999999/1000000", "where 0-"),
                         ("bytes 0-9/4472", "announces"), ("bytes 9-3/44", "Content-Range"),
                         ("bytes 0-99/50", "Content-Range"), ("rows 0-9/50", "Content-Range"),
                         ("bytes */4472", "does not say which")):
        s = serve({"/m.safetensors": answer(range_)})
        refuses(tenon("ls", s.url + "/m.safetensors"), says)
    s = serve({"/m.safetensors": lambda x: x.say(206, SMALL)})
    refuses(tenon("ls", s.url + "/m.safetensors"), "does not say which")


@case
def wrong_length():
    """two Content-Lengths that differ, a compressed body, an endless header: not believed"""
    def two(x):
        x.head(200, [("Content-Length", "10"), ("Content-Length", "20")])
        x.body(b"0123456789")
        x.close_connection = True
    for route, says in (
            (two, "Content-Length"),
            (lambda x: x.say(200, b"x" * 99, [("Content-Encoding", "gzip")]), "compressed"),
            (lambda x: x.say(200, b"x", [("X-%d" % i, "y" * 900) for i in range(90)]), "header"),
            (lambda x: x.say(200, b"x", [("ETag", '"a\x01b"')]), "control characters")):
        s = serve({"/m.safetensors": route})
        refuses(tenon("ls", s.url + "/m.safetensors"), says)


@case
def statuses():
    """404, 403 and the like are final; 503 passes, after as long as the server says"""
    s = serve({"/no": lambda x: x.say(403), "/gone": lambda x: x.say(410),
               "/odd": lambda x: x.say(418),
               "/busy": first(lambda x: x.say(503, b"", [("Retry-After", "0")]), file(SMALL)),
               "/down": lambda x: x.say(502)})
    refuses(tenon("ls", s.url + "/nothing"), "there is no such file", "404")
    refuses(tenon("ls", s.url + "/no?Signature=SECRET"), "refuses it (403", "expired")
    refuses(tenon("ls", s.url + "/gone"), "410")
    refuses(tenon("ls", s.url + "/odd"), "418")
    check(len(s.asked) == 4, len(s.asked))
    check(tenon("ls", s.url + "/busy").status == 0)
    refuses(tenon("ls", s.url + "/down"), "502", "(2 tries; --limit remote-tries=N")


@case
def secrets_of_urls():
    """neither a signature in a query nor a password is ever printed"""
    s = serve({"/m.safetensors": file(SMALL)})
    host = s.url.split("//")[1]
    for command in (("ls",), ("ls", "--json"), ("check",), ("ls", "-v"), ("align", "--json")):
        r = tenon(*command, f"http://me:PASSWORD@{host}/m.safetensors?X-Sig=SECRET#x")
        check(r.status == 0, r)
        check("SECRET" not in r.text and "PASSWORD" not in r.text, r)
        check(f"http://{host}/m.safetensors" in r.text, r)
    check(s.asked[0].headers["Authorization"].startswith("Basic "), "no password was sent")
    check(s.asked[0].path.endswith("?X-Sig=SECRET"), s.asked[0].path)
    r = tenon("align", f"http://me:PASSWORD@{host}/m.safetensors?X-Sig=SECRET", "--plan", "p.json")
    check(r.status == 0, r)
    with open(path("p.json"), encoding="utf-8") as plan:
        text = plan.read()
    check("SECRET" not in text and "PASSWORD" not in text, text)
    check(all("X-Sig=SECRET" in x.path and "Authorization" in x.headers for x in s.asked))
    r = tenon("ls", f"http://me:PASSWORD@{host}/nothing?X-Sig=SECRET")
    refuses(r, f"http://{host}/nothing:")
    check("SECRET" not in r.text and "PASSWORD" not in r.text, r)


@case
def redirects():
    """redirects are followed, five at most; relative ones too; a password stays where it is"""
    other = serve({"/m.safetensors": file(SMALL)}, host="127.0.0.2")
    s = serve({"/a": redirect("b/../c?x=1"), "/c": redirect(other.url + "/m.safetensors", 307),
               "/loop": redirect("/loop"), "/nowhere": lambda x: x.say(302),
               "/ftp": redirect("ftp://127.0.0.1/m"), "/bad": redirect("http://127.0.0.1:99999/")})
    host = s.url.split("//")[1]
    check(tenon("ls", f"http://me:PASSWORD@{host}/a").status == 0)
    check("Authorization" not in other.asked[0].headers, "the password followed")
    refuses(tenon("ls", s.url + "/loop"), "redirects, more than the limit of 5",
            "--limit remote-redirects=N")
    refuses(tenon("ls", s.url + "/nowhere"), "does not say where")
    refuses(tenon("ls", s.url + "/ftp"), "ftp://")
    refuses(tenon("ls", s.url + "/bad"), "port")


@case
def plain_http():
    """http:// is for this machine, unless the user says so"""
    refuses(tenon("ls", "http://example.invalid/m.pth"), "http://", "--allow-http")
    s = serve({"/m": redirect("http://example.invalid/m.pth")})
    refuses(tenon("ls", s.url + "/m"), "http://", "--allow-http")
    s = serve({"http://example.invalid/m.safetensors": file(SMALL)})
    r = tenon("ls", "http://example.invalid/m.safetensors", "--allow-http",
              env={"http_proxy": s.url})
    check(r.status == 0, r)
    here, away = serve({"/m.safetensors": file(SMALL)}), serve({})
    r = tenon("ls", here.url + "/m.safetensors", env={"http_proxy": away.url, "all_proxy": away.url})
    check(r.status == 0 and not away.asked, "what is of this machine went to a proxy", r)
    refuses(tenon("ls", "http://127.evil.invalid/m.pth"), "--allow-http")


@case
def tls():
    """a certificate is checked; https is never left for http"""
    plain = serve({"/m.safetensors": file(SMALL)})
    s = serve({"/m.safetensors": file(SMALL), "/down": redirect(plain.url + "/m.safetensors")},
              certificate=certificate())
    refuses(tenon("ls", s.url + "/m.safetensors"), "certificate is not trusted", "SSL_CERT_FILE")
    trust = {"SSL_CERT_FILE": certificate()[0]}
    r = tenon("ls", s.url + "/m.safetensors", env=trust)
    check(r.status == 0, r)
    refuses(tenon("ls", s.url.replace("127.0.0.1", "localhost") + "/m.safetensors", env=trust),
            "certificate is not trusted")
    refuses(tenon("ls", s.url + "/down", env=trust), "from https:// to http://")
    check(not plain.asked, "it was followed")
    refuses(tenon("ls", plain.url.replace("http:", "https:") + "/m.safetensors", env=trust),
            "/m.safetensors:")


@case
def proxy():
    """https goes through the proxy of the environment; one that refuses is named"""
    s = serve({"/m.safetensors": file(SMALL)}, certificate=certificate())
    p = serve({}, handler=Proxy)
    env = {"SSL_CERT_FILE": certificate()[0], "https_proxy": p.url}
    r = tenon("ls", s.url + "/m.safetensors", env=env)
    check(r.status == 0, r)
    check(p.asked[0].command == "CONNECT", p.asked[0].command)
    p.routes["refuse"] = True
    refuses(tenon("ls", s.url + "/m.safetensors", env=env), "the proxy refuses it (407)",
            "https_proxy")
    refuses(tenon("ls", s.url + "/m.safetensors",
                  env={**env, "https_proxy": "http://127.0.0.1:1"}), "(2 tries; --limit remote-tries=N")


@case
def file_urls():
    """file:// is a path; another machine's is refused"""
    write("with space.safetensors", SMALL)
    check(tenon("ls", f"file://{path('')}with%20space.safetensors").status == 0)
    check(tenon("ls", f"file://localhost{path('')}with%20space.safetensors").status == 0)
    refuses(tenon("ls", "file://elsewhere/x"), "another machine")
    refuses(tenon("ls", "ftp://host/x"), "cannot be read")


@case
def parts_inside():
    """URL::PATH names a part, also behind an address with colons"""
    s = serve({"/m.safetensors": file(SMALL)})
    refuses(tenon("ls", s.url + "/m.safetensors::nothing"), "no dict of tensors at 'nothing'")
    refuses(tenon("ls", "http://[::1]:1/m.safetensors::nothing"), "[::1]:1/m.safetensors:")


@case
def small_cache():
    """with hardly any room for what came, the values are the same"""
    write("big.safetensors", BIG)
    s = serve({"/big.safetensors": file(BIG)})
    r = tenon("diff", s.url + "/big.safetensors", "big.safetensors", "--values", "--limit",
              "remote-cache=0")
    check(r.status == 0, r)


@case
def plans():
    """a plan over a URL is carried out over it, or over a copy of the file"""
    s = serve({"/big.safetensors": file(BIG)})
    write("copy.safetensors", BIG)
    r = tenon("align", s.url + "/big.safetensors", "--plan", "plan.json")
    check(r.status == 0, r)
    ranges = [x.headers["Range"] for x in s.asked]
    check(len(ranges) == len(set(ranges)), "asked for the same again", ranges)
    check(len(s.asked) < 12, ranges)
    refuses(tenon("apply", "plan.json", "-o", "no.safetensors"), "--source")
    url = s.url + "/big.safetensors"
    r = tenon("apply", "plan.json", "--source", url, "-o", "one.safetensors")
    check(r.status == 0, r)
    r = tenon("apply", "plan.json", "--source", "copy.safetensors", "-o", "two.safetensors")
    check(r.status == 0, r)
    check(read("one.safetensors") == read("two.safetensors"), "other bytes")
    s.routes["/big.safetensors"] = file(BIG[:-1] + b"x")
    refuses(tenon("apply", "plan.json", "--source", url, "-o", "three.safetensors"), "is not the file that")


@case
def sharded():
    """an index on a server brings its shards; one that is not there is named"""
    one, two = safetensors({"a": numbers(400, 1)}), safetensors({"b": numbers(400, 2)})
    index = (b'{"metadata":{"total_size":800},"weight_map":{"a":"m-00001-of-00002.safetensors",'
             b'"b":"m-00002-of-00002.safetensors"}}')
    s = serve({"/d/m-00001-of-00002.safetensors": file(one),
               "/d/m-00002-of-00002.safetensors": file(two),
               "/d/m.safetensors.index.json": file(index)})
    r = tenon("ls", s.url + "/d/m.safetensors.index.json?X-Sig=a/b", "-q")
    check(r.status == 0 and r.out == "a\nb\n", r)
    check(len(s.asked) == 3, [x.path for x in s.asked])
    del s.routes["/d/m-00002-of-00002.safetensors"]
    refuses(tenon("ls", s.url + "/d/m.safetensors.index.json"), "1 of 2 shards",
            "m-00002-of-00002")
