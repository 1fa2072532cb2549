"""Fused weights are those that PyTorch computes: weight norm, spectral norm, batch norms, adapters."""
import json
import math
import os
import unittest
import warnings

import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import fusion, parametrizations

from oracle import Case

warnings.simplefilter("ignore")
EPS = 1e-6


class Fusing(Case):
    def fuse(self, source, code, target=None, folder="."):
        """What a state dict becomes, as written by tenon."""
        os.makedirs(self.path(folder), exist_ok=True)
        path, out = self.path(os.path.join(folder, "in.safetensors")), self.path("out.safetensors")
        safetensors.torch.save_file({k: v.detach().contiguous().clone() for k, v in source.items()}, path)
        args = [path]
        if target is not None:
            args.append(self.path("target.safetensors"))
            safetensors.torch.save_file({k: v.detach().contiguous().clone() for k, v in target.items()}, args[1])
        self.tenon("align", *args, "-e", code, "-o", out, "--force")
        return safetensors.torch.load_file(out)

    def close(self, got, want, eps=EPS):
        self.assertEqual(got.shape, want.shape)
        error = (got.double() - want.double()).abs().max() / want.double().abs().max()
        self.assertLessEqual(error.item(), eps)

    def same(self, got, want, eps=EPS):
        self.assertEqual(sorted(got), sorted(want))
        for key in want:
            self.close(got[key], want[key], eps)

    # ---- norms

    MODULES = [(lambda: nn.Linear(12, 7), 0), (lambda: nn.Conv1d(6, 8, 5), 0), (lambda: nn.Conv2d(6, 8, 3, groups=2), 0),
               (lambda: nn.ConvTranspose2d(6, 8, 3), 1), (lambda: nn.ConvTranspose1d(5, 9, 4), 0), (lambda: nn.Conv3d(2, 3, 2), 0)]

    def test_weight_norm(self):
        torch.manual_seed(1)
        for make, dim in self.MODULES:
            for dim in (dim, 1, None):
                for norm in (nn.utils.weight_norm, parametrizations.weight_norm):
                    module = norm(make(), dim=dim)
                    with torch.no_grad():
                        for name, parameter in module.named_parameters():
                            if name.endswith("_g") or name.endswith("original0"):
                                parameter.mul_(torch.rand_like(parameter) + 0.5)
                    state = {f"net.{k}": v for k, v in module.state_dict().items()}
                    module.double()(torch.zeros([1, 12] if isinstance(module, nn.Linear) else
                                                [1, module.in_channels] + [6] * (module.weight.dim() - 2)).double())
                    got = self.fuse(state, "weight_norm()")
                    self.same(got, {"net.weight": module.weight, "net.bias": module.bias})
                    if dim is not None:
                        self.same(self.fuse(state, f"weight_norm('net', {{dim={dim}}})"), got)

    def test_weight_norm_in_half_precision_is_rounded_once(self):
        torch.manual_seed(2)
        for dtype in (torch.float16, torch.bfloat16):
            module = nn.utils.weight_norm(nn.Linear(64, 32)).to(dtype)
            state = module.state_dict()
            got = self.fuse(state, "weight_norm()")["weight"]
            self.assertEqual(got.dtype, dtype)
            v, g = state["weight_v"].double(), state["weight_g"].double()
            want = (v * g / v.norm(dim=1, keepdim=True)).to(dtype)
            self.assertLess((got != want).float().mean().item(), 0.01)   # ties of the last bit
            self.close(got, want, 2 * torch.finfo(dtype).eps)

    def test_spectral_norm(self):
        torch.manual_seed(3)
        for make, dim in self.MODULES:
            for norm in (nn.utils.spectral_norm, parametrizations.spectral_norm):
                module = norm(make(), dim=dim).train()
                size = [1, 12] if isinstance(module, nn.Linear) else [1, module.in_channels] + [6] * (module.weight.dim() - 2)
                for _ in range(3):
                    module(torch.randn(size))
                state = {f"a.b.{k}": v for k, v in module.state_dict().items()}
                module.eval().double()(torch.zeros(size).double())
                want = {"a.b.weight": module.weight, "a.b.bias": module.bias}
                got = self.fuse(state, f"spectral_norm('a.**', {{dim={dim}}})")
                self.same(got, want)
                self.same(self.fuse(state, "spectral_norm()"), want)

    # ---- batch norms

    def batch_norm(self, size, kind=nn.BatchNorm2d, **options):
        norm = kind(size, **options)
        with torch.no_grad():
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.1, 2)
            if norm.affine:
                norm.weight.uniform_(-1, 2)
                norm.bias.normal_()
        return norm.eval()

    def test_fold_bn(self):
        torch.manual_seed(4)
        for conv in (nn.Conv2d(3, 8, 3), nn.Conv2d(4, 8, 3, groups=2, bias=False), nn.ConvTranspose2d(3, 8, 3, bias=False)):
            for options in ({}, {"eps": 1e-3}, {"affine": False}):
                norm = self.batch_norm(8, **options)
                state = {f"stem.conv.{k}": v for k, v in conv.state_dict().items()}
                state |= {f"stem.bn.{k}": v for k, v in norm.state_dict().items()}
                transposed = isinstance(conv, nn.ConvTranspose2d)
                weight, bias = fusion.fuse_conv_bn_weights(
                    *[None if x is None else x.double() for x in
                      (conv.weight, conv.bias, norm.running_mean, norm.running_var)], norm.eps,
                    None if norm.weight is None else norm.weight.double(),
                    None if norm.bias is None else norm.bias.double(), transpose=transposed)
                code = f"fold_bn('**.conv', '**.bn', {{eps={norm.eps}, transposed={str(transposed).lower()}}})"
                self.same(self.fuse(state, code), {"stem.conv.weight": weight, "stem.conv.bias": bias})

    def test_a_whole_network_computes_the_same(self):
        torch.manual_seed(5)
        net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), self.batch_norm(8), nn.ReLU(), nn.Conv2d(8, 8, 3), self.batch_norm(8),
                            nn.Flatten(), nn.Linear(8 * 16, 6), self.batch_norm(6, nn.BatchNorm1d)).eval()
        folded = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Identity(), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Identity(), nn.Flatten(),
                               nn.Linear(8 * 16, 6), nn.Identity()).eval()
        got = self.fuse(net.state_dict(), "fold_bn('{i}', '{i+1}')", folded.state_dict())
        folded.load_state_dict(got, strict=True)
        x = torch.randn(2, 3, 8, 8)
        self.close(folded.double()(x.double()), net.double()(x.double()), 1e-5)

    # ---- adapters

    def base(self):
        torch.manual_seed(6)
        return {"unet.down.0.attn.to_q.weight": torch.randn(8, 6), "unet.down.0.attn.to_q.bias": torch.randn(8),
                "unet.down.0.conv_in.weight": torch.randn(8, 6, 3, 3), "unet.mid.proj.weight": torch.randn(8, 6, 1, 1),
                "text_encoder.layers.0.fc1.weight": torch.randn(12, 6)}

    def kohya(self, scale=1.0):
        base, adapter, want = self.base(), {}, {}
        rank, alpha = 4, 2.5
        def pair(name, flat, down, up, mid=None):
            adapter[f"{flat}.lora_down.weight"], adapter[f"{flat}.lora_up.weight"] = down, up
            adapter[f"{flat}.alpha"] = torch.tensor(alpha)
            if mid is None:
                delta = torch.einsum("or,r...->o...", up.reshape(len(up), -1).double(), down.double())
            else:
                adapter[f"{flat}.lora_mid.weight"] = mid
                delta = torch.einsum("nmkl,in,mj->ijkl", mid.double(), up.flatten(1).double(), down.flatten(1).double())
            want[name] = base[name].double() + scale * alpha / rank * delta.reshape(base[name].shape)
        pair("unet.down.0.attn.to_q.weight", "lora_unet_down_0_attn_to_q", torch.randn(rank, 6), torch.randn(8, rank))
        pair("unet.down.0.conv_in.weight", "lora_unet_down_0_conv_in", torch.randn(rank, 6, 1, 1), torch.randn(8, rank, 1, 1),
             torch.randn(rank, rank, 3, 3))
        pair("unet.mid.proj.weight", "lora_unet_mid_proj", torch.randn(rank, 6, 1, 1), torch.randn(8, rank, 1, 1))
        pair("text_encoder.layers.0.fc1.weight", "lora_te_layers_0_fc1", torch.randn(rank, 6), torch.randn(12, rank))
        return base, adapter, {k: want.get(k, v) for k, v in base.items()}

    def test_kohya_into_the_target(self):
        base, adapter, want = self.kohya()
        self.same(self.fuse(adapter, "lora()", base), want)
        base, adapter, want = self.kohya(0.5)
        self.same(self.fuse(adapter, "lora{scale=0.5, places={lora_te_='text_encoder.'}}", base), want)

    def test_kohya_beside_the_base(self):
        base, adapter, want = self.kohya()
        self.same(self.fuse(base | adapter, "lora{}"), want)

    def test_a_3x3_convolution(self):
        base, (down, up) = self.base(), (torch.randn(4, 6, 3, 3), torch.randn(8, 4, 1, 1))
        name = "unet.down.0.conv_in"
        got = self.fuse({"lora_unet_down_0_conv_in.lora_down.weight": down, "lora_unet_down_0_conv_in.lora_up.weight": up},
                        "lora{}", base)
        base[f"{name}.weight"] = base[f"{name}.weight"].double() + torch.einsum("or,rihw->oihw", up[..., 0, 0].double(), down.double())
        self.same(got, base)

    def peft(self, config, **extra):
        os.makedirs(self.path("adapter"), exist_ok=True)
        with open(self.path("adapter/adapter_config.json"), "w") as file:
            json.dump({"peft_type": "LORA", "r": 4, "lora_alpha": 8, **config}, file)
        torch.manual_seed(7)
        base = {"model.layers.0.q_proj.weight": torch.randn(8, 6), "model.embed.weight": torch.randn(10, 6),
                "model.conv1d.weight": torch.randn(6, 9), "score.weight": torch.randn(3, 6), "norm.weight": torch.randn(6)}
        return base

    def test_peft_in_a_folder_of_its_own(self):
        """The base and the adapter as one source: the configuration lies beside the second."""
        base, (a, b) = self.peft({}), (torch.randn(4, 6), torch.randn(8, 4))
        prefix = "base_model.model.model.layers.0.q_proj.lora_"
        torch.save(base, self.path("base.pth"))
        torch.save({prefix + "A.weight": a, prefix + "B.weight": b}, self.path("adapter/adapter.bin"))
        self.tenon("align", self.path("base.pth"), "-e",
                   'source("base.pth", "adapter/adapter.bin") rules [[ {f}:** -> ** ]] lora{}',
                   "-o", self.path("merged.pth"), "-q", "--force")
        want = {k: v.double() for k, v in base.items()}
        want["model.layers.0.q_proj.weight"] += 2 * (b.double() @ a.double())
        self.same(torch.load(self.path("merged.pth"), weights_only=True), want)

    def test_peft(self):
        for adapter_name in ("", ".default"):
            for rslora in (False, True):
                base = self.peft({"use_rslora": rslora, "alpha_pattern": {"embed": 3}})
                scale = 8 / (math.sqrt(4) if rslora else 4)
                a, b, ea, eb = torch.randn(4, 6), torch.randn(8, 4), torch.randn(4, 10), torch.randn(6, 4)
                head = torch.randn(3, 6)
                prefix = "base_model.model.model."
                adapter = {f"{prefix}layers.0.q_proj.lora_A{adapter_name}.weight": a,
                           f"{prefix}layers.0.q_proj.lora_B{adapter_name}.weight": b,
                           f"{prefix}embed.lora_embedding_A{adapter_name}": ea,
                           f"{prefix}embed.lora_embedding_B{adapter_name}": eb}
                adapter["base_model.model.score" + (f".modules_to_save{adapter_name}" if adapter_name else "") + ".weight"] = head
                want = dict(base)
                want["model.layers.0.q_proj.weight"] = base["model.layers.0.q_proj.weight"].double() + scale * (b.double() @ a.double())
                want["model.embed.weight"] = base["model.embed.weight"].double() + scale * 3 / 8 * (eb.double() @ ea.double()).T
                want["score.weight"] = head
                self.same(self.fuse(adapter, "lora{}", base, "adapter"), want)

    def test_fan_in_fan_out(self):
        base = self.peft({"fan_in_fan_out": True})
        a, b = torch.randn(4, 6), torch.randn(9, 4)
        got = self.fuse({"base_model.model.model.conv1d.lora_A.weight": a, "base_model.model.model.conv1d.lora_B.weight": b},
                        "lora{}", base, "adapter")
        self.close(got["model.conv1d.weight"], base["model.conv1d.weight"].double() + 2 * (b.double() @ a.double()).T)

    def test_a_whole_peft_model(self):
        self.peft({})
        w, bias, a, b = torch.randn(8, 6), torch.randn(8), torch.randn(4, 6), torch.randn(8, 4)
        prefix = "base_model.model.layers.0.q_proj"
        got = self.fuse({f"{prefix}.base_layer.weight": w, f"{prefix}.base_layer.bias": bias, f"{prefix}.lora_A.default.weight": a,
                         f"{prefix}.lora_B.default.weight": b, "base_model.model.norm.weight": torch.ones(6)}, "lora{}", None, "adapter")
        self.same(got, {"layers.0.q_proj.weight": w.double() + 2 * (b.double() @ a.double()), "layers.0.q_proj.bias": bias,
                        "norm.weight": torch.ones(6)})

    def test_half_precision_bases_are_rounded_once(self):
        torch.manual_seed(8)
        w, a, b = torch.randn(64, 48), torch.randn(4, 48), torch.randn(64, 4)
        for dtype in (torch.float16, torch.bfloat16):
            got = self.fuse({"l.lora_A.weight": a.to(dtype), "l.lora_B.weight": b.to(dtype)}, "lora{alpha=8}", {"l.weight": w.to(dtype)})
            want = (w.to(dtype).float() + 2 * (b.to(dtype).float() @ a.to(dtype).float())).to(dtype)
            self.assertEqual(got["l.weight"].dtype, dtype)
            self.assertLess((got["l.weight"] != want).float().mean().item(), 0.01)


if __name__ == "__main__":
    unittest.main()
