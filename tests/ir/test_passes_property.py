"""Random Programs: no pass changes what they mean, and each leaves them valid."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.ir.backward import split_training
from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.interp import run_program
from wherry.ir.opdef import get_op
from wherry.ir.passes import (
    OPTIONAL_PASSES,
    Cse,
    Dce,
    Decompose,
    DropBroadcasts,
    FoldConstants,
    Fuse,
    InferShape,
    Simplify,
    SinkViews,
    prepare_for_codegen,
)
from wherry.ir.program import Block, Program, Variable
from wherry.ir.text import equal, parse_text, to_text
from wherry.ir.verify import verify
from wherry.schema.dtypes import bool_, float32, float64, int64

Array = np.ndarray[Any, Any]
B = symbol("B")
UNARY = ["relu", "tanh", "abs", "assign", "square", "sigmoid"]
BINARY = ["elementwise_add", "elementwise_sub", "elementwise_mul", "elementwise_max"]
SHAPED = [
    "softmax", "scale", "reduce", "rows", "transpose", "reshape", "constant", "cast", "layer_norm",
]  # fmt: skip
EXACT = [
    InferShape(),
    FoldConstants(),
    FoldConstants(inference=True),
    Cse(),
    Dce(),
    Simplify(),
    DropBroadcasts(),
    SinkViews(),
    Fuse(),
]


def grow(data: st.DataObject, F: BlockEmitter, values: list[Variable], steps: int) -> None:
    """Append random ops; every value is float64 of shape [B or 1, 4 or 1] or [4]."""
    for _ in range(steps):
        kind = data.draw(st.sampled_from(UNARY + BINARY + SHAPED + ["cond", "while"]))
        x = data.draw(st.sampled_from(values))
        if kind == "cond":
            values.append(branch(data, F, x, data.draw(st.sampled_from(values))))
        elif kind == "while":
            values.extend(loop(data, F, x, data.draw(st.sampled_from(values))))
        elif kind in BINARY:
            values.append(getattr(F, kind)(x, data.draw(st.sampled_from(values))))
        elif kind in UNARY:
            values.append(getattr(F, kind)(x))
        else:
            values.append(shaped(data, F, kind, x))


def shaped(data: st.DataObject, F: BlockEmitter, kind: str, x: Variable) -> Variable:
    if kind == "softmax":
        return F.softmax(x, axis=-1)
    if kind == "scale":
        factor, bias = (data.draw(st.sampled_from([1.0, -0.0, 0.0, 0.5])) for _ in range(2))
        return F.scale(x, scale=factor, bias=bias)
    if kind == "reduce":
        name = data.draw(st.sampled_from(["reduce_sum", "reduce_max", "reduce_mean"]))
        return getattr(F, name)(x, dim=[x.ndim - 1], keep_dim=True)
    if kind == "rows":  # one value per row, without its axis for a while
        one = F.exp(F.scale(F.reduce_max(x, dim=[x.ndim - 1]), scale=0.5, bias=-1.0))
        return F.unsqueeze2(one, axes=[x.ndim - 1])
    if kind == "transpose":
        axes = list(range(x.ndim))[::-1]
        return F.transpose2(F.transpose2(x, axis=axes), axis=axes)
    if kind == "reshape":
        return F.reshape2(F.reshape2(x, shape=[-1]), shape=list(x.shape))
    if kind == "cast":
        return F.cast(F.cast(x, out_dtype=float64), out_dtype=float64)
    if kind == "layer_norm" and x.ndim == 2:
        return F.layer_norm(x, None, None, begin_norm_axis=1)[0]
    return F.full(data.draw(st.sampled_from([(), (4,), (1, 4)])),
                  data.draw(st.sampled_from([0.0, 1.0, -0.0, 2.5])), float64)  # fmt: skip


def branch(data: st.DataObject, F: BlockEmitter, x: Variable, y: Variable) -> Variable:
    """A cond on the Program's first input, whose branches give values of x's type."""
    blocks = {}
    for name in ("true_block", "false_block"):
        block = F.block.program.create_block(F.block)
        args = [
            block.add_arg(F.block.program.unique(f"{v.name}.arg"), v.shape, v.dtype,
                          stop_gradient=v.stop_gradient)
            for v in (x, y)
        ]  # fmt: skip
        values = list(args)
        grow_maps(data, BlockEmitter(block), values)
        block.results = [next(v for v in reversed(values) if v.type == x.type)]
        blocks[name] = block
    flag = F.block.program.inputs[0]
    out: Variable = F.emit(get_op("cond"), [flag, [x, y]], blocks)[0]
    out.stop_gradient = x.stop_gradient and y.stop_gradient
    return out


def loop(data: st.DataObject, F: BlockEmitter, x: Variable, y: Variable) -> list[Variable]:
    """Two rounds of random maps on x and y, which the loop carries, and x, which it reads too."""
    program = F.block.program
    zero, two = (F.full((), number, int64) for number in (0, 2))
    block = program.create_block(F.block)
    args = [
        block.add_arg(program.unique(f"{v.name}.carry"), v.shape, v.dtype,
                      stop_gradient=v.stop_gradient)
        for v in (zero, x, y, two, x)
    ]  # fmt: skip
    E = BlockEmitter(block)
    values = [args[1], args[2], args[4]]
    grow_maps(data, E, values)
    after = E.scale(args[0], bias=1.0)
    carried = [next(v for v in reversed(values) if v.type == old.type) for old in (x, y)]
    block.results = [E.less_than(after, args[3]), after, *carried]
    go = F.less_than(zero, two)
    outs = F.emit(get_op("while"), [go, [zero, x, y], [two, x]], {"block": block})[1:]
    for out in outs:
        out.stop_gradient = x.stop_gradient and y.stop_gradient
    return list(outs)


def grow_maps(data: st.DataObject, F: BlockEmitter, values: list[Variable]) -> None:
    for _ in range(data.draw(st.integers(0, 3))):
        kind = data.draw(st.sampled_from(UNARY + BINARY))
        x = data.draw(st.sampled_from(values))
        more = [data.draw(st.sampled_from(values))] if kind in BINARY else []
        values.append(getattr(F, kind)(x, *more))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    data: st.DataObject = draw(st.data())
    program = Program()
    block: Block = program.global_block
    block.add_arg("flag", (), bool_)
    values = [
        block.add_arg("x", (B, 4), float64, stop_gradient=False),
        block.add_arg("v", (4,), float64),
        block.add_arg("c", (B, 1), float64, stop_gradient=False),
        block.create_var("w", (4,), float64, persistable=True, trainable=True, stop_gradient=False),
    ]
    if draw(st.booleans()):
        program.values["w"] = np.array([0.5, 1.0, -2.0, 0.0])
    grow(data, BlockEmitter(block), values, draw(st.integers(1, 12)))
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    block.results.extend(outputs)
    return program


def results(program: Program, batch: int) -> list[Array]:
    rng = np.random.default_rng(batch)
    arrays = {
        "flag": np.array(batch % 2 == 0), "x": rng.normal(size=(batch, 4)),
        "v": rng.normal(size=4), "c": rng.normal(size=(batch, 1)),
    }  # fmt: skip
    state = {} if "w" in program.values else {"w": rng.normal(size=4)}
    inputs = [arrays[var.name] for var in program.inputs]
    return run_program(program, inputs, {"w": rng.normal(size=4), **state} if state else {})[0]


def same(program: Program, other: Program, rtol: float) -> None:
    for batch in (1, 3, 0):
        for a, b in zip(results(program, batch), results(other, batch), strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
            if not rtol:
                zero = (a == 0) & (b == 0)
                assert (np.signbit(a) == np.signbit(b))[zero].all()


@settings(max_examples=60, deadline=None)
@given(programs())
def test_every_pass_keeps_the_meaning(program: Program) -> None:
    verify(program)
    assert equal(parse_text(to_text(program)), program, locs=True)
    for one in [*EXACT, Decompose()]:
        copy = program.clone()
        changed = one.run(copy)
        verify(copy)
        assert changed or equal(copy, program)
        assert [var.name for var in copy.outputs] == [var.name for var in program.outputs]
        same(program, copy, 1e-10 if one.name == "decompose" else 0.0)


@settings(max_examples=60, deadline=None)
@given(programs(), st.booleans())
def test_the_whole_pipeline_keeps_the_meaning(program: Program, inference: bool) -> None:
    before = to_text(program)
    ready = prepare_for_codegen(program, inference=inference)
    assert to_text(program) == before
    verify(ready)
    same(program, ready, 1e-10)
    assert equal(parse_text(to_text(ready)), ready)
    assert all(get_op(op.type).expand is None for op in ready.all_ops())
    assert [v.name for v in ready.inputs] == [v.name for v in program.inputs]


@settings(max_examples=40, deadline=None)
@given(programs())
def test_training_programs_are_valid(program: Program) -> None:
    split = split_training(program)
    verify(split.forward)
    verify(split.backward)
    for one in (split.forward, split.backward):
        verify(prepare_for_codegen(one, inference=False))
        for var in one.inputs:
            assert all(isinstance(dim, int) or str(dim).isidentifier() for dim in var.shape)
    outputs = results(split.forward, 3)[: split.n_outputs]
    for a, b in zip(outputs, results(program, 3), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", OPTIONAL_PASSES)
def test_each_pass_can_be_left_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    program(x: float32[B, 4]) {
      a: float32[B, 4] = softmax(X=x)
      b: float32[B, 4] = softmax(X=x)
      out: float32[B, 4] = elementwise_add(X=a, Y=b)
      yield out
    }"""
    monkeypatch.setenv("WHERRY_DISABLE", name)
    ready = prepare_for_codegen(parse_text(text), inference=True)
    verify(ready)
    kinds = [op.type for op in ready.all_ops()]
    assert ("fusion" in kinds) == (name != "fuse")
    assert (kinds.count("reduce_sum") == 2) == (name == "cse")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    expected = run_program(parse_text(text), [x])[0][0]
    np.testing.assert_allclose(run_program(ready, [x])[0][0], expected, rtol=1e-5)


def test_an_unknown_name_in_the_switch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERRY_DISABLE", "fuse,csa")
    with pytest.raises(ValueError, match=r"names \['csa'\]; it may name fold_batch_norm"):
        prepare_for_codegen(Program(), inference=False)


def test_debug_shows_the_program_after_each_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHERRY_DEBUG", "2")
    monkeypatch.setenv("WHERRY_CHECK", "1")
    program = Program()
    program.global_block.add_arg("x", (2,), float32)
    prepare_for_codegen(program, inference=True)
    shown = capsys.readouterr()
    assert "# after decompose\nprogram(x: float32[2]) {" in shown.err and not shown.out
