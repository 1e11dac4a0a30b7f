"""Gradient rules on arrays: run as a rule once, and from then on as the ops that it emitted.

A rule sees types, attributes and which inputs need a gradient, but no elements: where these are
equal it emits equal ops. Running these alone spares what Python does in between, which is most of
the time where tensors are small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from wherry.ir.emit import ArrayEmitter, GradContext
from wherry.ir.infer import TensorType
from wherry.ir.opdef import OpDef

from .tensor import Array, dtype_of

# The number of an array, None, or a list of them.
Slot: TypeAlias = Any
_MOST: Final = 4096
# They give the same at each run; what is small is kept.
_CONSTANTS: Final = frozenset({"fill_constant", "range"})
_SMALL: Final = 1 << 12


def gradients(opdef: OpDef, context: GradContext) -> Sequence[Any]:
    """What the op's rule gives on these arrays, None among them."""
    arrays: list[Array] = []
    parts = [context.inputs, context.outputs, context.grads]
    key = (
        opdef.type, *[_signature(part, arrays) for part in parts],
        *map(frozen, context.attrs.values()), frozen(context.needs),
    )  # fmt: skip
    known = _known.get(key)
    if known is None:
        if len(_known) >= _MOST:
            _known.clear()
        return _record(opdef, context, arrays, key)
    return known.run(arrays)


@dataclass(frozen=True)
class _Step:
    """An op on the arrays with these numbers; its results take the numbers that follow.

    They are `kept` where they are the same at each run.
    """

    reference: Any
    inputs: Sequence[Slot]
    attrs: Mapping[str, Any]
    kept: list[Array] | None = None


@dataclass(frozen=True)
class _Recording:
    """The steps of a rule, in order, and which arrays are its results."""

    steps: Sequence[_Step]
    results: Sequence[Slot]

    def run(self, arrays: list[Array]) -> list[Any]:
        with np.errstate(all="ignore"):
            for step in self.steps:
                if step.kept is not None:
                    arrays += step.kept
                else:
                    inputs = [_at(arrays, slot) for slot in step.inputs]
                    arrays += _flat(step.reference(*inputs, **step.attrs))
        return [_at(arrays, slot) for slot in self.results]


_known: dict[Any, _Recording] = {}


class _Recorder(ArrayEmitter):
    """Runs ops on arrays and notes which they are; `numbers` are those of the arrays so far."""

    def __init__(self, arrays: Iterable[Array]) -> None:
        self.arrays = list(arrays)  # kept, so that none gets the identity of another one
        self.numbers = {id(array): number for number, array in enumerate(self.arrays)}
        self.steps: list[_Step] = []

    def type_of(self, value: Any) -> TensorType:
        return TensorType(value.shape, dtype_of(value))

    def emit(self, opdef: OpDef, inputs: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
        result = super().emit(opdef, inputs, attrs)
        found = _flat(result)
        padded = [*inputs, *([None] * (len(opdef.inputs) - len(inputs)))]
        slots = [self.slot(value) for value in padded]
        is_kept = opdef.type in _CONSTANTS and not inputs and found[0].nbytes <= _SMALL
        kept = found if is_kept else None
        self.steps.append(_Step(opdef.reference, slots, opdef.bind(attrs), kept))
        for array in found:
            self.numbers.setdefault(id(array), len(self.arrays))
            self.arrays.append(array)
        return result

    def slot(self, value: Any) -> Slot:
        if isinstance(value, (list, tuple)):
            return [self.slot(one) for one in value]
        return None if value is None else self.numbers[id(value)]


def frozen(value: Any) -> Any:
    """An attribute as a key: equal only where type and value are."""
    if isinstance(value, (list, tuple)):
        return tuple(map(frozen, value))
    return type(value), value.hex() if isinstance(value, float) else value


def _record(opdef: OpDef, context: GradContext, arrays: Sequence[Array], key: Any) -> Sequence[Any]:
    """Run the rule, and keep what it did under the key."""
    # Views, so that the same array in two places counts as two.
    recorder = _Recorder(array.view() for array in arrays)
    views = iter(recorder.arrays[:])
    inputs, outputs, grads = (
        _like(part, views) for part in (context.inputs, context.outputs, context.grads)
    )
    assert opdef.grad is not None
    shown = GradContext(inputs, outputs, grads, context.attrs, context.needs)
    results: Sequence[Any] = opdef.grad(recorder, shown)
    given = {id(array) for array in _flat(results)}  # the caller may write to them
    steps = [
        replace(step, kept=None) if step.kept and id(step.kept[0]) in given else step
        for step in recorder.steps
    ]
    _known[key] = _Recording(steps, [recorder.slot(one) for one in results])
    return results


def _signature(values: Sequence[Any], arrays: list[Array]) -> tuple[Any, ...]:
    """The types of some values, whose arrays are appended."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, list):
            found.append(_signature(value, arrays))
        elif value is None:
            found.append(None)
        else:
            arrays.append(value)
            found.append((value.shape, value.dtype))
    return tuple(found)


def _like(values: Sequence[Any], arrays: Iterator[Array]) -> list[Any]:
    """The values with these arrays in place of theirs."""
    return [
        _like(one, arrays) if isinstance(one, list) else None if one is None else next(arrays)
        for one in values
    ]


def _flat(result: Any) -> list[Any]:
    if isinstance(result, (list, tuple)):
        return [array for one in result for array in _flat(one)]
    return [None if result is None else np.asarray(result)]


def _at(arrays: Sequence[Array], slot: Slot) -> Any:
    if isinstance(slot, list):
        return [_at(arrays, one) for one in slot]
    return None if slot is None else arrays[slot]
