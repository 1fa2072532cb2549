"""The onnx package writes; tenon reads equal names, types, shapes and values."""
import os
import unittest
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle import Case

NAMES = {"FLOAT": "f32", "DOUBLE": "f64", "FLOAT16": "f16", "BFLOAT16": "bf16", "INT64": "i64",
         "INT32": "i32", "INT16": "i16", "INT8": "i8", "UINT64": "u64", "UINT32": "u32",
         "UINT16": "u16", "UINT8": "u8", "BOOL": "bool", "COMPLEX64": "c64", "COMPLEX128": "c128",
         "FLOAT8E4M3FN": "f8_e4m3", "FLOAT8E4M3FNUZ": "f8_e4m3fnuz", "FLOAT8E5M2": "f8_e5m2",
         "FLOAT8E5M2FNUZ": "f8_e5m2fnuz", "FLOAT8E8M0": "f8_e8m0"}
PACKED = {"INT4": "i4", "UINT4": "u4", "FLOAT4E2M1": "f4_e2m1", "INT2": "i2", "UINT2": "u2",
          "FLOAT6E2M3": "f6_e2m3", "FLOAT6E3M2": "f6_e3m2"}
TYPES = [name for name in NAMES if hasattr(TensorProto, name)]


def sample(kind, shape, seed=0):
    """Small numbers that every type holds."""
    rng = np.random.default_rng(seed)
    if kind == "FLOAT8E8M0":
        values = 2.0 ** rng.integers(-2, 3, shape)
    else:
        values = rng.integers(0, 2 if kind == "BOOL" else 8, shape)
    return values.astype(helper.tensor_dtype_to_np_dtype(getattr(TensorProto, kind)))


def crc(array):
    return f"{zlib.crc32(np.ascontiguousarray(array).tobytes()):08x}"


class Onnx(Case):
    def save(self, name, initializers=(), nodes=(), **options):
        graph = helper.make_graph(list(nodes), "graph", [], [], list(initializers))
        path = self.path(name)
        onnx.save_model(helper.make_model(graph, producer_name="test"), path, **options)
        return path

    def same_arrays(self, path, arrays):
        """arrays: {name: (tenon's dtype, numpy array)}, in the order of the file."""
        got = self.listing(path)["tensors"]
        self.assertEqual([one["key"] for one in got], list(arrays))
        for one in got:
            dtype, array = arrays[one["key"]]
            with self.subTest(one["key"]):
                self.assertEqual((one["dtype"], one["shape"]), (dtype, list(array.shape)))
                self.assertEqual(one["stats"]["crc32"], crc(array))

    def test_every_type_as_raw_data(self):
        arrays, protos = {}, []
        for kind in TYPES:
            for shape in ((), (5,), (3, 4), (0, 2)):
                name = f"{kind}.{len(shape)}"
                name += "e" if 0 in shape else ""
                array = sample(kind, shape, len(shape))
                arrays[name] = (NAMES[kind], array)
                protos.append(numpy_helper.from_array(array, name))
                self.assertTrue(protos[-1].HasField("raw_data"))
        self.same_arrays(self.save("raw.onnx", protos), arrays)

    def test_every_type_in_the_fields_for_numbers(self):
        arrays, protos = {}, []
        for kind in TYPES:
            if kind == "FLOAT8E8M0":
                continue                 # helper.make_tensor rounds it in its own way
            array = sample(kind, (3, 5), 7)
            proto = helper.make_tensor(kind, getattr(TensorProto, kind), array.shape,
                                       array.ravel().tolist())
            self.assertFalse(proto.HasField("raw_data"))
            arrays[kind] = (NAMES[kind], numpy_helper.to_array(proto))
            protos.append(proto)
        self.same_arrays(self.save("numbers.onnx", protos), arrays)

    def test_large_and_negative_numbers(self):
        rng = np.random.default_rng(1)
        arrays, protos = {}, []
        for kind, low, high in (("INT32", -2**31, 2**31 - 1), ("INT64", -2**63, 2**63 - 1),
                                ("UINT64", 0, 2**64 - 1), ("INT8", -128, 127), ("INT16", -9, 9),
                                ("UINT32", 0, 2**32 - 1)):
            dtype = helper.tensor_dtype_to_np_dtype(getattr(TensorProto, kind))
            array = rng.integers(low, high, (50, 60), dtype=dtype, endpoint=True)
            protos.append(helper.make_tensor(kind, getattr(TensorProto, kind), array.shape,
                                             array.ravel().tolist()))
            arrays[kind] = (NAMES[kind], array)
        self.same_arrays(self.save("large.onnx", protos), arrays)

    def test_packed_types_are_listed(self):
        protos = []
        for kind in PACKED:
            if not hasattr(TensorProto, kind):
                continue
            for count in (8, 7):
                array = np.ones(count, np.float32).astype(
                    helper.tensor_dtype_to_np_dtype(getattr(TensorProto, kind)))
                protos.append(numpy_helper.from_array(array, f"{kind}.{count}"))
        got = self.listing(self.save("packed.onnx", protos))["tensors"]
        self.assertEqual([(one["key"], one["dtype"], one["shape"]) for one in got],
                         [(proto.name, PACKED[proto.name.split(".")[0]], list(proto.dims))
                          for proto in protos])

    def test_packed_values_reach_safetensors(self):
        import safetensors
        array = np.array([0.5, 1, 2, 4, -1, -6], np.float32).astype(
            helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT4E2M1))
        proto = numpy_helper.from_array(array, "w")
        path, out = self.save("four.onnx", [proto]), self.path("four.safetensors")
        self.tenon("align", path, "-o", out)
        with open(out, "rb") as file:
            self.assertTrue(file.read().endswith(proto.raw_data))

    def test_external_data_in_one_file_and_in_many(self):
        arrays = {f"w{i}": ("f32", np.random.default_rng(i).standard_normal((40, i + 1)).astype("f4"))
                  for i in range(5)}
        protos = [numpy_helper.from_array(array, name) for name, (_, array) in arrays.items()]
        for together in (True, False):
            os.makedirs(self.path(str(together)))
            path = self.save(f"{together}/model.onnx", protos, save_as_external_data=True,
                             all_tensors_to_one_file=together, size_threshold=0)
            self.same_arrays(path, arrays)
            self.tenon("align", path, "-o", self.path(f"{together}.safetensors"))
            import safetensors.numpy
            back = safetensors.numpy.load_file(self.path(f"{together}.safetensors"))
            for name, (_, array) in arrays.items():
                np.testing.assert_array_equal(back[name], array)

    def test_external_data_that_is_missing(self):
        proto = numpy_helper.from_array(np.ones((40, 40), np.float32), "w")
        path = self.save("m.onnx", [proto], save_as_external_data=True, location="m.bin",
                         size_threshold=0)
        os.remove(self.path("m.bin"))
        done = self.failing("ls", path)
        self.assertIn("'m.bin', which is not in the model's folder", done)

    def failing(self, *args):
        import subprocess
        from oracle import TENON
        done = subprocess.run([TENON, *args], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        return done.stderr

    def test_constants_and_subgraphs(self):
        value = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "v")
        nodes = [helper.make_node("Constant", [], ["a"], value=value),
                 helper.make_node("Constant", [], ["b"], value_floats=[1.0, 2.0, 3.0]),
                 helper.make_node("Constant", [], ["c"], value_ints=[-1, 5]),
                 helper.make_node("Constant", [], ["d"], value_float=2.5),
                 helper.make_node("Constant", [], ["e"], value_int=-7),
                 helper.make_node("Constant", [], ["s"], value_string=b"text")]
        branch = helper.make_graph([], "branch", [], [], [numpy_helper.from_array(np.ones(3), "w")])
        nodes.append(helper.make_node("If", ["q"], ["y"], "if", then_branch=branch,
                                      else_branch=branch))
        path = self.save("constants.onnx", nodes=nodes)
        self.same_arrays(path, {"w": ("f64", np.ones(3)), "if.then_branch/w": ("f64", np.ones(3))})
        self.same_arrays(path + "::constants", {
            "a": ("f32", numpy_helper.to_array(value)),
            "b": ("f32", np.array([1, 2, 3], np.float32)), "c": ("i64", np.array([-1, 5])),
            "d": ("f32", np.float32(2.5)), "e": ("i64", np.int64(-7))})

    def test_strings_and_sparse_tensors_are_shown(self):
        text = helper.make_tensor("text", TensorProto.STRING, [2], [b"a", b"bb"])
        path = self.save("text.onnx", [text])
        got = self.listing(path)["tensors"]
        self.assertEqual([(one["dtype"], one["shape"]) for one in got], [("string", [2])])

    def test_metadata(self):
        model = helper.make_model(helper.make_graph([], "g", [], [], [
            numpy_helper.from_array(np.ones(1), "w")]), producer_name="maker",
            producer_version="2.0", opset_imports=[helper.make_opsetid("", 19),
                                                   helper.make_opsetid("com.x", 1)], ir_version=9)
        onnx.helper.set_model_props(model, {"author": "nobody", "stride": "32"})
        path = self.path("meta.onnx")
        onnx.save(model, path)
        self.assertEqual(self.listing(path)["metadata"],
                         {"ir_version": "9", "producer": "maker 2.0", "opset": "19",
                          "opset.com.x": "1", "author": "nobody", "stride": "32"})


if __name__ == "__main__":
    unittest.main()
