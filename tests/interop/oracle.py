"""What the interop tests share: running tenon, and what PyTorch says of a tensor."""
import json
import os
import subprocess
import tempfile
import unittest
import zlib

import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TENON = os.path.abspath(os.environ.get("TENON", os.path.join(ROOT, "tenon")))

NAMES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16",
         "float8_e4m3fn": "f8_e4m3", "float8_e5m2": "f8_e5m2", "float8_e4m3fnuz": "f8_e4m3fnuz",
         "float8_e5m2fnuz": "f8_e5m2fnuz", "float8_e8m0fnu": "f8_e8m0", "int64": "i64",
         "int32": "i32", "int16": "i16", "int8": "i8", "uint64": "u64", "uint32": "u32",
         "uint16": "u16", "uint8": "u8", "bool": "bool", "complex32": "c32", "complex64": "c64",
         "complex128": "c128"}
DTYPES = [name for name in NAMES if hasattr(torch, name)]


def dtype_name(tensor):
    return NAMES[str(tensor.dtype).removeprefix("torch.")]


def raw(tensor):
    """The values, row-major, as bytes."""
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous().clone()
    if plain.dtype == torch.bool:
        plain = plain.to(torch.uint8)
    return plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""


def crc(tensor):
    return f"{zlib.crc32(raw(tensor)):08x}"


def sample(name, shape, seed=0):
    """Values of a dtype that survive the trip: small integers, or random bytes for halves."""
    generator = torch.Generator().manual_seed(seed)
    count = 1
    for size in shape:
        count *= size
    values = torch.randint(0, 2 if name == "bool" else 9, (count,), generator=generator)
    if name == "complex32":
        return values.to(torch.complex64).to(torch.complex32).reshape(shape)
    return values.to(torch.float32).to(getattr(torch, name)).reshape(shape)


class Case(unittest.TestCase):
    """A scratch folder, and tenon in it."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tenon-interop-")
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def tenon(self, *args, status=0):
        done = subprocess.run([TENON, *map(str, args)], capture_output=True, text=True,
                              errors="surrogateescape", check=False)
        self.assertEqual(done.returncode, status, f"{args}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def listing(self, *args):
        return json.loads(self.tenon("ls", "--json", "--stats", *args))

    def same(self, listing, state):
        """tenon's listing holds exactly the tensors of a state dict, in its order."""
        self.assertEqual([one["key"] for one in listing["tensors"]], list(state))
        for one in listing["tensors"]:
            tensor = state[one["key"]]
            with self.subTest(one["key"]):
                self.assertEqual(one["dtype"], dtype_name(tensor))
                self.assertEqual(one["shape"], list(tensor.shape))
                self.assertEqual(one["stats"]["crc32"], crc(tensor))

    def equal(self, got, want):
        """Two state dicts hold the same keys, dtypes, shapes and bytes."""
        self.assertEqual(list(got), list(want))
        for key in want:
            with self.subTest(key):
                self.assertEqual(got[key].dtype, want[key].dtype)
                self.assertEqual(got[key].shape, want[key].shape)
                self.assertEqual(raw(got[key]), raw(want[key]))
