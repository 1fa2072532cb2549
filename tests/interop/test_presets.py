"""Presets do what their systems do: the same tensors loaded, the same messages, the same refusals.

The systems' functions stand here as RULES (a) describes them, in Python and on a live model, and are
compared with tenon on random dicts: hundreds of cases."""
import json
import random
import re
import subprocess
import unittest
from collections import OrderedDict

import torch
from torch import nn

from oracle import TENON, Case

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


class Raised(Exception):
    pass


def torch_load(model, state, strict):
    try:
        return model.load_state_dict(state, strict=strict)
    except (RuntimeError, AttributeError) as error:
        raise Raised(str(error)) from error


# ---- the systems ------------------------------------------------------------------------------

def essmc2(model, file, log, sub_level=None):
    if "state_dict" in file:
        file = file["state_dict"]
    if "model_state" in file:
        file = file["model_state"]
    state = {re.sub(r"^module\.", "", key): value for key, value in file.items()}
    if sub_level:
        sub_level = sub_level if sub_level.endswith(".") else sub_level + "."
        state = {key[len(sub_level):]: value for key, value in state.items() if key.startswith(sub_level)}
    lines, kept = [], dict(state)
    for key, value in model.state_dict().items():
        if key not in state:
            continue
        if value.shape != state[key].shape:
            lines.append(f"{key}: invalid shape, dst {value.shape} vs. src {state[key].shape}")
        elif value.dtype != state[key].dtype:
            lines.append(f"{key}: invalid dtype, dst {value.dtype} vs. src {state[key].dtype}")
        else:
            continue
        del kept[key]
    if lines:
        log.append("ignore keys from source: \n" + "\n".join(lines))
    status = torch_load(model, kept, False)
    parts = []
    if status.unexpected_keys:
        parts.append(f"unexpected key in source state_dict: {', '.join(status.unexpected_keys)}\n")
    if status.missing_keys:
        parts.append(f"missing key in source state_dict: {', '.join(status.missing_keys)}\n")
    if parts:
        log.append("\n".join(parts))


def pet(model, file, log, path, once=False, weights=False, bgr=False):
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


def zipped(model, file, log):
    target = model.state_dict()
    for (name, value), (key, other) in zip(list(target.items()), file.items()):
        if name == key and torch.is_tensor(other) and value.shape == other.shape:
            target[name] = other
    torch_load(model, target, True)


def partial(model, file, log):
    target = model.state_dict()
    target.update({key: value for key, value in file.items() if key in target})
    torch_load(model, target, True)


def strict(model, file, log):
    torch_load(model, file, True)


def nonstrict(model, file, log):
    torch_load(model, file, False)


def clean(state):
    made = {}
    for key, value in state.items():
        for prefix in ("module.", "_orig_mod."):
            key = key[len(prefix):] if key.startswith(prefix) else key
        made[key] = value
    return made


def timm(model, file, log, path):
    at = ""
    for name in ("state_dict_ema", "model_ema"):
        if not at and file.get(name) is not None:
            at = name
    at = at or next((name for name in ("state_dict", "model") if name in file), "")
    log.append(f"Loaded {at} from checkpoint '{path}'")
    torch_load(model, clean(file[at] if at else file), True)


def timm_remap(model, file, log, path):
    at = next((name for name in ("state_dict", "model") if name in file), "")
    state = clean(file[at] if at else file)
    log.append(f"Loaded {at} from checkpoint '{path}'")
    made = {}
    for (name, value), (key, other) in zip(model.state_dict().items(), state.items()):
        if value.numel() != other.numel():
            raise Raised("Remap failed")
        made[name] = other.reshape(value.shape)
    torch_load(model, made, True)


def mmengine(model, file, log, revise=((r"^module\.", ""),)):
    state = file["state_dict"] if "state_dict" in file else file
    metadata = getattr(state, "_metadata", OrderedDict())
    for pattern, replacement in revise:
        state = OrderedDict((re.sub(pattern, replacement, key), value) for key, value in state.items())
    state._metadata = metadata
    missing, unexpected, errors = [], [], []

    def load(module, local, prefix=""):
        module._load_from_state_dict(local, prefix, metadata.get(prefix[:-1], {}), True, missing, unexpected, errors)
        for name, child in module._modules.items():
            inner = prefix + name + "."
            load(child, {key: value for key, value in local.items() if key.startswith(inner)}, inner)

    load(model, OrderedDict(state))
    missing = [key for key in missing if "num_batches_tracked" not in key]
    if unexpected:
        errors.append(f"unexpected key in source state_dict: {', '.join(unexpected)}\n")
    if missing:
        errors.append(f"missing keys in source state_dict: {', '.join(missing)}\n")
    if errors:
        log.append("\n".join(["The model and loaded state dict do not match exactly\n"] + errors))


def grouped(keys, order):
    groups = OrderedDict()
    for key in keys:
        head, dot, tail = key.rpartition(".")
        groups.setdefault(head if dot else key, []).extend([tail] if dot else [])
    lines = [head + ("" if not tails else "." + tails[0] if len(tails) == 1 else ".{" + ", ".join(sorted(tails)) + "}")
             for head, tails in groups.items()]
    return sorted(lines) if order else lines


def fvcore(model, file, log):
    if "model" not in file:
        raise Raised("'model'")
    state = file["model"]
    for key, value in state.items():
        if not torch.is_tensor(value):
            raise Raised("Unsupported type")
    keys = sorted(state)
    if all(not key or key.startswith("module.") for key in keys):
        for key in keys:
            if key in state:
                state[key[len("module."):]] = state.pop(key)
        if hasattr(state, "_metadata"):
            for key in list(state._metadata):
                if key:
                    state._metadata[key[len("module."):]] = state._metadata.pop(key)
    target = model.state_dict()
    for key in list(state):
        if key in target and tuple(target[key].shape) != tuple(state[key].shape):
            log.append(f"Skip loading parameter '{key}' to the model due to incompatible shapes: "
                       f"{tuple(state[key].shape)} in the checkpoint but {tuple(target[key].shape)} in the model! "
                       "You might want to double check if this is expected.")
            del state[key]
    status = torch_load(model, state, False)
    if status.missing_keys:
        log.append("Some model parameters or buffers are not found in the checkpoint:\n" +
                   "\n".join(grouped(status.missing_keys, True)))
    if status.unexpected_keys:
        log.append("The checkpoint state_dict contains keys that are not used by the model:\n" +
                   "\n".join("  " + line for line in grouped(status.unexpected_keys, False)))


def detectron2(model, file, log):
    state = file["model"] if "model" in file else file
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
            raise Raised("Cannot match one checkpoint key to multiple keys in the model.")
        matched[key] = name
    for key, name in matched.items():
        target[name] = state[key]
    torch_load(model, target, True)
    if not matched:
        log.append("No weights in checkpoint matched with model.")


# ---- the comparison ---------------------------------------------------------------------------

class Presets(Case):
    def tenon_says(self, source, target, preset, system):
        args = [TENON, "align", source, target, "--preset", preset, "--json"] + (["--log", system] if system else [])
        got = subprocess.run(args, capture_output=True, check=False)
        self.assertIn(got.returncode, (0, 1), got.stderr.decode())
        return got.returncode, json.loads(got.stdout)

    def compare(self, seed, oracle, preset, system=None, lines=None, wrap=None):
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
        log, raised = [], False
        with torch.no_grad():
            for value in model.state_dict().values():
                value.fill_(100)
        try:
            oracle(model, torch.load(source, weights_only=True), log)
        except Raised:
            raised = True
        except KeyError:
            raised = True
        status, report = self.tenon_says(source, target, preset, system)
        where = f"{preset} seed {seed}"
        self.assertEqual(status, int(raised), where + f" {report['rule_notes']}")
        if system:
            want = [line for line in log if lines is None or lines(line)]
            said = report["log"]
            if lines:
                said = "".join(line + "\n" for line in said.splitlines() if lines(line))
            self.assertEqual(said, "".join(line + "\n" for line in want), where)
        if raised:
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
            self.compare(seed, lambda m, f, log: essmc2(m, f, log, "backbone"), 'essmc2{sub_level="backbone"}', "essmc2")

    def test_pet(self):
        path = self.path("s.pth")
        for seed in range(80):
            once, weights = seed % 2 == 0, seed % 3 == 0
            options = "pet{once=%s, weights=%s}" % (str(once).lower(), str(weights).lower())
            wrap = lambda rng, state: rng.choice([state, {"model": state}])
            self.compare(seed, lambda m, f, log: self.pet(m, f, log, path, once, weights), options, "pet", wrap=wrap)

    def pet(self, model, file, log, path, once, weights):
        try:
            pet(model, file, log, path, once, weights)
        except AttributeError as error:      # an entry that is no tensor was chosen
            raise Raised(str(error)) from error

    def test_torch(self):
        for seed in range(60):
            self.compare(seed, strict, "strict")
            self.compare(seed, nonstrict, "nonstrict")
            self.compare(seed, partial, "partial")

    def test_zip(self):
        for seed in range(60):
            self.compare(seed, zipped, "zip")

    def test_timm(self):
        path = self.path("s.pth")
        for seed in range(60):
            wrap = lambda rng, state: rng.choice([state, {"state_dict": state}, {"model": state, "model_ema": None}])
            self.compare(seed, lambda m, f, log: timm(m, f, log, path), "timm", "timm", wrap=wrap)

    def test_timm_remap(self):
        path = self.path("s.pth")
        for seed in range(60):
            def remap(model, file, log):
                try:
                    timm_remap(model, file, log, path)
                except AttributeError as error:
                    raise Raised(str(error)) from error
            self.compare(seed, remap, "timm{remap=true}", "timm")

    def test_mmengine(self):
        for seed in range(60):
            wrap = lambda rng, state: rng.choice([state, {"state_dict": state}])
            self.compare(seed, mmengine, "revise", "mmengine", wrap=wrap)

    def test_mmengine_revise_keys(self):
        rules = ((r"^module\.", ""), (r"conv(\d)", r"c\1"), (r"^", "backbone."))
        for seed in range(30):
            self.compare(seed, lambda m, f, log: mmengine(m, f, log, rules),
                         r'revise{{"^module%.", ""}, {"conv(\\d)", "c\\1"}, {"^", "backbone."}}', "mmengine")

    def test_fvcore(self):
        for seed in range(60):
            wrap = lambda rng, state: state if rng.random() < .1 else {"model": state}
            self.compare(seed, fvcore, "fvcore", "fvcore", wrap=wrap)

    def test_detectron2(self):
        for seed in range(60):
            self.compare(seed, detectron2, "suffix", "detectron2",
                         lines=lambda line: not line.startswith("Following weights"))

    def test_rgb_to_bgr(self):
        model = nn.Module()
        model.conv1 = nn.Conv2d(3, 1, (2, 1), bias=False)
        source, target, out = self.path("s.pth"), self.path("t.pth"), self.path("o.pth")
        torch.save({"conv1.weight": torch.arange(6.).view(1, 3, 2, 1)}, source)
        torch.save(model.state_dict(), target)
        log = []
        pet(model, torch.load(source), log, source, bgr=True)
        got = subprocess.run([TENON, "align", source, target, "--preset", "pet{bgr=true}", "--log", "pet", "-q", "-o", out],
                             capture_output=True, check=True)
        self.assertEqual(got.stdout.decode(), "".join(line + "\n" for line in log))
        self.assertTrue(torch.equal(torch.load(out)["conv1.weight"], model.conv1.weight))


if __name__ == "__main__":
    unittest.main()
