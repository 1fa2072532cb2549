"""Writes the fixtures of this folder with TensorFlow itself (2.x with Keras 3, CPU).

    python tests/data/tensorflow/make_tf.py        (from the repository's root)

Beside each one stands NAME.npz with the values that TensorFlow has for its variables, under the keys
of the checkpoint. Weights are random but seeded; other bytes (the graph's order) may differ from run
to run.
"""
import os
import shutil

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))


def folder(name):
    path = os.path.join(HERE, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def keep(prefix, out):
    """What TensorFlow's own reader says of a checkpoint; text is left out."""
    reader = tf.train.load_checkpoint(prefix)
    arrays = {}
    for key, dtype in reader.get_variable_to_dtype_map().items():
        if dtype in (tf.string, tf.bfloat16):
            continue
        arrays[key] = reader.get_tensor(key)
    np.savez_compressed(os.path.join(HERE, out + ".npz"), **arrays)


def model():
    tf.keras.utils.set_random_seed(7)
    return tf.keras.Sequential([
        tf.keras.layers.Input((8, 8, 3)),
        tf.keras.layers.Conv2D(4, 3, name="conv2d"),
        tf.keras.layers.BatchNormalization(name="bn"),
        tf.keras.layers.DepthwiseConv2D(3, name="depthwise_conv2d"),
        tf.keras.layers.Conv2DTranspose(2, 2, name="conv2d_transpose"),
        tf.keras.layers.GlobalAveragePooling2D(),
        tf.keras.layers.Dense(3, name="dense"),
    ])


def trained():
    """tf.train.Checkpoint of a Keras model and its optimizer, after a step."""
    path = folder("trained")
    net, optimizer = model(), tf.keras.optimizers.Adam(0.01)
    x, y = tf.ones((2, 8, 8, 3)), tf.zeros((2, 3))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((net(x, training=True) - y) ** 2)
    optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
    prefix = tf.train.Checkpoint(model=net, optimizer=optimizer).save(os.path.join(path, "ckpt"))
    keep(prefix, "trained")


def module():
    """A SavedModel of plain variables, with names of their own."""
    class Net(tf.Module):
        def __init__(self):
            super().__init__(name="net")
            rng = np.random.default_rng(1)
            self.kernel = tf.Variable(rng.standard_normal((3, 2)).astype("f4"), name="fc/kernel")
            self.layers = [tf.Variable(rng.standard_normal(2).astype("f4"), name="fc/bias")]

        @tf.function(input_signature=[tf.TensorSpec((None, 3))])
        def __call__(self, x):
            return x @ self.kernel + self.layers[0]
    path = folder("saved_model")
    tf.saved_model.save(Net(), path)
    keep(os.path.join(path, "variables", "variables"), "saved_model")


def graph():
    """What a Saver of TensorFlow 1 writes: variables in pieces, slots, averages; version 1 too."""
    v1 = tf.compat.v1
    path = folder("saver")
    with tf.Graph().as_default():
        v1.set_random_seed(5)
        with v1.variable_scope("net/conv1"):
            weights = v1.get_variable("weights", (3, 3, 2, 4))
        with v1.variable_scope("net/fc", partitioner=v1.fixed_size_partitioner(3, axis=0)):
            rows = v1.get_variable("rows", (70, 2))
        with v1.variable_scope("net/fc", partitioner=v1.fixed_size_partitioner(2, axis=1)):
            columns = v1.get_variable("columns", (3, 5))
        step = v1.train.get_or_create_global_step()
        loss = tf.reduce_sum(weights ** 2) + tf.reduce_sum(tf.convert_to_tensor(rows) ** 2)
        loss += tf.reduce_sum(tf.convert_to_tensor(columns) ** 2)
        train = v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss, global_step=step)
        average = v1.train.ExponentialMovingAverage(0.5).apply([weights])
        saver = v1.train.Saver(save_relative_paths=True)
        old = v1.train.Saver([weights], write_version=v1.train.SaverDef.V1)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(train)
            session.run(average)
            prefix = saver.save(session, os.path.join(path, "model.ckpt"), global_step=step,
                                write_meta_graph=False)
            old.save(session, os.path.join(HERE, "version1.ckpt"), write_meta_graph=False,
                     write_state=False)
    keep(prefix, "saver")


def typed():
    """Every type that can be saved, in two shards."""
    rng = np.random.default_rng(2)
    tensors = {}
    for name in ("float32 float64 int32 uint8 int16 int8 complex64 int64 bool bfloat16 uint16 "
                 "complex128 float16 uint32 uint64 float8_e5m2 float8_e4m3fn").split():
        values = tf.constant(rng.integers(0, 2 if name == "bool" else 9, (2, 3)), tf.int64)
        wide = tf.cast(values, tf.float32) if name.startswith("float8") else values
        tensors[name] = tf.cast(wide, tf.dtypes.as_dtype(name))
    for name in ("int4", "uint4"):
        tensors[name] = tf.cast(tf.constant([1, 2, 3], tf.int8 if name == "int4" else tf.uint8),
                                tf.dtypes.as_dtype(name))
    tensors["string"] = tf.constant(["a", "bb"])
    tensors["empty"] = tf.zeros((0, 3))
    tensors["scalar"] = tf.constant(2.5)
    names = list(tensors)
    prefix, halves = os.path.join(folder("typed"), "typed"), []
    for i, part in enumerate((names[::2], names[1::2])):
        halves.append(f"{prefix}_temp/part-{i}")
        tf.raw_ops.SaveV2(prefix=halves[-1], tensor_names=part, shape_and_slices=[""] * len(part),
                          tensors=[tensors[name] for name in part])
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=halves, destination_prefix=prefix)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()
              if tensor.dtype.as_numpy_dtype in (np.float32, np.float64, np.float16)
              or tensor.dtype.is_integer and tensor.dtype.size and name not in ("int4", "uint4")
              or tensor.dtype.is_complex or tensor.dtype.is_bool}
    np.savez_compressed(os.path.join(HERE, "typed.npz"), **arrays)


if __name__ == "__main__":
    trained()
    module()
    graph()
    typed()
