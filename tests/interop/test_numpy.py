"""NumPy 2 writes arrays into pickles, .npy and .npz files; tenon reads equal values. (NumPy 1's
files are fixtures: tests/data/numpy.)"""
import collections
import json
import os
import pickle
import subprocess
import unittest
import zlib

import ml_dtypes
import numpy as np
import torch

from oracle import TENON, Case

NAMES = {"f8": "f64", "f4": "f32", "f2": "f16", "i8": "i64", "i4": "i32", "i2": "i16", "i1": "i8",
         "u8": "u64", "u4": "u32", "u2": "u16", "u1": "u8", "b1": "bool", "c16": "c128", "c8": "c64"}


def array(kind, shape, seed=0):
    random = np.random.default_rng(seed)
    numbers = random.integers(0, 2 if kind[-2:] == "b1" else 100, shape)
    if "c" in kind:
        numbers = numbers + 1j * random.integers(0, 100, shape)
    return np.asarray(numbers).astype(kind)


def zoo():
    out = {}
    for kind in NAMES:
        for shape in ((), (5,), (3, 4), (0, 2)):
            out[f"{kind} {len(shape)} {np.prod(shape)}"] = array(kind, shape, len(shape))
    for kind in (">f8", ">f4", ">i2", ">u8", ">c8"):
        out[kind] = array(kind, (3, 4))
    plain = array("f4", (2, 3, 4))
    out["fortran"] = np.asfortranarray(plain)
    for axes in ((0, 2, 1), (1, 0, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)):
        out[f"axes {axes}"] = plain.transpose(axes)
    out["sliced"] = plain[:, ::2, 1:3]
    out["reversed"] = plain[::-1]
    out["broadcast"] = np.broadcast_to(array("f4", (3,)), (2, 3))
    out["long"] = array("u1", (300, 100))
    out["long text"] = np.arange(40000, dtype="i2").reshape(200, 200)
    out["read only"] = array("i4", (4,))
    out["read only"].flags.writeable = False
    out["bfloat16"] = array("f4", (3, 4)).astype(ml_dtypes.bfloat16)
    out["float8"] = array("f4", (3, 4)).astype(ml_dtypes.float8_e4m3fn)
    return out


def expected(one):
    special = {"bfloat16": "bf16", "float8_e4m3fn": "f8_e4m3", "float8_e5m2": "f8_e5m2"}
    name = special.get(one.dtype.name) or NAMES[one.dtype.str[1:]]
    little = one if one.dtype.kind == "V" else one.astype(one.dtype.newbyteorder("<"))
    return name, list(one.shape), f"{zlib.crc32(np.ascontiguousarray(little).tobytes()):08x}"


class Numpy(Case):
    def check(self, path, arrays, inside=None):
        spec = path if inside is None else f"{path}::{inside}"
        got = {t["key"]: (t["dtype"], t["shape"], t["stats"]["crc32"]) for t in self.listing(spec)["tensors"]}
        self.assertEqual(got, {name: expected(one) for name, one in arrays.items()})

    def refused(self, path, words):
        done = subprocess.run([TENON, "ls", path], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn(words, done.stderr)

    def test_every_protocol(self):
        arrays = zoo()
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            path = self.path(f"p{protocol}.pkl")
            with open(path, "wb") as out:
                pickle.dump({"epoch": np.int64(3), "model": arrays}, out, protocol)
            self.check(path, arrays, "model")

    def test_inside_torch_files(self):
        arrays = zoo()
        for zipped in (True, False):
            for protocol in (2, 4, 5):
                path = self.path(f"{zipped}{protocol}.pth")
                torch.save({"arrays": arrays, "weights": {"w": torch.ones(2)}, "best": np.float64(0.25)},
                           path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
                self.check(path, arrays, "arrays")
                self.assertEqual(self.listing(path + "::weights")["tensors"][0]["shape"], [2])

    def test_list_of_arrays(self):
        path = self.path("list.pth")
        torch.save([array("f4", (2,)), array("i2", (3, 1))], path)
        self.check(path, {"[0]": array("f4", (2,)), "[1]": array("i2", (3, 1))}, "")

    def test_npy_of_every_kind(self):
        for name, one in zoo().items():
            if name == "float8":
                continue
            path = self.path("one.npy")
            np.save(path, one)
            self.check(path, {"": one})
        np.save(self.path("v1.npy"), zoo()["float8"])
        self.refused(self.path("v1.npy"), "'<V1'")

    def test_npy_versions(self):
        for version in ((1, 0), (2, 0), (3, 0)):
            path = self.path("one.npy")
            with open(path, "wb") as out:
                np.lib.format.write_array(out, array("f4", (3, 4)), version)
            self.check(path, {"": array("f4", (3, 4))})

    def test_npz(self):
        arrays = {name: one for name, one in zoo().items() if name != "float8"}
        arrays["encoder/layer.0/w"] = array("f4", (2, 2))
        for save in (np.savez, np.savez_compressed):
            path = self.path("all.npz")
            save(path, **arrays)
            self.check(path, arrays)

    def test_object_arrays(self):
        inner = collections.OrderedDict(w=array("f4", (3, 4)), b=array(">i4", (4,)))
        path = self.path("dict.npy")
        np.save(path, inner)
        self.check(path, inner)
        np.savez(self.path("dict.npz"), plain=array("u1", (3,)), params=inner)
        self.check(self.path("dict.npz"), inner, "params")
        self.check(self.path("dict.npz"), {"plain": array("u1", (3,))}, "")

    def test_what_holds_no_numbers_is_refused_by_name(self):
        np.save(self.path("s.npy"), np.array(["a", "b"]))
        self.refused(self.path("s.npy"), "'<U1'")
        np.save(self.path("r.npy"), np.zeros(2, [("age", "i4"), ("weight", "f4")]))
        self.refused(self.path("r.npy"), "records ([('age', '<i4'), ('weight', '<f4')])")
        np.save(self.path("d.npy"), np.array(["2020-01-01"], dtype="M8[D]"))
        self.refused(self.path("d.npy"), "'<M8[D]'")

    def test_plain_pickle_of_tensors(self):
        state = {"w": torch.randn(3, 4), "h": torch.ones(5, dtype=torch.bfloat16), "t": torch.randn(3, 4).t()}
        for protocol in range(6):
            path = self.path(f"t{protocol}.pkl")
            with open(path, "wb") as out:
                pickle.dump(state, out, protocol)
            self.same(self.listing(path), state)

    def test_out_of_band_buffers_are_refused(self):
        buffers = []
        with open(self.path("oob.pkl"), "wb") as out:
            pickle.dump({"w": array("f4", (3, 4))}, out, 5, buffer_callback=buffers.append)
        self.refused(self.path("oob.pkl"), "buffer outside of the file")

    def test_values_of_a_pickle_stay_in_the_file(self):
        """Three gigabytes in one array, a hole in the file, with 400 MB of memory allowed."""
        size = 3 << 30
        whole = pickle.dumps({"w": array("u1", (7,)), "after": array("f4", (2,))}, 5)
        short = b"\x96" + (7).to_bytes(8, "little")
        at = whole.index(short)
        path = self.path("hole.pkl")
        with open(path, "wb") as out:
            out.write(b"\x80\x05" + whole[11:at] + b"\x96" + size.to_bytes(8, "little"))
            out.truncate(out.tell() + size)
            out.seek(0, os.SEEK_END)
            out.write(whole[at + len(short) + 7:].replace(b"K\x07\x85", b"\x8a\x05" + size.to_bytes(5, "little") + b"\x85", 1))
        done = subprocess.run(["bash", "-c", f"ulimit -v 400000; '{TENON}' ls --json '{path}'"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([t["shape"] for t in json.loads(done.stdout)["tensors"]], [[size], [2]])
        os.remove(path)

    def test_several_in_a_row(self):
        path = self.path("row.pkl")
        with open(path, "wb") as out:
            for protocol in (2, 5, 3):
                pickle.dump({"w": array("f4", (protocol,))}, out, protocol)
        for index, protocol in enumerate((2, 5, 3)):
            self.check(path, {"w": array("f4", (protocol,))}, f"[{index}]")

    def test_values_of_a_gigabyte_are_not_read_to_list_them(self):
        path = self.path("sparse.npy")
        with open(path, "wb") as out:
            np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": (1 << 30,)})
            out.truncate(out.tell() + (1 << 32))
        self.assertIn('"bytes":4294967296', self.tenon("ls", "--json", path).replace(" ", ""))
        os.remove(path)


if __name__ == "__main__":
    unittest.main()
