"""tenon -o OUT.npz against NumPy: numpy.load reads names, dtypes, shapes and values."""
import os
import unittest
import zipfile

import numpy
import torch

from oracle import DTYPES, Case, raw, sample

HELD = [name for name in DTYPES if name not in ("bfloat16", "complex32") and "float8" not in name]


class Npz(Case):
    def write(self, state, *options, status=0):
        source, out = self.path("in.pth"), self.path("out.npz")
        torch.save(state, source)
        self.tenon("align", source, "-o", out, "--force", *options, status=status)
        return out

    def test_every_dtype_and_shape(self):
        state = {f"{name}.{len(shape)}": sample(name, shape) for name in HELD
                 for shape in ((), (0,), (5,), (2, 3), (2, 0, 3), (1, 2, 3, 4))}
        with numpy.load(self.write(state)) as got:
            self.assertEqual(got.files, list(state))
            for key, tensor in state.items():
                with self.subTest(key):
                    array = got[key]
                    self.assertEqual(array.dtype, tensor.numpy().dtype)
                    self.assertEqual(array.shape, tuple(tensor.shape))
                    self.assertEqual(array.tobytes(), raw(tensor))
                    self.assertTrue(array.flags.c_contiguous)

    def test_headers_are_numpy_s(self):
        state = {"a": torch.arange(6.).reshape(2, 3), "b": torch.tensor(1), "c": torch.ones(4).bool()}
        out = self.write(state)
        numpy.savez(self.path("own.npz"), **{k: v.numpy() for k, v in state.items()})
        with zipfile.ZipFile(out) as ours, zipfile.ZipFile(self.path("own.npz")) as theirs:
            self.assertIsNone(ours.testzip())
            self.assertEqual(ours.namelist(), theirs.namelist())
            for name in theirs.namelist():
                self.assertEqual(ours.read(name), theirs.read(name), name)
            for info in ours.infolist():
                self.assertEqual(info.compress_type, zipfile.ZIP_STORED)

    def test_names_and_views(self):
        base = torch.arange(24.).reshape(4, 6)
        state = {"a/b.c": base.t(), "ü": base[1:3, ::2], "": base[0], "x.npy": base[:, 1],
                 "tied": base, "tied2": base}
        with numpy.load(self.write(state)) as got:
            for key, tensor in state.items():
                self.assertTrue((got[key] == tensor.numpy()).all(), key)

    def test_computed_values(self):
        out = self.write({"w": torch.arange(6.).reshape(2, 3)}, "-e",
                         'rules [[ w -> v |> t, cast("f16") ]]')
        with numpy.load(out) as got:
            self.assertEqual(got["v"].dtype, numpy.float16)
            self.assertEqual(got["v"].tolist(), [[0., 3.], [1., 4.], [2., 5.]])

    def test_what_numpy_lacks_is_refused(self):
        for dtype in (torch.bfloat16, torch.float8_e4m3fn):
            self.write({"w": torch.ones(2).to(dtype)}, status=2)
            self.assertFalse(os.path.exists(self.path("out.npz")))
            out = self.write({"w": torch.ones(2).to(dtype)}, "-e", 'rules [[ w -> w |> cast("f32") ]]')
            with numpy.load(out) as got:
                self.assertEqual(got["w"].tolist(), [1., 1.])
            os.remove(out)

    def test_no_tensors(self):
        out = self.write({"w": torch.ones(1)}, "-e", "rules [[ w -> ]]")
        with numpy.load(out) as got:
            self.assertEqual(got.files, [])


if __name__ == "__main__":
    unittest.main()
