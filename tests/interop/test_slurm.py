"""The scripts of README.md's "Beyond one machine", run as they stand there: the array job by a Slurm
that the test starts, with a task that is killed and requeued; the command of the Kubernetes job for
each of its indexes. What they write is what one process writes."""
import hashlib
import os
import re
import shutil
import subprocess
import time
import unittest

import torch

from oracle import Case, ROOT, TENON

HERE = os.path.dirname(os.path.abspath(__file__))
WANTED = ("slurmctld", "slurmd", "munged", "sbatch")

# Stands for tenon in the job: the first run of one task kills it with a shard half written, and has
# Slurm begin that task anew.
KILLER = """#!/usr/bin/env python3
import os, signal, subprocess, sys, time
if os.environ["SLURM_ARRAY_TASK_ID"] == "2" and not os.environ.get("SLURM_RESTART_COUNT"):
    child = subprocess.Popen(["{tenon}", *sys.argv[1:]])
    before = set(os.listdir("model"))
    while child.poll() is None:
        new = set(os.listdir("model")) - before
        if any(os.stat(os.path.join("model", name)).st_size for name in new if os.path.exists("model/" + name)):
            child.send_signal(signal.SIGKILL)
            break
    open("killed", "w").write(str(child.wait()))
    subprocess.run(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]], check=True)
    time.sleep(60)
os.execv("{tenon}", ["{tenon}", *sys.argv[1:]])
"""


def block(info):
    """The fenced block of README.md behind such an opening."""
    with open(os.path.join(ROOT, "README.md")) as file:
        found = re.search(f"^```{info}\n(.*?)^```$", file.read(), re.S | re.M)
    return found[1]


class Cluster(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.name)
        torch.manual_seed(0)
        torch.save({f"module.l{i}.weight": torch.randn(1024, 2048) for i in range(16)}, "source.pth")
        self.tenon("align", "source.pth", "-e", 'strip "module." rules [[ ** -> ** |> cast("f16") ]]',
                   "--shard-size", "9MB", "--to", "safetensors", "--plan", "plan.json")
        os.mkdir("alone")
        self.tenon("apply", "plan.json", "-o", "alone/model.safetensors")

    def digests(self, folder):
        out = {}
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                out[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return out

    def same(self):
        self.assertEqual(self.digests("model"), self.digests("alone"))
        self.assertEqual(len(os.listdir("alone")), 9)      # 8 shards and the index

    def test_kubernetes(self):
        """What the pods would run, backwards."""
        text = block("yaml kubernetes")
        count = int(re.search(r"completions: (\d+)", text)[1])
        command = " ".join(re.search(r"args:\n\s+- (.*?)\n\s+volumeMounts", text, re.S)[1].split())
        os.mkdir("bin")
        os.symlink(TENON, "bin/tenon")
        for index in reversed(range(count)):
            subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL,
                           env={**os.environ, "PATH": "bin:" + os.environ["PATH"],
                                "JOB_COMPLETION_INDEX": str(index)})
        self.same()

    @unittest.skipUnless(all(map(shutil.which, WANTED)) and os.geteuid() == 0,
                         "needs slurm-wlm, munge and root")
    def test_slurm(self):
        os.mkdir("slurm")
        with open("convert.sh", "w") as file:
            file.write(block("bash slurm"))
        os.makedirs("bin")
        with open("bin/tenon", "w") as file:
            file.write(KILLER.format(tenon=TENON))
        os.chmod("bin/tenon", 0o755)
        environment = {**os.environ, "SLURM_CONF": os.path.abspath("slurm/slurm.conf"),
                       "PATH": os.path.abspath("bin") + ":" + os.environ["PATH"]}
        script = os.path.join(HERE, "slurm_cluster.sh")
        self.addCleanup(subprocess.run, [script, "stop", "slurm"], check=False)
        subprocess.run([script, "start", "slurm"], check=True)
        subprocess.run(["sbatch", "--array=1-3", "convert.sh"], check=True, env=environment,
                       stdout=subprocess.DEVNULL)
        end = time.monotonic() + 300
        while subprocess.run(["squeue", "-h"], check=True, env=environment, capture_output=True).stdout:
            self.assertLess(time.monotonic(), end, "the jobs do not end")
            time.sleep(0.1)
        with open("killed") as file:
            self.assertEqual(file.read(), "-9")
        self.same()


if __name__ == "__main__":
    unittest.main()
