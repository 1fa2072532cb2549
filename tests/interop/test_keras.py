"""Keras 3 and h5py write HDF5; tenon reads equal names, dtypes, shapes and values."""
import os
import unittest
import zipfile

os.environ["KERAS_BACKEND"] = "torch"
import numpy as np
import torch

from oracle import NAMES, Case

try:
    import h5py
    import keras
    import ml_dtypes
    from keras import layers
except ImportError:
    h5py = None

DTYPES = ["f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8", "c16",
          ">f4", ">f8", ">f2", ">i2", ">i4", ">i8", ">u2"]


def as_torch(array):
    """The same values as a tensor, little-endian."""
    array = np.asarray(array)
    if array.dtype.name == "bfloat16":
        bits = np.ascontiguousarray(array).view(np.uint16).reshape(array.shape)
        return torch.from_numpy(bits).view(torch.bfloat16)
    return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
                            .reshape(array.shape))


def model(name="net"):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="stem")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.SeparableConv2D(5, 2)(x)
    x = layers.Conv2DTranspose(2, 2)(x)
    x = layers.GroupNormalization(1)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(6, use_bias=False)(x)
    x = layers.LayerNormalization()(x)
    x = layers.Reshape((2, 3))(x)
    x = layers.LSTM(4, return_sequences=True)(x)
    x = layers.GRU(4, return_sequences=True)(x)
    x = layers.MultiHeadAttention(2, 2)(x, x)
    x = keras.Sequential([keras.Input((2, 4)), layers.Dense(3), layers.Conv1D(2, 1)], name="inner")(x)
    net = keras.Model(inputs, x, name=name)
    net.compile("adam", "mse")
    net.fit(np.zeros((2, 8, 8, 3)), np.ones((2, 2, 2)), verbose=0)
    return net


def h5_tensors(group, prefix=""):
    """{path: array} of every dataset of numbers."""
    out = {}
    for key, value in group.items():
        if isinstance(value, h5py.Group):
            out.update(h5_tensors(value, f"{prefix}{key}/"))
        elif value.attrs.get("dtype") == "bfloat16":
            out[prefix + key] = np.array(value).view(ml_dtypes.bfloat16)
        else:
            out[prefix + key] = np.array(value)
    return out


@unittest.skipIf(h5py is None, "h5py or keras is not installed")
class Keras(Case):
    def setUp(self):
        super().setUp()
        with h5py.File(self.path("probe.h5"), "w") as file:
            file["x"] = np.zeros(1)
        done = os.popen(f"{self.tenon_path()} ls {self.path('probe.h5')} 2>&1").read()
        if "built without libhdf5" in done:
            self.skipTest("tenon was built without libhdf5")

    @staticmethod
    def tenon_path():
        from oracle import TENON
        return TENON

    def compare(self, spec, want):
        listing = self.listing(spec)
        listing["tensors"].sort(key=lambda one: one["key"])
        self.same(listing, {k: as_torch(v) for k, v in sorted(want.items())})
        return listing

    def test_keras_3_in_its_three_forms(self):
        net = model()
        net.save(self.path("m.keras"))
        net.save_weights(self.path("m.weights.h5"))
        net.save(self.path("m.h5"))
        by_path = {variable.path: variable.numpy() for variable in net.weights}
        legacy = self.listing(self.path("m.h5"))
        self.assertEqual(len(legacy["tensors"]), len(by_path))
        with h5py.File(self.path("m.h5")) as file:
            want = {f"{layer}/{name}": np.array(file["model_weights"][layer][name])
                    for layer in file["model_weights"].attrs["layer_names"]
                    for name in file["model_weights"][layer].attrs["weight_names"]}
            optimizer = {name: np.array(file["optimizer_weights"][name])
                         for name in file["optimizer_weights"].attrs["weight_names"]}
        self.assertEqual([one["key"] for one in legacy["tensors"]], list(want))
        self.compare(self.path("m.h5"), want)
        self.compare(self.path("m.h5::optimizer_weights"), optimizer)
        with h5py.File(self.path("m.weights.h5")) as file:
            stored = h5_tensors(file)
        for name in ("m.keras", "m.weights.h5"):
            listing = self.listing(self.path(name))
            got = {one["key"]: one for one in listing["tensors"]}
            self.assertEqual(len(got), len(by_path))
            self.assertFalse([key for key in got if "/vars/" in key], "names that are not readable")
            # every variable's name and shape is what Keras calls it
            for variable in net.weights:
                leaf = variable.path.split("/")[-1]
                self.assertTrue([key for key, one in got.items() if key.split("/")[-1] == leaf and
                                 one["shape"] == list(variable.shape)], variable.path)
            crcs = sorted(one["stats"]["crc32"] for one in listing["tensors"])
            plain = {key: value for key, value in stored.items() if not key.startswith("optimizer")}
            from oracle import crc
            self.assertEqual(crcs, sorted(crc(as_torch(value)) for value in plain.values()))
            self.compare(self.path(name + "::optimizer"),
                         {key.removeprefix("optimizer/"): value for key, value in stored.items()
                          if key.startswith("optimizer/")})

    def test_layouts_come_from_the_classes(self):
        model().save(self.path("m.keras"))
        got = {one["key"]: one.get("layout", "") for one in self.listing(self.path("m.keras"))["tensors"]}
        self.assertEqual(got["layers/conv2d/kernel"], "HWIO")
        self.assertEqual(got["layers/conv2d_transpose/kernel"], "HWOI")
        self.assertEqual(got["layers/depthwise_conv2d/kernel"], "HWIM")
        self.assertEqual(got["layers/separable_conv2d/depthwise_kernel"], "HWIM")
        self.assertEqual(got["layers/separable_conv2d/pointwise_kernel"], "HWIO")
        self.assertEqual(got["layers/dense/kernel"], "IO")
        self.assertEqual(got["layers/lstm/cell/recurrent_kernel"], "IO")
        self.assertEqual(got["layers/multi_head_attention/query_dense/kernel"], "")
        self.assertEqual(got["layers/sequential/layers/conv1d/kernel"], "WIO")

    def test_bfloat16(self):
        net = keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype="bfloat16")])
        net.save_weights(self.path("b.weights.h5"))
        with h5py.File(self.path("b.weights.h5")) as file:
            stored = h5_tensors(file)
        self.compare(self.path("b.weights.h5"), {
            "layers/dense/kernel": stored["layers/dense/vars/0"],
            "layers/dense/bias": stored["layers/dense/vars/1"]})

    def test_a_zip_that_was_deflated(self):
        model().save(self.path("m.keras"))
        with zipfile.ZipFile(self.path("m.keras")) as old, \
                zipfile.ZipFile(self.path("d.keras"), "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
        stored, deflated = self.listing(self.path("m.keras")), self.listing(self.path("d.keras"))
        self.assertEqual([(one["key"], one["stats"]) for one in stored["tensors"]],
                         [(one["key"], one["stats"]) for one in deflated["tensors"]])

    def test_attributes_keep_their_types(self):
        want = {"epoch": 12, "small": -3, "huge": 2**64 - 1, "rate": 0.1, "half": 0.5, "on": True,
                "sizes": [8, 16], "words": ["a", "b"], "name": "net", "flags": [True, False]}
        with h5py.File(self.path("a.h5"), "w") as file:
            file.create_dataset("w", data=np.arange(3, dtype="f4"))
            for key, value in want.items():
                file.attrs[key] = value
            file.attrs["small"], file.attrs["half"] = np.int8(-3), np.float16(0.5)
            file.attrs["huge"], file.attrs["many"] = np.uint64(2**64 - 1), np.arange(100)
        got = self.listing(self.path("a.h5"))["metadata"]
        self.assertEqual(got.pop("many"), "[100 numbers]")
        self.assertEqual(got, want)
        for key, value in want.items():
            self.assertIs(type(got[key]), type(value), key)

    def test_legacy_names(self):
        """Fixed and variable strings, names in pieces, nested layers, compression."""
        weights = {f"layer_{i}": {f"layer_{i}/deep/kernel:0": np.random.rand(3, 4).astype("f4"),
                                  f"layer_{i}/deep/bias:0": np.random.rand(4).astype("f4")}
                   for i in range(12)}
        want = {f"{layer}/{key}": value for layer, one in weights.items() for key, value in one.items()}
        for number, (text, pieces, how) in enumerate((
                (str.encode, 1, {}), (str, 1, {"compression": "gzip"}),
                (str.encode, 3, {"chunks": True, "shuffle": True, "fletcher32": True}),
                (str.encode, 5, {"compression": "gzip", "compression_opts": 9}))):
            for under in ("", "model_weights"):
                path = self.path(f"legacy-{number}{under}.h5")
                with h5py.File(path, "w") as file:
                    root = file.create_group(under) if under else file
                    names = [text(name) for name in weights]
                    if pieces == 1:
                        root.attrs["layer_names"] = names
                    else:
                        for i, part in enumerate(np.array_split(np.array(names), pieces)):
                            root.attrs[f"layer_names{i}"] = part
                    for layer, one in weights.items():
                        group = root.create_group(layer)
                        group.attrs["weight_names"] = [text(key) for key in one]
                        for key, value in one.items():
                            group.create_dataset(key, data=value, **how)
                self.assertEqual([one["key"] for one in self.listing(path)["tensors"]], list(want))
                self.compare(path, want)

    def test_every_type_in_every_storage(self):
        for userblock in (0, 512, 2048):
            path, want = self.path(f"types-{userblock}.h5"), {}
            with h5py.File(path, "w", userblock_size=userblock) as file:
                for dtype in DTYPES:
                    plain = np.arange(24).reshape(4, 6).astype(dtype)
                    name = np.dtype(dtype).name + ("_big" if ">" in dtype else "")
                    for key, how in (("window", {}), ("chunks", {"chunks": (3, 4)}),
                                     ("gzip", {"chunks": (3, 4), "compression": "gzip"})):
                        file.create_dataset(f"{name}/{key}", data=plain, **how)
                        want[f"{name}/{key}"] = plain
                    want[f"{name}/scalar"] = file[f"{name}/scalar"] = np.asarray(plain[1, 2])
                    file[f"{name}/empty"] = want[f"{name}/empty"] = np.zeros((0, 2), dtype)
            self.compare(path, want)

    def test_values_larger_than_a_slab(self):
        value = np.arange(20_000_000, dtype="f4").reshape(4000, 5000) % 1000
        with h5py.File(self.path("large.h5"), "w") as file:
            file.create_dataset("w", data=value, chunks=(300, 700), compression="gzip",
                                compression_opts=1)
        self.compare(self.path("large.h5"), {"w": value})

    def test_a_dataset_under_two_names(self):
        """As h5py shows it; a group that holds itself ends somewhere."""
        path, value = self.path("links.h5"), np.arange(6, dtype="f4").reshape(2, 3)
        with h5py.File(path, "w") as file:
            file["a/w"] = value
            file["w"] = file["a/w"]
            file["a/self"] = file["/"]
        self.compare(path, {"a/w": value, "w": value})

    def test_a_filter_that_the_library_lacks(self):
        with h5py.File(self.path("lzf.h5"), "w") as file:
            file.create_dataset("w", data=np.zeros((100, 100), "f4"), compression="lzf")
        self.assertIn("100×100", self.tenon("ls", self.path("lzf.h5")))
        done = os.popen(f"{self.tenon_path()} ls --stats {self.path('lzf.h5')} 2>&1").read()
        self.assertIn("compressed by 'lzf' (filter 32000), which libhdf5 does not have", done)


if __name__ == "__main__":
    unittest.main()
