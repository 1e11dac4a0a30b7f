"""Emitters: `F.relu(x)` runs or records an op, depending on what F is.

Gradients and expansions are written once on an emitter. `BlockEmitter` appends OpDescs,
`ArrayEmitter` runs the references on numpy arrays; the frontend has a third one that runs on eager
Tensors.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wherry.schema.dtypes import DType, as_dtype
from wherry.schema.errors import Loc

from .dims import Dim
from .found import CHECK, bounds_by, check_of, mentions
from .infer import TensorType, inferring
from .opdef import OpDef, get_op
from .program import Block, OpDesc, Variable


class Emitter(ABC):
    """`F.op_type(*inputs, **attrs)` for every declared op; the slots are positional."""

    @abstractmethod
    def emit(self, opdef: OpDef, inputs: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
        """Run or record one op; returns what the op's rules return, in this emitter's values."""

    @abstractmethod
    def type_of(self, value: Any) -> TensorType:
        """Shape and dtype of a value."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        opdef = get_op(name)
        return lambda *inputs, **attrs: self.emit(opdef, inputs, attrs)

    def full(self, shape: Sequence[Dim], value: bool | float | Dim, dtype: DType) -> Any:
        """A tensor of one value."""
        return self.fill_constant(shape=list(shape), value=value, dtype=dtype)

    def full_like(self, x: Any, value: bool | int | float) -> Any:
        """A scalar (0-d) constant of x's dtype: it broadcasts against x."""
        return self.full((), value, self.type_of(x).dtype)


def infer_types(opdef: OpDef, types: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
    """Run an op's shape rule on TensorTypes (by slot: a type, None or a list)."""
    padded = [*types, *([None] * (len(opdef.inputs) - len(types)))]
    return opdef.infer(*padded, **opdef.bind(attrs))


def run_reference(opdef: OpDef, arrays: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
    """Run what the op means, on numpy arrays (by slot: an array, None or a list)."""
    assert opdef.reference is not None, f"{opdef.type} has no reference"
    padded = [*arrays, *([None] * (len(opdef.inputs) - len(arrays)))]
    with np.errstate(all="ignore"):
        return _as_arrays(opdef.reference(*padded, **opdef.bind(attrs)))


def _as_arrays(result: Any) -> Any:
    # numpy hands out scalars where a result has no dims; a tensor is always an array.
    if isinstance(result, (tuple, list)):
        return type(result)(_as_arrays(one) for one in result)
    return None if result is None else np.asarray(result)


class ArrayEmitter(Emitter):
    """Runs the references on numpy arrays at once."""

    def emit(self, opdef: OpDef, inputs: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
        return run_reference(opdef, inputs, attrs)

    def type_of(self, value: Any) -> TensorType:
        return TensorType(tuple(value.shape), as_dtype(value.dtype))


class BlockEmitter(Emitter):
    """Appends ops to a block (or inserts them before position `at`) and infers their types."""

    def __init__(self, block: Block, loc: Loc | None = None, at: int | None = None,
                 extra: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        self.block, self.loc, self.at = block, loc, at
        self.extra = dict(extra or {})

    def emit(
        self,
        opdef: OpDef,
        inputs: Sequence[Any],
        attrs: Mapping[str, Any],
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> Any:
        """Record one op. `names` gives the outputs' names by slot; by default `relu_2.tmp_0`."""
        program = self.block.program
        types = [_map_slot(value, lambda v: v.type) for value in inputs]
        known = len(program.guards)
        with inferring(opdef.type, self.loc, program.guards):
            result = infer_types(opdef, types, attrs)
        if len(program.guards) > known:
            self._check_found(known)
        slots = opdef.unpack(inputs)
        needs_grad = opdef.grad is not None and any(
            not v.stop_gradient for vs in slots.values() for v in vs
        )
        prefix, numbers = program.number(opdef.type), itertools.count()
        outputs = {
            slot: [
                self.block.create_var(
                    names[slot][i] if names else program.unique(f"{prefix}.tmp_{next(numbers)}"),
                    t.shape, t.dtype, stop_gradient=not (needs_grad and t.dtype.is_float),
                )
                for i, t in enumerate(found)
            ]
            for slot, found in opdef.result_slots(result).items()
        }  # fmt: skip
        op = OpDesc(opdef.type, slots, outputs, {**opdef.bind(attrs), **self.extra}, self.loc)
        program.found.update(bounds_by(op, program.found))
        self._place(op)
        return opdef.pack_results(outputs)

    def _check_found(self, known: int) -> None:
        """Let new guards on sizes that the run finds be checks in front of the op."""
        guards, found = self.block.program.guards, self.block.program.found
        late = [one for one in guards[known:] if mentions(found, one.left, one.right)]
        guards[known:] = [one for one in guards[known:] if one not in late]
        before = self.block.ops[: self.at]
        for left, relation, right, message, loc in late:
            attrs = {"left": left, "relation": relation, "right": right, "message": message}
            if not any(
                op.type == CHECK and check_of(op) == (left, relation, right) for op in before
            ):
                self._place(OpDesc(CHECK, {}, {}, {**attrs, **self.extra}, loc))

    def _place(self, op: OpDesc) -> None:
        if self.at is None:
            self.block.append(op)
        else:
            self.block.insert(self.at, op)
            self.at += 1

    def type_of(self, value: Variable) -> TensorType:
        return value.type


def _map_slot(value: Any, fn: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return [fn(one) for one in value]
    return None if value is None else fn(value)


class GradContext:
    """What a gradient rule sees: `rule(F, c)` returns one gradient (or None) per input slot.

    `c.g` is the gradient of the first output, `c.x`, `c.y` the first two inputs, `c.out` the first
    output; `c.inputs`, `c.outputs`, `c.grads` hold all of them by slot, `c.needs[i]` says whether
    input slot i needs its gradient (a list for a "*" slot), `c["axis"]` is an attribute. A gradient
    in `c.grads` may be None where that output has no influence; `c.g` is never None when the op has
    a single output slot.
    """

    __slots__ = ("attrs", "grads", "inputs", "needs", "outputs")

    def __init__(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        grads: Sequence[Any],
        attrs: Mapping[str, Any],
        needs: Sequence[Any],
    ) -> None:
        self.inputs, self.outputs, self.grads = inputs, outputs, grads
        self.attrs, self.needs = attrs, needs

    @property
    def g(self) -> Any:
        return self.grads[0]

    @property
    def x(self) -> Any:
        return self.inputs[0]

    @property
    def y(self) -> Any:
        return self.inputs[1]

    @property
    def out(self) -> Any:
        return self.outputs[0]

    def __getitem__(self, name: str) -> Any:
        return self.attrs[name]
