"""Errors in the data: the reference and compiled code refuse the same calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_samples import flat, symbolic_program

from wherry.codegen import jit
from wherry.ir.emit import run_reference
from wherry.ir.interp import run_program
from wherry.ir.opdef import get_op
from wherry.schema.errors import RunError

X = np.arange(12, dtype=np.float32).reshape(3, 4)
V = np.zeros(4, np.float32)


def ints(*values: Any) -> Any:
    return np.array(values, np.int64)


CASES = [
    ("elementwise_floordiv", [ints(7, 8), ints(2, 0)], {}, "integer division by zero"),
    ("elementwise_mod", [ints(7, 8), ints(0)], {}, "integer division by zero"),
    ("elementwise_div", [ints(7), ints(0)], {}, "integer division by zero"),
    ("index_select", [X, ints(0, 3)], {}, "index 3 is out of range for a dim of size 3"),
    ("index_select", [X, ints(4)], {"dim": 1}, "index 4 is out of range for a dim of size 4"),
    ("gather", [X, ints(-1)], {}, "index -1 is out of range for a dim of size 3"),
    ("gather_nd", [X, ints([1, 9])], {}, "index 9 is out of range for a dim of size 4"),
    ("gather_nd", [X, ints([-2, 0])], {}, "index -2 is out of range for a dim of size 3"),
    ("index_add", [X, ints(5), X[:1]], {}, "index 5 is out of range for a dim of size 3"),
    ("scatter_nd_add", [X, ints([7]), X[:1]], {}, "index 7 is out of range for a dim of size 3"),
    ("scatter", [X, ints(3), X[:1]], {}, "index 3 is out of range for a dim of size 3"),
    ("scatter", [X, ints(-1), X[:1]], {"overwrite": False}, "index -1 is out of range"),
    ("take_along_axis", [V, ints(4)], {"Axis": 0}, "index 4 is out of range for a dim of size 4"),
    ("put_along_axis", [V, ints(4), V[:1]], {"Axis": 0}, "index 4 is out of range for a dim"),
    ("index_sample", [X, ints([0], [4], [0])], {}, "index 4 is out of range for a dim of size 4"),
    ("one_hot_v2", [ints(0, 3)], {"depth": 3}, "index 3 is out of range for a dim of size 3"),
    ("one_hot_v2", [ints(-1)], {"depth": 3}, "index -1 is out of range for a dim of size 3"),
    ("inverse", [X[:, :3] * 0], {}, "needs matrices that have an inverse"),
    ("solve", [X[:, :3] * 0, X], {}, "needs matrices that have an inverse"),
    ("cholesky", [-np.eye(2)], {}, "needs positive definite matrices"),
    ("warpctc", [X[:, None], ints([4]), ints(3), ints(1)], {}, "needs labels from 0 to 3, got .4."),
    ("warpctc", [X[:, None], ints([1]), ints(4), ints(1)], {}, "needs input lengths from 0 to 3"),
    ("warpctc", [X[:, None], ints([1]), ints(3), ints(2)], {}, "needs label lengths from 0 to 1"),
    ("warpctc", [X[:, None], ints([1]), ints(3), ints(1)], {"blank": 4}, "needs a blank"),
]  # fmt: skip


@pytest.mark.parametrize(("type", "inputs", "attrs", "message"), CASES)
def test_refused(type: str, inputs: list[Any], attrs: dict[str, Any], message: str) -> None:
    opdef = get_op(type)
    with pytest.raises(RunError, match=message):
        run_reference(opdef, inputs, attrs)
    program = symbolic_program(opdef, inputs, lambda F, given: F.emit(opdef, given, attrs))
    with pytest.raises(RunError, match=message):
        run_program(program, flat(inputs))
    # Compiled code reports the index, not the size of the dim.
    with pytest.raises(RunError, match=message.partition(" for a dim")[0]):
        jit(program)(flat(inputs))


@pytest.mark.parametrize("type", ["elementwise_floordiv", "elementwise_mod", "elementwise_div"])
def test_dividing_nothing_by_zero_is_no_error(type: str) -> None:
    inputs = [np.zeros((0, 2), np.int64), ints(0, 0)]
    opdef = get_op(type)
    program = symbolic_program(opdef, inputs, lambda F, given: F.emit(opdef, given, {}))
    assert run_reference(opdef, inputs, {}).shape == (0, 2)
    assert jit(program)(inputs)[0].shape == (0, 2)


@pytest.mark.parametrize("name", ["int8", "int16", "int32", "int64"])
def test_integers_wrap(name: str) -> None:
    """The smallest integer over -1, doubled, and negated: what does not fit wraps around."""
    low = np.array([np.iinfo(name).min], name)
    minus = np.array([-1], name)
    for type, wanted in [
        ("elementwise_floordiv", low), ("elementwise_div", low), ("elementwise_mod", [0]),
        ("elementwise_mul", low), ("elementwise_add", [np.iinfo(name).max]),
    ]:  # fmt: skip
        opdef = get_op(type)

        def body(F: Any, given: Any, opdef: Any = opdef) -> Any:
            return F.emit(opdef, given, {})

        found = run_reference(opdef, [low, minus], {})
        compiled = jit(symbolic_program(opdef, [low, minus], body))([low, minus])[0]
        assert found.dtype == compiled.dtype == low.dtype
        assert found.tolist() == compiled.tolist() == list(wanted), type
