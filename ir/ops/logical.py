"""Logic on the truth of elements (any dtype in, bool out) and on their bits (integers and bool)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wherry.schema.dtypes import bool_

from ..infer import TensorType, broadcast_shapes, fail_type
from ..opdef import Sample, boolean, f32, i32, i64, lit, op, sample
from ..rules import broadcast
from ..scalar import Scalar, ScalarBuilder
from .pointwise import NAN


def _truth(b: ScalarBuilder, x: Scalar) -> Scalar:
    return x if x.dtype is bool_ else x != 0


def _logical(type: str, function: Callable[..., Any], scalar: str) -> None:
    op(
        type, "X Y",
        infer=lambda x, y: TensorType(broadcast_shapes(x.shape, y.shape), bool_),
        reference=function,
        scalar=lambda b, x, y: b.call(scalar, _truth(b, x), _truth(b, y)),
        samples=[
            sample(boolean(3, 4), boolean(4)), sample(boolean(), boolean()),
            sample(boolean(0, 2), boolean(2)), sample(boolean(5, 1), boolean(1, 3)),
            sample(i64(4, low=-1, high=2), i64(4, low=-1, high=2)),
            sample(lit([0.0, -0.0, NAN, 1.0]), lit([1.0, NAN, 0.0, 0.0])),
        ],
    )  # fmt: skip


_logical("logical_and", np.logical_and, "and_")
_logical("logical_or", np.logical_or, "or_")
_logical("logical_xor", np.logical_xor, "xor")

op(
    "logical_not", "X",
    infer=lambda x: TensorType(x.shape, bool_),
    reference=np.logical_not,
    scalar=lambda b, x: ~x if x.dtype is bool_ else x == 0,
    samples=[
        sample(boolean(3, 4)), sample(boolean()), sample(boolean(0)), sample(f32(2)),
        sample(i64(4, low=-1, high=2)), sample(lit([0.0, NAN])),
    ],
)  # fmt: skip


def _bits(x: TensorType, slot: str = "X") -> TensorType:
    if x.dtype.is_float:
        fail_type(f"needs {slot}'s dtype to be bool or an integer, got {x.dtype.name}")
    return x


def _bit_samples() -> list[Sample]:
    return [
        sample(i64(3, 4), i64(4)), sample(i32(2, 1), i32(3)), sample(boolean(4), boolean(4)),
        sample(i64(), i64()), sample(i64(0), i64(1)),
        sample(lit([255, 7], "uint8"), lit([15, 8], "uint8")),
    ]  # fmt: skip


def _bitwise(type: str, function: Callable[..., Any], scalar: str) -> None:
    op(
        type, "X Y", infer=lambda x, y: broadcast(_bits(x), y), reference=function,
        scalar=lambda b, x, y: b.call(scalar, x, y), samples=_bit_samples(),
    )  # fmt: skip


_bitwise("bitwise_and", np.bitwise_and, "and_")
_bitwise("bitwise_or", np.bitwise_or, "or_")
_bitwise("bitwise_xor", np.bitwise_xor, "xor")

op(
    "bitwise_not", "X", infer=_bits, reference=np.invert, scalar=lambda b, x: ~x,
    samples=[
        sample(i64(3)), sample(i32()), sample(boolean(4)), sample(i64(0)),
        sample(lit([0, 255], "uint8")),
    ],
)  # fmt: skip
