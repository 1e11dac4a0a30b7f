"""A workload as an ONNX model: the operations append nodes, and values are their names."""

from __future__ import annotations

from typing import Any

import numpy as np
from backends import reference
from onnx import TensorProto, checker, helper, numpy_helper
from workloads import Shape, Workload

OPSET, IR_VERSION = 17, 8


class Value(str):
    """A value's name, with the shape that a forward may ask for."""

    shape: Shape = ()


def named(name: str, shape: Shape = ()) -> Value:
    value = Value(name)
    value.shape = shape
    return value


class Graph:
    """The operations of workloads.py as ONNX nodes."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []

    def node(self, kind: str, *inputs: Value, **attributes: Any) -> Value:
        out = named(f"v{len(self.nodes)}")
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def matmul(self, x: Value, y: Value) -> Value:
        return self.node("MatMul", x, y)

    def linear(self, x: Value, w: Value, b: Value) -> Value:
        return self.node("Gemm", x, w, b)

    def conv2d(self, x: Value, k: Value, b: Value, padding: int = 0, groups: int = 1) -> Value:
        return self.node("Conv", x, k, b, pads=[padding] * 4, group=groups)

    def max_pool2d(self, x: Value, size: int) -> Value:
        return self.node("MaxPool", x, kernel_shape=[size, size], strides=[size, size])

    def relu(self, x: Value) -> Value:
        return self.node("Relu", x)

    def flatten(self, x: Value) -> Value:
        return self.node("Flatten", x, axis=1)

    def softmax(self, x: Value) -> Value:
        return self.node("Softmax", x, axis=-1)

    def layer_norm(self, x: Value, scale: Value, bias: Value) -> Value:
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-5)


def onnx_model(workload: Workload) -> bytes:
    """The workload as a serialized ONNX model with inputs x0, x1, ... and one output."""
    inputs, weights = workload.values()
    graph = Graph()
    values = [named(f"x{index}", value.shape) for index, value in enumerate(inputs)]
    held = {name: named(name, value.shape) for name, value in weights.items()}
    out = workload.forward(graph, held, *values)
    specs = [
        helper.make_tensor_value_info(value, TensorProto.FLOAT, value.shape) for value in values
    ]
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in weights.items()
    ]
    shape = reference(workload)[0].shape
    result = helper.make_tensor_value_info(out, TensorProto.FLOAT, shape)
    made = helper.make_graph(graph.nodes, workload.name, specs, [result], constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    checker.check_model(model)
    return bytes(model.SerializeToString())
