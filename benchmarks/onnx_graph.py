"""Workloads as ONNX models, for ONNX Runtime and OpenVINO."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from backends import reference
from onnx import TensorProto, checker, helper, numpy_helper
from operations import EPSILON
from workloads import Array, Shape, Workload

OPSET, IR_VERSION = 17, 8


@dataclass(frozen=True, eq=False)
class Value:
    """A value of a graph. The shape is that of inputs and weights; of others, the rank counts."""

    graph: Graph
    name: str
    rank: int
    shape: Shape = ()

    def __add__(self, other: Operand) -> Value:
        return self.graph.node("Add", self, other)

    def __sub__(self, other: Operand) -> Value:
        return self.graph.node("Sub", self, other)

    def __mul__(self, other: Operand) -> Value:
        return self.graph.node("Mul", self, other)

    def __truediv__(self, other: Operand) -> Value:
        return self.graph.node("Div", self, other)

    def __gt__(self, other: Operand) -> Value:
        return self.graph.node("Greater", self, other)


Operand = Value | float | Array


class Graph:
    """The operations of workloads.py as ONNX nodes."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.numbers = itertools.count()

    def value(self, rank: int, shape: Shape = ()) -> Value:
        return Value(self, f"_{next(self.numbers)}", rank, shape)

    def node(
        self, kind: str, *inputs: Operand, rank: int | None = None, shape: Shape = (), **attrs: Any
    ) -> Value:
        """A node's output; its rank is the inputs' highest unless it is given."""
        values = [x if isinstance(x, Value) else self.constant(x) for x in inputs]
        out = self.value(max(x.rank for x in values) if rank is None else rank, shape)
        self.nodes.append(helper.make_node(kind, [x.name for x in values], [out.name], **attrs))
        return out

    def constant(self, number: float | Array) -> Value:
        array = np.asarray(number, np.float32 if isinstance(number, float) else None)
        out = self.value(array.ndim)
        made = helper.make_node("Constant", [], [out.name], value=numpy_helper.from_array(array))
        self.nodes.append(made)
        return out

    def matmul(self, x: Value, y: Value) -> Value:
        return self.node("MatMul", x, y)

    def linear(self, x: Value, w: Value, b: Value) -> Value:
        return self.node("Gemm", x, w, b) if x.rank == 2 else self.matmul(x, w) + b

    def conv2d(
        self, x: Value, k: Value, b: Value | None = None, stride: int = 1, padding: int = 0,
        groups: int = 1,
    ) -> Value:  # fmt: skip
        inputs = (x, k) if b is None else (x, k, b)
        pads, strides = [padding] * 4, [stride] * 2
        return self.node("Conv", *inputs, pads=pads, strides=strides, group=groups)

    def batch_norm(self, x: Value, scale: Value, bias: Value, mean: Value, var: Value) -> Value:
        return self.node("BatchNormalization", x, scale, bias, mean, var, epsilon=EPSILON)

    def max_pool2d(self, x: Value, size: int, stride: int = 0, padding: int = 0) -> Value:
        kernel, strides = [size] * 2, [stride or size] * 2
        return self.node("MaxPool", x, kernel_shape=kernel, strides=strides, pads=[padding] * 4)

    def mean_pool2d(self, x: Value) -> Value:
        return self.node("GlobalAveragePool", x)

    def relu(self, x: Value) -> Value:
        return self.node("Relu", x)

    def gelu(self, x: Value) -> Value:
        """As exporters write it in this opset."""
        return x * (self.node("Erf", x / 2**0.5) + 1.0) * 0.5

    def tanh(self, x: Value) -> Value:
        return self.node("Tanh", x)

    def abs(self, x: Value) -> Value:
        return self.node("Abs", x)

    def largest(self, x: Value) -> Value:
        return self.node("ReduceMax", x, keepdims=0, rank=0)

    def flatten(self, x: Value) -> Value:
        return self.node("Flatten", x, axis=1, rank=2)

    def reshape(self, x: Value, shape: Shape) -> Value:
        return self.node("Reshape", x, np.array(shape), rank=len(shape), shape=shape)

    def transpose(self, x: Value, axes: Shape) -> Value:
        shape = tuple(x.shape[axis] for axis in axes) if x.shape else ()
        return self.node("Transpose", x, perm=axes, shape=shape)

    def embedding(self, ids: Value, table: Value) -> Value:
        return self.node("Gather", table, ids, rank=ids.rank + 1)

    def softmax(self, x: Value) -> Value:
        return self.node("Softmax", x, axis=-1)

    def layer_norm(self, x: Value, scale: Value, bias: Value) -> Value:
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def attention(self, q: Value, k: Value, v: Value) -> Value:
        scores = self.matmul(q, self.transpose(k, (0, 1, 3, 2))) * q.shape[-1] ** -0.5
        return self.matmul(self.softmax(scores), v)

    def while_loop(
        self, again: Callable[..., Value], step: Callable[..., Any], state: tuple[Value, ...]
    ) -> tuple[Value, ...]:
        start = again(*state)
        outside, self.nodes = self.nodes, []
        count, go, args = self.value(0), self.value(0), [self.value(x.rank) for x in state]
        results = step(*args)
        more = again(*results)
        flag, numbers = TensorProto.BOOL, TensorProto.FLOAT
        inputs = [info(count, TensorProto.INT64), info(go, flag), *(info(x, numbers) for x in args)]
        outputs = [info(more, flag), *(info(x, numbers) for x in results)]
        body, self.nodes = helper.make_graph(self.nodes, "body", inputs, outputs), outside
        found = [self.value(x.rank) for x in state]
        names = ["", start.name, *(x.name for x in state)]
        self.nodes.append(helper.make_node("Loop", names, [x.name for x in found], body=body))
        return tuple(found)


def info(value: Value, dtype: int) -> Any:
    """What a graph says of its inputs and outputs: the number of dims, not their sizes."""
    return helper.make_tensor_value_info(value.name, dtype, [None] * value.rank)


def onnx_model(workload: Workload) -> bytes:
    """The workload as a serialized ONNX model with inputs x0, x1, ... and one output."""
    inputs, weights = workload.values()
    graph = Graph()
    values = [Value(graph, f"x{index}", x.ndim, x.shape) for index, x in enumerate(inputs)]
    held = {name: Value(graph, name, value.ndim, value.shape) for name, value in weights.items()}
    out = workload.forward(graph, held, *values)
    specs = [
        helper.make_tensor_value_info(
            f"x{index}", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape
        )
        for index, x in enumerate(inputs)
    ]
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in weights.items()
    ]
    shape = reference(workload).output.shape
    result = helper.make_tensor_value_info(out.name, TensorProto.FLOAT, shape)
    made = helper.make_graph(graph.nodes, workload.name, specs, [result], constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    checker.check_model(model)
    return bytes(model.SerializeToString())
