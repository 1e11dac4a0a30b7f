"""Kernels of sizes that the call tells, over all sizes from 1 to 70, in one compiled code each.

These go past each tile and vector of any machine. Kernels of known sizes, and what else there is to
say of some (all widths of convolutions and poolings of images), have tests of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from kernel_harness import Array, agree, build, flat, reference

from wherry.codegen import jit

SIZES = range(1, 71)


@dataclass(frozen=True)
class Case:
    """An op, its inputs for a size, and which of their sizes are symbols (see kernel_harness)."""

    op: str
    inputs: Callable[[int], Sequence[Any]]
    symbolic: Sequence[tuple[int, int]]
    attrs: dict[str, Any] = field(default_factory=dict)
    rtol: float = 1e-5
    atol: float = 1e-5


def draw(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype(np.float32)


def ids(count: int, below: int) -> Array:
    return np.arange(count) * 7 % below


def product(rows: bool, columns: bool, inner: bool, *, x: bool = False, y: bool = False) -> Case:
    """A product in which some of the sizes vary; the others are no multiple of anything."""

    def inputs(size: int) -> list[Array]:
        m, n, k = (size if vary else 37 for vary in (rows, columns, inner))
        return [draw(*((k, m) if x else (m, k))), draw(*((n, k) if y else (k, n)))]

    symbols = [(0, 0), (0, 1), (1, 0), (1, 1)]
    return Case("matmul_v2", inputs, symbols, {"trans_x": x, "trans_y": y}, 1e-4)


def few(rows: int, *, y: bool = False) -> Case:
    """A known number of rows, by a matrix of any number of columns."""
    return Case(
        "matmul_v2", lambda n: [draw(rows, n), draw(n, n)],
        [(0, 1), (1, 0), (1, 1)], {"trans_y": y}, 1e-4,
    )  # fmt: skip


def by_large_matrix() -> Case:
    """Up to some tiles of rows the first one packs the panels, of which the last is not full."""
    y = draw(400, 520)
    return Case("matmul_v2", lambda m: [draw(m, 400), y], [(0, 0)], {}, 1e-4, 1e-4)


def image(op: str, channels: int, outputs: int, kernel: int, groups: int = 1, **attrs: Any) -> Case:
    """A convolution of an image whose width varies, with paddings that keep it at least 1."""
    filters = draw(outputs, channels // groups, kernel, kernel)
    attrs = {"groups": groups, "paddings": [kernel, kernel], **attrs}
    return Case(op, lambda w: [draw(1, channels, 3, w), filters], [(0, 0), (0, 3)], attrs, 1e-4)


def filter_gradient(stride: int, channels: int = 4, outputs: int = 5, groups: int = 1) -> Case:
    """That of a 3 x 3 convolution with padding 1, for images of any width."""
    attrs = {"strides": [1, stride], "paddings": [1, 1], "filter_size": [3, 3], "groups": groups}

    def inputs(width: int) -> list[Array]:
        return [draw(2, channels, 3, width), draw(2, outputs, 3, (width - 1) // stride + 1)]

    return Case("conv2d_filter_grad", inputs, [(0, 3), (1, 3)], attrs, 1e-4, 1e-4)


def input_gradient(outputs: int, kernel: int, groups: int = 1, **attrs: Any) -> Case:
    """As a transposed convolution, whose size the image tells; its rows are the outputs."""
    filters = draw(4, outputs // groups, 2, kernel)
    return Case(
        "conv2d_transpose", lambda w: [draw(1, 4, 2, w), filters], [(0, 0), (0, 3)],
        {"groups": groups, **attrs}, 1e-4,
    )  # fmt: skip


def along(op: str, *shape: int, at: Sequence[int], **attrs: Any) -> Case:
    """An op on one array whose sizes at some axes vary together."""

    def inputs(size: int) -> list[Array]:
        return [draw(*(size if axis in at else dim for axis, dim in enumerate(shape)))]

    return Case(op, inputs, [(0, axis) for axis in at], attrs, 1e-5, 2e-5)


CASES: dict[str, Case] = {
    **{
        f"product {name} {form}": product(*vary, x=x, y=y)
        for name, vary in {
            "rows": (True, False, False), "columns": (False, True, False),
            "sums": (False, False, True), "cubes": (True, True, True),
        }.items()
        for form, x, y in (("", False, False), ("x", True, False), ("y", False, True),
                           ("xy", True, True))
    },
    **{f"{m} rows {'y' * y}": few(m, y=y) for m in (1, 3, 8) for y in (False, True)},
    "dots": Case("matmul_v2", lambda n: [draw(n, n), draw(n, 1)], [(0, 0), (0, 1), (1, 0)], {},
                 1e-4),
    "rows by a large matrix": by_large_matrix(),
    "stacks": Case("matmul_v2", lambda n: [draw(2, n, 5), draw(2, 5, n)], [(0, 1), (1, 2)], {},
                   1e-4),
    "conv 3 x 3": image("conv2d", 5, 7, 3),
    "conv strides": image("conv2d", 5, 7, 3, strides=[1, 3]),
    "conv dilated": image("conv2d", 5, 7, 3, dilations=[1, 5], paddings=[3, 5]),
    "conv 1 x 1": image("conv2d", 9, 18, 1, paddings=[0, 0]),
    "conv to blocks": image("conv2d", 20, 40, 3),
    "conv to blocks, strides": image("conv2d", 20, 40, 3, strides=[1, 3]),
    "conv to blocks, dilated": image("conv2d", 20, 40, 3, dilations=[2, 3]),
    "conv in groups": image("conv2d", 32, 32, 3, groups=2, strides=[2, 3]),
    "depthwise": image("conv2d", 32, 32, 3, groups=32, strides=[1, 3]),
    "planes": image("conv2d_planes", 6, 6, 3, groups=3, strides=[1, 3], paddings=[1, 1, 2, 3]),
    "planes dilated": image(
        "conv2d_planes", 6, 6, 3, groups=3, dilations=[1, 3], paddings=[1, 1, 3, 3]
    ),
    **{f"filter gradient / {s}": filter_gradient(s) for s in (1, 3)},
    **{f"filter gradient in blocks / {s}": filter_gradient(s, 20, 40) for s in (1, 3)},
    **{f"filter gradient in groups / {s}": filter_gradient(s, 4, 6, 2) for s in (1, 3)},
    **{
        f"input gradient {outputs} x {kernel} / {stride}": input_gradient(
            outputs, kernel, strides=[1, stride]
        )
        for outputs, kernel, stride in ((1, 3, 1), (7, 1, 1), (17, 3, 1), (31, 3, 2), (6, 5, 3))
    },
    "input gradient dilated": input_gradient(10, 3, groups=2, dilations=[1, 3], strides=[2, 1]),
    "input gradient inside": input_gradient(5, 3, paddings=[0, 0, 1, 1], output_padding=[0, 0]),
    **{
        f"{kind} pool / {stride}": along(
            f"{kind}_pool2d", 1, 2, 3, 1, at=[3], ksize=[2, 3], strides=[1, stride], paddings=[1, 1]
        )
        for kind in ("max", "avg") for stride in (1, 3, 5)
    },
    "into blocks": along("to_blocked", 1, 19, 2, 1, at=[3]),
    "out of blocks": along("from_blocked", 1, 2, 2, 1, 16, at=[3], channels=19),
    "transpose": along("transpose2", 1, 1, at=[0, 1], axis=[1, 0]),
    "transpose of stacks": along("transpose2", 2, 1, 5, at=[1], axis=[0, 2, 1]),
    "heads": along("transpose2", 2, 1, 3, 5, at=[1], axis=[0, 2, 1, 3]),
    "expand": along("expand_v2", 1, 1, at=[0], shape=[3, -1, 5]),
    "concat": Case("concat", lambda n: [[draw(3, n), draw(3, 2)]], [(0, 1)], {"axis": 1}),
    "pad": along("pad", 2, 1, at=[1], paddings=[1, 0, 2, 3], pad_value=0.5),
    "flip": along("flip", 3, 1, at=[1], axis=[0, 1]),
    **{
        f"every element {step} apart": along(
            "strided_slice", 3, 1, at=[1], axes=[1], starts=[0], ends=[2**31 - 1], strides=[step]
        )
        for step in (1, 3, 7)
    },
    "backwards": along(
        "strided_slice", 3, 1, at=[1], axes=[1], starts=[-1], ends=[-(2**31)], strides=[-3]
    ),
    "softmax": along("softmax", 3, 1, at=[1]),
    "softmax of columns": along("softmax", 3, 1, at=[1], axis=0),
    "log_softmax": along("log_softmax", 3, 1, at=[1]),
    "layer_norm": Case(
        "layer_norm", lambda n: [draw(3, n), draw(n), draw(n + 1)[1:]],
        [(0, 1), (1, 0), (2, 0)], {"begin_norm_axis": 1}, 1e-4, 2e-3,
    ),
    **{
        f"{kind} of axis {axis}": along(f"reduce_{kind}", 1, 1, at=[0, 1], dim=[axis])
        for kind in ("sum", "max", "prod", "mean") for axis in (0, 1)
    },
    "sum of all": along("reduce_sum", 5, 1, at=[1], reduce_all=True),
    **{
        name: along(name, 3, 1, at=[1])
        for name in ("gelu", "tanh", "erf", "sigmoid", "exp", "sin", "relu", "cos")
    },
    "pow": Case("elementwise_pow", lambda n: [abs(draw(3, n)), draw(n)], [(0, 1), (1, 0)]),
    "add": Case("elementwise_add", lambda n: [draw(n, n), draw(n, 1)], [(0, 0), (0, 1), (1, 0)]),
    "rows that are picked": Case(
        "index_select", lambda n: [draw(9, n), ids(n, 9)], [(0, 1), (1, 0)], {"dim": 0}
    ),
    "embedding": Case("lookup_table_v2", lambda n: [draw(9, n), ids(n, 9)], [(0, 1), (1, 0)]),
    "gather_nd": Case(
        "gather_nd", lambda n: [draw(9, n), ids(n, 9)[:, None]], [(0, 1), (1, 0)]
    ),
    "take_along_axis": Case(
        "take_along_axis", lambda n: [draw(9, n), ids(n, 9)[None]], [(0, 1), (1, 1)], {"Axis": 0}
    ),
    "scatter_nd_add": Case(
        "scatter_nd_add", lambda n: [draw(9, n), ids(n, 9)[:, None], draw(n, n)],
        [(0, 1), (1, 0), (2, 0), (2, 1)], {}, 1e-4,
    ),
    "embedding gradient": Case(
        "embedding_grad", lambda n: [ids(n, 9), draw(n, n)], [(0, 0), (1, 0), (1, 1)],
        {"num_rows": 9}, 1e-4,
    ),
    "cumsum": along("cumsum", 3, 1, at=[1], axis=1),
    "cumsum of columns": along("cumsum", 1, 1, at=[0, 1], axis=0),
    "argsort": along("argsort", 3, 1, at=[1], axis=1),
    "arg_max": along("arg_max", 3, 1, at=[1], axis=1),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_sizes_from_1_to_70(name: str) -> None:
    case = CASES[name]
    run = jit(build(case.op, case.inputs(2), case.symbolic, **case.attrs))
    for size in SIZES:
        inputs = case.inputs(size)
        want = reference(case.op, inputs, **case.attrs)
        agree(run(flat(inputs)), want, case.rtol, case.atol)
