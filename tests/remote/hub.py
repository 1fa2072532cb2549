"""The Hugging Face hub, as its answers are recorded: headers, redirects to another host, errors."""
import hashlib
import json
import urllib.parse

from server import file

TOKEN = "hf_SECRETTOKEN"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Hub:
    """Repository org/model: `large` files lie on another host behind a signed link, `small` ones on
    the hub itself."""

    def __init__(self, serve, large, small, gated=False, revision="main"):
        self.hub = serve({})
        self.cdn = serve({}, host="127.0.0.2")
        self.gated = gated
        files = {**large, **small}
        for name, data in small.items():
            self.route(revision, name, self.guard(file(
                data, [("X-Repo-Commit", COMMIT)], f'"{git_hash(data)}"')))
        for name, data in large.items():
            self.cdn.routes["/blob/" + name] = self.signed(file(data, etag=f'"cdn-{name}"'))
            self.route(revision, name, self.guard(self.linked(name, data)))
        listing = json.dumps({"id": "org/model", "sha": COMMIT, "siblings": [
            {"rfilename": name, "size": len(data)} for name, data in files.items()]}).encode()
        tree = json.dumps([{"type": "file", "path": name, "size": len(data), "oid": git_hash(data)}
                           for name, data in files.items()]).encode()
        for known in (revision, COMMIT):
            self.hub.routes[f"/api/models/org/model/tree/{known}"] = self.guard(
                lambda x: x.say(200, tree))
            self.hub.routes[f"/api/models/org/model/revision/{known}"] = self.guard(
                lambda x: x.say(200, listing))

    def route(self, revision, name, route):
        quoted = urllib.parse.quote(name)
        for known in (revision, COMMIT):
            self.hub.routes[f"/org/model/resolve/{known}/{quoted}"] = route

    def guard(self, route):
        def guarded(x):
            if self.gated and x.headers.get("Authorization") != "Bearer " + TOKEN:
                return x.say(401, b"", [("X-Error-Code", "GatedRepo"),
                                        ("X-Error-Message", "Access to model org/model is restricted.")])
            return route(x)
        return guarded

    def linked(self, name, data):
        def route(x):
            x.say(302, b"", [("X-Repo-Commit", COMMIT), ("X-Linked-Etag", f'"{sha256(data)}"'),
                             ("X-Linked-Size", str(len(data))), ("ETag", f'"{git_hash(data)}"'),
                             ("Location", f"{self.cdn.url}/blob/{name}?Signature=SIGNED")])
        return route

    def signed(self, route):
        def guarded(x):
            if "Signature=SIGNED" not in x.path or "Authorization" in x.headers:
                return x.say(400)
            return route(x)
        return guarded

    def env(self, **more):
        return {"HF_ENDPOINT": self.hub.url, **more}
