#!/usr/bin/env python3
"""Writes the MessagePack files of this folder with flax.serialization (flax 0.12)."""
import os

import jax
import ml_dtypes
import numpy as np
from flax import linen, serialization

HERE = os.path.dirname(os.path.abspath(__file__))


class Net(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.Conv(2, (3, 3))(x)
        x = linen.BatchNorm(use_running_average=False)(x)
        x = linen.Dense(3)(x.reshape((x.shape[0], -1)))
        x = x + linen.Embed(4, 3)(jax.numpy.array([1]))
        return linen.MultiHeadDotProductAttention(num_heads=1)(x[:, None], x[:, None])


def counted(tree):
    """The same tree with values that count upwards, so that a test can know them."""
    leaves, shape = jax.tree_util.tree_flatten(tree)
    return shape.unflatten([np.arange(leaf.size, dtype=leaf.dtype).reshape(leaf.shape) + i
                            for i, leaf in enumerate(leaves)])


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(data)


variables = Net().init(jax.random.PRNGKey(0), jax.numpy.ones((1, 2, 2, 3)))
variables = serialization.to_state_dict(counted(variables))
write("model.msgpack", serialization.to_bytes(variables))
write("state.msgpack", serialization.msgpack_serialize({
    "step": 7,
    "params": {"layer": {"kernel": np.arange(6, dtype="f4").reshape(2, 3), "bias": np.ones(3, ml_dtypes.bfloat16)},
               "odd.key": {"w": np.arange(2, dtype="i8")}},
    "opt_state": {"0": {"count": np.int32(3), "mu": {"layer": {"kernel": np.zeros((2, 3), "f4")}}}},
    "extra": {"none": None, "true": True, "text": "x" * 40, "bytes": b"\0" * 300, "float": 1.5,
              "negative": -70000, "complex": 1 + 2j, "list": [1, {"deep": np.zeros(2, "?")}],
              "small": np.ones(4, ml_dtypes.int4)}}))
serialization.MAX_CHUNK_SIZE = 40
write("chunks.msgpack", serialization.msgpack_serialize({
    "params": {"big": np.arange(30, dtype="f4").reshape(2, 5, 3), "small": np.arange(3, dtype="f4")}}))
