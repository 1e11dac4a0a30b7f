"""Runs one op compiled and by its reference, with static and with symbolic sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wherry.codegen import jit
from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter, run_reference
from wherry.ir.opdef import get_op
from wherry.ir.program import Program
from wherry.schema.dtypes import as_dtype

Array = np.ndarray[Any, Any]


def build(
    type: str, inputs: Sequence[Any], symbolic: Sequence[tuple[int, int]] = (), **attrs: Any
) -> Program:
    """A Program of one op. `symbolic` lists (input, axis) whose size is a symbol, one each.

    Inputs (by slot: an array, None or a list of arrays) are numbered in order.
    """
    program = Program()
    block, opdef = program.global_block, get_op(type)
    number = 0

    def declare(value: Any) -> Any:
        nonlocal number
        if value is None:
            return None
        if isinstance(value, list):
            return [declare(one) for one in value]
        shape = [
            symbol(f"S{number}_{axis}") if (number, axis) in symbolic else size
            for axis, size in enumerate(value.shape)
        ]
        var = block.add_arg(f"x{number}", shape, as_dtype(value.dtype), is_data=True)
        number += 1
        return var

    result = BlockEmitter(block).emit(opdef, [declare(value) for value in inputs], attrs)
    block.results = [v for vs in opdef.result_slots(result).values() for v in vs]
    return program


def flat(values: Sequence[Any]) -> list[Array]:
    found: list[Array] = []
    for value in values:
        found += flat(value) if isinstance(value, list) else [] if value is None else [value]
    return found


def compiled(type: str, inputs: Sequence[Any], symbolic: Any = (), **attrs: Any) -> list[Array]:
    """The op's results by native code."""
    return list(jit(build(type, inputs, symbolic, **attrs))(flat(inputs)))


def reference(type: str, inputs: Sequence[Any], **attrs: Any) -> list[Array]:
    opdef = get_op(type)
    slots = opdef.result_slots(run_reference(opdef, inputs, attrs))
    return [np.asarray(v) for vs in slots.values() for v in vs]


def agree(got: Sequence[Array], want: Sequence[Array], rtol: float, atol: float) -> None:
    """Equal shapes, dtypes and values (within the tolerance for floats)."""
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if b.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(a, b)


def check(
    type: str,
    *inputs: Any,
    symbolic: Sequence[tuple[int, int]] = (),
    rtol: float = 1e-5,
    atol: float = 1e-6,
    **attrs: Any,
) -> None:
    """The compiled op gives what its reference gives."""
    want = reference(type, inputs, **attrs)
    agree(compiled(type, inputs, symbolic, **attrs), want, rtol, atol)
