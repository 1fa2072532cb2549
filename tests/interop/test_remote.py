"""Remote files beside the real huggingface_hub, botocore, an S3 and torch.hub, on loopback."""
import datetime
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import boto3
import h5py
import numpy
import torch
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "remote"))
import run  # noqa: E402
import sigv4  # noqa: E402
from hub import COMMIT, TOKEN, Hub, sha256  # noqa: E402
from run import numbers, path, safetensors, serve, tenon  # noqa: E402
from server import file, first  # noqa: E402

MODEL = safetensors({"a": numbers(400000, 1), "b": numbers(400, 2)})
FILES = {"dir/model.safetensors": MODEL}, {"config.json": b'{"a": 1}'}

DOWNLOAD = """
import sys, huggingface_hub
from huggingface_hub import hf_hub_download
for name in sys.argv[2:]:
    print(hf_hub_download("org/model", name, local_files_only=sys.argv[1] == "local"))
warnings = huggingface_hub.scan_cache_dir().warnings
assert not warnings, warnings
"""

REVISION = """
import sys
from huggingface_hub import hf_hub_download
print(open(hf_hub_download("org/model", "config.json", revision=sys.argv[1])).read())
"""

SNAPSHOT = """
import os, sys
from huggingface_hub import snapshot_download
folder = snapshot_download("org/model", allow_patterns=sys.argv[2:],
                           local_files_only=sys.argv[1] == "local")
print(*sorted(os.listdir(folder)))
"""


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        run.here.folder, run.here.servers = self.folder.name, []

    def tearDown(self):
        for server in run.here.servers:
            server.stop()
        self.folder.cleanup()

    def fine(self, result):
        self.assertEqual(result.status, 0, result)
        return result


class Hubs(Case):
    """What one writes into the cache, the other reads, and both write the same."""

    def python(self, how, env, *names):
        """Paths that the real library gives."""
        done = subprocess.run([sys.executable, "-c", DOWNLOAD, how, *names], text=True,
                              capture_output=True, env={**run.CLEAN, **env}, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def tree(self, cache):
        """{path: where a link leads, or the bytes} without locks and without its memory of
        listings."""
        out = {}
        for folder, folders, names in os.walk(cache):
            folders[:] = [name for name in folders if name not in (".locks", "trees")]
            for name in names:
                whole = os.path.join(folder, name)
                with open(whole, "rb") as data:
                    out[os.path.relpath(whole, cache)] = (
                        os.readlink(whole) if os.path.islink(whole) else data.read())
        out.pop("CACHEDIR.TAG", None)
        return out

    def env(self, hub, cache):
        return hub.env(HF_HUB_CACHE=path(cache), HF_TOKEN=TOKEN, HF_HUB_DISABLE_TELEMETRY="1",
                       HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HOME=path("home"))

    def test_both_ways(self):
        names = [name for files in FILES for name in files]
        hub = Hub(serve, *FILES, gated=True)
        ours, theirs = self.env(hub, "ours"), self.env(hub, "theirs")
        for name in names:
            self.fine(tenon("fetch", "hf://org/model/" + name, env=ours))
        self.assertEqual(len(self.python("local", ours, *names)), len(names))
        for name, found in zip(names, self.python("network", theirs, *names)):
            with open(found, "rb") as data:
                self.assertEqual(data.read(), {**FILES[0], **FILES[1]}[name])
        self.assertEqual(self.tree(path("ours")), self.tree(path("theirs")))
        asked = len(hub.cdn.asked)
        result = self.fine(tenon("fetch", "hf://org/model/" + names[0], env=theirs))
        self.assertIn("was there already", result.out)
        offline = {**theirs, "HF_HUB_OFFLINE": "1"}
        for name in ("hf://org/model/" + names[0], f"hf://org/model@{COMMIT}/{names[0]}"):
            self.assertEqual(self.fine(tenon("ls", "-q", name, env=offline)).out, "a\nb\n")
        self.assertEqual(len(hub.cdn.asked), asked)

    def test_repository(self):
        """A whole repository: what tenon chose, the real library finds, and makes the same of."""
        large = {f"model-0000{i}-of-00002.safetensors": safetensors({str(i): numbers(40000, i)})
                 for i in (1, 2)}
        index = {"weight_map": {str(i): f"model-0000{i}-of-00002.safetensors" for i in (1, 2)}}
        small = {"config.json": b"{}", "README.md": b"#",
                 "model.safetensors.index.json": json.dumps(index).encode()}
        hub = Hub(serve, large, small, gated=True)
        ours, theirs = self.env(hub, "ours"), self.env(hub, "theirs")
        self.fine(tenon("fetch", "hf://org/model", env=ours))
        names = sorted({*large, *small} - {"README.md"})
        for how, env in (("local", ours), ("network", theirs)):
            done = subprocess.run([sys.executable, "-c", SNAPSHOT, how, *names], text=True,
                                  capture_output=True, env={**run.CLEAN, **env}, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.split(), names)
        self.assertEqual(self.tree(path("ours")), self.tree(path("theirs")))

    def test_revisions(self):
        """Branches and pull requests whose names have slashes; offline by the environment's switch."""
        for number, revision in enumerate(("refs/pr/7", "feature/new", "v1.0")):
            quoted = revision.replace("/", "%2F")
            hub = Hub(serve, *FILES, revision=quoted)
            ours, theirs = (self.env(hub, who + str(number)) for who in ("ours", "theirs"))
            name = f"hf://org/model@{quoted}/config.json"
            self.fine(tenon("fetch", name, env=ours))
            for env in (theirs, {**ours, "HF_HUB_OFFLINE": "1"}):
                done = subprocess.run([sys.executable, "-c", REVISION, revision], text=True, timeout=120,
                                      capture_output=True, env={**run.CLEAN, **env})
                self.assertEqual((done.returncode, done.stdout), (0, '{"a": 1}\n'), done.stderr)
            self.assertEqual(self.tree(path(f"ours{number}")), self.tree(path(f"theirs{number}")))
            asked = len(hub.hub.asked)
            result = self.fine(tenon("fetch", name, env={**theirs, "HF_HUB_OFFLINE": "1"}))
            self.assertIn("was there already", result.out)
            self.assertEqual(len(hub.hub.asked), asked)

    def test_lock(self):
        """A blob that the real library downloads is not downloaded beside it."""
        hub = Hub(serve, *FILES)
        env = self.env(hub, "cache")
        wait, go = threading.Event(), hub.cdn.routes["/blob/dir/model.safetensors"]

        def slow(x):
            wait.wait(20)
            return go(x)

        hub.cdn.routes["/blob/dir/model.safetensors"] = slow
        thread = threading.Thread(target=self.python, args=("network", env,
                                                            "dir/model.safetensors"))
        thread.start()
        while not hub.cdn.asked:
            time.sleep(0.02)
        result = tenon("fetch", "hf://org/model/dir/model.safetensors", env=env)
        self.assertEqual(result.status, 2, result)
        self.assertIn("another process downloads it now", result.err)
        wait.set()
        thread.join()
        self.fine(tenon("fetch", "hf://org/model/dir/model.safetensors", env=env))


class Signatures(Case):
    """botocore signs the same request with the same signature, and ours are accepted by the
    verifier that also accepts botocore's."""

    KEYS = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

    def sign(self, x, token, stamp):
        names = x.headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        request = AWSRequest(x.command, f"http://{x.headers['Host']}{x.path}",
                             headers={name: x.headers[name] for name in names})
        request.context["timestamp"] = stamp
        signer = S3SigV4Auth(Credentials(*self.KEYS, token), "s3", "eu-west-1")
        text = signer.string_to_sign(request, signer.canonical_request(request))
        return signer.signature(text, request)

    def test_same(self):
        for key in ("m.safetensors", "dir/a b+c=%é~(1)'!*.safetensors"):
            for token in (None, "TOKEN/1+2=="):
                asked = []

                def route(x):
                    asked.append(x)
                    return file(MODEL)(x)

                s = serve({})
                s.routes = type("Any", (dict,), {"get": lambda self, _: route})()
                env = {"AWS_ACCESS_KEY_ID": self.KEYS[0], "AWS_SECRET_ACCESS_KEY": self.KEYS[1],
                       "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": s.url}
                if token:
                    env["AWS_SESSION_TOKEN"] = token
                self.fine(tenon("ls", "s3://bucket/" + key, env=env))
                x = s.asked[0]
                ours = x.headers["Authorization"].split("Signature=")[1]
                self.assertEqual(ours, self.sign(x, token, x.headers["x-amz-date"]), key)

    def test_verifier(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        request = AWSRequest("GET", "http://127.0.0.1:9000/bucket/a%20b?x=1&a=%2F",
                             headers={"Host": "127.0.0.1:9000"})
        S3SigV4Auth(Credentials(*self.KEYS, "TOKEN"), "s3", "us-east-1").add_auth(request)
        request.command, request.path = "GET", "/bucket/a%20b?x=1&a=%2F"
        secrets = dict([self.KEYS])
        self.assertIsNone(sigv4.fault(request, secrets, now.timestamp()))
        request.path = "/bucket/other"
        self.assertEqual(sigv4.fault(request, secrets, now.timestamp()), "signature")


class Hdf5(Case):
    def test_ranges(self):
        """Of a file of 20 MB, contiguous, compressed and in chunks, what is needed is fetched."""
        values = numpy.arange(125000, dtype="f4")
        with h5py.File(path("m.h5"), "w") as out:
            for i in range(36):
                out.create_dataset(f"layer_{i}/kernel", data=values + i)
            for i in range(4):
                out.create_dataset(f"packed_{i}/kernel", data=values + i, chunks=(5000,),
                                   compression="gzip")
        with open(path("m.h5"), "rb") as data:
            data = data.read()
        s = serve({"/m.h5": file(data)})
        self.assertEqual(self.fine(tenon("ls", "-q", s.url + "/m.h5")).out,
                         self.fine(tenon("ls", "-q", "m.h5")).out)
        listed = s.sent()
        self.assertLess(listed, 3 << 20)
        rules = "rules [[ layer_3/kernel -> a\n packed_2/kernel -> b\n ** -> ]]"
        for name in (s.url + "/m.h5", "m.h5"):
            self.fine(tenon("align", name, "-e", rules, "-o", name[-4:] + name[:1] + ".npz"))
        with numpy.load(path("m.h5h.npz")) as out:
            self.assertTrue((out["a"] == values + 3).all() and (out["b"] == values + 2).all())
        self.assertLess(s.sent() - listed, listed + (3 << 20))
        self.damaged(data)

    def test_scattered(self):
        """Headers with values between them are asked for beside each other, not one after the other."""
        for track, libver in ((False, None), (True, None), (False, "latest")):
            with h5py.File(path("s.h5"), "w", libver=libver) as out:
                for i in range(60):
                    group = out.create_group(f"layer_{i}/layer_{i}", track_order=track)
                    group.create_dataset("kernel:0", data=numpy.full(150000, i, "f4"))
            with open(path("s.h5"), "rb") as data:
                whole = file(data.read())
            lock, flying, alone, asked = threading.Lock(), set(), set(), []

            def route(x):
                me = object()
                with lock:
                    asked.append(me)
                    flying.add(me)
                    alone.add(me)
                    if len(flying) > 1:
                        alone.difference_update(flying)
                x.server.over.wait(0.03)
                with lock:
                    flying.discard(me)
                return whole(x)
            s = serve({"/s.h5": route})
            result = self.fine(tenon("ls", "-q", s.url + "/s.h5"))
            self.assertEqual(result.out.count("\n"), 60)
            self.assertLess(s.sent(), 4 << 20)
            self.assertGreater(len(asked), 20)
            self.assertLess(len(alone), len(asked) // 2, (track, libver))

    def damaged(self, data):
        """A server that fails after so many answers."""
        for after in (1, 3, 9):
            s = serve({"/m.h5": first(*[file(data)] * after, lambda x: x.say(500))})
            result = tenon("ls", s.url + "/m.h5")
            self.assertEqual((result.status, result.out, result.err.count("\n")), (2, "", 1), result)
            self.assertIn("m.h5: the server answers 500", result.err)


class Store(Case):
    """moto's S3, which has keys, rights and listings as Amazon's has them, and verifies each
    signature by botocore's own code."""

    def setUp(self):
        super().setUp()
        # until then nobody is asked for rights, so that the first user can be made
        os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"
        os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = "3"         # of a page
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        from moto.core.responses import ActionAuthenticatorMixin
        from moto.server import ThreadedMotoServer
        ActionAuthenticatorMixin.request_count = 0
        self.server = ThreadedMotoServer(port=0, verbose=False)
        self.server.start()
        self.url = "http://127.0.0.1:%d" % self.server.get_host_and_port()[1]
        iam = self.client("iam", ("nobody", "nothing"))
        iam.create_user(UserName=self.id())
        iam.put_user_policy(UserName=self.id(), PolicyName="all", PolicyDocument=json.dumps(
            {"Version": "2012-10-17",
             "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
        key = iam.create_access_key(UserName=self.id())["AccessKey"]
        self.keys = key["AccessKeyId"], key["SecretAccessKey"]
        self.client("s3", ("nobody", "nothing")).create_bucket(Bucket="bucket")

    def tearDown(self):
        self.server.stop()
        super().tearDown()

    def client(self, service, keys):
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1",
                            aws_access_key_id=keys[0], aws_secret_access_key=keys[1])

    def env(self, **more):
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": self.keys[0],
                "AWS_SECRET_ACCESS_KEY": self.keys[1], **more}

    def test_store(self):
        put = self.client("s3", self.keys).put_object
        many = {f"run 1/old/{i}.txt": b"x" for i in range(4)}
        files = {"run 1/model.safetensors": MODEL, "run 1/config.json": b"{}",
                 "run 1/a b+c=%é~(1)'!*.txt": b"odd", "run 1/": b"", "other.txt": b"", **many}
        for name, data in files.items():
            put(Bucket="bucket", Key=name, Body=data)
        self.assertEqual(self.fine(tenon("ls", "-q", "s3://bucket/run 1/", env=self.env())).out,
                         "a\nb\n")
        self.fine(tenon("align", "s3://bucket/run 1/model.safetensors", "-o", "out.safetensors",
                        env=self.env()))
        self.fine(tenon("fetch", "s3://bucket/run 1/", "-o", "got", env=self.env()))
        self.assertEqual(sorted(os.listdir(path("got"))),
                         ["a b+c=%é~(1)'!*.txt", "config.json", "model.safetensors"])
        result = self.fine(tenon("fetch", "s3://bucket/run 1/", "--all", "-o", "all", "--json",
                                 env=self.env()))
        self.assertEqual(len(json.loads(result.out)["files"]), 7)
        result = tenon("fetch", "s3://bucket/run 1/", "--all", "-o", "no/way", "-q",
                       env=self.env(AWS_SECRET_ACCESS_KEY="wrong"))
        self.assertEqual(result.status, 2, result)
        self.assertIn("the server refuses it (403)", result.err)
        self.assertFalse(os.path.exists(path("no")))
        self.assertNotIn(self.keys[1], result.text)

    def test_sums(self):
        """What boto3 has uploaded is known by the checksum that the store keeps of it."""
        client = self.client("s3", self.keys)
        for kind, said in ((None, "CRC-32"), ("SHA1", "SHA-1"), ("SHA256", "SHA-256")):
            how = {"ChecksumAlgorithm": kind} if kind else {}
            client.put_object(Bucket="bucket", Key="m.safetensors", Body=MODEL, **how)
            result = self.fine(tenon("fetch", "s3://bucket/m.safetensors", "--force", env=self.env()))
            self.assertIn(f"as says the server's {said}\n", result.out)
        with open(path("large"), "wb") as out:
            out.write(MODEL * 15)
        parts = boto3.s3.transfer.TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
        client.upload_file(path("large"), "bucket", "large", Config=parts)
        result = self.fine(tenon("fetch", "s3://bucket/large", "-o", "got", env=self.env()))
        self.assertNotIn("as says", result.out)          # a checksum of checksums
        with open(path("got"), "rb") as data:
            self.assertEqual(sha256(data.read()), sha256(MODEL * 15))


class TorchHub(Case):
    def test_both_ways(self):
        torch.save({"w": torch.arange(4.0)}, path("net.pth"))
        with open(path("net.pth"), "rb") as data:
            net = data.read()
        name = f"net-{sha256(net)[:8]}.pth"
        s = serve({"/" + name: file(net)})
        for first in ("tenon", "torch"):
            torch.hub.set_dir(path(first + "/hub"))
            env = {"TORCH_HOME": path(first)}
            asked = len(s.asked)
            if first == "tenon":
                self.fine(tenon("fetch", f"{s.url}/{name}", env=env))
            state = torch.hub.load_state_dict_from_url(f"{s.url}/{name}", progress=False,
                                                       check_hash=True)
            self.assertEqual(state["w"].tolist(), [0, 1, 2, 3])
            self.assertEqual(self.fine(tenon("ls", "-q", f"{s.url}/{name}", env=env)).out, "w\n")
            self.assertEqual(len(s.asked), asked + 1)
