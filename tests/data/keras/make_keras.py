#!/usr/bin/env python3
"""Writes the HDF5 files of this folder: with Keras 3 what Keras 3 writes, with h5py what older
versions did (keras/engine/saving.py of Keras 2), and what HDF5 can do besides."""
import os

os.environ["KERAS_BACKEND"] = "torch"
import h5py
import keras
import numpy as np
from keras import layers

HERE = os.path.dirname(os.path.abspath(__file__))


def path(name):
    return os.path.join(HERE, name)


def counted(model):
    """Values that count upwards, so that a test can know them."""
    for i, variable in enumerate(model.variables):
        if str(variable.dtype).startswith("float"):
            variable.assign(np.arange(np.prod(variable.shape), dtype="f4").reshape(variable.shape) + i)


def keras3():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 3, name="stem")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2DTranspose(2, 2, name="up")(x)
    x = layers.DepthwiseConv2D(2, use_bias=False)(x)
    x = layers.Flatten()(x)
    x = keras.Sequential([keras.Input((8,)), layers.Dense(2)], name="head")(x)
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse")
    counted(model)
    model.save(path("model.keras"))
    model.save_weights(path("model.weights.h5"))
    model.save(path("model.h5"))


def layer(group, name, weights, **how):
    one = group.create_group(name)
    one.attrs["weight_names"] = [key.encode() for key in weights]
    for key, value in weights.items():
        one.create_dataset(key, data=value, **how)


def legacy():
    """Keras 2 on TensorFlow: fixed strings, names in two pieces, one layer compressed."""
    with h5py.File(path("legacy.h5"), "w") as file:
        file.attrs["keras_version"] = b"2.2.4"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["layer_names0"] = [b"input_1", b"conv1"]
        file.attrs["layer_names1"] = [b"dense_1", b"nested"]
        layer(file, "input_1", {})
        layer(file, "conv1", {"conv1/kernel:0": np.arange(24, dtype="f4").reshape(2, 2, 2, 3),
                              "conv1/bias:0": np.arange(3, dtype="f4")})
        layer(file, "dense_1", {"dense_1/kernel:0": np.arange(2000, dtype="f4").reshape(40, 50) % 7},
              compression="gzip", shuffle=True, chunks=(7, 50))
        layer(file, "nested", {"inner_bn/gamma:0": np.ones(2, "f4"), "inner_conv/kernel:0":
                               np.arange(6, dtype=">f4").reshape(1, 2, 3)})
        file.create_dataset("conv1/left_over", data=np.ones(1, "f4"))


def attributes():
    """What HDF5 can say beside the weights."""
    with h5py.File(path("attributes.h5"), "w") as file:
        file.create_dataset("w", data=np.arange(3, dtype="f4"))
        file.attrs["epoch"] = 12
        file.attrs["small"] = np.int8(-3)
        file.attrs["huge"] = np.uint64(2**64 - 1)
        file.attrs["rate"] = 0.1
        file.attrs["epsilon"] = np.float32(1e-5)
        file.attrs["swapped"] = np.array(258, dtype=">i4")
        file.attrs["trained"] = np.bool_(True)
        file.attrs["sizes"] = np.array([8, 16, 32])
        file.attrs["flags"] = np.array([True, False])
        file.attrs["words"] = ["a", "b"]
        file.attrs["many"] = np.arange(100)
        file.attrs["empty"] = np.array([], dtype="f8")


def theano():
    """Keras 1 on Theano: kernels OIHW, weights without a system in their names."""
    with h5py.File(path("theano.h5"), "w") as file:
        file.attrs["layer_names"] = [b"convolution2d_1"]
        file.attrs["backend"] = "theano"
        layer(file, "convolution2d_1", {"convolution2d_1_W": np.arange(54, dtype="f4").reshape(3, 2, 3, 3),
                                        "convolution2d_1_b": np.zeros(3, "f4")})


def others():
    """No Keras: behind a block of 512 bytes, every kind of type and layout."""
    with h5py.File(path("others.h5"), "w", userblock_size=512, libver=("earliest", "v110")) as file:
        file["plain"] = np.arange(6, dtype="f8").reshape(2, 3)
        file["big"] = np.arange(4, dtype=">i2")
        file["flags"] = np.array([True, False])
        file["wave"] = np.array([1 + 2j, 3 - 4j], "c8")
        file["scalar"] = np.float16(2.5)
        file["text"] = "no numbers"
        file["point"] = np.zeros(2, [("x", "f4"), ("n", "i4")])
        file["none"] = h5py.Empty("f4")
        file["group/deep/packed"] = np.arange(5, dtype="u8")
        file.create_dataset("group/zipped", data=np.zeros((30, 40), "f4"), compression="gzip", chunks=(8, 40))
        file.create_dataset("group/never", shape=(3,), dtype="f4", chunks=(3,), fillvalue=4)
        file.create_dataset("group/outside", shape=(2,), dtype="f4", external=[("/etc/passwd", 0, 8)])
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        one = h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((3,)), compact)
        one.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([7, 8, 9], "i4"))
        layout = h5py.VirtualLayout(shape=(2, 3), dtype="f8")
        layout[:] = h5py.VirtualSource("/etc/passwd", "plain", shape=(2, 3))
        file.create_virtual_dataset("group/view", layout)
        file["loop"] = file["group"]
        file["group/self"] = file["/"]
        file["soft"] = h5py.SoftLink("/plain")
        file["far"] = h5py.ExternalLink("/etc/passwd", "/x")


if __name__ == "__main__":
    keras3()
    legacy()
    attributes()
    theano()
    others()
