"""Presets do what their systems do: the same tensors loaded, the same messages, the same refusals.

EssentialMC2, fvcore, mmengine, timm and PyTorch are run themselves, as their authors released them; Pet, detectron2
and AlexNet-SPP, of which there is no package, stand here as RULES (a) describes them. All work on a live model, and
are compared with tenon on random dicts: hundreds of cases."""
import contextlib
import json
import logging
import os
import pickle
import random
import re
import subprocess
import unittest
import unittest.mock
from collections import OrderedDict
from functools import partial as partial_

import numpy as np
import safetensors.torch
import torch
from torch import nn

from oracle import ROOT, TENON, Case
from upstream import essmc2_hook, essmc2_model, essmc2_solver, fvcore_checkpoint, mmengine_checkpoint, timm, timm_helpers

SEGMENTS = ["module", "backbone", "conv1", "preconv1", "bn", "head", "fc", "res2", "0", "1"]


def model_of(shapes, rng):
    """A model with these parameters; some modules are BatchNorms."""
    root = nn.Module()
    for name, shape in shapes.items():
        *path, leaf = name.split(".")
        at = root
        for segment in path:
            if segment not in at._modules:
                at.add_module(segment, nn.BatchNorm1d(2) if segment == "bn" else nn.Module())
            at = at._modules[segment]
        if leaf not in at._parameters and leaf not in at._buffers and leaf not in at._modules:
            at.register_parameter(leaf, nn.Parameter(torch.full(shape, 100.0)))
    return root


def random_name(rng, parents):
    name = ".".join(rng.choice(SEGMENTS) for _ in range(rng.randint(0, 3)))
    return (name + "." if name else "") + rng.choice(["weight", "bias", "w"])


def random_shape(rng):
    return rng.choice([(2,), (2,), (3,), (2, 3), (), (1,), (2, 3, 1, 1)])


def random_pair(rng, wrap=True):
    names = {random_name(rng, None) for _ in range(rng.randint(1, 6))}
    shapes = {name: random_shape(rng) for name in sorted(names, key=lambda _: rng.random())}
    model = model_of(shapes, rng)
    source = OrderedDict()
    mode = rng.random()
    for name, value in model.state_dict().items():
        if rng.random() < .15:
            continue
        key = name
        if wrap and (mode < .3 or rng.random() < .2):
            key = "module." + key
        if wrap and rng.random() < .05:
            key = "_orig_mod." + key
        if rng.random() < .25 and "." in key:
            key = key.split(".", 1)[1]
        if rng.random() < .1:
            key += "x"
        tensor = torch.zeros(value.shape if rng.random() < .8 else random_shape(rng))
        if rng.random() < .1:
            tensor = tensor.half()
        source[key] = tensor
    if rng.random() < .3:
        source[random_name(rng, None)] = torch.zeros(2)
    if rng.random() < .1 or not source:
        source["epoch"] = torch.tensor(3.0) if not source else 3
    if rng.random() < .2:
        items = list(source.items())
        rng.shuffle(items)
        source = OrderedDict(items)
    if rng.random() < .5:
        source._metadata = model.state_dict()._metadata
    return model, source


class Lines(logging.Handler):
    """A logger and a handler that keeps what it is told."""

    def __init__(self, log):
        super().__init__()
        self.log = log
        self.info = self.warning = log.append

    def emit(self, record):
        self.log.append(record.getMessage())


RAISED = (RuntimeError, AttributeError, AssertionError, KeyError, ValueError, TypeError, IndexError)


def torch_load(model, state, strict):
    return model.load_state_dict(state, strict=strict)


# ---- the systems ------------------------------------------------------------------------------

def essmc2(model, path, log, sub_level=None):
    essmc2_model.FS.get_from = contextlib.nullcontext       # a local file
    essmc2_model.load_pretrained(model, path, logger=Lines(log), sub_level=sub_level)


def pet(model, path, log, once=False, weights=False, bgr=False):
    file = torch.load(path)
    state = file["model"] if "model" in file else file
    if not weights and path.endswith("model_latest.pth"):
        state = file["model"]
    if all(key.startswith("module.") for key in state):
        state = OrderedDict((key[len("module."):], value) for key, value in state.items())
    if bgr:
        state = OrderedDict(state)
        state["conv1.weight"] = state["conv1.weight"][:, [2, 1, 0], :, :]
        log.append(f"Convert conv1.weight from RGB to BGR of {state['conv1.weight'].shape}")
    target = model.state_dict()
    names, keys = sorted(target), sorted(state)
    wide, wide2 = max(map(len, names)), max(map(len, keys))
    chosen = []
    for index, name in enumerate(names):
        fits = [key for key in keys if key and name.endswith(key)]
        chosen.append(max(fits, key=len) if fits else None)
    if once:
        order = [(chosen.index(key), key) for key in keys if key in chosen]
    else:
        order = [(i, key) for i, key in enumerate(chosen) if key is not None]
    matched = set()
    for index, key in order:
        name = names[index]
        if target[name].shape != state[key].shape:
            continue
        target[name] = state[key]
        matched.add(name)
        log.append(f"{name: <{wide}} loaded from {key: <{wide2}} of shape {tuple(state[key].shape)}")
    torch_load(model, target, True)
    if weights:
        left = [name for name in sorted(set(names) - matched)
                if name.split(".")[-1] not in ("num_batches_tracked", "running_mean", "running_var")]
        log.append(f"The mismatch keys: {left}.")
        log.append(f"Loading from weights: {path}.")
    else:
        log.append(f"Pre-training on weights: {path}.")


def zipped(model, path, log):
    file = torch.load(path)
    target = model.state_dict()
    for (name, value), (key, other) in zip(list(target.items()), file.items()):
        if name == key and torch.is_tensor(other) and value.shape == other.shape:
            target[name] = other
    torch_load(model, target, True)


def partial(model, path, log):
    file = torch.load(path)
    target = model.state_dict()
    target.update({key: value for key, value in file.items() if key in target})
    torch_load(model, target, True)


def strict(model, path, log):
    file = torch.load(path)
    torch_load(model, file, True)


def nonstrict(model, path, log):
    file = torch.load(path)
    torch_load(model, file, False)


def timm_load(model, path, log, **options):
    timm_helpers.load_checkpoint(model, path, **options)


def mmengine(model, path, log, revise=((r"^module\.", ""),)):
    mmengine_checkpoint.load_checkpoint(model, path, "cpu", revise_keys=list(revise))


def fvcore(model, path, log):
    fvcore_checkpoint.Checkpointer(model, save_to_disk=False).load(path)


def detectron2(model, path, log):
    """align_and_update_state_dicts between the two halves of fvcore's load."""
    file = torch.load(path)
    state = file["model"] if "model" in file else file
    log.append(f"[Checkpointer] Loading from {path} ...")
    for name, value in state.items():
        if not torch.is_tensor(value):
            raise ValueError(f"Unsupported type found in checkpoint! {name}: {type(value)}")
    target = model.state_dict()
    matched = {}
    for name in sorted(target):
        fits = [key for key in state if torch.is_tensor(state[key]) and (name == key or name.endswith("." + key))]
        if not fits:
            continue
        key = max(fits, key=len)
        if target[name].shape != state[key].shape:
            log.append(f"Shape of {key} in checkpoint is {state[key].shape}, while shape of {name} in model is "
                       f"{target[name].shape}.")
            log.append(f"{key} will not be loaded. Please double check and see if this is desired.")
            continue
        if key in matched:
            log.append(f"Ambiguity found for {key} in checkpoint!It matches at least two keys in the model "
                       f"({name} and {matched[key]}).")
            raise ValueError("Cannot match one checkpoint key to multiple keys in the model.")
        matched[key] = name
    if not matched:
        log.append("No weights in checkpoint matched with model.")
    else:
        log.append("Following weights matched with")
        state = {**{name: state[key] for key, name in matched.items()},
                 **{key: state[key] for key in sorted(state) if key not in matched}}
    checkpointer = fvcore_checkpoint.Checkpointer(model, save_to_disk=False)
    checkpointer._log_incompatible_keys(checkpointer._load_model({"model": state}))


# ---- the comparison ---------------------------------------------------------------------------

class Presets(Case):
    def tenon_says(self, source, target, preset, system):
        args = [TENON, "align", source, target, "--preset", preset, "--json", "--class", "Module"] + (["--log", system] if system else [])
        got = subprocess.run(args, capture_output=True, check=False)
        self.assertIn(got.returncode, (0, 1), got.stderr.decode())
        return got.returncode, json.loads(got.stdout)

    def compare(self, seed, oracle, preset, system=None, cut=None, wrap=None):
        """A value that the system loads has its source's number in it; one that it keeps has not."""
        rng = random.Random(seed)
        model, state = random_pair(rng)
        for number, key in enumerate(state):
            if torch.is_tensor(state[key]):
                state[key] = torch.full_like(state[key], number + 1)
        file = wrap(rng, state) if wrap else state
        source, target = self.path("s.pth"), self.path("t.pth")
        torch.save(file, source)
        torch.save(model.state_dict(), target)
        keys = list(state)
        log, raised = [], ""
        with torch.no_grad():
            for value in model.state_dict().values():
                value.fill_(100)
        handlers = [logging.getLogger(name) for name in ("fvcore.common.checkpoint", "timm.models._helpers")]
        for logger in handlers:
            logger.handlers, logger.propagate = [Lines(log)], False
            logger.setLevel(logging.INFO)
        mmengine_checkpoint.print_log = lambda text, logger=None, level=None: log.append(text)
        try:
            oracle(model, source, log)
            raised = None
        except RAISED as error:
            raised = str(error)
        status, report = self.tenon_says(source, target, preset, system)
        where = f"{preset} seed {seed}"
        self.assertEqual(status, int(raised is not None), where + f" {raised} {report['rule_notes']}")
        if raised:
            self.assertIn(raised.replace("\t", " "), "\n".join(note["text"] for note in report["rule_notes"]), where)
        if system:
            want, said = log, report["log"]
            if cut:
                said = re.sub(cut + ".*", cut, said)
            self.assertEqual(said, "".join(line + "\n" for line in want), where)
        if raised is not None:
            return
        got = {entry["target"]: entry["sources"][0] for entry in report["entries"] if entry["status"] == "loaded"}
        want = {}
        for name, value in model.state_dict().items():
            if value.numel() and value.flatten()[0] != 100:
                want[name] = keys[int(value.flatten()[0]) - 1]
        self.assertEqual(got, want, where)

    def test_essmc2(self):
        for seed in range(80):
            wrap = lambda rng, state: rng.choice([state, {"state_dict": state}, {"state_dict": {"model_state": state}},
                                                  {"model_state": state, "epoch": 3}])
            self.compare(seed, essmc2, "essmc2", "essmc2", wrap=wrap)

    def test_essmc2_sub_level(self):
        for seed in range(80, 120):
            self.compare(seed, partial_(essmc2, sub_level="backbone"), 'essmc2{sub_level="backbone"}', "essmc2")

    def test_worked_examples_of_essmc2(self):
        """E1 to E7, in EssentialMC2's own words."""
        for source, target, level in (("e1", "e1_net", None), ("e1", "e2_net", "backbone"), ("e1", "e2_net", "backbone."),
                                      ("e3", "e2_net", None), ("e4", "e4_net", None), ("e5", "e4_net", None),
                                      ("e6", "e6_net", None), ("e7", "e2_net", "backbone.")):
            source, target = (os.path.join(ROOT, "tests/data/presets", name + ".pth") for name in (source, target))
            state, log = torch.load(target), []
            model = model_of({name: tuple(value.shape) for name, value in state.items()}, None)
            essmc2(model, source, log, level)
            preset = f'essmc2{{sub_level="{level}"}}' if level else "essmc2"
            _, report = self.tenon_says(source, target, preset, "essmc2")
            self.assertEqual(report["log"], "".join(line + "\n" for line in log), source)

    def test_resume_of_essmc2(self):
        """before_solve of its hook, with a solver that has what load_checkpoint needs."""
        folder = self.path("run")
        os.mkdir(folder)
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        whole = {"epoch": 4, "total_iters": {"train": 5}, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict()}
        target, source = self.path("t.pth"), os.path.join(folder, "epoch-00005.pth")
        torch.save(model.state_dict(), target)
        for without in (None, "epoch", "total_iters", "optimizer"):
            torch.save({key: value for key, value in whole.items() if key != without}, source)
            log = []
            solver = unittest.mock.MagicMock(resume_from=source, logger=Lines(log), model=model, optimizer=optimizer,
                                             lr_scheduler=None, num_folds=1)
            solver.load_checkpoint = lambda checkpoint: essmc2_solver.load_checkpoint(solver, checkpoint)
            essmc2_hook.FS.exists, essmc2_hook.FS.get_from = os.path.exists, contextlib.nullcontext
            hook = essmc2_hook.CheckpointHook()
            raised = None
            try:
                hook.before_solve(solver)
            except KeyError as error:
                raised = str(error)
            status, report = self.tenon_says(source, target, "essmc2{resume=true, quiet=true}", "essmc2")
            self.assertEqual(status, int(raised is not None))
            self.assertEqual(report["log"], "".join(line + "\n" for line in log))
            if raised:
                self.assertIn("KeyError: " + raised, report["rule_notes"][0]["text"])

    def test_pet(self):
        for seed in range(80):
            once, weights = seed % 2 == 0, seed % 3 == 0
            options = "pet{once=%s, weights=%s}" % (str(once).lower(), str(weights).lower())
            wrap = lambda rng, state: rng.choice([state, {"model": state}])
            self.compare(seed, partial_(pet, once=once, weights=weights), options, "pet", wrap=wrap)

    def test_torch(self):
        for seed in range(60):
            self.compare(seed, strict, "strict")
            self.compare(seed, nonstrict, "nonstrict")
            self.compare(seed, partial, "partial")

    def test_zip(self):
        for seed in range(60):
            self.compare(seed, zipped, "zip")

    def test_timm(self):
        for seed in range(60):
            wrap = lambda rng, state: rng.choice([state, {"state_dict": state}, {"model": state, "model_ema": None},
                                                  {"state_dict": {}, "state_dict_ema": state}])
            self.compare(seed, timm_load, "timm{both=true}", "timm", wrap=wrap)

    def test_timm_of_before(self):
        """As RULES (a) has it: "module." comes off before "_orig_mod."."""
        def clean(state):
            return {k.removeprefix("module.").removeprefix("_orig_mod."): v for k, v in state.items()}
        with unittest.mock.patch.object(timm_helpers, "clean_state_dict", clean):
            for seed in range(60):
                self.compare(seed, timm_load, "timm", "timm", wrap=lambda rng, state: rng.choice([state, {"model": state}]))

    def test_timm_remap(self):
        for seed in range(60):
            self.compare(seed, partial_(timm_load, remap=True), "timm{remap=true, both=true}", "timm")

    def test_timm_pretrained(self):
        """load_pretrained: the first convolution in 3 to n channels, the classifier, the cut of its first rows."""
        for seed in range(40):
            rng = random.Random(seed)
            channels, classes, offset = rng.choice([1, 2, 3, 4, 6]), rng.choice([4, 5, 6]), rng.choice([0, 0, 1])
            model = nn.Sequential(OrderedDict(conv1=nn.Conv2d(channels, 2, 3), fc=nn.Linear(2, classes)))
            state = OrderedDict((k, torch.rand(2, rng.choice([3, 3, 3, 6]), 3, 3) if k == "conv1.weight" else
                                 torch.rand(5, *v.shape[1:]) if k.startswith("fc") else torch.rand(v.shape))
                                for k, v in model.state_dict().items() if rng.random() < .95)
            if "fc.weight" not in state or "fc.bias" not in state:
                continue
            source, target, out = self.path("s.pth"), self.path("t.pth"), self.path("o.pth")
            torch.save({"state_dict": state}, source)
            torch.save(model.state_dict(), target)
            log, raised = [], None
            logger = logging.getLogger("timm.models._builder")
            helpers = logging.getLogger("timm.models._helpers")
            for each in (logger, helpers):
                each.handlers, each.propagate = [Lines(log)], False
                each.setLevel(logging.INFO)
            config = {"file": source, "num_classes": 5 - offset, "classifier": "fc", "first_conv": "conv1",
                      "label_offset": offset}
            try:
                timm.models.load_pretrained(model, config, num_classes=classes, in_chans=channels)
            except RuntimeError as error:
                raised = str(error)
            preset = f'timm{{both=true, classifier="fc", first_conv="conv1", label_offset={offset}}}'
            status, report = self.tenon_says(source, target, preset, "timm")
            if raised and raised.startswith("Pretrained "):      # timm refuses what it would have dropped before
                continue
            self.assertEqual(status, int(raised is not None), f"{seed} {raised} {report['rule_notes']}")
            if raised:
                continue
            self.assertEqual(report["log"], "".join(line + "\n" for line in log), seed)
            self.tenon("align", source, target, "--preset", preset, "-o", out, "--force", "-q", "--class", "Sequential")
            got, want = torch.load(out), model.state_dict()
            self.assertEqual(list(got), list(want))
            for key, value in want.items():                      # a sum in f32 is one rounding off
                torch.testing.assert_close(got[key], value, rtol=2.5e-7, atol=0)

    def test_mmengine(self):
        for seed in range(60):
            wrap = lambda rng, state: rng.choice([state, {"state_dict": state}])
            self.compare(seed, mmengine, "revise", "mmengine", wrap=wrap)

    def test_mmengine_revise_keys(self):
        rules = ((r"^module\.", ""), (r"conv(\d)", r"c\1"), (r"^", "backbone."))
        for seed in range(30):
            self.compare(seed, partial_(mmengine, revise=rules),
                         r'revise{{"^module%.", ""}, {"conv(\\d)", "c\\1"}, {"^", "backbone."}}', "mmengine")

    def test_fvcore(self):
        for seed in range(60):
            wrap = lambda rng, state: state if rng.random() < .1 else {"model": state}
            self.compare(seed, fvcore, "fvcore", "fvcore", wrap=wrap)

    def test_detectron2(self):
        for seed in range(60):
            self.compare(seed, detectron2, "suffix", "detectron2",
                         cut="Following weights matched with")

    def test_names_of_caffe2(self):
        """The names that both systems' own functions gave, for every key of an R-50-FPN with all heads."""
        with open(os.path.join(ROOT, "tests/data/presets/c2_names.txt"), encoding="utf-8") as file:
            rows = [line.split() for line in file if not line.startswith("#")]
        shape = lambda name: (8, 2, 1, 1) if name.endswith("_w") else (8,)
        blobs = {row[0]: np.full(shape(row[0]), i, "f4") + np.arange(8, dtype="f4").reshape(-1, *[1] * (len(shape(row[0])) - 1)) / 8
                 for i, row in enumerate(rows)}
        source, target, out = self.path("R-50.pkl"), self.path("t.json"), self.path("o.safetensors")
        with open(source, "wb") as file:
            pickle.dump({"blobs": {**blobs, "conv1_w_momentum": blobs["conv1_w"]}}, file, protocol=2)
        for column, preset in ((1, "suffix"), (2, 'maskrcnn{c2="R-50-FPN"}')):
            want = {}
            for row in rows:
                value, to = blobs[row[0]], row[column]
                if column == 1 and to.startswith("cls_score."):
                    value = np.concatenate([value[1:], value[:1]])
                elif column == 1:
                    value = value[4 if to.startswith("bbox_pred.") else 1 if to.startswith("mask_head.predictor.") else 0:]
                want["a.b." + to] = torch.from_numpy(value.copy())
            with open(target, "w", encoding="utf-8") as file:
                json.dump({"tensors": [{"key": key, "dtype": "f32", "shape": list(value.shape)} for key, value in want.items()]}, file)
            self.tenon("align", source, target, "--preset", preset, "-o", out, "--force", "-q")
            self.equal(safetensors.torch.load_file(out), dict(sorted(want.items())))

    def test_rgb_to_bgr(self):
        model = nn.Module()
        model.conv1 = nn.Conv2d(3, 1, (2, 1), bias=False)
        source, target, out = self.path("s.pth"), self.path("t.pth"), self.path("o.pth")
        torch.save({"conv1.weight": torch.arange(6.).view(1, 3, 2, 1)}, source)
        torch.save(model.state_dict(), target)
        log = []
        pet(model, source, log, bgr=True)
        got = subprocess.run([TENON, "align", source, target, "--preset", "pet{bgr=true}", "--log", "pet", "-q", "-o", out],
                             capture_output=True, check=True)
        self.assertEqual(got.stdout.decode(), "".join(line + "\n" for line in log))
        self.assertTrue(torch.equal(torch.load(out)["conv1.weight"], model.conv1.weight))


if __name__ == "__main__":
    unittest.main()
