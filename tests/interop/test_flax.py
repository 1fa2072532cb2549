"""Flax writes MessagePack; tenon reads equal names, dtypes, shapes and values."""
import os
import unittest

import numpy as np
import safetensors.numpy
import torch

from oracle import NAMES, Case

try:
    import ml_dtypes
    from flax import linen, serialization
    import jax
except ImportError:
    serialization = None

DTYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16",
          "uint32", "uint64", "bool", "complex64", "complex128", "bfloat16", "float8_e4m3fn",
          "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]


def joined(tree, prefix=""):
    """{name: array} of a nested dict, as tenon names it."""
    out = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            out.update(joined(value, f"{prefix}{key}."))
        elif hasattr(value, "dtype"):
            out[prefix + key] = np.asarray(value)
    return out


def as_torch(array):
    """The same bits as a tensor."""
    name = array.dtype.name
    flat = np.frombuffer(np.ascontiguousarray(array).tobytes(), dtype=np.uint8).copy()
    if name == "bool":
        return torch.from_numpy(flat.astype(bool)).reshape(array.shape)
    return torch.from_numpy(flat).view(getattr(torch, name)).reshape(array.shape) if flat.size \
        else torch.empty(array.shape, dtype=getattr(torch, name))


@unittest.skipIf(serialization is None, "flax is not installed")
class Flax(Case):
    def write(self, name, tree):
        with open(self.path(name), "wb") as file:
            file.write(serialization.msgpack_serialize(tree))
        return self.path(name)

    def compare(self, path, tree, part=""):
        listing = self.listing(path + part)
        listing["tensors"].sort(key=lambda one: one["key"])
        self.same(listing, {k: as_torch(v) for k, v in sorted(joined(tree).items())})

    def test_every_dtype(self):
        tree = {}
        for name in DTYPES:
            dtype = np.dtype(name) if hasattr(np, name) or name == "bool" else np.dtype(getattr(ml_dtypes, name))
            values = np.arange(1, 7) % 2 if name in ("bool", "float8_e8m0fnu") else np.arange(6)
            tree[name] = {"scalar": np.asarray(values[1]).astype(dtype),
                          "matrix": values.astype(dtype).reshape(2, 3),
                          "empty": np.zeros((0, 3), dtype)}
        self.compare(self.write("dtypes.msgpack", tree), tree)

    def test_exported_values(self):
        tree = {"params": {"Dense_0": {"kernel": np.random.rand(3, 4).astype("f4"),
                                       "bias": np.arange(4, dtype="f4")}}}
        path = self.write("values.msgpack", tree)
        out = self.path("out.safetensors")
        self.tenon("align", path, "-o", out)
        got = safetensors.numpy.load_file(out)
        for key, value in joined(tree).items():
            np.testing.assert_array_equal(got[key], value)

    def test_a_model_and_its_collections(self):
        class Net(linen.Module):
            @linen.compact
            def __call__(self, x):
                x = linen.Conv(4, (3, 3))(x)
                x = linen.BatchNorm(use_running_average=False)(x)
                x = linen.ConvTranspose(2, (2, 2))(x)
                x = linen.Dense(5)(x.reshape((x.shape[0], -1)))
                x = linen.LayerNorm()(x)
                x = x + linen.Embed(7, 5)(jax.numpy.array([1]))
                return linen.MultiHeadDotProductAttention(num_heads=1)(x[:, None], x[:, None])
        variables = Net().init(jax.random.PRNGKey(0), jax.numpy.ones((1, 4, 4, 3)))
        path = self.path("model.msgpack")
        with open(path, "wb") as file:
            file.write(serialization.to_bytes(variables))
        state = serialization.to_state_dict(variables)
        self.compare(path, state)
        self.compare(path, state["params"], "::params")
        self.compare(path, state["batch_stats"], "::batch_stats")
        os.rename(path, self.path("flax_model.msgpack"))
        self.compare(self.folder.name, state)

    def test_a_training_state(self):
        tree = {"step": 7, "params": {"w": np.ones((2, 2), "f4")},
                "opt_state": {"0": {"count": np.int32(3), "mu": {"w": np.zeros((2, 2), "f4")}}}}
        path = self.write("state.msgpack", tree)
        self.compare(path, {"params": tree["params"]})
        self.compare(path, tree["opt_state"], "::opt_state")

    def test_values_beside_the_arrays(self):
        tree = {"params": {"w": np.ones(2, "f4")}, "step": 7, "less": -5, "huge": 2**64 - 1, "rate": 0.1,
                "on": True, "none": None, "name": "tiny", "pair": 1 - 2j}
        listing = self.listing(self.write("values.msgpack", tree))
        want = dict(tree, pair=[1.0, -2.0])
        del want["params"]
        self.assertEqual(listing["metadata"], want)
        for key, value in want.items():
            self.assertIs(type(listing["metadata"][key]), type(value), key)

    def test_arrays_in_chunks(self):
        old = serialization.MAX_CHUNK_SIZE
        try:
            serialization.MAX_CHUNK_SIZE = 64
            tree = {"params": {"big": np.random.rand(7, 11, 3).astype("f4"),
                               "kernel": np.arange(100, dtype="i8").reshape(10, 10)},
                    "alone": np.arange(50, dtype="f8")}
            path = self.write("chunks.msgpack", {"params": dict(tree["params"]), "alone": tree["alone"]})
        finally:
            serialization.MAX_CHUNK_SIZE = old
        self.compare(path, tree)

    def test_other_values_are_passed_over(self):
        tree = {"a": {"w": np.ones(2, "f4"), "none": None, "text": "x" * 300, "int": -5,
                      "float": 1.5, "complex": 1 + 2j, "bytes": b"\0" * 70000, "true": True,
                      "list": [1, 2, {"deep": np.zeros(3, "i4")}], "scalar": np.float32(3)}}
        path = self.write("others.msgpack", tree)
        keys = [one["key"] for one in self.listing(path)["tensors"]]
        self.assertEqual(keys, ["a.list[2].deep", "a.scalar", "a.w"])

    def test_small_types_are_listed_and_not_read(self):
        path = self.write("small.msgpack", {"q": np.ones(4, ml_dtypes.int4), "w": np.ones(2, "f4")})
        self.assertIn("?", self.tenon("ls", path))
        self.tenon("align", path, "-o", self.path("x.safetensors"), status=1)

    def test_orbax_is_refused_by_name(self):
        os.makedirs(self.path("step/d"))
        open(self.path("step/manifest.ocdbt"), "wb").close()
        done = self.tenon("ls", self.path("step"), status=2)
        self.assertEqual(done, "")


if __name__ == "__main__":
    unittest.main()
