"""Writes the fixtures of this folder with the onnx package (1.23.2).

    python tests/data/onnx/make_onnx.py        (from the repository's root)

Deterministic: the same version writes the same bytes.
"""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))


def model(graph, name):
    made = helper.make_model(graph, producer_name="tenon", producer_version="1",
                             opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(made, {"author": "nobody"})
    return made, os.path.join(HERE, name)


def value(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def dense():
    """A perceptron as exporters write it: Conv, MatMul, Gemm both ways, a constant."""
    rng = np.random.default_rng(3)
    weights = {"conv.weight": rng.standard_normal((4, 3, 3, 3)), "conv.bias": np.arange(4.0),
               "onnx::MatMul_12": rng.standard_normal((4, 8)),
               "fc.weight": rng.standard_normal((8, 5)), "fc.kernel": rng.standard_normal((5, 2))}
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["c"], "conv"),
        helper.make_node("GlobalAveragePool", ["c"], ["p"], "pool"),
        helper.make_node("Constant", [], ["axes"], "Constant_1",
                         value=numpy_helper.from_array(np.array([2, 3], np.int64), "value")),
        helper.make_node("Squeeze", ["p", "axes"], ["s"], "squeeze"),
        helper.make_node("MatMul", ["s", "onnx::MatMul_12"], ["m"], "matmul"),
        helper.make_node("Gemm", ["m", "fc.weight"], ["g"], "gemm", transB=0),
        helper.make_node("Gemm", ["g", "fc.kernel"], ["y"], "gemm2"),
    ]
    initializers = [numpy_helper.from_array(array.astype(np.float32), name)
                    for name, array in weights.items()]
    graph = helper.make_graph(nodes, "dense", [value("x", 1, 3, 8, 8)], [value("y", 1, 2)],
                              initializers)
    made, path = model(graph, "dense.onnx")
    onnx.checker.check_model(made)
    onnx.save(made, path)


def branches():
    """An If whose branches hold the weights, under the same names."""
    def branch(scale):
        node = helper.make_node("MatMul", ["x", "w"], ["out"], "product")
        array = np.full((2, 2), scale, np.float32)
        return helper.make_graph([node], "branch", [], [value("out", 1, 2)],
                                 [numpy_helper.from_array(array, "w")])
    node = helper.make_node("If", ["which"], ["y"], "If_0", then_branch=branch(1.0),
                            else_branch=branch(2.0))
    which = helper.make_tensor_value_info("which", TensorProto.BOOL, [])
    graph = helper.make_graph([node], "branches", [which, value("x", 1, 2)], [value("y", 1, 2)])
    made, path = model(graph, "branches.onnx")
    onnx.save(made, path)


def external():
    """Values in a file beside the model."""
    arrays = {"a": np.arange(300, dtype=np.float32).reshape(20, 15), "b": np.arange(8.0)}
    initializers = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph([], "external", [], [], initializers)
    made, path = model(graph, "external.onnx")
    if os.path.exists(path + ".data"):      # onnx would append to it
        os.remove(path + ".data")
    onnx.save_model(made, path, save_as_external_data=True, location="external.onnx.data",
                    size_threshold=0)


def typed():
    """Values in the fields for numbers, one tensor a type that they exist for."""
    def tensor(name, kind, shape, values, raw=False):
        return helper.make_tensor(name, kind, shape, values, raw=raw)
    initializers = [
        tensor("float", TensorProto.FLOAT, [2, 2], [1.5, -2.0, 3.0, 0.25]),
        tensor("double", TensorProto.DOUBLE, [2], [1e30, -0.5]),
        tensor("int64", TensorProto.INT64, [3], [-1, 0, 2**40]),
        tensor("int32", TensorProto.INT32, [3], [-2**31, 5, 2**31 - 1]),
        tensor("int16", TensorProto.INT16, [2], [-3, 300]),
        tensor("int8", TensorProto.INT8, [2], [-128, 127]),
        tensor("uint8", TensorProto.UINT8, [2], [0, 255]),
        tensor("uint16", TensorProto.UINT16, [2], [0, 65535]),
        tensor("uint32", TensorProto.UINT32, [2], [0, 2**32 - 1]),
        tensor("uint64", TensorProto.UINT64, [2], [1, 2**64 - 1]),
        tensor("bool", TensorProto.BOOL, [3], [True, False, True]),
        tensor("float16", TensorProto.FLOAT16, [2], [1.0, -2.5]),
        tensor("bfloat16", TensorProto.BFLOAT16, [2], [1.0, -2.5]),
        tensor("complex64", TensorProto.COMPLEX64, [2], [1 + 2j, 3 - 4j]),
        tensor("string", TensorProto.STRING, [2], ["a", "bb"]),
    ]
    graph = helper.make_graph([], "typed", [], [], initializers)
    made, path = model(graph, "typed.onnx")
    onnx.save(made, path)


if __name__ == "__main__":
    dense()
    branches()
    external()
    typed()
