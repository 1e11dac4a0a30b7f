"""Random numbers: one primitive that gives bits, and maps that make numbers of them.

State is int64[2]: [seed, number of the draw]. `rng_bits` reads the stream of that draw (see
`wherry.ir.philox`); everything else is a pure function of its bits, so eager and compiled code
agree: in bits, integers and masks exactly, in floats up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wherry.schema.dtypes import DType, as_dtype, float32, float64, int32, int64

from ..dims import Dim
from ..infer import TensorType, fail, fail_type, require, show
from ..opdef import REQUIRED, Sample, i32, i64, lit, op, sample
from ..philox import philox_bits
from ..scalar import Scalar, ScalarBuilder

Array = np.ndarray[Any, Any]

WIDTH: Mapping[DType, int] = {int32: 31, int64: 63}  # random bits in one element of rng_bits
_MANTISSA = {"float16": 11, "float32": 24, "float64": 53}


def need_state(state: TensorType | None) -> None:
    """Refuse what is no generator's state."""
    if state is None or state.dtype is not int64 or state.ndim != 1:
        got = "none" if state is None else f"{state.dtype.name}{show(state.shape)}"
        fail(f"needs State to be int64[2] ([seed, draw]), got {got}")
    require(state.shape[0], "==", 2, f"needs State of 2 numbers, got {show(state.shape)}")


def shape_of(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    """A shape attribute as a shape; refuses negative sizes."""
    if any(isinstance(dim, int) and dim < 0 for dim in shape):
        fail(f"needs sizes >= 0 in shape, got {list(shape)}")
    return tuple(shape)


def _bits_infer(state: TensorType, *, shape: Sequence[Dim], dtype: DType) -> TensorType:
    need_state(state)
    if dtype not in WIDTH:
        fail_type(f"needs dtype int32 or int64, got {dtype.name}")
    return TensorType(shape_of(shape), dtype)


def _bits(state: Array, *, shape: Sequence[int], dtype: DType) -> Array:
    count = math.prod(shape)
    seed, draw = (int(word) for word in state)
    if dtype is int32:
        words = philox_bits(seed, draw, count) >> np.uint32(1)
        return words.astype(np.int32).reshape(tuple(shape))
    low, high = philox_bits(seed, draw, 2 * count).astype(np.uint64).reshape(-1, 2).T
    return ((low | high << np.uint64(32)) >> np.uint64(1)).astype(np.int64).reshape(tuple(shape))


STATE = lit([1234, 7], "int64")
_FAR_STATE = lit([-(2**40) - 3, 2**35], "int64")

rng_bits = op(
    # int32: word e but its lowest bit; int64: words 2e (low half) and 2e + 1 but the lowest bit.
    "rng_bits", "State",
    attrs={"shape": REQUIRED, "dtype": int32},
    infer=_bits_infer,
    reference=_bits,
    samples=[
        sample(STATE, shape=[3, 5]), sample(STATE, shape=[]), sample(STATE, shape=[0, 4]),
        sample(STATE, shape=[7], dtype=int64), sample(_FAR_STATE, shape=[9]),
        sample(_FAR_STATE, shape=[2, 3], dtype=int64),
    ],
)  # fmt: skip


def _from_bits(type: str, formula: Callable[..., Scalar], meaning: Callable[..., Any],
               attrs: Mapping[str, Any], samples: Sequence[Sample]) -> None:  # fmt: skip
    """Declare a pointwise op that makes numbers of `dtype` from the bits that rng_bits gave."""

    def infer(bits: TensorType, *, dtype: DType, **_: Any) -> TensorType:
        return TensorType(bits.shape, dtype)

    def reference(bits: Array, *, dtype: DType, **attrs: Any) -> Array:
        return np.asarray(meaning(bits, dtype=dtype, **attrs)).astype(dtype.numpy, copy=False)

    op(
        type, "Bits", attrs={**attrs, "dtype": REQUIRED}, infer=infer, reference=reference,
        scalar=formula, samples=samples,
    )  # fmt: skip


def _wide(dtype: DType) -> DType:
    """In what floats are computed."""
    return float64 if dtype is float64 else float32


def _uniform_formula(
    b: ScalarBuilder, bits: Scalar, *, min: float, max: float, dtype: DType
) -> Any:
    size, wide = _MANTISSA[dtype.name], _wide(dtype)
    unit = b.cast(b.shr(bits, WIDTH[bits.dtype] - size), wide) * 2.0**-size
    return b.cast(unit * (max - min) + min, dtype)


def _unit(bits: Array, size: int, wide: Any) -> Array:
    """The highest `size` bits as a number in [0, 1)."""
    shift = WIDTH[as_dtype(bits.dtype)] - size
    return np.asarray((bits >> bits.dtype.type(shift)).astype(wide) * wide(2.0**-size))


def _uniform(bits: Array, *, min: float, max: float, dtype: DType) -> Array:
    wide = _wide(dtype).numpy.type
    return np.asarray(_unit(bits, _MANTISSA[dtype.name], wide) * wide(max - min) + wide(min))


def _random_bits(*shape: int) -> Any:
    return i32(*shape, low=0, high=2**31 - 1)


def _long_bits(*shape: int) -> Any:
    return i64(*shape, low=0, high=2**63 - 1)


_EXTREMES = lit([0, 1, 2**62, 2**63 - 1], "int64")

_from_bits(
    "uniform_from_bits", _uniform_formula, _uniform, {"min": 0.0, "max": 1.0},
    [
        sample(_random_bits(3, 5), min=-1.0, max=1.0, dtype=float32),
        sample(_long_bits(7), min=2.0, max=5.0, dtype=float64),
        sample(lit([0, 1, 2**31 - 1], "int32"), dtype=float32),
        sample(_random_bits(), dtype=float32),
        sample(_random_bits(4), dtype=as_dtype("float16")), sample(_random_bits(0), dtype=float32),
    ],
)  # fmt: skip


def _normal_parts(dtype: DType) -> tuple[int, int]:
    """How many of the 63 bits go into the radius and into the angle."""
    return (32, 31) if dtype is float64 else (24, 24)


def _normal_formula(
    b: ScalarBuilder, bits: Scalar, *, mean: float, std: float, dtype: DType
) -> Any:
    (radius, angle), wide = _normal_parts(dtype), _wide(dtype)
    # In (0, 1], so that its logarithm is finite.
    first = b.cast(b.shr(bits, 63 - radius) + 1, wide) * 2.0**-radius
    second = b.cast(bits & (2**angle - 1), wide) * 2.0**-angle
    normal = b.sqrt(b.log(first) * -2.0) * b.cos(second * (2 * math.pi))
    return b.cast(normal * std + mean, dtype)


def _normal(bits: Array, *, mean: float, std: float, dtype: DType) -> Array:
    (radius, angle), wide = _normal_parts(dtype), _wide(dtype).numpy.type
    first = ((bits >> np.int64(63 - radius)) + 1).astype(wide) * wide(2.0**-radius)
    second = (bits & np.int64(2**angle - 1)).astype(wide) * wide(2.0**-angle)
    normal = np.sqrt(np.log(first) * wide(-2)) * np.cos(second * wide(2 * math.pi))
    return np.asarray(normal * wide(std) + wide(mean))


_from_bits(
    "normal_from_bits", _normal_formula, _normal, {"mean": 0.0, "std": 1.0},
    [
        sample(_long_bits(3, 5), dtype=float32, atol=1e-5),
        sample(_long_bits(7), mean=2.0, std=0.5, dtype=float64),
        sample(_EXTREMES, dtype=float32, atol=1e-5), sample(_long_bits(), dtype=float32, atol=1e-5),
        sample(_long_bits(4), dtype=as_dtype("float16"), atol=1e-2),
        sample(_long_bits(0), dtype=float32),
    ],
)  # fmt: skip

# Giles, "Approximating the erfinv function": the central part, highest power of w - 2.5 first.
_ERFINV = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_ERF_ROOT_2 = math.erf(math.sqrt(2))  # the share of a normal distribution within 2 deviations


def _erfinv(x: Any, log: Callable[[Any], Any]) -> Any:
    """erf's inverse for |x| < 0.996, to some 1e-7: for arrays and for Scalars."""
    w = log((1.0 - x) * (1.0 + x)) * -1.0 - 2.5
    out = w * _ERFINV[0] + _ERFINV[1]
    for factor in _ERFINV[2:]:
        out = out * w + factor
    return out * x


def _truncated_formula(
    b: ScalarBuilder, bits: Scalar, *, mean: float, std: float, dtype: DType
) -> Scalar:
    wide = _wide(dtype)
    unit = (b.cast(b.shr(bits, 40), wide) + 0.5) * 2.0**-23
    normal = _erfinv((unit * 2.0 - 1.0) * _ERF_ROOT_2, b.log) * math.sqrt(2)
    return b.cast(normal * std + mean, dtype)


def _truncated(bits: Array, *, mean: float, std: float, dtype: DType) -> Array:
    wide = _wide(dtype).numpy.type
    unit = ((bits >> np.int64(40)).astype(wide) + wide(0.5)) * wide(2.0**-23)
    normal = _erfinv((unit * 2.0 - 1.0) * wide(_ERF_ROOT_2), np.log) * wide(math.sqrt(2))
    return np.asarray(normal * wide(std) + wide(mean))


_from_bits(
    "truncated_normal_from_bits", _truncated_formula, _truncated, {"mean": 0.0, "std": 1.0},
    [
        sample(_long_bits(3, 5), dtype=float32, atol=1e-5),
        sample(_long_bits(7), mean=2.0, std=0.5, dtype=float64),
        sample(_EXTREMES, dtype=float32, atol=1e-5), sample(_long_bits(0), dtype=float32),
    ],
)  # fmt: skip

_from_bits(
    "integer_from_bits",
    lambda b, bits, *, low, high, dtype: b.cast(bits % (high - low) + low, dtype),
    lambda bits, *, low, high, dtype: bits % np.int64(high - low) + np.int64(low),
    {"low": REQUIRED, "high": REQUIRED},
    [
        sample(_long_bits(3, 5), low=-3, high=4, dtype=int64),
        sample(_long_bits(), low=5, high=6, dtype=int64),
        sample(_EXTREMES, low=0, high=10, dtype=int32),
        sample(_long_bits(0), low=0, high=2, dtype=int64),
    ],
)  # fmt: skip
