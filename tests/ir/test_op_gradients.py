"""Every gradient rule, in float64, against central differences; and the gradient's own gradient.

The gradients are recorded by append_backward with sizes as symbols, and interpreted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from op_samples import SAMPLED, each, flat, map_slots, symbolic_program

from wherry.ir.emit import BlockEmitter
from wherry.ir.gradients import append_backward
from wherry.ir.interp import run_program
from wherry.ir.opdef import OPS, OpDef, Sample
from wherry.ir.verify import verify
from wherry.schema.dtypes import as_dtype

Array = np.ndarray[Any, Any]
SMOOTH = [name for name in SAMPLED if OPS[name].grad]
STEP = 1e-6

# Inputs that are not moved, as {op: {input}}.
HELD = {"sigmoid_cross_entropy_with_logits": {1}}  # a label is compared with ignore_index


def in_float64(sample: Sample, arrays: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Arrays and attributes with float64 for each narrower float."""

    def cast(array: Array) -> Array:
        return array.astype(np.float64) if array.dtype.kind == "f" else array

    attrs = {
        name: as_dtype("float64") if getattr(value, "is_float", False) else value
        for name, value in sample.attrs.items()
    }
    return map_slots(arrays, cast), attrs


class Recorded:
    """One op, the gradient of a weighted sum of its outputs, and the gradient of that one's."""

    def __init__(self, opdef: OpDef, arrays: list[Any], attrs: dict[str, Any]) -> None:
        self.rng = np.random.default_rng(7)
        self.arrays = flat(arrays)
        held = HELD.get(opdef.type, set())
        moved = (i for i, a in enumerate(self.arrays) if a.dtype.kind == "f")
        self.wrt = [i for i in moved if i not in held]

        def body(F: BlockEmitter, inputs: list[Any]) -> Any:
            self.inputs = flat(inputs)
            return F.emit(opdef, inputs, attrs)

        self.program = symbolic_program(opdef, arrays, body)
        self.targets = [var for var in self.program.outputs if not var.stop_gradient]

    def gradients(self) -> list[Any]:
        """Append the gradients: a Variable for each float input, None without influence."""
        block = self.program.global_block
        shapes = [np.shape(v) for v in self.run(self.targets)]
        weights = []
        for target, shape in zip(self.targets, shapes, strict=True):
            name = self.program.unique("w")
            # Random weights, not ones: errors that cancel in a sum would stay unseen.
            weights.append(block.add_arg(name, target.shape, target.dtype, stop_gradient=False))
            self.arrays.append(np.asarray(self.rng.uniform(0.5, 1.5, shape)))
        wrt = [self.inputs[i] for i in self.wrt]
        found = append_backward(self.program, self.targets, weights, wrt)
        verify(self.program)
        self.targets = [var for var in found if var is not None]
        return found

    def run(self, variables: Sequence[Any]) -> list[Array]:
        """The values of these Variables, never views of the inputs."""
        self.program.global_block.results[:] = variables
        return [value.copy() for value in run_program(self.program, self.arrays)[0]]


def difference(
    function: Callable[[], list[Array]], weights: list[Array], x: Array, along: Array
) -> float:
    """The derivative of the sum of weights * function() when x moves along a direction."""
    old = x.copy()
    x += STEP * along
    above = function()
    x[...] = old - STEP * along
    below = function()
    x[...] = old
    pairs = zip(above, below, weights, strict=True)
    return sum(((a - b) * w).sum() for a, b, w in pairs) / (2 * STEP)


def check(recorded: Recorded, what: str) -> None:
    """The next order of gradients is what central differences of the last one are."""
    targets = list(recorded.targets)
    count = len(recorded.arrays)
    found = recorded.gradients()
    weights = recorded.arrays[count:]
    values = iter(recorded.run([var for var in found if var is not None]))
    for i, var in zip(recorded.wrt, found, strict=True):
        x = recorded.arrays[i]
        gradient = np.zeros_like(x) if var is None else next(values)
        assert gradient.shape == x.shape and gradient.dtype == x.dtype, what
        # Along random directions: an error in one element shows in each of them.
        for _ in range(2):
            along = recorded.rng.uniform(-1, 1, x.shape)
            wanted = difference(lambda: recorded.run(targets), weights, x, along)
            size = np.abs(gradient * along).sum()
            assert abs((gradient * along).sum() - wanted) <= 2e-5 * (1 + size), (what, gradient)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient(name: str) -> None:
    """First and second order, of each sample that is differentiable."""
    opdef = OPS[name]
    checked = 0
    for number, sample, arrays in each(opdef):
        if not sample.grad:
            continue
        recorded = Recorded(opdef, *in_float64(sample, arrays))
        for order in (1, 2):
            if recorded.wrt and recorded.targets:
                check(recorded, f"{name}[{number}], order {order}")
                checked += 1
    assert checked or not any(sample.grad for sample in opdef.samples)
