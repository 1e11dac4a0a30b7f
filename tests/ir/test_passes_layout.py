"""The pass `layout` as text in, text out."""

from __future__ import annotations

import numpy as np
from passes_harness import body, check

from wherry.ir.interp import run_program
from wherry.ir.passes import Layout, prepare_for_codegen
from wherry.ir.text import parse_text

X = "x: float32[N, 32, 14, 14]"


def test_a_single_convolution_takes_and_gives_plain_images() -> None:
    check(
        Layout(),
        body("""
        out: float32[N, 16, 14, 14] = conv2d(Input=x, Filter=w, paddings=[1, 1]) @ net.py:3""",
             args=f"{X}, w: float32[16, 32, 3, 3]"),
        body("""
        to_blocked_0.tmp_0: float32[N, 2, 14, 16, 16] = to_blocked(X=x, paddings=[0, 0, 1, 1]) @ net.py:3
        pack_filter_0.tmp_0: float32[1, 2, 3, 3, 16, 16] = pack_filter(Filter=w, block=16) @ net.py:3
        out: float32[N, 16, 14, 14] = conv2d_blocked(Input=to_blocked_0.tmp_0, Filter=pack_filter_0.tmp_0, in_channels=32, out_channels=16, plain=true, paddings=[1, 1]) @ net.py:3""",  # noqa: E501
             args=f"{X}, w: float32[16, 32, 3, 3]"),
    )  # fmt: skip


def test_what_lies_between_convolutions_is_blocked() -> None:
    """The image with few channels is read as it is; a bias is blocked; 1 x 1 needs no padding."""
    args = (
        "x: float32[N, 3, 14, 14], w: float32[32, 3, 3, 3], b: float32[32, 1, 1], "
        "v: float32[16, 32, 1, 1]"
    )
    check(
        Layout(),
        body("""
        a: float32[N, 32, 12, 12] = conv2d(Input=x, Filter=w)
        c: float32[N, 32, 12, 12] = elementwise_add(X=a, Y=b)
        d: float32[N, 32, 12, 12] = relu(X=c)
        out: float32[N, 16, 12, 12] = conv2d(Input=d, Filter=v)""", args=args),
        body("""
        pack_filter_0.tmp_0: float32[2, 1, 3, 3, 3, 16] = pack_filter(Filter=w, block=3)
        conv2d_blocked_0.tmp_0: float32[N, 2, 12, 12, 16] = conv2d_blocked(Input=x, Filter=pack_filter_0.tmp_0, in_channels=3, out_channels=32)
        reshape2_0.tmp_0: float32[1, 32, 1, 1] = reshape2(X=b, shape=[1, 32, 1, 1])
        reshape2_1.tmp_0: float32[1, 2, 1, 1, 16] = reshape2(X=reshape2_0.tmp_0, shape=[1, 2, 1, 1, 16])
        elementwise_add_0.tmp_0: float32[N, 2, 12, 12, 16] = elementwise_add(X=conv2d_blocked_0.tmp_0, Y=reshape2_1.tmp_0)
        relu_0.tmp_0: float32[N, 2, 12, 12, 16] = relu(X=elementwise_add_0.tmp_0)
        pack_filter_1.tmp_0: float32[1, 2, 1, 1, 16, 16] = pack_filter(Filter=v, block=16)
        out: float32[N, 16, 12, 12] = conv2d_blocked(Input=relu_0.tmp_0, Filter=pack_filter_1.tmp_0, in_channels=32, out_channels=16, plain=true)""",  # noqa: E501
             args=args),
    )  # fmt: skip


def test_a_residual_and_a_global_pooling_stay_blocked() -> None:
    """The flattening of whole blocks is a view; what reads a plain image gets one."""
    args = f"{X}, w: float32[32, 32, 3, 3]"
    check(
        Layout(),
        body("""
        a: float32[N, 32, 14, 14] = conv2d(Input=x, Filter=w, paddings=[1, 1])
        b: float32[N, 32, 14, 14] = conv2d(Input=a, Filter=w, paddings=[1, 1])
        c: float32[N, 32, 14, 14] = elementwise_add(X=a, Y=b)
        p: float32[N, 32, 1, 1] = avg_pool2d(X=c, ksize=[1, 1], adaptive=true)
        out: float32[N, 14, 14, 32] = transpose2(X=c, axis=[0, 2, 3, 1])""",
             args=args, result="p, out"),
        body("""
        to_blocked_0.tmp_0: float32[N, 2, 14, 16, 16] = to_blocked(X=x, paddings=[0, 0, 1, 1])
        pack_filter_0.tmp_0: float32[2, 2, 3, 3, 16, 16] = pack_filter(Filter=w, block=16)
        conv2d_blocked_0.tmp_0: float32[N, 2, 14, 14, 16] = conv2d_blocked(Input=to_blocked_0.tmp_0, Filter=pack_filter_0.tmp_0, in_channels=32, out_channels=32, paddings=[1, 1])
        pad_planes_0.tmp_0: float32[N, 2, 14, 16, 16] = pad_planes(X=conv2d_blocked_0.tmp_0, paddings=[0, 0, 1, 1])
        pack_filter_1.tmp_0: float32[2, 2, 3, 3, 16, 16] = pack_filter(Filter=w, block=16)
        conv2d_blocked_1.tmp_0: float32[N, 2, 14, 14, 16] = conv2d_blocked(Input=pad_planes_0.tmp_0, Filter=pack_filter_1.tmp_0, in_channels=32, out_channels=32, paddings=[1, 1])
        elementwise_add_0.tmp_0: float32[N, 2, 14, 14, 16] = elementwise_add(X=conv2d_blocked_0.tmp_0, Y=conv2d_blocked_1.tmp_0)
        c: float32[N, 32, 14, 14] = from_blocked(X=elementwise_add_0.tmp_0, channels=32)
        pool2d_blocked_0.tmp_0: float32[N, 2, 1, 1, 16] = pool2d_blocked(X=elementwise_add_0.tmp_0, ksize=[1, 1], adaptive=true, kind="avg")
        p: float32[N, 32, 1, 1] = reshape2(X=pool2d_blocked_0.tmp_0, shape=[<N>, 32, 1, 1])
        out: float32[N, 14, 14, 32] = transpose2(X=c, axis=[0, 2, 3, 1])""",  # noqa: E501
             args=args, result="p, out"),
    )  # fmt: skip


def test_few_outputs_and_single_poolings_stay_plain() -> None:
    """A maximum whose places nobody reads needs none."""
    args = "x: float32[N, 1, 28, 28], w: float32[6, 1, 5, 5]"
    check(
        Layout(),
        body("""
        a: float32[N, 6, 28, 28] = conv2d(Input=x, Filter=w, paddings=[2, 2])
        Out=out: float32[N, 6, 14, 14], Mask=m: int32[N, 6, 14, 14] = max_pool2d_with_index(X=a, ksize=[2, 2], strides=[2, 2])""",  # noqa: E501
             args=args),
        body("""
        conv2d_planes_0.tmp_0: float32[N, 6, 28, 28] = conv2d_planes(Input=x, Filter=w, paddings=[2, 2, 2, 2])
        out: float32[N, 6, 14, 14] = max_pool2d(X=conv2d_planes_0.tmp_0, ksize=[2, 2], strides=[2, 2])""",  # noqa: E501
             args=args).replace("conv2d_planes_0.tmp_0", "a"),
    )  # fmt: skip


def test_what_gains_nothing_stays() -> None:
    """float64; places that are read; a filter packed for one pixel; a product of matrices."""
    for text in (
        body("out: float64[4, 16, 9, 9] = conv2d(Input=x, Filter=w)",
             args="x: float64[4, 16, 9, 9], w: float64[16, 16, 1, 1]"),
        body("""
        Out=out: float32[N, 32, 7, 7], Mask=m: int32[N, 32, 7, 7] = max_pool2d_with_index(X=x, ksize=[2, 2], strides=[2, 2])""",  # noqa: E501
             args=X, result="out, m"),
        body("out: float32[1, 16, 1, 1] = conv2d(Input=x, Filter=w)",
             args="x: float32[1, 16, 3, 3], w: float32[16, 16, 3, 3]"),
        body("out: float32[N, 64, 14, 14] = conv2d(Input=x, Filter=w)",
             args=f"{X}, w: float32[64, 32, 1, 1]"),
        body("out: float32[64, 32, 1, 1] = conv2d_filter_grad(Input=x, Grad=g, filter_size=[1, 1])",
             args=f"{X}, g: float32[N, 64, 14, 14]"),
        body("""
        out: float32[64, 16, 3, 3] = conv2d_filter_grad(Input=x, Grad=g, groups=2, filter_size=[3, 3])""",  # noqa: E501
             args=f"{X}, g: float32[N, 64, 12, 12]"),
        body("out: float32[N, 64, 14, 14] = elementwise_add(X=x, Y=x)",
             args="x: float32[N, 64, 14, 14]"),
    ):  # fmt: skip
        check(Layout(), text, text)


def test_the_gradient_of_a_filter_is_taken_from_blocks() -> None:
    check(
        Layout(),
        body("""
        out: float32[40, 20, 3, 3] = conv2d_filter_grad(Input=x, Grad=g, paddings=[1, 1], filter_size=[3, 3]) @ net.py:3""",  # noqa: E501
             args="x: float32[N, 20, 14, 14], g: float32[N, 40, 14, 14]"),
        body("""
        to_blocked_0.tmp_0: float32[N, 2, 16, 16, 16] = to_blocked(X=x, paddings=[1, 1, 1, 1]) @ net.py:3
        to_blocked_1.tmp_0: float32[N, 3, 14, 14, 16] = to_blocked(X=g) @ net.py:3
        filter_grad_blocked_0.tmp_0: float32[3, 2, 3, 3, 16, 16] = filter_grad_blocked(Input=to_blocked_0.tmp_0, Grad=to_blocked_1.tmp_0, filter_size=[3, 3]) @ net.py:3
        transpose2_0.tmp_0: float32[3, 16, 2, 16, 3, 3] = transpose2(X=filter_grad_blocked_0.tmp_0, axis=[0, 5, 1, 4, 2, 3]) @ net.py:3
        reshape2_0.tmp_0: float32[48, 32, 3, 3] = reshape2(X=transpose2_0.tmp_0, shape=[48, 32, 3, 3]) @ net.py:3
        out: float32[40, 20, 3, 3] = slice(Input=reshape2_0.tmp_0, axes=[0, 1], starts=[0, 0], ends=[40, 20]) @ net.py:3""",  # noqa: E501
             args="x: float32[N, 20, 14, 14], g: float32[N, 40, 14, 14]"),
    )  # fmt: skip


def test_with_few_channels_the_image_stays_plain() -> None:
    check(
        Layout(),
        body("""
        out: float32[32, 3, 3, 3] = conv2d_filter_grad(Input=x, Grad=g, strides=[2, 2], filter_size=[3, 3])""",  # noqa: E501
             args="x: float32[N, 3, 15, 15], g: float32[N, 32, 7, 7]"),
        body("""
        to_blocked_0.tmp_0: float32[N, 2, 7, 7, 16] = to_blocked(X=g)
        filter_grad_blocked_0.tmp_0: float32[2, 1, 3, 3, 3, 16] = filter_grad_blocked(Input=x, Grad=to_blocked_0.tmp_0, strides=[2, 2], filter_size=[3, 3])
        transpose2_0.tmp_0: float32[2, 16, 1, 3, 3, 3] = transpose2(X=filter_grad_blocked_0.tmp_0, axis=[0, 5, 1, 4, 2, 3])
        out: float32[32, 3, 3, 3] = reshape2(X=transpose2_0.tmp_0, shape=[32, 3, 3, 3])""",  # noqa: E501
             args="x: float32[N, 3, 15, 15], g: float32[N, 32, 7, 7]"),
    )  # fmt: skip


def test_known_filters_are_packed_when_compiling() -> None:
    program = parse_text(
        body(
            "out: float32[1, 16, 1, 1] = conv2d(Input=x, Filter=w)", args="x: float32[1, 16, 3, 3]"
        ).replace("{\n", "{\n persist w: float32[16, 16, 3, 3] = ...\n")
    )
    rng = np.random.default_rng(0)
    program.values["w"] = rng.normal(size=(16, 16, 3, 3)).astype(np.float32)
    prepared = prepare_for_codegen(program, inference=True)
    assert [op.type for op in prepared.global_block.ops] == ["to_blocked", "conv2d_blocked"]
    x = rng.normal(size=(1, 16, 3, 3)).astype(np.float32)
    (want,), _ = run_program(program, [x], program.values)
    (got,), _ = run_program(prepared, [x], prepared.values)
    np.testing.assert_allclose(got, want, rtol=1e-5)
