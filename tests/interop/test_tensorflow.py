"""TensorFlow wrote the checkpoints of tests/data/tensorflow (make_tf.py); tenon reads the values
that TensorFlow's own reader found in them, which lie beside each as .npz."""
import os
import shutil
import unittest
import zlib

import numpy as np

from oracle import ROOT, Case

DATA = os.path.join(ROOT, "tests", "data", "tensorflow")
NAMES = {"float64": "f64", "float32": "f32", "float16": "f16", "int64": "i64", "int32": "i32",
         "int16": "i16", "int8": "i8", "uint64": "u64", "uint32": "u32", "uint16": "u16",
         "uint8": "u8", "bool": "bool", "complex64": "c64", "complex128": "c128"}


class TensorFlow(Case):
    def same_values(self, path, arrays):
        got = {one["key"]: one for one in self.listing(path)["tensors"]}
        for name in arrays:
            array = arrays[name]
            with self.subTest(name):
                one = got[name]
                self.assertEqual((one["dtype"], one["shape"]),
                                 (NAMES[array.dtype.name], list(array.shape)))
                self.assertEqual(one["stats"]["crc32"], f"{zlib.crc32(array.tobytes()):08x}")
        return set(got) - set(arrays)

    def test_every_fixture(self):
        for name, rest in (("trained", {"_CHECKPOINTABLE_OBJECT_GRAPH"}),
                           ("saved_model", {"_CHECKPOINTABLE_OBJECT_GRAPH"}), ("saver", set()),
                           ("typed", {"bfloat16", "float8_e5m2", "float8_e4m3fn", "int4", "uint4",
                                      "string"})):
            with np.load(os.path.join(DATA, name + ".npz")) as arrays:
                self.assertEqual(self.same_values(os.path.join(DATA, name), arrays), rest)

    def test_the_index_itself_and_a_moved_folder(self):
        with np.load(os.path.join(DATA, "saver.npz")) as arrays:
            self.same_values(os.path.join(DATA, "saver", "model.ckpt-1.index"), arrays)
            shutil.copytree(os.path.join(DATA, "saver"), self.path("moved"))
            self.same_values(self.path("moved"), arrays)

    def test_parts(self):
        path = os.path.join(DATA, "trained")
        named = {one["key"]: one["shape"] for one in self.listing(path + "::named")["tensors"]}
        self.assertEqual(named, {
            "sequential/conv2d/kernel": [3, 3, 3, 4], "sequential/conv2d/bias": [4],
            "sequential/bn/gamma": [4], "sequential/bn/beta": [4],
            "sequential/bn/moving_mean": [4], "sequential/bn/moving_variance": [4],
            "sequential/depthwise_conv2d/kernel": [3, 3, 4, 1],
            "sequential/depthwise_conv2d/bias": [4],
            "sequential/conv2d_transpose/kernel": [2, 2, 2, 4],
            "sequential/conv2d_transpose/bias": [2], "sequential/dense/kernel": [2, 3],
            "sequential/dense/bias": [3]})
        self.assertEqual(len(self.listing(path + "::optimizer")["tensors"]), 23)


if __name__ == "__main__":
    unittest.main()
