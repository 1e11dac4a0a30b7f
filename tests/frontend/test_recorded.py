"""A gradient rule that was recorded gives what the rule gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry import recorded
from wherry.ir.emit import ArrayEmitter, GradContext, run_reference
from wherry.ir.opdef import OPS, OpDef, get_op
from wherry.schema.errors import OpError

get_op("scale")  # fills the table
DIFFERENTIABLE = sorted(name for name, opdef in OPS.items() if opdef.grad and opdef.samples)


def grouped(values: Any, change: Any) -> Any:
    if isinstance(values, (list, tuple)):
        return [grouped(one, change) for one in values]
    return None if values is None else change(values)


def context_of(opdef: OpDef, arrays: list[Any], attrs: dict[str, Any]) -> GradContext:
    """One for a run of the op on these arrays, in which all floats want a gradient."""
    inputs = grouped(arrays, np.asarray) + [None] * (len(opdef.inputs) - len(arrays))
    slots = opdef.result_slots(run_reference(opdef, inputs, attrs))
    outputs: list[Any] = [
        slots.get(slot.name, []) if slot.variadic else (slots.get(slot.name) or [None])[0]
        for slot in opdef.outputs
    ]
    rng = np.random.default_rng(0)

    def gradient(array: Any) -> Any:
        return rng.normal(size=array.shape).astype(array.dtype) if array.dtype.kind == "f" else None

    needs = grouped(inputs, lambda array: array.dtype.kind == "f")
    needs = [False if one is None else one for one in needs]
    return GradContext(inputs, outputs, grouped(outputs, gradient), opdef.bind(attrs), needs)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_recorded_rule_gives_what_the_rule_gives(name: str) -> None:
    opdef = OPS[name]
    assert opdef.grad is not None
    for number, sample in enumerate(opdef.samples):
        first = sample.make(number)
        for arrays in (first, grouped(first, lambda a: a * 0.75 if a.dtype.kind == "f" else a)):
            arrays = grouped(arrays, lambda a: np.asarray(a).astype(a.dtype))
            context = context_of(opdef, arrays, sample.attrs)
            if context.grads[0] is None:
                continue  # integers
            try:
                wanted = opdef.grad(ArrayEmitter(), context)
            except OpError:
                with pytest.raises(OpError):
                    recorded.gradients(opdef, context)
                continue
            same(recorded.gradients(opdef, context), wanted)


def same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, (list, tuple)):
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    elif wanted is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype


def test_one_tensor_in_two_places_is_two() -> None:
    x, y = (paddle.to_tensor([value], stop_gradient=False) for value in (2.0, 5.0))
    (x * x).backward()
    assert x.grad.tolist() == [4.0]
    x.clear_grad()
    (x * y).backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([5.0], [2.0])


def test_what_a_gradient_is_added_to_is_no_constant_of_the_rule() -> None:
    x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
    for _ in range(3):
        x.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    x.clear_grad()
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_attributes_that_are_equal_in_python_are_told_apart() -> None:
    assert len({recorded.frozen(value) for value in (0, 0.0, -0.0, False, [0], [0.0])}) == 6
