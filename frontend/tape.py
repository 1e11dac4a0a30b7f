"""An op of `ir/ops` on the tape: what it saved, its gradient rule run on arrays or Tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wherry.ir.emit import ArrayEmitter, Emitter, GradContext, run_reference
from wherry.ir.infer import TensorType
from wherry.ir.opdef import OpDef
from wherry.schema.errors import OpError

from . import recorded
from .autograd import Edge, Grad, GradNode
from .tensor import Array, Storage, Tensor, dtype_of


class Saved:
    """A value kept for backward, with the version that it had."""

    __slots__ = ("array", "storage", "version")

    def __init__(self, tensor: Tensor) -> None:
        self.array: Array = tensor.array
        self.storage: Storage = tensor.storage
        self.version = tensor.storage.version


class Overwritten:
    """Stands for a saved value that was written in place: its type is known, its data is lost."""

    __slots__ = ("dtype", "ndim", "shape", "was", "written")

    def __init__(self, saved: Saved) -> None:
        self.shape, self.dtype, self.ndim = saved.array.shape, saved.array.dtype, saved.array.ndim
        self.was, self.written = saved.version, saved.storage.version


class TapeEmitter(ArrayEmitter):
    """Runs gradient rules on arrays; refuses data that was overwritten, by the name of the op."""

    def __init__(self, op_type: str) -> None:
        self.op_type = op_type

    def type_of(self, value: Any) -> TensorType:
        return TensorType(value.shape, dtype_of(value))

    def emit(self, opdef: OpDef, inputs: Sequence[Any], attrs: Any) -> Any:
        for slot, value in zip(opdef.inputs, inputs, strict=False):
            if isinstance(value, Overwritten) and slot.name != "Like":
                raise overwritten_error(self.op_type, value)
        result = run_reference(opdef, inputs, attrs)
        return result if isinstance(result, (tuple, list)) else np.asarray(result)


def overwritten_error(op_type: str, value: Overwritten) -> RuntimeError:
    return RuntimeError(
        f"(PermissionDenied) a tensor of shape {list(value.shape)} that the gradient of "
        f"`{op_type}` "
        f"needs has been modified by an inplace operation. Its version is {value.written} but the "
        f"expected version is {value.was}. Please fix your code to void calling an inplace "
        "operator after using the Tensor which will used in gradient computation."
    )


class TensorEmitter(Emitter):
    """Runs gradient rules on eager Tensors, so that they are on the tape themselves."""

    def __init__(self, op_type: str) -> None:
        self.op_type = op_type

    def emit(self, opdef: OpDef, inputs: Sequence[Any], attrs: Any) -> Any:
        from .dispatch import run_op

        for value in inputs:
            if isinstance(value, Overwritten):
                raise overwritten_error(self.op_type, value)
        return run_op(opdef.type, *inputs, **attrs)

    def type_of(self, value: Any) -> TensorType:
        array = value.array if isinstance(value, Tensor) else value
        return TensorType(array.shape, dtype_of(array))


def _save(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [Saved(one) for one in value]
    return None if value is None else Saved(value)


class OpNode(GradNode):
    """The tape's record of one declared op."""

    def __init__(self, opdef: OpDef, inputs: Sequence[Any], outputs: Sequence[Tensor],
                 attrs: dict[str, Any]) -> None:  # fmt: skip
        self.layout = [len(v) if isinstance(v, (list, tuple)) else None for v in inputs]
        flat: list[Tensor | None] = []
        for value in inputs:
            flat.extend(value) if isinstance(value, (list, tuple)) else flat.append(value)
        super().__init__(opdef.type, flat, len(outputs))
        self.opdef, self.attrs = opdef, attrs
        self.saved: list[Any] = [_save(value) for value in inputs]
        self.results: list[Any] = [Saved(t) for t in outputs]

    def keep_before_write(self, target: Tensor) -> None:
        """Copy what was saved of `target`, whose memory this op's result is about to overwrite."""
        for saved in self.saved:
            for one in saved if isinstance(saved, list) else [saved]:
                if one is not None and one.storage is target.storage:
                    one.array, one.storage, one.version = one.array.copy(), Storage(), 0

    def release(self) -> None:
        super().release()
        self.saved, self.results = [], []

    def backward(self, grads: list[Grad | None], create_graph: bool) -> Sequence[Grad | None]:
        context = GradContext(
            self._inputs(create_graph), self._group_outputs(self._outputs(create_graph)),
            self._group_outputs(grads), self.attrs, self._grouped_needs(),
        )  # fmt: skip
        assert self.opdef.grad is not None
        try:
            if create_graph:
                results = self.opdef.grad(TensorEmitter(self.name), context)
            elif self._is_whole():
                results = recorded.gradients(self.opdef, context)
            else:
                results = self.opdef.grad(TapeEmitter(self.name), context)
        except AttributeError as error:
            lost = getattr(error, "obj", None)
            if isinstance(lost, Overwritten):
                raise overwritten_error(self.name, lost) from None
            raise
        return self._flatten(results)

    def _is_whole(self) -> bool:
        """Whether nothing that was saved was written to since."""
        return all(
            one is None or one.storage.version == one.version
            for saved in (*self.saved, *self.results)
            for one in (saved if isinstance(saved, list) else [saved])
        )

    def _inputs(self, as_tensor: bool) -> list[Any]:
        edges = iter(self.edges)

        def restore(saved: Any) -> Any:
            if isinstance(saved, list):
                return [restore(one) for one in saved]
            edge = next(edges)
            return None if saved is None else self._value(saved, edge, as_tensor)

        values = [restore(saved) for saved in self.saved]
        return values + [None] * (len(self.opdef.inputs) - len(values))

    def _outputs(self, as_tensor: bool) -> list[Any]:
        return [self._value(s, (self, i), as_tensor) for i, s in enumerate(self.results)]

    def _value(self, saved: Saved, edge: Edge, as_tensor: bool) -> Any:
        if saved.storage.version != saved.version:
            return Overwritten(saved)
        if not as_tensor:
            return saved.array
        if isinstance(edge, Tensor):
            return edge
        tensor = Tensor(saved.array, True, saved.storage)
        if edge is not None and tensor.dtype.is_float:
            tensor.node, tensor.node_index = edge
            tensor.stop_gradient = False
        return tensor

    def _group_outputs(self, values: Sequence[Any]) -> list[Any]:
        slots = self.opdef.outputs
        if not any(slot.variadic for slot in slots):
            return [*values, *([None] * (len(slots) - len(values)))]
        if len(slots) == 1:
            return [list(values)]
        raise OpError("a list beside other outputs has no place on the tape", self.name)

    def _grouped_needs(self) -> list[Any]:
        needs = iter(self.needs)
        grouped: list[Any] = [
            next(needs) if n is None else [next(needs) for _ in range(n)] for n in self.layout
        ]
        return grouped + [False] * (len(self.opdef.inputs) - len(grouped))

    def _flatten(self, results: Sequence[Any]) -> list[Any]:
        flat: list[Any] = []
        for result, length in zip(results, self.layout, strict=False):
            if length is None:
                flat.append(result)
            else:
                flat.extend([None] * length if result is None else result)
        return flat + [None] * (len(self.edges) - len(flat))
