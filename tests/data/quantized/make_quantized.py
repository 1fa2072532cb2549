"""Writes the fixtures beside it with PyTorch 2.13: tensors of every quantized dtype and scheme.

quantized.pth     the zip format        legacy.pth    the same, before 1.6
quantized.crc     NAME CRC-32 of what dequantize() gives (f32, little-endian, row-major)
"""
import os
import warnings
import zlib

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
warnings.filterwarnings("ignore")
torch.manual_seed(1)
values = torch.randn(4, 6)
state = {}
for dtype in (torch.qint8, torch.quint8, torch.qint32):
    name = str(dtype).split(".")[1]
    state[name] = torch.quantize_per_tensor(values, 0.037, 5, dtype)
    state[name + ".turned"] = state[name].t()
    for axis in (0, 1):
        scales = torch.rand(values.shape[axis], dtype=torch.float64) * 0.05 + 0.01
        zeros = torch.arange(values.shape[axis])
        state[f"{name}.axis{axis}"] = torch.quantize_per_channel(values, scales, zeros, axis, dtype)
for dtype in (torch.quint8, torch.quint4x2, torch.quint2x4):
    name = str(dtype).split(".")[1]
    state[name + ".floats"] = torch.quantize_per_channel(
        values[:, :4].contiguous(), torch.rand(4) * 0.1 + 0.05, torch.rand(4) * 3, 0, dtype)

torch.save(state, os.path.join(HERE, "quantized.pth"))
torch.save(state, os.path.join(HERE, "legacy.pth"), _use_new_zipfile_serialization=False)
with open(os.path.join(HERE, "quantized.crc"), "w", encoding="ascii") as file:
    for name, tensor in state.items():
        numbers = tensor.dequantize().contiguous().numpy().astype("<f4")
        file.write(f"{name} {zlib.crc32(numbers.tobytes()):08x}\n")
