"""The one path on which every op is built: run at once on eager Tensors, or handed to the tracer.

`run_op("matmul_v2", x, y, trans_x=False)` takes an op's input slots positionally (a Tensor, None or
a list) and its attributes by name, and returns what the op's rules return. While a tracer is active
(inside `to_static`, or in static mode) it records every op instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

from wherry.ir.emit import infer_types
from wherry.ir.infer import TensorType, inferring
from wherry.ir.opdef import OPS, OpDef, get_op
from wherry.schema.errors import OpError, OpTypeError, RunError

from .autograd import GradNode, attach, grad_enabled
from .location import user_location
from .recorded import frozen
from .tape import OpNode
from .tensor import Array, Tensor, dtype_of


class Tracer(Protocol):
    """What records ops while a Program is being built."""

    # Whether the code that is traced is converted.
    converts: bool
    # Whether there are values of which a tensor decides which of two they are.
    has_eithers: bool

    def as_traced(self, value: Any) -> Any:
        """A tensor of the Program for a Tensor, which a call reads anew, or a number."""

    def run_op(self, opdef: OpDef, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
        """Record one op on traced or captured Tensors; returns its traced outputs."""

    def assign(self, target: Tensor, value: Tensor) -> None:
        """From here on `target` stands for `value`; a captured Tensor is written after the call."""

    def note_view(self, source: Any, view: Any, op_type: str, attrs: dict[str, Any]) -> None:
        """Let writes to `view` go through to `source`, of which it was made, and back."""

    def convert_call(self, function: Any) -> Any:
        """Called by a Layer in place of its own forward: the converted one, where that is on."""

    def true_positions(self, mask: Tensor) -> Tensor:
        """The positions of the true elements in the flattened mask: as many as the run finds."""

    def function(self, name: str) -> AbstractContextManager[None]:
        """What ops give inside the with block is named after a function: `linear_0.tmp_0`."""

    def parameter(self, shape: Any, dtype: Any, attr: Any, owner: str, is_bias: bool,
                  default: Any) -> Any:  # fmt: skip
        """A new parameter as a part of the Program; None where it is data like any other."""


tracer: ContextVar[Tracer | None] = ContextVar("tracer", default=None)

# These ops give views: their output shares the input's memory, as in Paddle.
VIEW_OPS = frozenset(
    {"reshape2", "flatten_contiguous_range", "squeeze2", "unsqueeze2", "transpose2", "slice",
     "strided_slice", "unbind"}
)  # fmt: skip


@contextmanager
def tracing(active: Tracer | None) -> Iterator[None]:
    """Hand ops to this tracer inside the block; None computes eagerly within a trace."""
    token = tracer.set(active)
    try:
        yield
    finally:
        tracer.reset(token)


def layer_name(name: str) -> AbstractContextManager[None]:
    """While a Program is built, name what ops give inside the with block after a function."""
    active = tracer.get()
    return _UNNAMED if active is None else active.function(name)


_UNNAMED = nullcontext()


def run_op(op_type: str, *inputs: Any, **attrs: Any) -> Any:
    """Run or record one op.

    Raises OpError (a ValueError) or OpTypeError (a TypeError too) with the user's line for
    arguments that the op cannot take, RunError for errors in the data.
    """
    opdef = OPS.get(op_type) or get_op(op_type)
    active = tracer.get()
    if active is not None:
        return active.run_op(opdef, inputs, attrs)
    return _run_eager(opdef, inputs, attrs)


def _run_eager(opdef: OpDef, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
    bound = opdef.bind(attrs)
    try:
        arrays = [_array(value) for value in inputs]
    except AttributeError:
        raise _no_tensor(opdef, inputs) from None
    arrays += [None] * (len(opdef.inputs) - len(arrays))
    check(opdef, arrays, bound)
    result = _reference(opdef, arrays, bound)
    flat = _flat(inputs)
    multiple = isinstance(result, (tuple, list))
    results = _flat(result) if multiple else [result]
    outputs = _wrap(opdef.type, results, flat)
    if opdef.grad is not None and grad_enabled.get() and any(not t.stop_gradient for t in flat):
        node = OpNode(opdef, inputs, outputs, bound)
        if any(node.needs):
            attach(node, outputs)
    return _regroup(result, iter(outputs)) if multiple else outputs[0]


def _array(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [one.array for one in value]
    return value.array


def _no_tensor(opdef: OpDef, inputs: Sequence[Any]) -> OpTypeError:
    """The error that names the first input of an op that is no Tensor."""
    for slot, value in zip(opdef.inputs, inputs, strict=False):
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is not None and not isinstance(one, Tensor):
                return OpTypeError(
                    f"{opdef.type}(): argument '{slot.name}' must be Tensor, but got "
                    f"{type(one).__name__}; paddle.to_tensor makes one",
                    loc=user_location(),
                )
    raise AssertionError(f"{opdef.type}: every input is a Tensor")


def _reference(opdef: OpDef, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    assert opdef.reference is not None, f"{opdef.type} cannot run eagerly"
    try:
        with np.errstate(all="ignore"):
            return opdef.reference(*arrays, **attrs)
    except RunError as error:
        loc = user_location()
        raise RunError(f"{opdef.type}: {error}" + (f"\n  at {loc}" if loc else "")) from None


_checked: set[Any] = set()


def check(opdef: OpDef, arrays: Sequence[Any], attrs: dict[str, Any]) -> None:
    """Run the op's shape rule, once for each combination of shapes, dtypes and attributes."""
    key = (opdef.type, _signature(arrays), *attrs.values())
    try:
        known = key in _checked
    except TypeError:
        key = (opdef.type, _signature(arrays), *map(frozen, attrs.values()))
        known = key in _checked
    if not known:
        _infer(opdef, arrays, attrs)
        if len(_checked) > 10000:
            _checked.clear()
        _checked.add(key)


def _signature(arrays: Sequence[Any]) -> tuple[Any, ...]:
    return tuple([
        _signature(a) if isinstance(a, list) else a if a is None else (a.shape, a.dtype)
        for a in arrays
    ])  # fmt: skip


def _infer(opdef: OpDef, arrays: Sequence[Any], attrs: dict[str, Any]) -> None:
    def type_of(value: Any) -> Any:
        if isinstance(value, list):
            return [type_of(one) for one in value]
        return None if value is None else TensorType(value.shape, dtype_of(value))

    try:
        with inferring(opdef.type, None, []):
            infer_types(opdef, [type_of(a) for a in arrays], attrs)
    except OpError as error:
        error.loc = error.loc or user_location()
        raise error.with_traceback(None) from None


def _flat(values: Any) -> list[Any]:
    flat: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)):
            flat.extend(value)
        elif value is not None:
            flat.append(value)
    return flat


def _regroup(result: Any, outputs: Iterator[Tensor]) -> Any:
    if isinstance(result, (list, tuple)):
        return type(result)(_regroup(one, outputs) for one in result)
    return None if result is None else next(outputs)


def _wrap(op_type: str, results: list[Any], inputs: list[Tensor]) -> list[Tensor]:
    """Tensors for the arrays that a reference returned; only a view op's may alias its input."""
    views = op_type in VIEW_OPS
    outputs = []
    for result in results:
        array = result if type(result) is np.ndarray else np.asarray(result)
        storage = None
        if array.base is not None or any(array is t.array for t in inputs):
            shared = [t for t in inputs if np.may_share_memory(array, t.array)]
            if views and shared:
                storage = shared[0].storage
            elif shared or not array.flags.writeable:
                array = array.copy()
        outputs.append(Tensor(array, True, storage))
    return outputs


def constant(array: Array) -> Tensor:
    """A Tensor for data that the code itself states, such as positions and weights.

    In a trace small data stand in the Program; large ones are captured by reference.
    """
    if tracer.get() is None or array.size > 4096:
        return Tensor(array)
    made: Tensor = run_op(
        "assign_value",
        shape=list(array.shape),
        dtype=dtype_of(array),
        values=array.ravel().tolist(),
    )
    return made


def write(target: Tensor, value: Tensor) -> Tensor:
    """Let `target` become `value` in place (same shape and dtype); returns target.

    Eagerly the data is written through to everything that shares the storage, and `target` takes
    over value's place on the tape. In a trace the tracer is told.
    """
    active = tracer.get()
    if active is not None:
        active.assign(target, value)
        return target
    tracked = grad_enabled.get() and not value.stop_gradient
    if target.stop_gradient is False and target.node is None and grad_enabled.get():
        raise ValueError(
            f"(InvalidArgument) Leaf Var ({target.name}) that doesn't stop gradient can't use "
            "inplace strategy; write inside paddle.no_grad(), or to a result of it"
        )
    if value.array.shape != target.array.shape or value.array.dtype != target.array.dtype:
        raise OpError(
            f"in-place write needs {target.dtype.name}{target.shape}, got "
            f"{value.dtype.name}{value.shape}", loc=user_location(),
        )  # fmt: skip
    if tracked and isinstance(value.node, OpNode):
        value.node.keep_before_write(target)
    target.array[...] = value.array
    mark_written(target, tracked)
    if tracked:
        target.node, target.node_index = value.node, value.node_index
        target.stop_gradient = False
    return target


def mark_written(target: Tensor, tracked: bool) -> None:
    """Count a write into the storage of `target`; `tracked` if the tape knows of it."""
    target.storage.version += 1
    if tracked:
        target.storage.tracked += 1
        target.history = target.storage.tracked


def update_buffer(buffer: Tensor, value: Tensor) -> None:
    """Give a buffer (running statistics, a random state) a new value, off the tape.

    Eagerly the buffer's memory is written; in a trace it is written after the compiled call.
    """
    active = tracer.get()
    if active is not None:
        active.assign(buffer, value)
        return
    buffer.array[...] = value.array
    buffer.storage.version += 1


__all__ = [
    "VIEW_OPS", "GradNode", "Tracer", "check", "constant", "layer_name", "mark_written", "run_op",
    "tracer", "tracing",
    "update_buffer", "write",
]  # fmt: skip
