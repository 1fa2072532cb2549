"""Tokens, keys and signatures are sent where they belong, and stand nowhere else: not in what is
printed, and not in any file that is left behind."""
import os
import signal
import subprocess
import time

import sigv4
from cases_viewer import Viewer
from hub import TOKEN, Hub
from run import CLEAN, PATIENCE, TENON, case, check, numbers, path, safetensors, serve, tenon
from server import file, redirect

MODEL = safetensors({"a.weight": numbers(400000, 1), "b.weight": numbers(400, 2)})
OTHER = safetensors({"x.weight": numbers(400000, 1), "y.weight": numbers(400, 2)})
KEYS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
SECRETS = ("SECRET", "PASSWORD", TOKEN, "wJalr", "SESSIONTOKEN", "SIGNED")


def write(name, data):
    with open(path(name), "wb") as out:
        out.write(data)


def check_files(env=()):
    """No secret in any file of the case's folder, or of HOME in it."""
    for folder, _, names in os.walk(path(".")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as data:
                text = data.read()
            for secret in SECRETS:
                check(secret.encode() not in text, f"{secret} in {folder}/{name}")


def use_everywhere(url, env, fails=None):
    """Every command that writes something, over a URL; and over one that cannot be had."""
    write("here.safetensors", OTHER)
    write("log.txt", b'Unexpected key(s) in state_dict: "a.weight". ')
    env = {**env, "HOME": path("home"), "XDG_STATE_HOME": path("state")}
    os.makedirs(path("home"))
    write("bad.lua", f'open_source("{url}")\nerror("{url}")'.encode())
    for args in (["ls", "URL", "-v"], ["ls", "URL", "--json", "--stats"], ["check", "URL", "--json"],
                 ["diff", "URL", "here.safetensors", "--json"], ["ls", "URL", "--globals", "--json"],
                 ["align", "URL", "--plan", "plan.json", "--emit-rules", "rules.lua", "-v"],
                 ["align", "URL", "-o", "out.pth", "--whole", "--json"],
                 ["align", "URL", "here.safetensors", "--auto", "--json", "-o", "auto.safetensors"],
                 ["emit", "plan.json", "--python", "-o", "plan.py"],
                 ["reverse", "plan.json", "-o", "back.json"],
                 ["apply", "plan.json", "--source", "URL", "-o", "applied.npz"],
                 ["learn", "URL", "here.safetensors", "-o", "learned.lua"],
                 ["explain", "log.txt", "URL", "--json"], ["fetch", "URL", "-o", "f.bin", "--json"],
                 ["run", "bad.lua"], ["align", "URL", "-e", f'error("{url}")'],
                 ["ls", "URL", "URL", "--nothing"], ["ls", "URL::nothing"], ["nothing", "URL"],
                 ["ls", "URL", "-v", "BAD"], ["fetch", "BAD"], ["check", "BAD"]):
        bad = url.replace(".safetensors", ".nothing")
        r = tenon(*[{"URL": url, "BAD": bad}.get(a, a.replace("URL", url)) for a in args], env=env)
        for secret in SECRETS:
            check(secret not in r.text, args, r)
    os.remove(path("bad.lua"))
    check_files()


@case
def secrets_of_signed_urls():
    """a URL's password and query, in every command's output and every file"""
    s = serve({"/m.safetensors": file(MODEL)})
    url = s.url.replace("//", "//me:PASSWORD@") + "/m.safetensors?X-Amz-Signature=SECRET&token=SECRET"
    use_everywhere(url, {})
    check(all("SECRET" in x.path for x in s.asked), "it was not sent")


@case
def secrets_of_the_hub():
    """HF_TOKEN and the links that the hub signs"""
    h = Hub(serve, {"m.safetensors": MODEL}, {}, gated=True)
    use_everywhere("hf://org/model/m.safetensors", h.env(HF_TOKEN=TOKEN))
    check(h.cdn.asked and not any(TOKEN in str(x.headers) for x in h.cdn.asked), "it was sent away")


@case
def secrets_of_stores():
    """the keys of S3, also where it redirects to another host"""
    other = serve({"/m.safetensors": file(MODEL)}, host="127.0.0.2")
    def route(x):
        if sigv4.fault(x, KEYS, time.time()):
            return x.say(403, b"<Error>SignatureDoesNotMatch</Error>")
        return redirect(other.url + "/m.safetensors?Signature=SIGNED", 307)(x)
    s = serve({"/bucket/m.safetensors": route})
    env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": KEYS["AKIDEXAMPLE"],
           "AWS_SESSION_TOKEN": "SESSIONTOKEN", "AWS_ENDPOINT_URL": s.url}
    use_everywhere("s3://bucket/m.safetensors", env)
    check(other.asked, "it was not followed")
    for x in other.asked:
        check("SESSIONTOKEN" not in str(x.headers) and "AKID" not in str(x.headers), x.headers)


@case
def secrets_of_the_viewer():
    """a URL that is typed: in the history, in a session that is saved, and in one that is left"""
    s = serve({"/m.safetensors": file(MODEL)})
    url = s.url.replace("//", "//me:PASSWORD@") + "/m.safetensors?X-Amz-Signature=SECRET"
    write("here.safetensors", OTHER)
    env = {"HOME": path("home"), "XDG_STATE_HOME": path("state")}
    os.makedirs(path("home"))
    v = Viewer("here.safetensors", env=env)
    v.until("here.safetensors")
    v.type(f"open-source {url}")
    v.until("is the source now")
    v.type('prefix "p."')
    v.until("applied")
    v.type("save-session saved.lua")
    v.until("saved")
    v.type("save rules.lua")
    v.until("rules.lua")
    v.process.send_signal(signal.SIGHUP)          # what is unsaved is kept for the next time
    v.process.wait(timeout=PATIENCE)
    check(os.path.exists(path("saved.lua")), os.listdir(path(".")))
    kept = {n for _, _, names in os.walk(path("state")) for n in names}
    check("history" in kept, kept)
    check_files()


@case
def secrets_of_a_shell():
    """the arguments of a process are shown by ps: the URL's are the user's own, tokens are never there"""
    h = Hub(serve, {"m.safetensors": MODEL}, {}, gated=True)
    go = h.cdn.routes["/blob/m.safetensors"]
    seen = []

    def look(x):
        for pid in os.listdir("/proc"):
            if pid.isdigit():
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as data:
                        seen.append(data.read())
                except OSError:
                    pass
        go(x)

    h.cdn.routes["/blob/m.safetensors"] = look
    p = subprocess.run([TENON, "ls", "hf://org/model/m.safetensors"], capture_output=True, timeout=PATIENCE,
                       env={**CLEAN, **h.env(HF_TOKEN=TOKEN)}, cwd=path("."))
    check(p.returncode == 0 and seen and not any(TOKEN.encode() in s for s in seen), p)
