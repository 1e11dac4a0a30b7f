"""The pass `turn_gradients` as text in, text out; and that what it makes is the gradient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from passes_harness import body, check

from wherry.ir.emit import BlockEmitter
from wherry.ir.interp import run_program
from wherry.ir.passes import TurnGradients
from wherry.ir.program import Program
from wherry.ir.verify import verify
from wherry.schema.dtypes import as_dtype


def test_of_strides_1_it_is_one_convolution_with_the_taps_in_reverse() -> None:
    args = "w: float32[8, 4, 3, 3], g: float32[N, 8, 5, 6]"
    check(
        TurnGradients(),
        body("""
        out: float32[N, 4, 5, 6] = conv2d_input_grad(Filter=w, Grad=g, paddings=[1, 1], input_size=[5, 6]) @ net.py:3""",  # noqa: E501
             args=args),
        body("""
        reshape2_0.tmp_0: float32[1, 8, 4, 3, 3] = reshape2(X=w, shape=[1, 8, 4, 3, 3]) @ net.py:3
        transpose2_0.tmp_0: float32[1, 4, 8, 3, 3] = transpose2(X=reshape2_0.tmp_0, axis=[0, 2, 1, 3, 4]) @ net.py:3
        reshape2_1.tmp_0: float32[4, 8, 3, 3] = reshape2(X=transpose2_0.tmp_0, shape=[4, 8, 3, 3]) @ net.py:3
        strided_slice_0.tmp_0: float32[4, 8, 3, 3] = strided_slice(Input=reshape2_1.tmp_0, axes=[2, 3], starts=[2, 2], ends=[-2147483647, -2147483647], strides=[-1, -1]) @ net.py:3
        out: float32[N, 4, 5, 6] = conv2d(Input=g, Filter=strided_slice_0.tmp_0, paddings=[1, 1, 1, 1]) @ net.py:3""",  # noqa: E501
             args=args),
    )  # fmt: skip


def test_of_strides_2_the_phases_are_interleaved() -> None:
    args = "w: float32[8, 3, 1, 2], g: float32[N, 8, 3, 3]"
    check(
        TurnGradients(),
        body("""
        out: float32[N, 6, 3, 6] = conv2d_input_grad(Filter=w, Grad=g, strides=[1, 2], groups=2, input_size=[3, 6])""",  # noqa: E501
             args=args),
        body("""
        reshape2_0.tmp_0: float32[2, 4, 3, 1, 2] = reshape2(X=w, shape=[2, 4, 3, 1, 2])
        transpose2_0.tmp_0: float32[2, 3, 4, 1, 2] = transpose2(X=reshape2_0.tmp_0, axis=[0, 2, 1, 3, 4])
        reshape2_1.tmp_0: float32[6, 4, 1, 2] = reshape2(X=transpose2_0.tmp_0, shape=[6, 4, 1, 2])
        strided_slice_0.tmp_0: float32[6, 4, 1, 1] = strided_slice(Input=reshape2_1.tmp_0, axes=[2, 3], starts=[0, 0], ends=[-2147483647, -2147483647], strides=[-1, -2])
        conv2d_0.tmp_0: float32[N, 6, 3, 3] = conv2d(Input=g, Filter=strided_slice_0.tmp_0, paddings=[0, 0, 0, 0], groups=2)
        strided_slice_1.tmp_0: float32[6, 4, 1, 1] = strided_slice(Input=reshape2_1.tmp_0, axes=[2, 3], starts=[0, 1], ends=[-2147483647, -2147483647], strides=[-1, -2])
        conv2d_1.tmp_0: float32[N, 6, 3, 3] = conv2d(Input=g, Filter=strided_slice_1.tmp_0, paddings=[0, 0, 0, 0], groups=2)
        out: float32[N, 6, 3, 6] = interleave_planes(X=[conv2d_0.tmp_0, conv2d_1.tmp_0], steps=[1, 2], size=[3, 6])""",  # noqa: E501
             args=args),
    )  # fmt: skip


def test_rows_that_no_tap_meets_are_zeros() -> None:
    args = "w: float32[8, 4, 1, 1], g: float32[N, 8, 2, 4]"
    check(
        TurnGradients(),
        body("""
        out: float32[N, 4, 3, 4] = conv2d_input_grad(Filter=w, Grad=g, strides=[2, 1], input_size=[3, 4])""",  # noqa: E501
             args=args),
        body("""
        reshape2_0.tmp_0: float32[1, 8, 4, 1, 1] = reshape2(X=w, shape=[1, 8, 4, 1, 1])
        transpose2_0.tmp_0: float32[1, 4, 8, 1, 1] = transpose2(X=reshape2_0.tmp_0, axis=[0, 2, 1, 3, 4])
        reshape2_1.tmp_0: float32[4, 8, 1, 1] = reshape2(X=transpose2_0.tmp_0, shape=[4, 8, 1, 1])
        conv2d_0.tmp_0: float32[N, 4, 2, 4] = conv2d(Input=g, Filter=reshape2_1.tmp_0, paddings=[0, 0, 0, 0])
        fill_constant_0.tmp_0: float32[N, 4, 2, 4] = fill_constant(shape=[<N>, 4, 2, 4])
        out: float32[N, 4, 3, 4] = interleave_planes(X=[conv2d_0.tmp_0, fill_constant_0.tmp_0], steps=[2, 1], size=[3, 4])""",  # noqa: E501
             args=args),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            "w: float64[8, 4, 1, 1], g: float64[N, 8, 5, 5]",
            "out: float64[N, 4, 5, 5] = conv2d_input_grad(Filter=w, Grad=g, input_size=[5, 5])",
        ),
        (
            "w: float32[8, 4, 3, 3], g: float32[N, 8, (H - 1)//2 + 1, 3]",
            'guard <3> <= <H + 2> "large"\nout: float32[N, 4, H, 5] = conv2d_input_grad(Filter=w, '
            "Grad=g, strides=[2, 2], paddings=[1, 1], input_size=[<H>, 5])",
        ),
        (
            "w: float32[8, 4, 3, 3], g: float32[N, 8, 3, 3]",
            "out: float32[N, 4, 9, 9] = conv2d_input_grad(Filter=w, Grad=g, strides=[2, 2], "
            "dilations=[2, 2], input_size=[9, 9])",
        ),
    ],
)
def test_other_floats_unknown_phases_and_strides_with_dilations_stay(args: str, line: str) -> None:
    text = body(line, args=args)
    check(TurnGradients(), text, text)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_geometry_gives_the_same_gradient(data: st.DataObject) -> None:
    def two(low: int, high: int) -> list[int]:
        return [data.draw(st.integers(low, high)) for _ in range(2)]

    kernel, strides, groups = two(1, 4), two(1, 3), data.draw(st.integers(1, 2))
    dilations = [1, 1] if max(strides) > 1 else two(1, 2)
    size, pads = two(1, 9), two(0, 4) + two(0, 4)
    reach = [
        size[i] + sum(pads[2 * i : 2 * i + 2]) - dilations[i] * (kernel[i] - 1) - 1 for i in (0, 1)
    ]
    assume(min(reach) >= 0)
    counts = [1 + reach[i] // strides[i] for i in (0, 1)]
    program, f32 = Program(), as_dtype("float32")
    block = program.global_block
    w = block.add_arg("w", (2 * groups, 3, *kernel), f32)
    g = block.add_arg("g", (2, 2 * groups, *counts), f32)
    found = BlockEmitter(block).conv2d_input_grad(
        w, g, strides=strides, paddings=pads, dilations=dilations, groups=groups, input_size=size
    )
    block.results.append(found)
    rng = np.random.default_rng(sum(size))
    arrays = [rng.normal(size=var.shape).astype(np.float32) for var in (w, g)]
    ((want,), _) = run_program(program, arrays, {})
    assert TurnGradients().run(program)
    verify(program)
    ((got,), _) = run_program(program, arrays, {})
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
