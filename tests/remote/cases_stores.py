"""s3://, oss:// and gs:// against servers that verify every signature."""
import os
import time
import urllib.parse

import sigv4
from run import case, check, numbers, path, refuses, safetensors, serve, tenon
from server import file, first, redirect

MODEL = safetensors({"a": numbers(400000, 1), "b": numbers(400, 2)})
KEYS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "LENT": "lent/secret"}
OWN = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": KEYS["AKIDEXAMPLE"]}


def store(objects, wants=None):
    """A bucket that answers requests with a right signature alone."""
    def guard(route):
        def guarded(x):
            fault = sigv4.fault(x, KEYS, time.time())
            if fault is None and wants:
                fault = wants(x)
            return x.say(403, b"", [("X-Fault", fault)]) if fault else route(x)
        return guarded
    return serve({"/bucket/" + name: guard(file(data)) for name, data in objects.items()})


def write(name, text):
    with open(path(name), "w", encoding="utf-8") as out:
        out.write(text)
    return path(name)


@case
def s3_signed():
    """keys of the environment sign every request; odd names of objects too"""
    s = store({"m.safetensors": MODEL, "dir/a%20b%2Bc%3D%25%C3%A9.safetensors": MODEL})
    env = {**OWN, "AWS_ENDPOINT_URL": s.url, "AWS_REGION": "eu-west-3"}
    r = tenon("align", "s3://bucket/m.safetensors", "-o", "out.safetensors", env=env)
    check(r.status == 0, r, [dict(x.headers) for x in s.asked])
    check(len(s.asked) >= 2, "no second request")
    check("/eu-west-3/s3/aws4_request" in s.asked[0].headers["Authorization"])
    r = tenon("ls", "s3://bucket/dir/a b+c=%é.safetensors", "-q", env=env)
    check(r.status == 0 and r.out == "a\nb\n", r, s.asked[-1].path)


@case
def s3_refused():
    """a wrong secret is refused, and printed nowhere"""
    s = store({"m.safetensors": MODEL})
    env = {**OWN, "AWS_SECRET_ACCESS_KEY": "WRONGSECRET", "AWS_ENDPOINT_URL": s.url}
    r = tenon("ls", "s3://bucket/m.safetensors", env=env)
    refuses(r, "s3://bucket/m.safetensors: the server refuses it (403)", "the keys have no right")
    check("WRONGSECRET" not in r.text and "AKIDEXAMPLE" not in r.text, r)
    r = tenon("ls", "s3://bucket/m.safetensors", env={"AWS_ENDPOINT_URL": s.url})
    refuses(r, "there are no keys", "AWS_PROFILE")


@case
def s3_anonymous():
    """without keys a public bucket is read unsigned"""
    s = serve({"/bucket/m.safetensors": file(MODEL)})
    r = tenon("ls", "s3://bucket/m.safetensors", env={"AWS_ENDPOINT_URL": s.url})
    check(r.status == 0 and "Authorization" not in s.asked[0].headers, r)


@case
def s3_session():
    """keys that were lent go with their token, which is signed"""
    s = store({"m.safetensors": MODEL},
              lambda x: None if x.headers["x-amz-security-token"] == "TOKEN/1+2==" else "token")
    env = {"AWS_ACCESS_KEY_ID": "LENT", "AWS_SECRET_ACCESS_KEY": KEYS["LENT"],
           "AWS_SESSION_TOKEN": "TOKEN/1+2==", "AWS_ENDPOINT_URL_S3": s.url}
    r = tenon("ls", "s3://bucket/m.safetensors", env=env)
    check(r.status == 0, r)


@case
def s3_profiles():
    """profiles of ~/.aws: keys, region, endpoint; one that is not there is an error"""
    s = store({"m.safetensors": MODEL})
    os.makedirs(path("home/.aws"))
    write("home/.aws/credentials",
          "[default]\naws_access_key_id = NOBODY\naws_secret_access_key = x\n\n"
          f"[work]\n# mine\naws_access_key_id=LENT\naws_secret_access_key = {KEYS['LENT']}\n")
    write("home/.aws/config", "[profile other]\nregion = nowhere-1\n[profile work]\ns3 =\n"
          "  max_queue_size = 10\n"
          f"region = ap-south-1   ; near\nendpoint_url = {s.url}\n")
    env = {"HOME": path("home"), "AWS_PROFILE": "work"}
    r = tenon("ls", "s3://bucket/m.safetensors", env=env)
    check(r.status == 0, r)
    check("/ap-south-1/" in s.asked[0].headers["Authorization"])
    refuses(tenon("ls", "s3://bucket/m.safetensors", env={**env, "AWS_PROFILE": "nobody"}),
            "no profile 'nobody'")
    r = tenon("ls", "s3://bucket/m.safetensors", env={"HOME": path("home"),
                                                      "AWS_ENDPOINT_URL": s.url})
    refuses(r, "403")


@case
def s3_region():
    """a bucket in another region is asked there, once"""
    def elsewhere(x):
        x.say(301, b"", [("x-amz-bucket-region", "eu-north-1")])
    s = serve({"/bucket/m.safetensors": first(elsewhere, file(MODEL)),
               "/bucket/loop.safetensors": elsewhere})
    env = {**OWN, "AWS_ENDPOINT_URL": s.url}
    check(tenon("ls", "s3://bucket/m.safetensors", env=env).status == 0)
    check("/eu-north-1/" in s.asked[1].headers["Authorization"])
    refuses(tenon("ls", "s3://bucket/loop.safetensors", env=env), "does not say where")


@case
def s3_redirect():
    """a redirect to another host takes neither the signature nor the session's token along"""
    other = serve({"/m.safetensors": file(MODEL)}, host="127.0.0.2")
    s = serve({"/bucket/m.safetensors": redirect(other.url + "/m.safetensors", 307)})
    env = {**OWN, "AWS_SESSION_TOKEN": "TOKEN", "AWS_ENDPOINT_URL": s.url}
    check(tenon("ls", "s3://bucket/m.safetensors", env=env).status == 0)
    check(other.asked, "it was not followed")
    for x in other.asked:
        check("TOKEN" not in str(x.headers) and "AKID" not in str(x.headers), x.headers)


@case
def s3_names():
    """what is no object is refused before anything is sent"""
    refuses(tenon("ls", "s3://bucket"), "names no object")
    refuses(tenon("ls", "s3://Bucket!/x"), "names no object")
    refuses(tenon("ls", "s3://bucket/x", env={"AWS_REGION": "evil.example/"}), "is no region")


@case
def oss():
    """oss:// takes its own keys and endpoint"""
    s = store({"m.safetensors": MODEL})
    env = {"OSS_ACCESS_KEY_ID": "LENT", "OSS_ACCESS_KEY_SECRET": KEYS["LENT"],
           "OSS_ENDPOINT": s.url, "OSS_REGION": "oss-cn-hangzhou"}
    r = tenon("ls", "oss://bucket/m.safetensors", env=env)
    check(r.status == 0, r)
    check("/oss-cn-hangzhou/" in s.asked[0].headers["Authorization"])
    refuses(tenon("ls", "oss://bucket/m.safetensors"), "OSS_ENDPOINT")
    refuses(tenon("ls", "oss://bucket/m.safetensors", env={"OSS_ENDPOINT": s.url}),
            "OSS_ACCESS_KEY_ID")


@case
def gs():
    """gs:// reads public objects"""
    s = serve({"/bucket/dir/m.safetensors": file(MODEL)})
    r = tenon("ls", "gs://bucket/dir/m.safetensors", env={"STORAGE_EMULATOR_HOST": s.url})
    check(r.status == 0, r)
    s.routes["/bucket/dir/m.safetensors"] = lambda x: x.say(403)
    refuses(tenon("ls", "gs://bucket/dir/m.safetensors", env={"STORAGE_EMULATOR_HOST": s.url}),
            "public objects")


def listing(objects, page=2, element="ListBucketResult"):
    """ListObjectsV2 of some keys, so many at a time."""
    def route(x):
        query = dict(urllib.parse.parse_qsl(x.path.partition("?")[2]))
        check(query.get("list-type") == "2" and query.get("encoding-type") == "url", query)
        keys = sorted(k for k in objects if k.startswith(query.get("prefix", "")))
        start = int(query.get("continuation-token", "0 &").split()[0])
        more = start + page < len(keys)
        body = "".join(f"<Contents><Key>{urllib.parse.quote_plus(k, safe='/')}</Key><ETag>&quot;x&quot;</ETag>"
                       f"<Size>{len(objects[k])}</Size></Contents>" for k in keys[start:start + page])
        token = f"<NextContinuationToken>{start + page} &amp;</NextContinuationToken>" if more else ""
        x.say(200, (f'<?xml version="1.0"?>\n<{element} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                    f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{body}</{element}>").encode())
    return route


FOLDER = {"run 1/": b"", "run 1/model.safetensors": MODEL, "run 1/config.json": b"{}",
          "run 1/a+b &c.txt": b"t", "run 1/old/x.pth": b"x", "run 2/model.safetensors": b""}


def folder_store():
    s = store(FOLDER)
    for name, data in FOLDER.items():
        s.routes["/bucket/" + urllib.parse.quote(name)] = s.routes.pop("/bucket/" + name)
    listed = listing(FOLDER)
    s.routes["/bucket/"] = lambda x: (
        x.say(403) if sigv4.fault(x, KEYS, time.time()) else listed(x))
    return s


@case
def s3_folder():
    """a folder of a bucket is listed with signed requests, opened, and fetched"""
    s = folder_store()
    env = {**OWN, "AWS_ENDPOINT_URL": s.url}
    r = tenon("ls", "s3://bucket/run 1/", "-q", env=env)
    check(r.status == 0 and r.out == "a\nb\n", r)
    r = tenon("fetch", "s3://bucket/run 1/", env=env)
    check(r.status == 0 and "3 files" in r.out, r)
    check(sorted(os.listdir(path("run 1"))) == ["a+b &c.txt", "config.json", "model.safetensors"], r)
    with open(path("run 1/model.safetensors"), "rb") as data:
        check(data.read() == MODEL, r)
    asked = s.sent()
    r = tenon("fetch", "s3://bucket/run 1/", env=env)
    check(r.out.count("was there already") == 3 and s.sent() - asked < 5000, r)
    r = tenon("fetch", "s3://bucket/run 1/", "--all", "-o", "out", env=env)
    check(r.status == 0 and os.path.exists(path("out/old/x.pth")), r)
    refuses(tenon("ls", "s3://bucket/nothing/", env=env), "there is nothing in it")
    refuses(tenon("fetch", "s3://bucket/run 1/", env={"AWS_ENDPOINT_URL": s.url}), "403")


@case
def gs_folder():
    """a public folder of Google's store, and one of OSS"""
    s = serve({"/bucket/": listing(FOLDER)})
    for name in ("model.safetensors", "config.json", "a%2Bb%20%26c.txt"):
        s.routes["/bucket/run%201/" + name] = file(FOLDER["run 1/" + urllib.parse.unquote(name)])
    for scheme, env in (("gs", "STORAGE_EMULATOR_HOST"), ("oss", "OSS_ENDPOINT")):
        r = tenon("fetch", scheme + "://bucket/run 1/", "-o", scheme, env={env: s.url})
        check(r.status == 0 and len(os.listdir(path(scheme))) == 3, r)


@case
def folder_listings():
    """listings that are none, that have no end, or that name what is no file"""
    def answers(text):
        s = serve({"/bucket/": lambda x: x.say(200, text.encode())})
        return tenon("fetch", "s3://bucket/a/", "--all", "-o", "out", env={"AWS_ENDPOINT_URL": s.url})
    wrap = "<ListBucketResult><IsTruncated>%s</IsTruncated>%s</ListBucketResult>"
    thing = "<Contents><Key>%s</Key><Size>%s</Size></Contents>"
    refuses(answers("<html>"), "is no listing of a bucket")
    refuses(answers(wrap % ("true", "")), "does not say how it goes on")
    refuses(answers(wrap % ("true", "<NextContinuationToken>1</NextContinuationToken>")), "has no end")
    refuses(answers(wrap % ("false", thing % ("b/x", 1))), "without a name or a size")
    refuses(answers(wrap % ("false", thing % ("a/x", "-1"))), "without a name or a size")
    refuses(answers(wrap % ("false", thing % ("a/%00", 1))), "without a name or a size")
    refuses(answers(wrap % ("false", thing % ("a/../../x", 1))), "is no name of a file")
    refuses(answers(wrap % ("false", thing % ("a/x", 1) + "<Contents>")), "a/x", "404")
    check(os.listdir(path(".")) in ([], ["out"]), os.listdir(path(".")))
