"""Change of dtype, and the op that hands its input on."""

from __future__ import annotations

from wherry.schema.dtypes import as_dtype, float32

from ..infer import TensorType
from ..numerics import convert
from ..opdef import REQUIRED, ArraySpec, Sample, boolean, f32, f64, i32, i64, lit, op, sample
from .grads import cast_to, unary
from .pointwise import INF, NAN


def _to(name: str, spec: ArraySpec) -> Sample:
    # No gradient into an integer or bool, and float16 is too coarse for finite differences.
    smooth = name in ("float32", "float64")
    return sample(spec, out_dtype=as_dtype(name), grad=smooth)


op(
    "cast", "X", attrs={"in_dtype": None, "out_dtype": REQUIRED},
    infer=lambda x, in_dtype, out_dtype: TensorType(x.shape, out_dtype),
    reference=lambda x, in_dtype, out_dtype: convert(x, out_dtype.numpy),
    scalar=lambda b, x, in_dtype, out_dtype: b.cast(x, out_dtype),
    grad=unary(lambda F, g, x, out: cast_to(F, g, F.type_of(x).dtype)),
    samples=[
        *(_to(name, f32(3, 4)) for name in ("float64", "float32", "float16", "int64", "bool")),
        _to("float32", f64(2, 3)),
        _to("float32", i64(5)),
        _to("float64", boolean(3)),
        _to("int32", boolean()),
        _to("bool", i32(4, low=-1, high=2)),
        _to("bool", lit([0.0, -0.0, NAN, 0.5])),
        _to("float32", f32(0)),
        _to("float32", f32()),
        # Out of range: integers wrap, floats saturate, NaN is 0.
        _to("uint8", lit([-1, 256, 511], "int32")),
        _to("int32", lit([2**31, -(2**40) - 1], "int64")),
        _to("int32", lit([NAN, INF, -INF, 3e9, -3e9, 2.9, -2.9])),
        _to("int64", lit([NAN, INF, -INF, 1e19, -0.5])),
        _to("uint8", lit([-1.0, 255.9, 256.0, 1e9, -0.9])),
        _to("int8", lit([-128.9, -129.0, 127.9, 128.0], "float64")),
        sample(lit([1e300, -1e300, NAN], "float64"), out_dtype=float32, grad=False),  # inf, NaN
    ],
)  # fmt: skip

op(
    "assign", "X",
    infer=lambda x: x,
    reference=lambda x: x.copy(),
    scalar=lambda b, x: x,
    grad=unary(lambda F, g, x, out: g),
    samples=[sample(f32(3, 4)), sample(f32()), sample(f32(0)), sample(i64(2)), sample(boolean(2))],
)  # fmt: skip
