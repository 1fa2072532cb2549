"""PyTorch writes sparse, nested and wrapped tensors, whole modules and odd keys; what tenon lists
and exports is what PyTorch says of them."""
import collections
import subprocess
import sys
import types
import unittest

import safetensors.torch
import torch
from torch import nn

from oracle import TENON, Case


def mostly_zero(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(1, 9, shape, generator=generator).to(dtype)
    return values * (torch.rand(shape, generator=generator) < 0.4)


def sparse():
    out = {}
    for name in ("float32", "float64", "float16", "bfloat16", "int64", "int8", "uint8", "complex64"):
        out[f"coo {name}"] = mostly_zero(4, 6, dtype=getattr(torch, name)).to_sparse()
    out["coo bool"] = (mostly_zero(4, 6) > 0).to_sparse()
    out["coo 1d"] = mostly_zero(9).to_sparse()
    out["coo 3d"] = mostly_zero(3, 4, 5).to_sparse()
    out["hybrid"] = mostly_zero(3, 4, 5).to_sparse(1)
    out["hybrid 2"] = mostly_zero(3, 4, 5, 2).to_sparse(2)
    repeated = torch.randint(0, 3, (2, 50), generator=torch.Generator().manual_seed(1))
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.complex64):
        values = torch.linspace(-3, 3, 50).to(dtype)
        out[f"uncoalesced {dtype}"] = torch.sparse_coo_tensor(repeated, values, (3, 3))
    out["empty"] = torch.sparse_coo_tensor(torch.zeros(2, 0, dtype=torch.long), torch.zeros(0), (3, 4))
    out["no elements"] = torch.sparse_coo_tensor(torch.zeros(2, 0, dtype=torch.long), torch.zeros(0), (0, 4))
    for layout in ("csr", "csc"):
        out[layout] = getattr(mostly_zero(4, 6), f"to_sparse_{layout}")()
        out[layout + " 0"] = getattr(torch.zeros(4, 6), f"to_sparse_{layout}")()
        out[layout + " batch"] = getattr(torch.eye(3).repeat(2, 1, 1), f"to_sparse_{layout}")()
        out[layout + " dense"] = getattr(mostly_zero(4, 6, 2), f"to_sparse_{layout}")(dense_dim=1)
    for layout in ("bsr", "bsc"):
        for block in ((2, 3), (1, 2), (4, 6)):
            out[f"{layout} {block}"] = getattr(mostly_zero(4, 6), f"to_sparse_{layout}")(block)
        out[layout + " batch"] = getattr(torch.eye(4).repeat(2, 1, 1), f"to_sparse_{layout}")((2, 2))
    out["int32"] = torch.sparse_csr_tensor(torch.tensor([0, 1, 2], dtype=torch.int32),
                                           torch.tensor([0, 2], dtype=torch.int32), torch.ones(2), (2, 3))
    out["parameter"] = nn.Parameter(mostly_zero(3, 3).to_sparse())
    return out


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(2)])
        self.norm = nn.BatchNorm1d(width)
        self.register_buffer("kept", torch.ones(width))
        self.register_buffer("passing", torch.ones(width), persistent=False)
        self.register_buffer("nothing", None)
        self.loose = torch.full((7,), 7.0)
        self.tied = self.layers[0]


class Tagged(torch.Tensor):
    pass


# Pickles name classes by their module, which must be one that can be imported.
WRITER = types.ModuleType("tenon_interop_writer")
sys.modules[WRITER.__name__] = WRITER
for one in (Block, Tagged):
    one.__module__ = WRITER.__name__
    setattr(WRITER, one.__name__, one)


class Carried:
    """Writes itself as XLA and others write their tensors."""

    def __init__(self, *call):
        self.call = call

    def __reduce_ex__(self, protocol):
        return self.call


class Pickled(Case):
    def test_sparse_is_dense(self):
        state = sparse()
        dense = {name: one.detach().to_dense() for name, one in state.items()}
        for zipped in (True, False):
            path = self.path(f"sparse-{zipped}.pth")
            torch.save(state, path, _use_new_zipfile_serialization=zipped)
            self.same(self.listing(path), dense)

    def test_sparse_is_exported_dense(self):
        state = {name: one for name, one in sparse().items() if "complex" not in name}
        torch.save(state, self.path("s.pth"))
        self.tenon("align", self.path("s.pth"), "-o", self.path("o.safetensors"))
        out = safetensors.torch.load_file(self.path("o.safetensors"))
        for name, one in state.items():
            self.assertTrue(torch.equal(out[name], one.detach().to_dense()), name)

    def test_parts_of_sparse(self):
        torch.save({"a.b": mostly_zero(4, 6).to_sparse_csr(), "c": mostly_zero(4, 6).to_sparse()}, self.path("s.pth"))
        csr, coo = mostly_zero(4, 6).to_sparse_csr(), mostly_zero(4, 6).to_sparse()
        self.same(self.listing(self.path("s.pth") + '::["a.b"]'),
                  {"crow_indices": csr.crow_indices(), "col_indices": csr.col_indices(), "values": csr.values()})
        self.same(self.listing(self.path("s.pth") + "::c"), {"indices": coo.indices(), "values": coo.values()})

    def test_whole_modules(self):
        for zipped in (True, False):
            model = Block(4)
            path = self.path(f"m{zipped}.pt")
            torch.save({"epoch": 1, "model": model, "ema": None}, path, _use_new_zipfile_serialization=zipped)
            self.same(self.listing(path + "::model"), model.state_dict())
            shown = self.tenon("ls", "--all", path)
            self.assertRegex(shown, r"loose +tensor f32 7")
        torch.save(model, self.path("bare.pt"))
        self.same(self.listing(self.path("bare.pt")), model.state_dict())

    def test_subclasses_attributes_and_bits(self):
        tagged, named = torch.arange(3.0).as_subclass(Tagged), torch.ones(2)
        named.tag = ["x"]
        state = {"subclass": tagged, "attribute": named, "conj": torch.tensor([1 + 2j]).conj(),
                 "neg": torch.tensor([1 + 2j, 3 - 1j]).conj().imag, "parameter": nn.Parameter(named)}
        torch.save(state, self.path("s.pth"))
        self.same(self.listing(self.path("s.pth")),
                  {name: one.detach().as_subclass(torch.Tensor) for name, one in state.items()})

    def test_meta(self):
        torch.save({"m": torch.empty(3, 4, device="meta"), "w": torch.ones(2)}, self.path("m.pth"))
        rows = {t["key"]: t for t in self.listing(self.path("m.pth"))["tensors"]}
        self.assertEqual((rows["m"]["shape"], rows["m"]["storage"]), ([3, 4], None))

    def test_device_tensors(self):
        values = torch.randn(3, 4).bfloat16()
        state = {"numpy": Carried(torch._utils._rebuild_device_tensor_from_numpy,
                                  (values.float().numpy(), torch.bfloat16, "cpu", True)),
                 "same": Carried(torch._utils._rebuild_device_tensor_from_numpy,
                                 (values.float().numpy(), torch.float32, "cpu", True)),
                 "cpu": Carried(torch._utils._rebuild_device_tensor_from_cpu_tensor,
                                (values.t(), torch.bfloat16, "cpu", False))}
        torch.save(state, self.path("x.pth"))
        loaded = torch.load(self.path("x.pth"), weights_only=False)
        self.same(self.listing(self.path("x.pth")), loaded)

    def test_nested(self):
        torch.save({"n": torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(1, 3)])}, self.path("n.pth"))
        self.assertIn("nested: 2 tensors", self.tenon("ls", self.path("n.pth")))
        rows = self.listing(self.path("n.pth") + "::n")["tensors"]
        self.assertEqual([t["key"] for t in rows], ["buffer", "sizes", "strides", "offsets"])

    def test_jagged(self):
        parts = [torch.ones(2, 3), torch.zeros(1, 3)]
        torch.save({"j": torch.nested.nested_tensor(parts, layout=torch.jagged)}, self.path("j.pth"))
        self.assertIn("nested: 2 tensors", self.tenon("ls", self.path("j.pth")))
        rows = self.listing(self.path("j.pth") + "::j")["tensors"]
        self.assertEqual([(t["key"], t["shape"]) for t in rows], [("values", [3, 3]), ("offsets", [3])])

    def test_keys(self):
        keys = collections.OrderedDict([(("a", 1), torch.ones(1)), (("a", 2), torch.ones(2)), (3, torch.ones(3)),
                                        ("3", torch.ones(4)), (None, torch.ones(5)), (2.5, torch.ones(6)),
                                        (torch.float32, torch.ones(7)), (b"raw", torch.ones(8))])
        torch.save(keys, self.path("k.pth"))
        got = self.listing(self.path("k.pth") + "::")["tensors"]
        self.assertEqual([t["shape"] for t in got], [[n] for n in range(1, 9)])

    def test_bare_storages(self):
        for zipped in (True, False):
            torch.save({"s": torch.ones(5).untyped_storage(), "w": torch.ones(2)}, self.path("b.pth"),
                       _use_new_zipfile_serialization=zipped)
            self.same(self.listing(self.path("b.pth")), {"w": torch.ones(2)})
            self.assertIn("UntypedStorage (20)", self.tenon("ls", "--all", self.path("b.pth")))

    def test_distributed(self):
        import torch.distributed as dist
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
        from torch.testing._internal.distributed.fake_pg import FakeStore
        dist.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
        self.addCleanup(dist.destroy_process_group)
        mesh, whole = init_device_mesh("cpu", (2,)), torch.randn(4, 6)
        state = {"whole": distribute_tensor(whole, mesh, [Replicate()]),
                 "parameter": nn.Parameter(distribute_tensor(whole, mesh, [Replicate()])),
                 "shard": distribute_tensor(whole, mesh, [Shard(0)]),
                 "summand": DTensor.from_local(whole, mesh, [Partial()], run_check=False)}
        torch.save(state, self.path("d.pth"))
        rows = {t["key"]: (t["stats"] or {}).get("crc32") for t in self.listing(self.path("d.pth"))["tensors"]}
        local = state["whole"].to_local()
        self.same(self.listing(self.path("d.pth") + "::whole"), {"_local_tensor": local})
        self.assertEqual(rows["whole"], rows["parameter"])
        self.same(self.listing(self.path("d.pth") + "::shard"), {"_local_tensor": state["shard"].to_local()})
        shown = self.tenon("ls", self.path("d.pth"))
        self.assertIn("has the part 2×6", shown)
        self.assertIn("has one summand 4×6", shown)
        done = subprocess.run([TENON, "align", self.path("d.pth"), "-o", self.path("o.pth")],
                              capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("DTensor", done.stderr + done.stdout)


if __name__ == "__main__":
    unittest.main()
