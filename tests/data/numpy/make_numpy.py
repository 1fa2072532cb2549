#!/usr/bin/env python3
"""Small files of NumPy for the suite: run once with NumPy 1 (1.26.4, Python 3.11) and once with
NumPy 2; files are named after the version. Every array counts: element i of it, in the order of
its indices, is i (booleans: i odd; complex: i - i·1j), so that tests need no table of values."""
import os
import pickle
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
MAJOR = np.__version__.split(".")[0]
DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1", "c16", "c8"]


def count(dtype, *shape):
    numbers = np.arange(int(np.prod(shape)))
    if np.dtype(dtype).kind == "b":
        numbers = numbers % 2
    if np.dtype(dtype).kind == "c":
        numbers = numbers * (1 - 1j)
    return numbers.astype(dtype).reshape(shape)


def arrays():
    out = {name: count(name, 2, 3) for name in DTYPES}
    out["big f4"] = count(">f4", 2, 3)
    out["big c16"] = count(">c16", 2, 3)
    out["fortran"] = np.asfortranarray(count("f4", 2, 3, 4))
    out["permuted"] = np.ascontiguousarray(count("f4", 2, 3, 4).transpose(1, 0, 2)).transpose(1, 0, 2)
    out["strided"] = count("i4", 4, 6)[::2, ::3]
    out["scalar"] = count("f4")
    out["empty"] = count("f4", 0, 3)
    return out


def path(name):
    return os.path.join(HERE, f"numpy{MAJOR}-{name}")


def main():
    tree = {"model": arrays(), "epoch": np.int64(7), "loss": np.float32(0.5), "done": np.bool_(True),
            "objects": np.array([{"w": count("f4", 2)}, None], dtype=object),
            "names": np.array(["a", "b"]), "when": np.datetime64("2020-01-01")}
    for protocol in range(6):
        with open(path(f"protocol{protocol}.pkl"), "wb") as out:
            pickle.dump(tree, out, protocol)
    if MAJOR == "1":
        return
    import ml_dtypes
    for name, array in arrays().items():
        if name in ("f4", "big c16", "fortran", "scalar", "empty", "b1"):
            np.save(path(name.replace(" ", "-") + ".npy"), array)
    for version in ((2, 0), (3, 0)):
        with open(path(f"version{version[0]}.npy"), "wb") as out:
            np.lib.format.write_array(out, count("i2", 2, 3), version)
    np.save(path("bfloat16.npy"), count("f4", 2, 3).astype(ml_dtypes.bfloat16))
    np.save(path("float8.npy"), count("f4", 2, 3).astype(ml_dtypes.float8_e5m2))
    np.save(path("records.npy"), np.zeros(2, [("weight", "f4"), ("age", "i4")]))
    np.save(path("dict.npy"), np.array({"conv1": {"w": count("f4", 2, 3)}, "fc": {"w": count("f8", 3)}},
                                       dtype=object))
    np.save(path("objects.npy"), np.array([count("f4", 2), count("i2", 3)], dtype=object))
    members = {"enc/w": count("f4", 2, 3), "b": count("i8", 3),
               "extra": np.array({"deep": count("f4", 2)}, dtype=object)}
    np.savez(path("stored.npz"), **members)
    np.savez_compressed(path("deflated.npz"), **members)
    np.savez(path("labels.npz"), w=count("f4", 2, 3), names=np.array(["cat", "dog"]),
             ages=np.zeros(2, [("weight", "f4"), ("age", "i4")]))
    with open(path("several.pkl"), "wb") as out:
        pickle.dump({"w": count("f4", 2, 3)}, out)
        pickle.dump([count("i4", 3), "text"], out, 2)
    with open(path("long.pkl"), "wb") as out:       # longer than what is kept in memory
        pickle.dump({"w": count("u1", 190, 90)}, out, 2)
    with open(path("ml.pkl"), "wb") as out:
        pickle.dump({"w": count("f4", 2, 3).astype(ml_dtypes.bfloat16)}, out)
    with open(path("detectron2.pkl"), "wb") as out:
        pickle.dump({"model": {"backbone.w": count("f4", 2, 3)}, "__author__": "nobody",
                     "matching_heuristics": True}, out)
    with open(path("paddle.pdparams"), "wb") as out:
        pickle.dump({"fc.weight": count("f4", 2, 3), "emb.weight": count("f4", 2, 3),
                     "StructuredToParameterName@@": {"fc.weight": "linear_0.w_0",
                                                     "emb.weight": "embedding_0.w_0"}}, out, 2)


if __name__ == "__main__":
    sys.exit(main())
