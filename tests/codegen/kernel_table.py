"""A Program for each family of kernels, by name: what the targets' code generators are given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from kernel_harness import Array, build
from row_programs import Spec, attention, batch_statistics, chain, chosen, norms, program_of

from wherry.ir.dims import symbol
from wherry.ir.program import Program

Make = Callable[[], Program]
F32 = "float32"
N, M = symbol("N"), symbol("M")
IMAGE = [(0, 0), (0, 2), (0, 3)]
ANY_PLANE = IMAGE[1:]


def zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


def one_op(name: str, *specs: Spec, **attrs: Any) -> Make:
    return lambda: program_of(lambda F, *x: getattr(F, name)(*x, **attrs), *specs)


def product(m: int, n: int, k: int, symbolic: Any = (), **attrs: bool) -> Make:
    x = zeros(k, m) if attrs.get("trans_x") else zeros(m, k)
    y = zeros(n, k) if attrs.get("trans_y") else zeros(k, n)
    return partial(build, "matmul_v2", [x, y], symbolic, **attrs)


def blocked(kernel: int, width: int, symbolic: Any = (), **attrs: Any) -> Make:
    """32 channels to 64, in blocks; the packed filter has 4 blocks of outputs, 2 of channels."""
    x, w = zeros(1, 2, 19, width, 16), zeros(4, 2, kernel, kernel, 16, 16)
    sizes = {"in_channels": 32, "out_channels": 64, **attrs}
    return partial(build, "conv2d_blocked", [x, w], symbolic, **sizes)


def depthwise(kernel: int, stride: int, dilation: int) -> Make:
    inputs = [zeros(1, 2, 30, 60, 16), zeros(2, 1, kernel, kernel, 1, 16)]
    attrs = {"strides": [stride] * 2, "dilations": [dilation] * 2}
    return partial(build, "depthwise_blocked", inputs, **attrs)


def planes(
    outputs: int, kernel: int, stride: int, dilation: int, symbolic: Any = (), groups: int = 1
) -> Make:
    """So many outputs in each group, of one channel."""
    attrs = {"strides": [stride] * 2, "dilations": [dilation] * 2, "groups": groups}
    inputs = [zeros(1, groups, 28, 28), zeros(groups * outputs, 1, kernel, kernel)]
    return partial(build, "conv2d_planes", inputs, symbolic, **attrs)


def filter_gradient(size: int, stride: int, channels: int = 16, groups: int = 1) -> Make:
    plane = (28 - size) // stride + 1
    inputs = [zeros(2, channels, 28, 28), zeros(2, 32, plane, plane)]
    attrs = {"filter_size": [size] * 2, "strides": [stride] * 2, "groups": groups}
    return partial(build, "conv2d_filter_grad", inputs, **attrs)


def pool(type: str, size: int, stride: int, **attrs: Any) -> Make:
    x = zeros(1, 2, 56, 56, 16) if type == "pool2d_blocked" else zeros(1, 8, 56, 56)
    window = {"ksize": [size] * 2, "strides": [stride] * 2, "paddings": [size // 2 % 2] * 2}
    return partial(build, type, [x], **window, **attrs)


def picked(type: str, *more: Array, **attrs: Any) -> Make:
    """Rows of 128 floats at 7 indices."""
    at = np.zeros((7, 1) if "_nd" in type else 7, np.int64)
    return partial(build, type, [zeros(100, 128), at, *more], **attrs)


def panels(rows: int, symbolic: Any = (), dtype: str = "float32") -> Make:
    width = 128 // np.dtype(dtype).itemsize
    inputs = [np.zeros((rows, 300), dtype), np.zeros((9, 300, width), dtype)]
    return partial(build, "matmul_panels", inputs, symbolic, columns=9 * width)


PRODUCTS: dict[str, Make] = {
    "product": product(336, 288, 100),
    "transposed": product(336, 288, 100, trans_y=True),
    "transposed left": product(336, 288, 100, trans_x=True),
    "any size": product(64, 64, 64, [(0, 0), (0, 1), (1, 0), (1, 1)]),
    "any rows": product(64, 288, 100, [(0, 0)]),
    "batched": partial(build, "matmul_v2", [zeros(4, 64, 64), zeros(4, 64, 64)]),
    **{f"{m} rows": product(m, 1024, 300) for m in (1, 4, 8)},
    **{f"{m} rows transposed": product(m, 1024, 304, trans_y=True) for m in (1, 4, 8)},
    **{f"{m} rows and panels": panels(m) for m in (1, 2, 4, 8, 64)},
    "any rows and panels": panels(64, [(0, 0)]),
    "panels of float64": panels(64, dtype="float64"),
    "dot": product(1, 1, 320),
    "dots": product(64, 1, 320),
}
CONVOLUTIONS: dict[str, Make] = {
    "blocked": blocked(3, 58),
    "blocked narrow": blocked(3, 9),
    "blocked strided": blocked(3, 113, strides=[2, 2]),
    "blocked dilated": blocked(3, 60, dilations=[2, 2]),
    "blocked any size": blocked(3, 58, IMAGE),
    "blocked 1x1": blocked(1, 56),
    "blocked 1x1 strided": blocked(1, 56, strides=[2, 2]),
    "blocked 1x1 any size": blocked(1, 56, IMAGE),
    "blocked to plain": blocked(3, 58, plain=True),
    "blocked from plain": partial(
        build, "conv2d_blocked", [zeros(1, 3, 19, 58), zeros(4, 1, 3, 3, 3, 16)],
        in_channels=3, out_channels=64,
    ),
    **{
        f"depthwise {kernel} / {stride} x {dilation}": depthwise(kernel, stride, dilation)
        for kernel, stride, dilation in (
            (3, 1, 1), (3, 2, 1), (5, 1, 1), (5, 2, 1), (3, 1, 2), (7, 1, 1), (7, 2, 1),
        )
    },
    **{
        f"planes {outputs} x {kernel} / {stride} {of}": planes(outputs, kernel, stride, 1, symbolic)
        for outputs, kernel, stride in (
            (3, 7, 1), (4, 3, 1), (4, 3, 2), (6, 5, 1), (6, 5, 2), (8, 3, 1), (8, 3, 2),
        )
        for of, symbolic in (("", ()), ("of any size", ANY_PLANE))
    },
    "planes dilated": planes(6, 5, 1, 2),
    "plain 1x1": partial(build, "conv2d", [zeros(1, 64, 28, 28), zeros(64, 64, 1, 1)]),
    "input gradient": partial(
        build, "conv2d_input_grad", [zeros(32, 16, 3, 3), zeros(1, 32, 9, 9)],
        input_size=[21, 21], strides=[2, 2], dilations=[2, 2],
    ),
    "interleaved": partial(
        build, "interleave_planes", [[zeros(2, 8, 14, 70)] * 4], steps=[2, 2], size=[28, 140],
    ),
    **{
        f"filter gradient {size} / {stride}": filter_gradient(size, stride)
        for size, stride in ((1, 1), (3, 1), (3, 2), (5, 1))
    },
    **{
        f"filter gradient {size}, plain": filter_gradient(size, 1, channels)
        for size, channels in ((3, 4), (5, 1), (7, 3))
    },
    "filter gradient in groups": filter_gradient(3, 1, 16, groups=2),
}  # fmt: skip
# Their taps are written out, with more weights than there are registers.
WRITTEN_OUT: dict[str, Make] = {
    f"planes {outputs} x {kernel} / {stride} x {dilation} {of}": planes(
        outputs, kernel, stride, dilation, symbolic, groups
    )
    for outputs, kernel, stride, dilation, groups in (
        (1, 3, 1, 1, 8), (1, 3, 2, 1, 8), (1, 3, 1, 2, 1), (1, 5, 1, 1, 8), (1, 5, 2, 1, 1),
        (2, 3, 1, 1, 1), (2, 3, 2, 1, 1), (2, 3, 1, 2, 1),
    )
    for of, symbolic in (("", ()), ("of any size", ANY_PLANE))
}  # fmt: skip
POOLS: dict[str, Make] = {
    f"{type} {kind} {size} / {stride}": pool(type, size, stride, **attrs)
    for type, kind, attrs in (
        ("max_pool2d", "", {}),
        ("avg_pool2d", "", {"exclusive": False}),
        ("avg_pool2d", "exclusive", {"exclusive": True}),
        ("pool2d_blocked", "max", {"kind": "max"}),
        ("pool2d_blocked", "avg", {"kind": "avg"}),
    )
    for size, stride in ((2, 2), (3, 2), (3, 1))
}


def row_kernels(dtype: str) -> dict[str, Make]:
    """Reductions with pointwise ops, on rows of 1024 numbers or of any size."""
    rows, any_rows = ((N, 1024), dtype), ((N, M), dtype)
    line, any_line = ((1024,), dtype), ((M,), dtype)
    return {
        "softmax": one_op("softmax", rows),
        "softmax of any size": one_op("softmax", any_rows),
        "log_softmax": one_op("log_softmax", rows),
        "softmax of columns": one_op("softmax", rows, axis=0),
        "layer_norm": one_op("layer_norm", rows, line, line, begin_norm_axis=1),
        "layer_norm of any size": one_op(
            "layer_norm", any_rows, any_line, any_line, begin_norm_axis=1
        ),
        "attention": lambda: program_of(attention, ((N, 128, 128), dtype), ((N, 1, 128), dtype)),
        "norms": lambda: program_of(norms, rows, line, line),
        "batch statistics": lambda: program_of(
            batch_statistics, ((8, 3, 28, 28), dtype), *[((3,), dtype)] * 4
        ),
        **{
            f"{name} of axis {axis}": one_op(f"reduce_{name}", rows, dim=[axis])
            for name in ("sum", "max", "prod", "mean")
            for axis in (0, 1)
        },
        "sum of all": one_op("reduce_sum", rows, reduce_all=True),
    }


FUNCTIONS = {
    F32: (
        "gelu", "tanh", "erf", "sigmoid", "exp", "log", "sin", "cos", "rsqrt", "relu", "silu",
        "softplus", "log1p", "expm1", "hard_swish", "log2", "log10", "tan", "asin", "acos", "atan",
        "sinh", "cosh", "asinh", "acosh", "atanh", "mish", "elu", "celu", "selu", "logsigmoid",
    ),
    "float64": (
        "gelu", "tanh", "erf", "exp", "log", "sin", "log1p", "softplus", "acos", "sinh", "asinh",
        "acosh", "atanh", "mish",
    ),
    "float16": ("gelu", "tanh", "exp", "log", "relu", "floor", "mish"),
}  # fmt: skip


def two_functions(F: Any, x: Any, y: Any) -> Any:
    """The second one takes more registers than the first."""
    return F.elementwise_mul(F.gelu(x), F.tanh(y))


def mixed(F: Any, x: Any, y: Any, z: Any) -> Any:
    """gelu(x) * tanh(y) + sigmoid(x - y) * erf(z)."""
    second = F.elementwise_mul(F.sigmoid(F.elementwise_sub(x, y)), F.erf(z))
    return F.elementwise_add(two_functions(F, x, y), second)


def sines(F: Any, x: Any, y: Any) -> Any:
    """A function with a branch for what is rare, behind another one."""
    return F.elementwise_mul(F.sin(x), F.cos(y))


def angles(F: Any, x: Any, y: Any) -> Any:
    """Values that several later ops read wait for cosines and for one another."""
    least = F.elementwise_min(y, x)
    angle = F.atan(least)
    ratio = F.elementwise_div(angle, F.elementwise_min(F.cos(x), least))
    error = F.erf(F.scale(ratio, scale=-1.44, bias=-0.53))
    total = F.elementwise_add(F.cos(F.expm1(angle)), angle)
    line = F.scale(error, scale=1.83, bias=-0.89)
    product = F.elementwise_mul(F.elementwise_sub(error, total), line)
    rest = F.elementwise_sub(F.floor(F.elementwise_add(product, line)), total)
    return F.elementwise_min(F.elementwise_max(x, rest), angle)


def many(F: Any, x: Any, y: Any, z: Any) -> Any:
    """Twenty ops with a cosine among them."""
    inverse, soft = F.reciprocal(z), F.softplus(x)
    less = F.elementwise_sub(x, inverse)
    gate = F.sigmoid(less)
    log = F.log(F.silu(F.elementwise_sub(F.elementwise_add(soft, y), z)))
    first = F.elementwise_min(
        F.elementwise_sub(F.cos(soft), inverse), F.elementwise_add(log, F.square(log))
    )
    second = F.elementwise_min(F.reciprocal(soft), F.scale(gate, scale=-0.96, bias=0.46))
    ratio = F.elementwise_div(F.softplus(less), F.sqrt(gate))
    return F.elementwise_add(first, F.elementwise_mul(ratio, second))


def formulas(dtype: str) -> dict[str, Make]:
    """Pointwise ops, alone and together."""
    rows = ((N, 1024), dtype)
    short, line = ((N, 64), dtype), ((64,), dtype)

    def of(compute: Callable[..., Any], count: int) -> Make:
        return lambda: program_of(compute, *[rows] * count)

    return {
        **{name: one_op(name, rows) for name in FUNCTIONS[dtype]},
        "pow": one_op("elementwise_pow", rows, rows),
        "atan2": one_op("atan2", rows, rows),
        "gelu and tanh": of(two_functions, 2),
        "sum of gelu and tanh": of(lambda F, *x: F.reduce_sum(two_functions(F, *x), dim=[1]), 2),
        "softmax of gelu and tanh": of(lambda F, *x: F.softmax(two_functions(F, *x)), 2),
        "sines": of(sines, 2),
        "sum of sines": of(lambda F, *x: F.reduce_sum(sines(F, *x), dim=[1]), 2),
        "mixed": of(mixed, 3),
        "angles": of(angles, 2),
        "many": of(many, 3),
        "chain": lambda: program_of(chain, short, line, line, short),
        "chosen": lambda: program_of(chosen, short, short, ((N, 1), dtype)),
    }


FLOATS = ("float32", "float64", "float16")
ROWS = row_kernels(F32)
FORMULAS = {
    f"{name} of {dtype}": make for dtype in FLOATS for name, make in formulas(dtype).items()
}
OTHER_ROWS = {
    f"{name} of {dtype}": make for dtype in FLOATS[1:] for name, make in row_kernels(dtype).items()
}
MOVES: dict[str, Make] = {
    "transpose": one_op("transpose2", ((N, 1024), F32), axis=[1, 0]),
    "transpose of stacks": one_op("transpose2", ((N, 12, 128, 64), F32), axis=[0, 1, 3, 2]),
    "heads": one_op("transpose2", ((N, 128, 12, 64), F32), axis=[0, 2, 1, 3]),
    "into blocks": partial(build, "to_blocked", [zeros(1, 64, 28, 28)]),
    "out of blocks": partial(build, "from_blocked", [zeros(1, 4, 28, 28, 16)], channels=64),
    "concat": partial(build, "concat", [[zeros(8, 100), zeros(8, 128)]], axis=1),
    "index_select": picked("index_select", dim=0),
    "embedding": picked("lookup_table_v2"),
    "gather_nd": picked("gather_nd"),
    "scatter_nd_add": picked("scatter_nd_add", zeros(7, 128)),
    "index_add": picked("index_add", zeros(7, 128), axis=0),
}
