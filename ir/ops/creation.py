"""Tensors out of nothing: constants, ranges, and the sizes of a tensor as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from wherry.schema.dtypes import DType, as_dtype, float32, int32, int64

from ..dims import Dim, SymDim, dim_max, is_dim
from ..emit import Emitter
from ..infer import TensorType, fail, fail_type, require
from ..numerics import Array, convert
from ..opdef import REQUIRED, boolean, f32, f64, i32, i64, lit, op, sample
from ..rules import sizes
from ..scalar import Scalar, ScalarBuilder
from .grads import cast_to, zero_grad


def full_shape(shape: Sequence[Any]) -> tuple[Dim, ...]:
    """A shape attribute as a shape; refuses negative sizes."""
    for dim in shape:
        if not is_dim(dim):
            fail(f"needs ints as shape, got {dim!r} in {list(shape)}")
        require(0, "<=", dim, f"needs sizes >= 0 as shape, got {list(shape)}")
    return tuple(shape)


def _number(value: Any) -> None:
    if not isinstance(value, (bool, int, float, SymDim)):
        fail(f"needs a number as value, got {value!r}")


def _full_infer(shape: Sequence[Any], value: Any, dtype: DType) -> TensorType:
    _number(value)
    return TensorType(full_shape(shape), dtype)


def scalar_array(value: Any, dtype: DType) -> Array:
    """A Python number as a 0-d array: an int wraps, a float converts as `cast` does."""
    if isinstance(value, float):
        return convert(np.asarray(value, np.float64), dtype.numpy)
    if dtype.is_integer:
        return np.asarray(value & (2**64 - 1), np.uint64).astype(dtype.numpy)
    return np.asarray(value).astype(dtype.numpy)


op(
    # `value` may be a dim too: then the tensor holds that size as a number.
    "fill_constant", "", attrs={"shape": REQUIRED, "value": 0.0, "dtype": float32},
    infer=_full_infer,
    reference=lambda shape, value, dtype: np.full(tuple(shape), scalar_array(value, dtype)),
    samples=[
        sample(shape=[2, 3], value=1.5),
        sample(shape=[], value=7, dtype=int64),
        sample(shape=[0, 2], value=True, dtype=as_dtype("bool")),
        sample(shape=[2], value=float("nan"), dtype=as_dtype("float64")),
        sample(shape=[1], value=3.9, dtype=int32),
        sample(shape=[2], value=-1, dtype=as_dtype("uint8")),
        sample(shape=[3], value=2**53 + 1, dtype=int64),
        sample(shape=[3], value=float("-inf"), dtype=as_dtype("float16")),
    ],
)  # fmt: skip


def _like_infer(x: TensorType, value: Any, dtype: DType | None) -> TensorType:
    _number(value)
    return TensorType(x.shape, dtype or x.dtype)


def _like(x: Array, value: Any, dtype: DType | None) -> Array:
    return np.full(x.shape, scalar_array(value, dtype or as_dtype(x.dtype)))


def _like_formula(b: ScalarBuilder, x: Scalar, value: Any, dtype: DType | None) -> Scalar:
    wanted = dtype or x.dtype
    return b.const(scalar_array(value, wanted).item(), wanted)


op(
    "fill_any_like", "X", attrs={"value": 0.0, "dtype": None}, infer=_like_infer,
    reference=_like,
    scalar=_like_formula,
    grad=zero_grad,
    samples=[
        sample(f32(2, 3), value=1.0), sample(f32(), value=2), sample(f32(0, 2), value=1.0),
        sample(i64(3), value=2.7), sample(f32(2), value=1, dtype=int64, grad=False),  # integers out
        sample(boolean(2), value=1.0, dtype=float32),
    ],
)  # fmt: skip


def _values_infer(shape: Sequence[int], dtype: DType, values: Sequence[Any]) -> TensorType:
    size = int(np.prod(shape, dtype=np.int64))
    if size != len(values):
        fail(f"needs {size} values for shape {list(shape)}, got {len(values)}")
    return TensorType(tuple(shape), dtype)


op(
    # A literal: `values` is the flat list of Python numbers.
    "assign_value", "", attrs={"shape": REQUIRED, "dtype": REQUIRED, "values": REQUIRED},
    infer=_values_infer,
    reference=lambda shape, dtype, values: np.array(values, dtype.numpy).reshape(shape),
    samples=[
        sample(shape=[2, 2], dtype=float32, values=[1.0, -2.5, float("inf"), 0.1]),
        sample(shape=[], dtype=int64, values=[5]),
        sample(shape=[0], dtype=float32, values=[]),
        sample(shape=[2], dtype=as_dtype("bool"), values=[True, False]),
    ],
)  # fmt: skip


def range_size(start: Any, end: Any, step: Any) -> Dim:
    """How many numbers `range` gives. Refuses a step of 0 and, for dims, one that is not an int."""
    if not isinstance(step, (int, float)) or step == 0:
        fail(f"needs a step that is a number other than 0, got {step}")
    if isinstance(start, float) or isinstance(end, float) or isinstance(step, float):
        if isinstance(start, SymDim) or isinstance(end, SymDim):
            fail(f"needs ints beside a size that is not known yet, got ({start}, {end}, {step})")
        return int(max(0, ceil((end - start) / step)))
    span: Dim = end - start if step > 0 else start - end
    return dim_max(0, (span + (abs(step) - 1)) // abs(step))


def _range_infer(start: Any, end: Any, step: Any, dtype: DType) -> TensorType:
    if dtype.name == "bool":
        fail_type("needs a number's dtype, got bool")
    return TensorType((range_size(start, end, step),), dtype)


def _range(start: Any, end: Any, step: Any, dtype: DType) -> Array:
    # start + i * step in the dtype, so that compiled code gives the same bits.
    (size,) = sizes([range_size(start, end, step)])
    first, by = scalar_array(start, dtype), scalar_array(step, dtype)
    return np.asarray(first + np.arange(size).astype(dtype.numpy) * by)


op(
    # start, end and step are numbers; start and end may be dims.
    "range", "", attrs={"start": 0, "end": REQUIRED, "step": 1, "dtype": int64},
    infer=_range_infer,
    reference=_range,
    samples=[
        sample(end=5), sample(start=2, end=11, step=3), sample(start=5, end=-3, step=-2),
        sample(end=0), sample(start=3, end=1), sample(end=3, dtype=float32),
        sample(start=0.0, end=1.0, step=0.1, dtype=float32),
        sample(start=1.0, end=-1.0, step=-0.25, dtype=as_dtype("float64")),
        sample(end=4, dtype=int32),
    ],
)  # fmt: skip


def _linspace_infer(start: float, stop: float, num: Dim, dtype: DType) -> TensorType:
    require(1, "<=", num, f"needs num >= 1, got {num}")
    return TensorType((num,), dtype)


def _linspace(start: float, stop: float, num: int, dtype: DType) -> Array:
    # From both ends to the middle, as in Paddle, so that the last number is exactly `stop`.
    wide = dtype if dtype.is_float and dtype.itemsize > 2 else as_dtype("float64")
    step = wide.numpy.type((stop - start) / max(num - 1, 1))
    i = np.arange(num)
    up = wide.numpy.type(start) + step * i.astype(wide.numpy)
    down = wide.numpy.type(stop) - step * (num - 1 - i).astype(wide.numpy)
    values = np.where((i < num // 2) | (num == 1), up, down)
    return convert(values, dtype.numpy)


def _linspace_expand(F: Emitter, start: float, stop: float, num: Dim, dtype: DType) -> Any:
    if num == 1:
        return F.full((1,), start, dtype)
    wide = dtype if dtype.is_float and dtype.itemsize > 2 else as_dtype("float64")
    i = F.range(end=num, dtype=int64)
    last = F.full((), num - 1, wide)
    steps = F.full((), dim_max(num - 1, 1), wide)
    step = F.elementwise_div(F.full((), stop - start, wide), steps)
    up = F.scale(F.elementwise_mul(F.cast(i, out_dtype=wide), step), bias=float(start))
    from_end = F.elementwise_sub(last, F.cast(i, out_dtype=wide))
    down = F.elementwise_sub(F.full((), stop, wide), F.elementwise_mul(from_end, step))
    below = F.less_than(i, F.full((), dim_max(num // 2, 1), int64))
    return cast_to(F, F.where(below, up, down), dtype)


op(
    "linspace", "", attrs={"start": REQUIRED, "stop": REQUIRED, "num": REQUIRED, "dtype": float32},
    infer=_linspace_infer,
    reference=_linspace,
    expand=_linspace_expand,
    samples=[
        sample(start=0.0, stop=1.0, num=5), sample(start=1.0, stop=-3.0, num=8),
        sample(start=2.0, stop=9.0, num=1), sample(start=0.0, stop=10.0, num=5, dtype=int64),
        sample(start=-1, stop=1, num=2, dtype=as_dtype("float64")),
    ],
)  # fmt: skip


def _eye_infer(num_rows: Dim, num_columns: Dim, dtype: DType) -> TensorType:
    return TensorType(full_shape([num_rows, _columns(num_rows, num_columns)]), dtype)


def _columns(rows: Dim, columns: Dim) -> Dim:
    return rows if columns == -1 else columns


def _eye_expand(F: Emitter, num_rows: Dim, num_columns: Dim, dtype: DType) -> Any:
    rows = F.unsqueeze2(F.range(end=num_rows), axes=[1])
    columns = F.range(end=_columns(num_rows, num_columns))
    return F.cast(F.equal(rows, columns), out_dtype=dtype)


op(
    "eye", "", attrs={"num_rows": REQUIRED, "num_columns": -1, "dtype": float32},
    infer=_eye_infer,
    reference=lambda num_rows, num_columns, dtype: np.eye(
        *sizes([num_rows, _columns(num_rows, num_columns)]), dtype=dtype.numpy
    ),
    expand=_eye_expand,
    samples=[
        sample(num_rows=3), sample(num_rows=2, num_columns=4, dtype=int64),
        sample(num_rows=3, num_columns=1), sample(num_rows=0, num_columns=2),
    ],
)  # fmt: skip


def _shape_expand(F: Emitter, x: Any) -> Any:
    dims = F.type_of(x).shape
    if not dims:
        return F.full((0,), 0, int32)
    return F.concat([F.full((1,), dim, int32) for dim in dims], axis=0)


op(
    "shape", "Input",
    infer=lambda x: TensorType((x.ndim,), int32),
    reference=lambda x: np.array(x.shape, np.int32),
    expand=_shape_expand,
    samples=[sample(f32(2, 3)), sample(f32()), sample(f32(0, 4)), sample(i32(5)), sample(f64(1))],
)  # fmt: skip

op(
    "size", "Input",
    infer=lambda x: TensorType((), int64),
    reference=lambda x: np.array(x.size, np.int64),
    expand=lambda F, x: F.full((), F.type_of(x).size, int64),
    samples=[sample(f32(2, 3)), sample(f32()), sample(f32(0, 4)), sample(lit([1, 2], "uint8"))],
)  # fmt: skip
