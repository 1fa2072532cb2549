"""tenon fetch: whole files, verified, in their places."""
import base64
import hashlib
import json
import os
import signal
import subprocess
import time

from hub import COMMIT, TOKEN, Hub, sha256
from run import (CLEAN, PATIENCE, TENON, case, check, numbers, path, refuses, safetensors, serve, tenon,
                 wait_until)
from server import etag_of, file, first, redirect, whole

MODEL = safetensors({f"t.{i}": numbers(400000, i) for i in range(5)})     # 2 MB
SMALL = b'{"a": 1}'


def read(name):
    with open(path(name), "rb") as data:
        return data.read()


def put(name, data):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "wb") as out:
        out.write(data)


def leftovers():
    """Files of downloads that are not over."""
    return [name for _, _, names in os.walk(path("")) for name in names if ".partial" in name]


def cut(data, n, headers=()):
    """Sends n bytes of what is asked for, and dies."""
    def route(x):
        wanted = x.wanted(len(data))
        a, b = wanted or (0, len(data) - 1)
        part = [("Content-Range", f"bytes {a}-{b}/{len(data)}")] if wanted else []
        x.head(206 if wanted else 200, [("Content-Length", str(b + 1 - a)), *part,
                                        ("ETag", etag_of(data)), *headers])
        x.body(data[a:a + n])
        x.drop()
    return route


@case
def fetch_file():
    """a file comes into the current folder, or where -o says, and is not written over"""
    s = serve({"/a/m.safetensors": file(MODEL)})
    url = s.url + "/a/m.safetensors?X-Sig=SECRET"
    r = tenon("fetch", url)
    check(r.status == 0 and "m.safetensors" in r.out and sha256(MODEL) in r.out, r)
    check("SECRET" not in r.text and read("m.safetensors") == MODEL, r)
    refuses(tenon("fetch", url), "m.safetensors: is there already", "--force")
    r = tenon("fetch", url, "-o", "new/dir/x.bin", "--json")
    told = json.loads(r.out)
    check(told["path"] == "new/dir/x.bin" and told["bytes"] == len(MODEL), r)
    check(told["sha256"] == sha256(MODEL) and told["verified"] is None, r)
    check(tenon("fetch", url, "--force", "-q").out == "m.safetensors\n")
    refuses(tenon("fetch", s.url + "/nothing.pth"), "404")
    refuses(tenon("fetch", s.url + "/a/"), "-o")
    check(not leftovers(), leftovers())


@case
def fetch_overtaken():
    """a file that somebody makes while it is being fetched is not written over"""
    there = path("m.safetensors")

    def route(x):
        with open(there, "wb") as out:
            out.write(SMALL)
        return file(MODEL)(x)
    s = serve({"/m.safetensors": route})
    refuses(tenon("fetch", s.url + "/m.safetensors"), "m.safetensors: is there now", "--force")
    check(read("m.safetensors") == SMALL and not leftovers())
    r = tenon("fetch", s.url + "/m.safetensors", "--force")
    check(r.status == 0 and read("m.safetensors") == MODEL, r)


@case
def fetch_resumed():
    """what came before a connection died is kept; the same command goes on from there"""
    s = serve({"/m.bin": cut(MODEL, 700_000)})
    r = tenon("fetch", s.url + "/m.bin", "--limit", "remote-tries=1")
    refuses(r, "(1 try;", "the same command goes on from byte 700000")
    check(len(read("m.bin.partial")) == 700_000 and not os.path.exists(path("m.bin")))
    s.routes["/m.bin"] = file(MODEL)
    s.asked.clear()
    r = tenon("fetch", s.url + "/m.bin")
    check(r.status == 0 and read("m.bin") == MODEL and sha256(MODEL) in r.out, r)
    check(s.asked[0].headers["Range"] == "bytes=700000-", s.asked[0].headers)
    check(s.asked[0].headers["If-Range"] == etag_of(MODEL), s.asked[0].headers)
    check(s.sent() == len(MODEL) - 700_000 and not leftovers(), s.sent())


@case
def fetch_tried_again():
    """within one command too, as often as it gets on"""
    s = serve({"/m.bin": first(cut(MODEL, 900_000), cut(MODEL, 600_000), file(MODEL))})
    r = tenon("fetch", s.url + "/m.bin", "--limit", "remote-tries=3")
    check(r.status == 0 and read("m.bin") == MODEL, r)
    check([x.headers["Range"] for x in s.asked] == [None, "bytes=900000-", "bytes=1500000-"])


@case
def fetch_changed():
    """a part of another version is not gone on with"""
    for how in (file(MODEL[::-1]),                      # minds If-Range: everything
                cut(MODEL[::-1], len(MODEL)),           # does not: a part of something else
                whole(MODEL[::-1])):                    # knows neither ranges nor versions
        s = serve({"/m.bin": cut(MODEL, 700_000)})
        tenon("fetch", s.url + "/m.bin", "--limit", "remote-tries=1")
        check(len(read("m.bin.partial")) == 700_000)
        s.routes["/m.bin"] = how
        r = tenon("fetch", s.url + "/m.bin")
        check(r.status == 0 and read("m.bin") == MODEL[::-1], r)
        check(not leftovers(), leftovers())
        os.remove(path("m.bin"))


@case
def fetch_no_version():
    """without an ETag a part is not kept, and without ranges a try begins anew"""
    def short(x):
        x.head(200, [("Content-Length", str(len(MODEL)))])
        x.body(MODEL[:500_000])
        x.drop()
    s = serve({"/m.bin": short})
    refuses(tenon("fetch", s.url + "/m.bin", "--limit", "remote-tries=1"), "(1 try;")
    check(not leftovers(), leftovers())
    s.routes["/m.bin"] = first(short, whole(MODEL))
    r = tenon("fetch", s.url + "/m.bin")
    check(r.status == 0 and read("m.bin") == MODEL, r)


@case
def fetch_stopped():
    """Ctrl-C keeps what came, exits 130, and leaves nothing under the file's name"""
    def slow(x):
        x.head(200, [("Content-Length", str(len(MODEL))), ("ETag", etag_of(MODEL))])
        x.body(MODEL[:500_000])
        x.wfile.flush()
        x.server.over.wait()
    s = serve({"/m.bin": slow})
    p = subprocess.Popen([TENON, "fetch", s.url + "/m.bin"], cwd=path("."), env=CLEAN,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: os.path.exists(path("m.bin.partial")) and len(read("m.bin.partial")) == 500_000,
               "half a file")
    refuses(tenon("fetch", s.url + "/m.bin"), "another process downloads it now")
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=PATIENCE)
    check(p.returncode == 130 and not os.path.exists(path("m.bin")), p.returncode)
    s.routes["/m.bin"] = file(MODEL)
    check(tenon("fetch", s.url + "/m.bin").status == 0 and read("m.bin") == MODEL)


@case
def fetch_full_disk():
    """a disk that is full is one error; what fitted is kept"""
    s = serve({"/m.bin": file(MODEL)})
    done = subprocess.run(["bash", "-c", f"ulimit -f 500; exec '{TENON}' fetch {s.url}/m.bin"],
                          cwd=path("."), env=CLEAN, capture_output=True, text=True, timeout=PATIENCE)
    check(done.returncode == 2 and "m.bin.partial" in done.stderr, done)
    check(not os.path.exists(path("m.bin")), "half a file")


@case
def fetch_md5():
    """the MD5 that a store tells is that of what came, or nothing of it is kept"""
    right, wrong = (base64.b64encode(hashlib.md5(data).digest()).decode() for data in (MODEL, b"other"))
    google, plain = "x-goog-hash", "Content-MD5"
    for headers, says in (([(google, "crc32c=AAAAAA=="), (google, f"md5={right}")], "as says the server's MD5"),
                          ([(google, f"crc32c=AAAAAA==,md5={right}")], "as says the server's MD5"),
                          ([(plain, right)], "as says the server's MD5"), ([(google, f"md5={wrong}")], None),
                          ([(plain, wrong)], None), ([(google, "crc32c=AAAA")], ""), ([(plain, "nonsense")], ""),
                          ([(google, f"md5={wrong}"), ("x-goog-stored-content-encoding", "gzip")], "")):
        s = serve({"/bucket/m.bin": whole(MODEL, headers)})
        r = tenon("fetch", "gs://bucket/m.bin", "-o", "m.bin", "--force", env={"STORAGE_EMULATOR_HOST": s.url})
        if says is None:
            refuses(r, "what came has the MD5", "nothing of it is kept")
            check(not os.path.exists(path("m.bin")) and not os.path.exists(path("m.bin.partial")), "it is kept")
            continue
        check(r.status == 0 and (says in r.out) and ("as says" in r.out) == bool(says), headers, r)
        os.unlink(path("m.bin"))


@case
def fetch_torch_hub():
    """a name with a hash goes into torch.hub's cache when the bytes have it, and not otherwise"""
    name = f"net-{sha256(MODEL)[:8]}.pth"
    env = {"TORCH_HOME": path("torch")}
    s = serve({"/" + name: file(MODEL), "/net-00000000.pth": file(MODEL)})
    kept = "torch/hub/checkpoints/" + name
    for there in ("", "was there already"):
        r = tenon("fetch", f"{s.url}/{name}", env=env)
        check(r.status == 0 and read(kept) == MODEL and there in r.out, r)
        check("as says the hash in its name" in r.out, r)
    check(len(s.asked) == 1, len(s.asked))
    r = tenon("fetch", s.url + "/net-00000000.pth", env=env)
    refuses(r, "it should begin with 00000000", "nothing of it is kept")
    check(os.listdir(path("torch/hub/checkpoints")) == [name], "something is left")
    put(kept, b"damaged")
    refuses(tenon("fetch", f"{s.url}/{name}", env=env), "is there already", "--force")
    check(tenon("fetch", f"{s.url}/{name}", "--force", env=env).status == 0)
    check(read(kept) == MODEL)
    refuses(tenon("fetch", s.url + "/net-00000000.pth", "-o", "x.pth", env=env), "00000000")


@case
def fetch_hub():
    """files of the hub go into its cache: blob, reference, link"""
    h = Hub(serve, {"dir/m.safetensors": MODEL}, {"config.json": SMALL}, gated=True)
    env = h.env(HF_HUB_CACHE=path("cache"), HF_TOKEN=TOKEN)
    repo = "cache/models--org--model"
    for name, data in (("dir/m.safetensors", MODEL), ("config.json", SMALL)):
        r = tenon("fetch", "hf://org/model/" + name, env=env)
        check(r.status == 0 and "as says the hub's" in r.out and TOKEN not in r.text, r)
        link = path(f"{repo}/snapshots/{COMMIT}/{name}")
        check(os.path.islink(link) and read(link) == data, r)
    check(os.readlink(path(f"{repo}/snapshots/{COMMIT}/dir/m.safetensors")) ==
          f"../../../blobs/{sha256(MODEL)}")
    check(read(f"{repo}/refs/main") == COMMIT.encode())
    check(os.path.exists(path("cache/CACHEDIR.TAG")))
    check(not any("Authorization" in x.headers for x in h.cdn.asked))
    asked = len(h.cdn.asked)
    r = tenon("fetch", "hf://org/model/dir/m.safetensors", env=env)
    check(r.status == 0 and "was there already" in r.out and len(h.cdn.asked) == asked, r)
    off = {**env, "HF_HUB_OFFLINE": "1"}
    r = tenon("fetch", "hf://org/model/dir/m.safetensors", "-o", "copy.safetensors", env=off)
    check(r.status == 0 and read("copy.safetensors") == MODEL, r)
    r = tenon("fetch", "hf://org/model/config.json", "-o", "c.json", env=h.env(HF_TOKEN=TOKEN))
    check(r.status == 0 and read("c.json") == SMALL, r)
    check(not leftovers(), leftovers())


@case
def fetch_hub_damaged():
    """bytes that are not those of the hub's hash do not come into the cache"""
    h = Hub(serve, {"m.safetensors": MODEL}, {"config.json": SMALL})
    env = h.env(HF_HUB_CACHE=path("cache"))
    h.cdn.routes["/blob/m.safetensors"] = file(MODEL[::-1])
    h.hub.routes["/org/model/resolve/main/config.json"] = file(
        b'{"a": 2}', [("X-Repo-Commit", COMMIT)], '"' + "0" * 40 + '"')
    refuses(tenon("fetch", "hf://org/model/m.safetensors", env=env), "SHA-256", sha256(MODEL))
    refuses(tenon("fetch", "hf://org/model/config.json", env=env), "git's hash")
    h.cdn.routes["/blob/m.safetensors"] = file(MODEL + b"x")
    refuses(tenon("fetch", "hf://org/model/m.safetensors", env=env), "were announced")
    check(not leftovers() and not os.path.exists(path("cache/models--org--model/snapshots")),
          leftovers())


@case
def fetch_cache_damaged():
    """what lies in the cache is looked at before it is called right: by its blob's name; --force mends it"""
    h = Hub(serve, {"m.safetensors": MODEL}, {"config.json": SMALL})
    env = h.env(HF_HUB_CACHE=path("cache"))
    snapshot = f"cache/models--org--model/snapshots/{COMMIT}/"
    for name, data in (("m.safetensors", MODEL), ("config.json", SMALL)):
        url, pinned = "hf://org/model/" + name, f"hf://org/model@{COMMIT}/{name}"
        ways = ((url, "-q"), (pinned, "-q"), (url, "-o", "x"), (pinned, "-o", "x"))
        for way in ways:
            check(tenon("fetch", *way, "--force", env=env).status == 0)
            r = tenon("fetch", pinned, env=env)
            check("as says the hub's" in r.out and "was there already" in r.out, r)
            put(snapshot + name, bytes([data[0] ^ 1]) + data[1:])
            for offline in ({}, {"HF_HUB_OFFLINE": "1"}):
                if os.path.exists(path("x")):
                    os.unlink(path("x"))
                r = tenon("fetch", *way, env={**env, **offline})
                refuses(r, "is damaged", "--force downloads it again")
                check(not os.path.exists(path("x")), way)
            r = tenon("fetch", *way, "--force", env=env)
            check(r.status == 0, r)
            check(read("x" if "-o" in way else snapshot + name) == data, way)
            tenon("fetch", url, "--force", env=env)
    put(snapshot + "m.safetensors", MODEL[:-1])
    refuses(tenon("fetch", "hf://org/model", env=env), "is damaged", "--force downloads it again")
    check(tenon("fetch", "hf://org/model", "--force", env=env).status == 0)
    check(read(snapshot + "m.safetensors") == MODEL and not leftovers(), leftovers())


@case
def fetch_into_folder():
    """-o names a file; a folder in its place is told before anything comes, with --force too"""
    h = Hub(serve, {"m.safetensors": MODEL}, {})
    s = serve({"/m.bin": file(MODEL)})
    os.makedirs(path("dir"))
    for url in (s.url + "/m.bin", "hf://org/model/m.safetensors"):
        for out in ("dir", "dir/", "new/"):
            for more in ((), ("--force",)):
                r = tenon("fetch", url, "-o", out, *more, env=h.env(HF_HUB_CACHE=path("cache")))
                refuses(r, out + ": is a folder; name the file in it")
    check(not s.asked and not h.cdn.asked and os.listdir(path("dir")) == [], len(s.asked))


@case
def fetch_redirect():
    """a token does not follow a redirect here either"""
    other = serve({"/m.bin": file(MODEL)}, host="127.0.0.2")
    s = serve({"/m.bin": redirect(other.url + "/m.bin")})
    r = tenon("fetch", s.url.replace("//", "//me:PASSWORD@") + "/m.bin")
    check(r.status == 0 and "Authorization" not in other.asked[0].headers, r)


ONE, TWO = safetensors({"a": numbers(400000, 1)}), safetensors({"b": numbers(400, 2)})
INDEX = (b'{"metadata":{"total_size":400400},"weight_map":{"a":"model-00001-of-00002.safetensors",'
         b'"b":"model-00002-of-00002.safetensors"}}')
SHARDED = {"model-00001-of-00002.safetensors": ONE, "model-00002-of-00002.safetensors": TWO}
BESIDE = {"config.json": b"{}", "tokenizer.model": b"t", "model.safetensors.index.json": INDEX}
OTHERS = {"pytorch_model.bin": b"p" * 1000, "README.md": b"# x", "cat.png": b"\x89", "flax_model.msgpack": b"f",
          "onnx/model.onnx": b"o", ".gitattributes": b""}


def below(folder):
    """Files of a folder, by their paths in it."""
    return {os.path.relpath(os.path.join(at, name), path(folder))
            for at, _, names in os.walk(path(folder)) for name in names}


@case
def fetch_repository():
    """of a repository comes its model with all shards, its configuration and its tokenizer"""
    h = Hub(serve, {**SHARDED, **OTHERS}, BESIDE, gated=True)
    env = h.env(HF_HUB_CACHE=path("cache"), HF_TOKEN=TOKEN)
    r = tenon("fetch", "hf://org/model", env=env)
    check(r.status == 0 and "5 files" in r.out and TOKEN not in r.text, r)
    snapshot = f"cache/models--org--model/snapshots/{COMMIT}"
    check(below(snapshot) == {*SHARDED, *BESIDE}, below(snapshot))
    check(read(f"{snapshot}/model-00001-of-00002.safetensors") == ONE)
    check(read("cache/models--org--model/refs/main") == COMMIT.encode())
    check(not any("Authorization" in x.headers for x in h.cdn.asked))
    check(tenon("ls", "-q", "hf://org/model", env={**env, "HF_HUB_OFFLINE": "1"}).out == "a\nb\n")
    asked = len(h.cdn.asked)
    r = tenon("fetch", "hf://org/model@main", "-q", env=env)
    check(r.status == 0 and r.out == path(snapshot) + "\n" and len(h.cdn.asked) == asked, r)
    r = tenon("fetch", "hf://org/model", "-o", "out/dir", "--all", "--json", env=h.env(HF_TOKEN=TOKEN))
    told = json.loads(r.out)
    check(told["path"] == "out/dir" and below("out/dir") == {*SHARDED, *BESIDE, *OTHERS}, r)
    check(len(told["files"]) == len(below("out/dir")), r)
    check(all(f["verified"] and f["sha256"] == sha256(read(f["path"])) for f in told["files"]), r)
    check(not leftovers(), leftovers())
    refuses(tenon("fetch", "hf://org/model", env={**env, "HF_HUB_OFFLINE": "1"}), "HF_HUB_OFFLINE")


@case
def fetch_repository_twins():
    """files of the same content are one blob: whoever comes second waits, and downloads nothing"""
    def slow(x):
        time.sleep(0.5)
        file(ONE)(x)
    h = Hub(serve, {name: ONE for name in ("a.safetensors", "b/a.safetensors", "c/a.safetensors")}, {})
    for route in [r for r in h.cdn.routes if r.startswith("/blob/")]:
        h.cdn.routes[route] = h.signed(slow)
    r = tenon("fetch", "hf://org/model", "--all", env=h.env(HF_HUB_CACHE=path("cache")))
    check(r.status == 0 and "3 files" in r.out, r)
    check(h.cdn.sent() < 1.5 * len(ONE), h.cdn.sent())


@case
def fetch_repository_resumed():
    """a file that fails ends all with its error; the same command fetches what is missing alone"""
    h = Hub(serve, SHARDED, BESIDE)
    h.cdn.routes["/blob/model-00001-of-00002.safetensors"] = h.signed(cut(ONE, 100_000))
    args = ["fetch", "hf://org/model", "-o", "m"]
    r = tenon(*args, env=h.env())
    refuses(r, "model-00001-of-00002.safetensors", "goes on from byte")
    check("model-00001-of-00002.safetensors" not in below("m"), below("m"))
    h.cdn.routes["/blob/model-00001-of-00002.safetensors"] = h.signed(file(ONE))
    before = h.cdn.sent()
    r = tenon(*args, env=h.env())
    check(r.status == 0 and below("m") == {*SHARDED, *BESIDE}, r, below("m"))
    check(h.cdn.sent() - before <= len(ONE) + len(TWO), h.cdn.sent() - before)
    before = h.cdn.sent()
    r = tenon(*args, env=h.env())
    check(r.status == 0 and r.out.count("was there already") == 5 and h.cdn.sent() == before, r)
    put("m/config.json", b"[]")
    refuses(tenon(*args, env=h.env()), "m/config.json: is there already, and is another file")
    check(tenon(*args, "--force", env=h.env()).status == 0 and read("m/config.json") == b"{}")


@case
def fetch_repository_choice():
    """variants, quantizations and runs are the user's to choose; a pipeline comes whole"""
    def names(files, *more):
        h = Hub(serve, {}, {name: b"{}" for name in files})
        r = tenon("fetch", "hf://org/model", "-o", f"m{len(os.listdir(path('.')))}", "--json", *more,
                  env=h.env())
        folder = json.loads(r.out)["path"] if r.status == 0 else ""
        return ({os.path.relpath(f["path"], folder) for f in json.loads(r.out)["files"]}
                if r.status == 0 else r)
    refuses(names(["m-Q4_0.gguf", "m-Q8_0.gguf", "config.json"]), "2 files in it may be meant",
            "m-Q4_0.gguf, m-Q8_0.gguf", "--all")
    check(len(names(["m-Q4_0.gguf", "m-Q8_0.gguf", "config.json"], "--all")) == 3)
    check(names(["m-Q4_0.gguf", "a.md"]) == {"m-Q4_0.gguf"})
    parts = {f"m-0000{i}-of-00003.gguf" for i in (1, 2, 3)}
    check(names([*parts, "a.md"]) == parts)
    llama = {"consolidated.00.pth", "consolidated.01.pth", "params.json"}
    check(names([*llama, "LICENSE"]) == llama)
    unet = {"model_index.json", "unet/diffusion_pytorch_model.safetensors", "unet/config.json",
            "vae/diffusion_pytorch_model.safetensors", "tokenizer/merges.txt"}
    check(names([*unet, "unet/diffusion_pytorch_model.fp16.safetensors", "x.png"]) == unet)
    refuses(names(["checkpoint-1/model.safetensors", "checkpoint-2/model.safetensors"]),
            "2 folders in it have a model")
    dcp = {".metadata", "__0_0.distcp", "__1_0.distcp"}
    check(names([*dcp]) == dcp)
    refuses(names(["model.safetensors", "../evil.json"], "--all"), "is no name of a file in a folder")
    check(not os.path.exists(path("evil.json")))
