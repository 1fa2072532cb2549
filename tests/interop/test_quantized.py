"""PyTorch quantizes; tenon's numbers are those of dequantize(), bit for bit, and its integers those
of int_repr()."""
import subprocess
import unittest
import warnings

import torch
from safetensors.torch import load_file

from oracle import TENON, Case

warnings.filterwarnings("ignore")
CAST = 'rules [[ ** -> ** |> cast("f32") ]]'
DTYPES = (torch.qint8, torch.quint8, torch.qint32)


def every_scheme():
    generator = torch.Generator().manual_seed(7)
    values = torch.randn(6, 8, 5, generator=generator)
    state = {}
    for dtype in DTYPES:
        name = str(dtype).split(".")[1]
        state[name] = torch.quantize_per_tensor(values, 0.0371, 7, dtype)
        state[name + ".permuted"] = state[name].permute(2, 0, 1)
        state[name + ".view"] = state[name][1:4, 2:]
        state[name + ".scalar"] = torch.quantize_per_tensor(torch.tensor(0.5), 0.01, 3, dtype)
        state[name + ".empty"] = torch.quantize_per_tensor(torch.zeros(0, 3), 0.01, 3, dtype)
        for axis in range(3):
            count = values.shape[axis]
            scales = torch.rand(count, generator=generator).double() * 0.05 + 0.01
            state[f"{name}.axis{axis}"] = torch.quantize_per_channel(
                values, scales, torch.arange(count), axis, dtype)
    for dtype in (torch.quint8, torch.quint4x2, torch.quint2x4):
        state[str(dtype).split(".")[1] + ".floats"] = torch.quantize_per_channel(
            values[:, :, 0].contiguous(), torch.rand(6) * 0.1 + 0.05, torch.rand(6) * 3, 0, dtype)
    extremes = torch.tensor([-2**31, -2**31 + 1, -1, 0, 1, 2**31 - 1], dtype=torch.int32)
    state["extremes"] = torch._make_per_tensor_quantized_tensor(extremes, 0.1, 5)
    state["large"] = torch.quantize_per_channel(
        torch.randn(700, 900, generator=generator), torch.rand(700).double() * 0.05 + 0.01,
        torch.arange(700) % 9, 0, torch.qint8)
    return state


class Quantized(Case):
    def convert(self, path, code=CAST):
        out = self.path("out.safetensors")
        self.tenon("align", path, "-e", code, "-o", out, "--force")
        return load_file(out)

    def test_every_scheme_equals_dequantize(self):
        state = every_scheme()
        for zipped in (True, False):
            path = self.path(f"q-{zipped}.pth")
            torch.save(state, path, _use_new_zipfile_serialization=zipped)
            found = self.convert(path)
            self.assertEqual(set(found), set(state))
            for key, tensor in state.items():
                numbers = tensor.dequantize().contiguous()
                self.assertTrue(torch.equal(found[key].view(torch.int32), numbers.view(torch.int32)),
                                key)

    def test_listing(self):
        path = self.path("q.pth")
        state = {key: tensor for key, tensor in every_scheme().items() if tensor.numel() > 0}
        torch.save(state, path)
        for one in self.listing(path)["tensors"]:
            tensor = state[one["key"]]
            self.assertEqual(one["dtype"], str(tensor.dtype).split(".")[1])
            self.assertEqual(one["shape"], list(tensor.shape))
            self.assertIn("quantized per", one["note"])
            numbers = tensor.dequantize().double()
            self.assertAlmostEqual(one["stats"]["mean"] / numbers.mean().item(), 1, places=9)

    def test_moves_below_the_cast(self):
        state = {key: tensor for key, tensor in every_scheme().items()
                 if tensor.dim() == 3 and tensor.shape == (6, 8, 5)}
        path = self.path("q.pth")
        torch.save(state, path)
        code = 'rules [[ ** -> ** |> permute(2,0,1), slice(0,1,3), reshape(-1), cast("bf16") ]]'
        for key, found in self.convert(path, code).items():
            numbers = state[key].dequantize().permute(2, 0, 1)[1:3].reshape(-1).to(torch.bfloat16)
            self.assertTrue(torch.equal(found, numbers), key)

    def test_writers_say_what_to_do(self):
        path = self.path("q.pth")
        torch.save({"w": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)}, path)
        for suffix, what in (("safetensors", ".safetensors cannot hold"), ("pth", "tenon writes no")):
            got = subprocess.run([TENON, "align", path, "-o", self.path("out." + suffix)],
                                 capture_output=True, text=True, check=False)
            self.assertEqual(got.returncode, 2)
            self.assertIn(what + " qint8; cast it in a rule", got.stderr)
            self.assertNotIn("or write", got.stderr)


if __name__ == "__main__":
    unittest.main()
