"""gguf-py writes; tenon reads the same names, types, shapes, keys and numbers, bit for bit in f32."""
import os
import re
import subprocess
import unittest

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import load_file

from oracle import TENON, Case

PLAIN = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I8": np.int8, "I16": np.int16,
         "I32": np.int32, "I64": np.int64}
NO_NUMBERS = {"Q8_1", "Q8_K", "Q1_0"}     # the package cannot dequantize them
CAST = 'rules [[ ** -> ** |> cast("f32") ]]'


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def same_bits(a, b):
    """Equal bits, or NaN on both sides: payloads of NaN are nobody's business."""
    return a.shape == b.shape and bool(
        ((a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))).all())


class Quantized(Case):
    def convert(self, path, code=CAST):
        out = self.path("out.safetensors")
        self.tenon("align", path, "-e", code, "-o", out, "--force")
        return load_file(out)

    def write(self, tensors, name="x.gguf", **options):
        """{name: (array or blocks, type or None)}"""
        writer = gguf.GGUFWriter(self.path(name), "llama", **options)
        for key, (array, kind) in tensors.items():
            writer.add_tensor(key, array, raw_dtype=kind)
        finish(writer)
        return self.path(name)

    def test_plain_types(self):
        rng = np.random.default_rng(1)
        arrays = {f"{name}.{len(shape)}d": (rng.standard_normal(shape) * 99).astype(kind)
                  for name, kind in PLAIN.items() for shape in ((7,), (3, 5), (2, 3, 4), (2, 3, 4, 5))}
        path = self.write({key: (array, None) for key, array in arrays.items()})
        listing = self.listing(path)
        self.assertEqual({one["key"]: (one["dtype"], one["shape"]) for one in listing["tensors"]},
                         {key: (key.split(".")[0].lower(), list(array.shape))
                          for key, array in arrays.items()})
        for key, array in self.convert(path, "").items():
            self.assertEqual(array.tobytes(), arrays[key].tobytes(), key)

    def test_every_type_with_any_bytes(self):
        np.seterr(all="ignore")
        rng = np.random.default_rng(2)
        tensors, expected = {}, {}
        for kind in Type:
            if kind.name in PLAIN or kind.name in NO_NUMBERS:
                continue
            elements, size = gguf.GGML_QUANT_SIZES[kind]
            raw = rng.integers(0, 256, (3, 50, 4 * size), dtype=np.uint8)
            tensors[kind.name.lower()] = (raw, kind)
            expected[kind.name.lower()] = gguf.quants.dequantize(raw, kind)
        path = self.write(tensors)
        listing = {one["key"]: one for one in self.listing(path)["tensors"]}
        found = self.convert(path)
        self.assertEqual(set(found), set(expected))
        for key, numbers in expected.items():
            self.assertEqual(listing[key]["dtype"], key)
            self.assertEqual(listing[key]["shape"], list(numbers.shape))
            self.assertTrue(same_bits(found[key], numbers), key)

    def test_what_the_package_quantizes(self):
        values = np.random.default_rng(3).standard_normal((16, 512)).astype(np.float32)
        tensors, expected = {}, {}
        for kind in Type:
            try:
                raw = gguf.quants.quantize(values, kind)
            except NotImplementedError:
                continue
            tensors[kind.name] = (raw, kind if kind.name not in PLAIN else None)
            expected[kind.name] = gguf.quants.dequantize(raw, kind)
        self.assertGreaterEqual(len(tensors), 9)
        found = self.convert(self.write(tensors))
        for key, numbers in expected.items():
            self.assertTrue(same_bits(found[key], numbers), key)

    def test_moves_and_a_narrower_type(self):
        values = np.random.default_rng(4).standard_normal((64, 96)).astype(np.float32)
        raw = gguf.quants.quantize(values, Type.Q5_1)
        numbers = gguf.quants.dequantize(raw, Type.Q5_1)
        path = self.write({"w": (raw, Type.Q5_1), "v": (raw, Type.Q5_1)})
        code = 'rules [[ w, v -> x |> T, slice(0,5,77), cat(1), cast("f16") ]]'
        found = self.convert(path, code)["x"]
        turned = numbers.T[5:77]
        self.assertTrue((found == np.concatenate([turned, turned], 1).astype(np.float16)).all())

    def test_statistics_are_those_of_the_numbers(self):
        values = np.random.default_rng(5).standard_normal((300, 4096)).astype(np.float32)
        raw = gguf.quants.quantize(values, Type.Q8_0)
        numbers = gguf.quants.dequantize(raw, Type.Q8_0).astype(np.float64)
        stats = self.listing(self.write({"w": (raw, Type.Q8_0)}))["tensors"][0]["stats"]
        for name, value in (("min", numbers.min()), ("max", numbers.max()),
                            ("mean", numbers.mean()), ("std", numbers.std())):
            self.assertAlmostEqual(stats[name], value, places=9)
        self.assertEqual(stats["zeros"], int((numbers == 0).sum()))

    def test_a_float_target_takes_quantized_sources(self):
        values = np.random.default_rng(6).standard_normal((8, 64)).astype(np.float32)
        raw = gguf.quants.quantize(values, Type.Q4_0)
        path = self.write({"w": (raw, Type.Q4_0)})
        schema, out = self.path("net.json"), self.path("net.safetensors")
        with open(schema, "w", encoding="ascii") as file:
            file.write('{"tensors":[{"key":"w","dtype":"f32","shape":[8,64]}]}')
        self.tenon("align", path, schema, "-o", out)
        self.assertTrue(same_bits(load_file(out)["w"], gguf.quants.dequantize(raw, Type.Q4_0)))

    def test_a_writer_that_holds_no_blocks_says_what_to_do(self):
        raw = gguf.quants.quantize(np.ones((2, 32), np.float32), Type.Q4_0)
        path = self.write({"w": (raw, Type.Q4_0), "norm": (np.ones(32, np.float32), Type.F32)})
        for suffix in ("safetensors", "pth"):
            command = [TENON, "align", path, "-o", self.path("out." + suffix)]
            got = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(got.returncode, 2)
            told = re.search("all that are quantized: -e '([^']*)'", got.stderr)
            self.assertTrue(told, got.stderr)
            subprocess.run(command + ["-e", told.group(1)], capture_output=True, check=True)
            dtypes = {tensor["key"]: tensor["dtype"]
                      for tensor in self.listing(command[-1])["tensors"]}
            self.assertEqual(dtypes, {"w": "f16", "norm": "f32"})

    def test_keys(self):
        path = self.path("keys.gguf")
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_name("häß")
        writer.add_custom_alignment(64)
        writer.add_float32("eps", 1e-6)
        writer.add_token_list([f"token {i}" for i in range(32000)])
        writer.add_array("dims", [1, -2, 3])
        writer.add_bool("yes", True)
        writer.add_uint64("huge", 2**64 - 1)
        writer.add_float64("wide", 0.1)
        writer.add_array("words", ["a", "b"])
        writer.add_tensor("w", np.arange(6, dtype=np.float32).reshape(2, 3))
        finish(writer)
        listing = self.listing(path)
        for key, value in (("general.name", "häß"), ("general.alignment", 64), ("eps", 1e-06),
                           ("tokenizer.ggml.tokens", "[32000 strings]"), ("dims", [1, -2, 3]),
                           ("yes", True), ("huge", 2**64 - 1), ("wide", 0.1), ("words", ["a", "b"])):
            self.assertEqual(listing["metadata"][key], value)
            self.assertIs(type(listing["metadata"][key]), type(value))
        self.assertEqual(listing["tensors"][0]["stats"]["max"], 5)

    def test_big_endian(self):
        arrays = {name: (np.arange(12).reshape(3, 4) - 5).astype(kind) for name, kind in PLAIN.items()}
        path = self.write({key: (array.copy(), None) for key, array in arrays.items()},
                          endianess=gguf.GGUFEndian.BIG)
        for key, array in self.convert(path, "").items():
            self.assertEqual(array.tobytes(), arrays[key].tobytes(), key)

    def test_a_model_in_parts(self):
        arrays = {f"blk.{i}.w": np.full((2, 4), i, np.float32) for i in range(7)}
        self.write({key: (array, None) for key, array in arrays.items()}, "m.gguf",
                   split_max_tensors=3)
        for name in ("m-00001-of-00003.gguf", "m-00003-of-00003.gguf", ""):
            found = self.convert(self.path(name), "")
            self.assertEqual(set(found), set(arrays))
            for key, array in arrays.items():
                self.assertEqual(found[key].tobytes(), array.tobytes())
            os.remove(self.path("out.safetensors"))


if __name__ == "__main__":
    unittest.main()
