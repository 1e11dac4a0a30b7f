"""Every declared op, every sample: shape rule, reference, formula, expansion, text form agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_samples import SAMPLED, Symbols, each, flat, map_slots, symbolic_program, type_of

from wherry.ir.dims import evaluate
from wherry.ir.emit import ArrayEmitter, BlockEmitter, infer_types, run_reference
from wherry.ir.infer import Guard, TensorType, inferring
from wherry.ir.interp import run_program
from wherry.ir.opdef import OPS, OpDef, Sample
from wherry.ir.scalar import NumpyScalars
from wherry.ir.text import equal, parse_text, to_text
from wherry.ir.verify import verify


def tolerance(sample: Sample, arrays: Any) -> dict[str, float]:
    widest = max((a.dtype.itemsize for a in flat(arrays) if a.dtype.kind == "f"), default=8)
    rtol = {2: 2e-3, 4: 3e-6, 8: 1e-12}[widest]
    return {
        "rtol": rtol if sample.rtol is None else sample.rtol,
        "atol": rtol if sample.atol is None else sample.atol,
    }


def assert_same(found: Any, wanted: Any, sample: Sample, what: str) -> None:
    """Equal types; integers and bools equal, floats close, NaN equal to NaN."""
    assert len(flat(found)) == len(flat(wanted)), what
    for a, b in zip(flat(found), flat(wanted), strict=True):
        assert type_of(np.asarray(a)) == type_of(b), what
        np.testing.assert_allclose(a, b, **tolerance(sample, [b]), err_msg=what)


def test_every_op_has_samples_or_a_reason() -> None:
    bare = [name for name, opdef in OPS.items() if not opdef.samples and not opdef.no_samples]
    assert bare == []


def test_every_op_can_run() -> None:
    without = [
        name for name, opdef in OPS.items() if opdef.reference is None and not opdef.no_samples
    ]
    assert without == []


@pytest.mark.parametrize("name", SAMPLED)
def test_infer_agrees_with_reference(name: str) -> None:
    opdef = OPS[name]
    for number, sample, arrays in each(opdef):
        before = [array.copy() for array in flat(arrays)]
        result = run_reference(opdef, arrays, sample.attrs)
        inferred = infer_types(opdef, map_slots(arrays, type_of), sample.attrs)
        found = {slot: map_slots(v, type_of) for slot, v in opdef.result_slots(result).items()}
        assert found == opdef.result_slots(inferred), f"{name}[{number}]"
        for array, old in zip(flat(arrays), before, strict=True):
            np.testing.assert_array_equal(array, old, f"{name}[{number}] changed its input")


@pytest.mark.parametrize("apart", [False, True], ids=["shared", "apart"])
@pytest.mark.parametrize("name", SAMPLED)
def test_infer_on_symbols(name: str, apart: bool) -> None:
    """With sizes as symbols the rule gives the same shape, under guards that hold."""
    opdef = OPS[name]
    for number, sample, arrays in each(opdef):
        symbols, guards = Symbols(apart), list[Guard]()
        with inferring(name, None, guards):
            inferred = infer_types(opdef, symbols.types(name, arrays), sample.attrs)
        for guard in guards:
            sides = (evaluate(side, symbols.values) for side in (guard.left, guard.right))
            assert guard.holds(*sides), f"{name}[{number}]: {guard.message}"
        static = infer_types(opdef, map_slots(arrays, type_of), sample.attrs)
        found = [
            TensorType(tuple(evaluate(d, symbols.values) for d in t.shape), t.dtype)
            for t in flat_types(opdef, inferred)
        ]
        assert found == flat_types(opdef, static), f"{name}[{number}]"


def flat_types(opdef: OpDef, result: Any) -> list[TensorType]:
    return [one for found in opdef.result_slots(result).values() for one in found]


@pytest.mark.parametrize("name", [n for n in SAMPLED if OPS[n].scalar])
def test_formula_agrees_with_reference(name: str) -> None:
    """The scalar formula on arrays gives what the reference gives."""
    opdef = OPS[name]
    assert opdef.scalar is not None
    for number, sample, arrays in each(opdef):
        if sample.attrs.get("axis", -1) != -1 and "axis" in opdef.attrs:
            arrays = _aligned(arrays, sample.attrs["axis"])
        attrs = opdef.bind(sample.attrs)
        found = NumpyScalars().run(opdef.scalar, *arrays, **attrs)
        wanted = run_reference(opdef, arrays, {**sample.attrs, "axis": -1})
        found = np.broadcast_to(found, wanted.shape)
        assert_same(found, wanted, sample, f"{name}[{number}]")


def _aligned(arrays: list[Any], axis: int) -> list[Any]:
    """What the decompose pass does with Paddle's `axis`: a reshape of Y."""
    x, y = arrays
    return [x, y.reshape(y.shape + (1,) * (x.ndim - axis - y.ndim))]


@pytest.mark.parametrize("name", [n for n in SAMPLED if OPS[n].expand])
def test_expansion_agrees_with_reference(name: str) -> None:
    opdef = OPS[name]
    assert opdef.expand is not None
    for number, sample, arrays in each(opdef):
        padded = [*arrays, *[None] * (len(opdef.inputs) - len(arrays))]
        found = opdef.expand(ArrayEmitter(), *padded, **opdef.bind(sample.attrs))
        wanted = run_reference(opdef, arrays, sample.attrs)
        assert_same(found, wanted, sample, f"{name}[{number}]")


@pytest.mark.parametrize("name", [n for n in SAMPLED if OPS[n].expand])
def test_expansion_on_symbols(name: str) -> None:
    """The expansion, recorded with sizes as symbols and interpreted, gives the same."""
    opdef = OPS[name]
    for number, sample, arrays in each(opdef):

        def body(F: BlockEmitter, inputs: list[Any], attrs: Any = sample.attrs) -> Any:
            assert opdef.expand is not None
            padded = [*inputs, *[None] * (len(opdef.inputs) - len(inputs))]
            return opdef.expand(F, *padded, **opdef.bind(attrs))

        program = symbolic_program(opdef, arrays, body)
        verify(program)
        found, _ = run_program(program, flat(arrays))
        wanted = flat(run_reference(opdef, arrays, sample.attrs))
        assert_same(found, wanted, sample, f"{name}[{number}]")


@pytest.mark.parametrize("name", SAMPLED)
def test_recorded_op(name: str) -> None:
    """Recorded with sizes as symbols: verified, printed and parsed back, interpreted."""
    opdef = OPS[name]
    for number, sample, arrays in each(opdef):

        def body(F: BlockEmitter, inputs: list[Any], attrs: Any = sample.attrs) -> Any:
            return F.emit(opdef, inputs, attrs)

        program = symbolic_program(opdef, arrays, body)
        verify(program)
        assert equal(parse_text(to_text(program)), program), f"{name}[{number}]"
        found, _ = run_program(program, flat(arrays))
        wanted = flat(run_reference(opdef, arrays, sample.attrs))
        assert_same(found, wanted, sample, f"{name}[{number}]")
