"""tenon check, on healthy and sick models that PyTorch makes: what is found, and that nothing else is."""
import copy
import io
import json
import os
import shutil
import struct
import unittest
import zipfile
import zlib

import torch
from safetensors.torch import save_file
from torch import nn

from oracle import Case


def train(model, seed=0):
    """As training leaves a model: everything moved, statistics and counters too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.parameters():
            spread = tensor.std() if tensor.numel() > 1 and tensor.std() > 0 else torch.tensor(0.1)
            tensor.add_(torch.randn(tensor.shape, generator=generator) * spread * 0.7)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(torch.rand(buffer.shape, generator=generator) * 3 + 0.1)
            elif name.endswith("num_batches_tracked"):
                buffer.fill_(1000)
    return model


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, bias=False)
        self.bn = nn.BatchNorm2d(width)


class Net(nn.Module):
    """Convolutions with batch norms, and a head."""

    def __init__(self, width=16, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 7)
        self.blocks = nn.ModuleList(Block(width) for _ in range(6))
        self.fc = nn.Linear(width * 4, classes)


class Gpt(nn.Module):
    """Attention, norms, a tied head."""

    def __init__(self, width=32, vocabulary=512, layers=4):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 64, batch_first=True) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.lm_head.weight = self.embed.weight


class Check(Case):
    def check(self, path, *options, status=0):
        return json.loads(self.tenon("check", "--json", path, *options, status=status))

    def found(self, state, *options, status=0, level="warning", save=torch.save):
        """{kind: set of tensors} of what is at least so bad."""
        path = self.path("model.pth")
        save(state, path)
        ranks = ["note", "warning", "error"]
        kinds = {}
        for one in self.check(path, *options, status=status)["findings"]:
            if ranks.index(one["level"]) >= ranks.index(level):
                kinds.setdefault(one["kind"], set()).update(one["tensors"])
        return kinds


class Healthy(Check):
    def test_trained_models_are_silent(self):
        torch.manual_seed(1)
        for make in (Net, Gpt, lambda: nn.LSTM(32, 32, 2), lambda: nn.GRU(16, 32),
                     lambda: nn.MultiheadAttention(64, 4),
                     lambda: nn.Sequential(nn.ConvTranspose2d(8, 16, 3), nn.GroupNorm(4, 16))):
            for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
                model = train(make()).to(dtype)
                with self.subTest(f"{type(model).__name__} {dtype}"):
                    self.assertEqual(self.found(model.state_dict(), "--strict"), {})

    def test_training_checkpoint(self):
        torch.manual_seed(2)
        model = train(Net())
        optimizer = torch.optim.Adam(model.parameters())
        for tensor in model.parameters():
            tensor.grad = torch.randn_like(tensor)
        optimizer.step()
        state = {"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
        self.assertEqual(self.found(state, "--strict"), {})
        self.assertEqual(set(self.found(state, level="note")), {"optimizer"})

    def test_half_precision_with_norms_in_f32(self):
        model = train(Gpt()).bfloat16()
        state = {key: value.float() if "norm" in key else value
                 for key, value in model.state_dict().items()}
        kinds = self.found(state, "--strict", level="note")
        self.assertLessEqual(set(kinds), {"kept-wide", "tied"})

    def test_safetensors(self):
        path = self.path("model.safetensors")
        save_file({k: v.clone() for k, v in train(Net()).state_dict().items()}, path,
                  metadata={"format": "pt"})
        self.assertEqual(self.check(path, "--strict")["findings"], [])

    def test_zero_biases_and_padding_row(self):
        model = train(Gpt())
        with torch.no_grad():
            for name, tensor in model.named_parameters():
                if name.endswith("bias"):
                    tensor.zero_()
            model.embed.weight[0] = 0
        self.assertEqual(self.found(model.state_dict(), "--strict"), {})

    def test_buffers_that_are_computed(self):
        state = train(Net()).state_dict()
        state["attn.mask"] = torch.full((8, 8), float("-inf")).triu(1)
        state["rotary.inv_freq"] = 1 / 10000 ** (torch.arange(0, 32, 2) / 32)
        for i in range(4):
            state[f"layers.{i}.rotary.inv_freq"] = state["rotary.inv_freq"].clone()
            state[f"layers.{i}.causal_mask"] = torch.ones(16, 16).tril()
            state[f"layers.{i}.position_ids"] = torch.arange(16)[None]
        self.assertEqual(self.found(state, "--strict"), {})


class Sick(Check):
    def state(self, make=Net, seed=3):
        torch.manual_seed(seed)
        return {key: value.clone() for key, value in train(make()).state_dict().items()}

    def test_nan_and_inf(self):
        state = self.state()
        state["fc.weight"][3, 5] = float("nan")
        state["blocks.2.conv.weight"][0, 0, 0, 0] = float("inf")
        self.assertEqual(self.found(state), {"nan": {"fc.weight", "blocks.2.conv.weight"}})
        self.assertEqual(self.found(state, "--strict", status=1),
                         {"nan": {"fc.weight", "blocks.2.conv.weight"}})

    def test_zeros_and_constants(self):
        state = self.state()
        state["fc.weight"].zero_()
        state["stem.weight"].fill_(0.5)
        self.assertEqual(self.found(state), {"all-zero": {"fc.weight"},
                                             "constant": {"stem.weight"}})

    def test_dead_rows_and_channels(self):
        state = self.state()
        state["blocks.1.conv.weight"][4:9] = 0
        state["blocks.3.conv.weight"][:, 2:5] = 0
        found = self.found(state)
        self.assertEqual(found, {"dead-rows": {"blocks.1.conv.weight"},
                                 "dead-columns": {"blocks.3.conv.weight"}})
        one = [f for f in self.check(self.path("model.pth"))["findings"]
               if f["kind"] == "dead-rows"][0]
        self.assertIn("4-8 (5 of 16)", one["what"])

    def test_untrained_head(self):
        for seed in range(20):
            state = self.state(seed=seed)
            head = nn.Linear(64, 10)
            state["fc.weight"], state["fc.bias"] = head.weight.data, head.bias.data
            self.assertEqual(self.found(state), {"untrained": {"fc.weight"}}, seed)

    def test_untrained_head_of_a_transformer(self):
        state = self.state(Gpt)
        state["classifier.weight"] = torch.empty(4, 512).normal_(0, 0.02)
        state["classifier.bias"] = torch.zeros(4)
        self.assertEqual(self.found(state), {"untrained": {"classifier.weight"}})

    def test_half_loaded(self):
        """strict=False with keys that did not fit: some layers are as they were made."""
        torch.manual_seed(5)
        model, trained = Net(), train(Net())
        wanted = {k: v for k, v in trained.state_dict().items() if not k.startswith("blocks.4")}
        model.load_state_dict(wanted, strict=False)
        found = self.found(model.state_dict())
        self.assertEqual(found, {"untrained": {"blocks.4.conv.weight"},
                                 "untrained-batchnorm": {"blocks.4.bn.running_mean"}})

    def test_untrained_model(self):
        torch.manual_seed(6)
        found = self.found(Gpt().state_dict())
        self.assertIn("layers.0.linear1.weight", found["untrained"])
        self.assertIn("embed.weight", found["untrained"])
        self.assertEqual(len(found["untrained-norms"]), 9)
        self.assertLessEqual(set(found), {"untrained", "untrained-norms"})

    def test_copied_weights_of_layers(self):
        """_get_clones makes every layer equal before training."""
        layer = nn.TransformerEncoderLayer(32, 4, 64)
        model = train(nn.TransformerEncoder(layer, 3))
        state = {k: v.clone() for k, v in model.state_dict().items()}
        for key in list(state):
            if key.startswith("layers.2."):
                state[key] = state[key.replace("layers.2.", "layers.1.")].clone()
        found = self.found(state)
        self.assertEqual(set(found), {"duplicate-layer"})
        self.assertEqual({key.split(".")[1] for key in found["duplicate-layer"]}, {"2"})

    def test_integers_as_floats(self):
        state = self.state()
        state["blocks.0.bn.num_batches_tracked"] = torch.tensor(75.9975)
        state["embeddings.position_ids"] = torch.arange(77).float()[None]
        self.assertEqual(self.found(state), {"integer-as-float": {
            "blocks.0.bn.num_batches_tracked", "embeddings.position_ids"}})

    def test_remedies_work(self):
        state = self.state()
        state["embeddings.position_ids"] = torch.arange(77).float()[None]
        state["total_ops"] = torch.zeros(1, dtype=torch.float64)
        path, out = self.path("model.pth"), self.path("out.pth")
        torch.save(state, path)
        for kind in ("integer-as-float", "profiler"):
            remedy = [f["remedy"] for f in self.check(path)["findings"] if f["kind"] == kind][0]
            code = remedy.split("-e '")[1].split("' -o OUT")[0]
            self.tenon("align", path, "-e", code, "-o", out)
            shutil.move(out, path)
        self.assertEqual(self.check(path)["findings"], [])
        self.assertEqual(torch.load(path)["embeddings.position_ids"].dtype, torch.int64)

    def test_variances(self):
        state = self.state()
        state["blocks.0.bn.running_var"][3] = -0.5
        state["blocks.1.bn.running_var"][3] = float("nan")
        self.assertEqual(self.found(state), {"negative-variance": {"blocks.0.bn.running_var"},
                                             "nan": {"blocks.1.bn.running_var"}})

    def test_island(self):
        state = self.state()
        state["blocks.0.conv.weight"] = state["blocks.0.conv.weight"].half()
        state["blocks.1.conv.weight"] = state["blocks.1.conv.weight"].double()
        self.assertEqual(self.found(state), {"dtype-island": {"blocks.0.conv.weight",
                                                              "blocks.1.conv.weight"}})

    def test_limits_of_f16(self):
        state = {k: v.half() if v.is_floating_point() else v for k, v in self.state().items()}
        state["fc.weight"][0, 0] = 65504
        self.assertIn("f16-limit", self.found(state))

    def test_outlier(self):
        state = self.state()
        state["big.weight"] = torch.randn(256, 256)
        state["big.weight"][7, 7] = 1e7
        self.assertEqual(self.found(state), {"outlier": {"big.weight"}})

    def test_profiler(self):
        state = self.state()
        for name in ("", "fc.", "stem."):
            state[name + "total_ops"] = torch.zeros(1, dtype=torch.float64)
            state[name + "total_params"] = torch.zeros(1, dtype=torch.float64)
        self.assertEqual(set(self.found(state)), {"profiler"})

    def test_padding_rows(self):
        state = {"embed_tokens.weight": torch.randn(300, 16), "x.weight": torch.randn(20, 20)}
        state["embed_tokens.weight"][280:] = state["embed_tokens.weight"].mean(0)
        one = self.found(state, level="note")
        self.assertEqual(one, {"padding-rows": {"embed_tokens.weight"}})

    def test_slice_that_drags_its_storage(self):
        table = torch.randn(5000, 64)
        self.assertEqual(self.found({"weight": table[:10]}), {"large-storage": {"weight"}})
        path, out = self.path("model.pth"), self.path("out.pth")
        self.tenon("align", path, "--compact", "-o", out)
        self.assertEqual(self.check(out)["findings"], [])
        self.assertIn(f"saves {(5000 - 10) * 64 * 4 / 1e6:.1f} MB",
                      self.tenon("check", path))

    def test_model_and_ema(self):
        state = self.state()
        other = {k: v + 0.01 * torch.randn_like(v) if v.is_floating_point() else v
                 for k, v in state.items()}
        self.found({"model": state, "ema": other})
        one = [f for f in self.check(self.path("model.pth"))["findings"] if f["kind"] == "rival"][0]
        a = torch.cat([v.double().flatten() for v in state.values() if v.is_floating_point()])
        b = torch.cat([v.double().flatten() for v in other.values() if v.is_floating_point()])
        distance = ((a - b).norm() / a.norm()).item()
        cosine = torch.nn.functional.cosine_similarity(a, b, 0).item()
        self.assertIn(f"relative distance {distance:.3g}", one["what"])
        self.assertIn(f"largest difference {(a - b).abs().max().item():.3g}", one["what"])
        self.assertIn(f"cosine {cosine:.6f}", one["what"])
        self.found({"model": state, "ema": copy.deepcopy(state)})
        self.assertIn("names, shapes and values", self.tenon("check", self.path("model.pth")))

    def test_tied(self):
        self.assertEqual(self.found(train(Gpt()).state_dict(), level="note"),
                         {"tied": {"embed.weight", "lm_head.weight"}})

    def test_quantized_is_said_not_fatal(self):
        state = self.state()
        state["q"] = torch.quantize_per_tensor(torch.randn(4, 4), 0.1, 0, torch.qint8)
        self.assertEqual(self.found(state), {})


class Container(Check):
    def file(self, held=None):
        path = self.path("model.pth")
        torch.manual_seed(7)
        torch.save(train(Net()).state_dict() if held is None else held, path)
        return path

    def kinds(self, path, status=1):
        return {(one["level"], one["kind"]) for one in self.check(path, status=status)["findings"]}

    def members(self, path):
        with zipfile.ZipFile(path) as archive:
            return [(info, archive.read(info)) for info in archive.infolist()]

    def test_every_writer_of_torch(self):
        state = train(Net()).state_dict()
        state["empty"] = torch.empty(0)
        path = self.path("net.with.dots.pth")
        torch.save(state, path)
        self.assertEqual(self.check(path, "--strict")["findings"], [])
        torch.save(state, path, _use_new_zipfile_serialization=False)
        self.assertEqual(self.check(path, "--strict")["findings"], [])
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with open(path, "wb") as file:
            file.write(buffer.getvalue())
        self.assertEqual(self.check(path, "--strict")["findings"], [])

    def test_crc_not_computed(self):
        torch.serialization.set_crc32_options(False)
        try:
            path = self.file()
        finally:
            torch.serialization.set_crc32_options(True)
        self.assertEqual(self.kinds(path, 0), {("note", "crc-absent")})

    def test_a_changed_byte(self):
        path = self.file()
        for info, _ in self.members(path):
            if info.file_size < 100 or info.filename.endswith(".pkl"):
                continue
            with open(path, "rb") as file:
                good = bytearray(file.read())
            start = info.header_offset
            start += 30 + struct.unpack("<HH", good[start + 26:start + 30])[0] + \
                struct.unpack("<HH", good[start + 26:start + 30])[1]
            good[start + info.file_size // 2] ^= 1
            bad = self.path("bad.pth")
            with open(bad, "wb") as file:
                file.write(good)
            found = [one for one in self.check(bad, status=1)["findings"] if one["kind"] == "crc"]
            self.assertEqual([one["tensors"] for one in found], [[info.filename]])
            with zipfile.ZipFile(bad) as archive:
                self.assertEqual(archive.testzip(), info.filename)

    def test_views_cover_their_storage_in_parts(self):
        whole = torch.randn(1000)
        state = {"a": whole[:300], "b": whole[300:640], "c": whole[650:]}
        path = self.path("views.pth")
        torch.save(state, path)
        self.assertEqual(self.check(path, "--strict")["findings"], [])

    def rewrite(self, path, method=zipfile.ZIP_STORED, drop=(), extra=()):
        out = self.path("again.pth")
        with zipfile.ZipFile(out, "w", method) as archive:
            for info, data in self.members(path):
                if os.path.basename(info.filename) not in drop:
                    archive.writestr(info.filename, data)
            for name, data in extra:
                archive.writestr(name, data)
        return out

    def test_zipped_again(self):
        path = self.file()
        kinds = self.kinds(self.rewrite(path))
        self.assertIn(("error", "layout"), kinds)
        self.assertEqual({kind for _, kind in kinds}, {"layout", "unaligned"})
        plain = self.rewrite(path, drop=(".format_version", ".storage_alignment"))
        self.assertNotIn(("error", "layout"), self.kinds(plain, 0))

    def test_promised_layout_is_what_torch_computes(self):
        """The same verdict as torch's own debug assertions."""
        path = self.rewrite(self.file())
        with self.assertRaises(RuntimeError):
            os.environ["TORCH_SERIALIZATION_DEBUG"] = "1"
            try:
                torch.load(path)
            finally:
                del os.environ["TORCH_SERIALIZATION_DEBUG"]
        self.assertIn(("error", "layout"), self.kinds(path))

    def test_deflated(self):
        path = self.rewrite(self.file(), zipfile.ZIP_DEFLATED,
                            (".format_version", ".storage_alignment"))
        self.assertIn(("warning", "deflated"), self.kinds(path, 0))

    def test_values_that_are_packed(self):
        """Two of them share a byte: what they are read as is not what the record holds."""
        path = self.file({"w": torch.arange(64, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)})
        self.assertEqual(self.kinds(path, 0), set())

    def test_unreferenced_storage(self):
        path = self.rewrite(self.file(), extra=[("model/data/999", b"x" * 4096)],
                            drop=(".format_version", ".storage_alignment"))
        self.assertIn(("warning", "unreferenced"), self.kinds(path, 0))

    def test_bytes_between_and_behind(self):
        path = self.file()
        with open(path, "rb") as file:
            data = file.read()
        with open(path, "ab") as file:
            file.write(b"hidden")
        self.assertEqual(self.kinds(path, 0), {("warning", "trailing")})
        directory = zipfile.ZipFile(io.BytesIO(data)).start_dir
        end64 = len(data) - 98
        hidden = bytearray(data[:directory] + b"hidden" * 10 + data[directory:])
        for at, form in ((end64 + 60 + 48, "<Q"), (len(hidden) - 6, "<I"),
                         (len(hidden) - 42 + 8, "<Q")):
            struct.pack_into(form, hidden, at,
                             struct.unpack_from(form, hidden, at)[0] + 60)
        with open(path, "wb") as file:
            file.write(hidden)
        self.assertEqual(self.kinds(path, 0), {("warning", "hole")})

    def test_local_header_disagrees(self):
        path = self.file()
        info = [i for i, _ in self.members(path) if i.filename.endswith("data/0")][0]
        with open(path, "rb") as file:
            good = file.read()
        for offset, byte in ((30, b"X"), (8, b"\x08"), (6, b"\x09")):
            bad = bytearray(good)
            bad[info.header_offset + offset:info.header_offset + offset + 1] = byte
            with open(path, "wb") as file:
                file.write(bad)
            self.assertIn(("error", "local-header"), self.kinds(path), offset)

    def test_safetensors_metadata(self):
        path = self.path("m.safetensors")
        save_file({"a": torch.randn(4)}, path, metadata={"who": "me"})
        self.assertEqual(self.kinds(path, 0), {("warning", "metadata")})
        save_file({"a": torch.randn(4)}, path)
        self.assertEqual(self.kinds(path, 0), {("note", "metadata")})

    def test_truncated(self):
        path = self.file()
        with open(path, "r+b") as file:
            file.truncate(os.path.getsize(path) // 2)
        self.tenon("check", path, status=2)


if __name__ == "__main__":
    unittest.main()
