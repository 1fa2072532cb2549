"""Writes the fixtures of this folder with Google's protobuf library and the part of caffe.proto
(BVLC/caffe) that holds weights.

    python tests/data/caffe/make_caffe.py        (from the repository's root)

Deterministic. Needs the packages protobuf and numpy; caffe_messages() is used by the interop tests
too.
"""
import os

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = {"string": 9, "int32": 5, "int64": 3, "float": 2, "double": 1, "enum": 5}
# message: (field, number, kind, repeated, packed)
MESSAGES = {
    "BlobShape": [("dim", 1, "int64", True, True)],
    "BlobProto": [("shape", 7, "BlobShape", False, False), ("data", 5, "float", True, True),
                  ("diff", 6, "float", True, True), ("double_data", 8, "double", True, True),
                  ("num", 1, "int32", False, False), ("channels", 2, "int32", False, False),
                  ("height", 3, "int32", False, False), ("width", 4, "int32", False, False)],
    "LayerParameter": [("name", 1, "string", False, False), ("type", 2, "string", False, False),
                       ("bottom", 3, "string", True, False), ("top", 4, "string", True, False),
                       ("blobs", 7, "BlobProto", True, False)],
    "V0LayerParameter": [("name", 1, "string", False, False), ("type", 2, "string", False, False),
                         ("blobs", 50, "BlobProto", True, False)],
    "V1LayerParameter": [("layer", 1, "V0LayerParameter", False, False),
                         ("bottom", 2, "string", True, False), ("top", 3, "string", True, False),
                         ("name", 4, "string", False, False), ("type", 5, "enum", False, False),
                         ("blobs", 6, "BlobProto", True, False)],
    "NetParameter": [("name", 1, "string", False, False),
                     ("layers", 2, "V1LayerParameter", True, False),
                     ("layer", 100, "LayerParameter", True, False)],
    "SolverState": [("iter", 1, "int32", False, False),
                    ("learned_net", 2, "string", False, False),
                    ("history", 3, "BlobProto", True, False),
                    ("current_step", 4, "int32", False, False)],
}


def make_classes(package, messages, syntax="proto2"):
    """{name: class} of message classes; kinds that are no scalar are messages of the package."""
    file = descriptor_pb2.FileDescriptorProto(name=package + ".proto", package=package,
                                              syntax=syntax)
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated, packed in fields:
            one = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if kind in KINDS:
                one.type = KINDS[kind]
            else:
                one.type, one.type_name = 11, f".{package}.{kind}"
            if repeated and kind in KINDS and kind != "string":
                one.options.packed = packed
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
            for name in messages}


def caffe_messages(packed=True):
    messages = MESSAGES
    if not packed:
        messages = {name: [(*field[:4], False) for field in fields]
                    for name, fields in MESSAGES.items()}
    return make_classes("caffe" if packed else "caffe_unpacked", messages)


def fill(blob, array, legacy=False):
    if legacy:
        shape = (1,) * (4 - array.ndim) + array.shape
        blob.num, blob.channels, blob.height, blob.width = shape
    else:
        blob.shape.dim.extend(array.shape)
    (blob.double_data if array.dtype == np.float64 else blob.data).extend(array.ravel().tolist())


def tiny(classes):
    """Convolution, BatchNorm, Scale, PReLU, InnerProduct, as a modern Caffe saves them."""
    rng = np.random.default_rng(5)
    net = classes["NetParameter"](name="tiny")
    net.layer.add(name="data", type="Input", top=["data"])
    for name, kind, arrays in [
            ("conv1", "Convolution", [rng.standard_normal((4, 3, 3, 3)), np.arange(4.0)]),
            ("bn1", "BatchNorm", [rng.standard_normal(4) * 10, rng.random(4) * 10,
                                  np.array([999.98236])]),
            ("scale1", "Scale", [rng.standard_normal(4), np.zeros(4)]),
            ("relu1", "PReLU", [np.full(4, 0.25)]),
            ("fc", "InnerProduct", [rng.standard_normal((2, 4)), np.ones(2)])]:
        layer = net.layer.add(name=name, type=kind, bottom=["x"], top=[name])
        for array in arrays:
            fill(layer.blobs.add(), array.astype(np.float32))
    return net


def old(classes):
    """The same with V1 layers and four sizes; the last layer is of the generation before."""
    rng = np.random.default_rng(6)
    net = classes["NetParameter"](name="old")
    for name, kind, arrays in [
            ("conv1", 4, [rng.standard_normal((2, 3, 3, 3)), np.arange(2.0)]),
            ("fc6", 14, [rng.standard_normal((3, 4)), np.ones(3)])]:
        layer = net.layers.add(name=name, type=kind, bottom=["x"], top=[name])
        for array in arrays:
            fill(layer.blobs.add(), array.astype(np.float32), legacy=True)
    inner = net.layers.add().layer
    inner.name, inner.type = "fc7", "innerproduct"
    fill(inner.blobs.add(), rng.standard_normal((2, 3)).astype(np.float32), legacy=True)
    return net


def write(name, message):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(message.SerializeToString(deterministic=True))


if __name__ == "__main__":
    write("tiny.caffemodel", tiny(caffe_messages()))
    write("unpacked.caffemodel", tiny(caffe_messages(packed=False)))
    write("old.caffemodel", old(caffe_messages()))
    state = caffe_messages()["SolverState"](iter=10, learned_net="tiny_iter_10.caffemodel")
    fill(state.history.add(), np.zeros((2, 2), np.float32))
    write("tiny.solverstate", state)
