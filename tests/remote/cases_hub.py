"""hf://: the hub's redirects, its errors, its cache; and torch.hub's."""
import os

from hub import COMMIT, TOKEN, Hub, git_hash, sha256
from run import case, check, numbers, path, refuses, safetensors, serve, tenon
from server import file, first, redirect

MODEL = safetensors({"a": numbers(400000, 1), "b": numbers(400, 2)})
ONE, TWO = safetensors({"a": numbers(400, 1)}), safetensors({"b": numbers(400, 2)})
INDEX = (b'{"metadata":{"total_size":800},"weight_map":{"a":"model-00001-of-00002.safetensors",'
         b'"b":"model-00002-of-00002.safetensors"}}')


def put(name, data):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "wb") as out:
        out.write(data)
    return path(name)


@case
def hub_file():
    """a file is read through the hub's link; the token goes to the hub and nowhere else"""
    h = Hub(serve, {"m.safetensors": MODEL}, {}, gated=True)
    r = tenon("align", "hf://org/model/m.safetensors", "-o", "out.safetensors", "-v",
              env=h.env(HF_TOKEN=TOKEN))
    check(r.status == 0, r)
    check(TOKEN not in r.text and "SIGNED" not in r.text, r)
    check(h.hub.asked[0].headers["Authorization"] == "Bearer " + TOKEN)
    check(h.cdn.asked and not any("Authorization" in x.headers for x in h.cdn.asked))
    check(len(h.hub.asked) == 1, [x.path for x in h.hub.asked])


@case
def hub_header():
    """a header costs three requests at most, the hub's own among them"""
    h = Hub(serve, {"m.safetensors": MODEL}, {})
    check(tenon("ls", "hf://org/model/m.safetensors", env=h.env()).status == 0)
    check(len(h.hub.asked) + len(h.cdn.asked) <= 3)
    check(h.cdn.sent() <= 256 << 10, h.cdn.sent())


@case
def hub_token_file():
    """the token is in HF_TOKEN_PATH or HF_HOME/token; a gated repository says what to do"""
    h = Hub(serve, {"m.safetensors": MODEL}, {}, gated=True)
    put("home/token", TOKEN.encode() + b"\n")
    for env in ({"HF_HOME": path("home")}, {"HF_TOKEN_PATH": path("home/token")}):
        r = tenon("ls", "hf://org/model/m.safetensors", env=h.env(**env))
        check(r.status == 0, r)
    refuses(tenon("ls", "hf://org/model/m.safetensors", env=h.env()), "401",
            "Access to model org/model is restricted", "HF_TOKEN")
    r = tenon("ls", "hf://org/model/m.safetensors", env=h.env(HF_TOKEN="hf_WRONG"))
    refuses(r, "401", "the token has no right")
    check("hf_WRONG" not in r.text, r)
    refuses(tenon("ls", "hf://org/model/m.safetensors", "--allow-http",
                  env={"HF_ENDPOINT": "http://hub.invalid", "HF_TOKEN": TOKEN}),
            "a token or a password is not sent over http://")


@case
def hub_expired():
    """a signed link that expires in mid-read is asked for anew"""
    h = Hub(serve, {"m.safetensors": MODEL}, {})
    good = h.cdn.routes["/blob/m.safetensors"]
    h.cdn.routes["/blob/m.safetensors"] = first(good, lambda x: x.say(403), good)
    r = tenon("align", "hf://org/model/m.safetensors", "-o", "out.safetensors", env=h.env())
    check(r.status == 0, r)
    check(len(h.hub.asked) == 2, [x.path for x in h.hub.asked])


@case
def hub_repository():
    """a repository is a folder: its index and its shards, all of one commit"""
    h = Hub(serve, {"model-00001-of-00002.safetensors": ONE,
                    "model-00002-of-00002.safetensors": TWO},
            {"model.safetensors.index.json": INDEX, "config.json": b"{}", "README.md": b"# x"})
    r = tenon("ls", "hf://org/model", "-q", env=h.env())
    check(r.status == 0 and r.out == "a\nb\n", r)
    resolved = [x.path for x in h.hub.asked if "/resolve/" in x.path]
    check(resolved and all(f"/resolve/{COMMIT}/" in p for p in resolved), resolved)
    r = tenon("ls", "hf://org/model/model.safetensors.index.json", "-q", env=h.env())
    check(r.status == 0 and r.out == "a\nb\n", r)


@case
def hub_names():
    """revisions with slashes, other kinds of repositories, names that are none"""
    h = Hub(serve, {"m.safetensors": MODEL}, {}, revision="refs%2Fpr%2F1")
    for revision in ("refs/pr/1", "refs%2Fpr%2F1"):
        r = tenon("ls", f"hf://org/model@{revision}/m.safetensors", env=h.env())
        check(r.status == 0, r)
    h.hub.routes["/datasets/org/d/resolve/main/dir/x.safetensors"] = file(ONE)
    check(tenon("ls", "hf://datasets/org/d/dir/x.safetensors", env=h.env()).status == 0)
    h = Hub(serve, {"m.safetensors": MODEL}, {}, gated=True)
    h.hub.routes["/old/name/resolve/main/m.safetensors"] = redirect(
        "/org/model/resolve/main/m.safetensors", 307)
    r = tenon("ls", "hf://old/name/m.safetensors", env=h.env(HF_TOKEN=TOKEN))
    check(r.status == 0 and not any("Authorization" in x.headers for x in h.cdn.asked), r)
    refuses(tenon("ls", "hf://org", env=h.env()), "hf://ORG/REPO")
    refuses(tenon("ls", "hf://org/model/../x", env=h.env()), "path is none")
    refuses(tenon("ls", "hf://org/model@../x/y", env=h.env()), "revision is none")
    refuses(tenon("ls", "hf://org/model/nothing.pth", env=h.env()), "404")


@case
def hub_wrong_size():
    """the hub's size and its server's differ: one error"""
    h = Hub(serve, {"m.safetensors": MODEL}, {})
    h.cdn.routes["/blob/m.safetensors"] = file(MODEL + b"x")
    refuses(tenon("ls", "hf://org/model/m.safetensors", env=h.env()), "the hub says that it has")


@case
def hub_cached():
    """what the cache has is read from there; offline nothing else is"""
    h = Hub(serve, {"m.safetensors": MODEL}, {})
    blob = sha256(MODEL)
    repo = "cache/models--org--model"
    put(f"{repo}/blobs/{blob}", MODEL)
    env = h.env(HF_HUB_CACHE=path("cache"))
    check(tenon("ls", "hf://org/model/m.safetensors", env=env).status == 0)
    check(not h.cdn.asked, "the bytes were fetched all the same")
    asked = len(h.hub.asked)
    off = {**env, "HF_HUB_OFFLINE": "1"}
    refuses(tenon("ls", "hf://org/model/m.safetensors", env=off), "HF_HUB_OFFLINE", "not in the cache")
    put(f"{repo}/refs/main", COMMIT.encode())
    os.makedirs(path(f"{repo}/snapshots/{COMMIT}"))
    os.symlink(f"../../blobs/{blob}", path(f"{repo}/snapshots/{COMMIT}/m.safetensors"))
    for name in ("hf://org/model/m.safetensors", "hf://org/model"):
        r = tenon("ls", name, env={**off, "HF_HUB_OFFLINE": "ON"})
        check(r.status == 0, r)
    r = tenon("ls", f"hf://org/model@{COMMIT}/m.safetensors", env=env)
    check(r.status == 0 and len(h.hub.asked) == asked, r)


@case
def torch_hub():
    """a file of torch.hub's cache is read when its hash is its name's, and never otherwise"""
    data = safetensors({"a": numbers(400, 1)})
    good = f"net-{sha256(data)[:8]}.safetensors"
    cache = {"TORCH_HOME": path("torch")}
    s = serve({"/" + good: file(data), "/net.safetensors": file(data)})
    put("torch/hub/checkpoints/" + good, data)
    put("torch/hub/checkpoints/net.safetensors", b"another file of that name")
    check(tenon("ls", f"{s.url}/{good}", env=cache).status == 0)
    check(not s.asked, "it was fetched all the same")
    check(tenon("ls", f"{s.url}/net.safetensors", env=cache).status == 0)
    check(len(s.asked) == 1)
    put("torch/hub/checkpoints/" + good, b"damaged")
    check(tenon("ls", f"{s.url}/{good}", env=cache).status == 0)
    check(len(s.asked) == 2)


assert git_hash(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"     # as git says
