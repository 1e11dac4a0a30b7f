"""Paddle's random ops, dropout and the state's step: composites over `rng_bits`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wherry.schema.dtypes import DType, float32, float64, int32, int64, uint8

from ..dims import Dim
from ..emit import ArrayEmitter, Emitter, GradContext
from ..infer import TensorType, fail, require
from ..opdef import REQUIRED, Sample, f32, f64, lit, op, sample
from ..rules import floats
from .build import Term
from .grads import cast_to
from .random import STATE, need_state, shape_of

Array = np.ndarray[Any, Any]


def _bits_for(F: Emitter, state: Any, shape: Sequence[Dim], dtype: DType) -> Any:
    return F.rng_bits(state, shape=list(shape), dtype=dtype)


def _draw(
    type: str,
    expand: Callable[..., Any],
    attrs: Mapping[str, Any],
    samples: Sequence[Sample],
    check: Callable[..., None] = lambda **_: None,
) -> None:
    """Declare an op that fills `shape` with numbers of `dtype` drawn by State."""

    def infer(state: TensorType, *, shape: Sequence[Dim], dtype: DType, **attrs: Any) -> TensorType:
        need_state(state)
        check(dtype=dtype, **attrs)
        return TensorType(shape_of(shape), dtype)

    op(
        type, "State", attrs={"shape": REQUIRED, **attrs, "seed": 0}, infer=infer,
        reference=lambda state, **attrs: expand(ArrayEmitter(), state, **attrs),
        expand=expand, samples=samples,
    )  # fmt: skip


def _need_float_dtype(dtype: DType, **_: Any) -> None:
    floats(TensorType((), dtype), "dtype")


def _uniform(F: Emitter, state: Any, *, shape: Any, min: float, max: float, dtype: DType,
             seed: int) -> Any:  # fmt: skip
    bits = _bits_for(F, state, shape, int64 if dtype is float64 else int32)
    return F.uniform_from_bits(bits, min=min, max=max, dtype=dtype)


_draw(
    "uniform_random", _uniform, {"min": -1.0, "max": 1.0, "dtype": float32},
    [
        sample(STATE, shape=[3, 5]), sample(STATE, shape=[4], min=0.0, max=10.0, dtype=float64),
        sample(STATE, shape=[]), sample(STATE, shape=[0, 2]),
    ],
    _need_float_dtype,
)  # fmt: skip


def _normal(F: Emitter, state: Any, *, shape: Any, mean: float, std: float, dtype: DType,
            seed: int) -> Any:  # fmt: skip
    return F.normal_from_bits(_bits_for(F, state, shape, int64), mean=mean, std=std, dtype=dtype)


def _truncated(F: Emitter, state: Any, *, shape: Any, mean: float, std: float, dtype: DType,
               seed: int) -> Any:  # fmt: skip
    bits = _bits_for(F, state, shape, int64)
    return F.truncated_normal_from_bits(bits, mean=mean, std=std, dtype=dtype)


for _type, _expand in (("gaussian_random", _normal), ("truncated_gaussian_random", _truncated)):
    _draw(
        _type, _expand, {"mean": 0.0, "std": 1.0, "dtype": float32},
        [
            sample(STATE, shape=[3, 5], atol=1e-5), sample(STATE, shape=[], atol=1e-5),
            sample(STATE, shape=[4], mean=1.0, std=0.1, dtype=float64), sample(STATE, shape=[0, 2]),
        ],
        _need_float_dtype,
    )  # fmt: skip


def _randint(F: Emitter, state: Any, *, shape: Any, low: int, high: int, dtype: DType,
             seed: int) -> Any:  # fmt: skip
    return F.integer_from_bits(_bits_for(F, state, shape, int64), low=low, high=high, dtype=dtype)


def _need_range(low: int, high: int, dtype: DType, **_: Any) -> None:
    if low >= high:
        fail(f"needs low < high, got low = {low} and high = {high}")
    if not dtype.is_integer:
        fail(f"needs an integer dtype, got {dtype.name}")


_draw(
    "randint", _randint, {"low": 0, "high": REQUIRED, "dtype": int64},
    [
        sample(STATE, shape=[3, 5], high=10), sample(STATE, shape=[], high=1),
        sample(STATE, shape=[4], low=-7, high=-3, dtype=int32), sample(STATE, shape=[0, 2], high=3),
    ],
    _need_range,
)  # fmt: skip


def _randperm(F: Emitter, state: Any, *, n: Dim, dtype: DType, seed: int) -> Any:
    # Sorting 63-bit keys: two equal ones, which would favour an order, all but never happen.
    _, order = F.argsort(_bits_for(F, state, [n], int64), axis=0, descending=False)
    return cast_to(F, order, dtype)


def _randperm_infer(state: TensorType, *, n: Dim, dtype: DType, seed: int) -> TensorType:
    need_state(state)
    require(0, "<=", n, f"needs n >= 0, got {n}")
    return TensorType((n,), dtype)


op(
    "randperm", "State", attrs={"n": REQUIRED, "dtype": int64, "seed": 0},
    infer=_randperm_infer,
    reference=lambda state, **attrs: _randperm(ArrayEmitter(), state, **attrs),
    expand=_randperm,
    samples=[sample(STATE, n=7), sample(STATE, n=0), sample(STATE, n=1, dtype=int32)],
)  # fmt: skip


def _bernoulli(F: Emitter, x: Any, state: Any, *, seed: int) -> Any:
    """1 where 31 random bits are below x * 2**31: integers are compared, so no rounding decides."""
    x_type = F.type_of(x)
    wide = cast_to(F, x, float32) if x_type.dtype.itemsize < 4 else x
    threshold = cast_to(F, (Term(F, wide) * 2.0**31).value, int64)
    bits = cast_to(F, _bits_for(F, state, x_type.shape, int32), int64)
    return cast_to(F, F.less_than(bits, threshold), x_type.dtype)


def _bernoulli_infer(x: TensorType, state: TensorType, *, seed: int) -> TensorType:
    need_state(state)
    return floats(x)


op(
    "bernoulli", "X State", attrs={"seed": 0},
    infer=_bernoulli_infer,
    reference=lambda x, state, **attrs: _bernoulli(ArrayEmitter(), x, state, **attrs),
    expand=_bernoulli,
    grad=lambda F, c: (F.fill_any_like(c.x, value=0.0), None),
    samples=[
        # Steps: finite differences see nothing or a jump.
        sample(f32(3, 5, low=0.0, high=1.0), STATE, grad=False), sample(f32(0), STATE, grad=False),
        sample(lit([0.0, 1.0, 0.5]), STATE, grad=False), sample(f64(low=0.1), STATE, grad=False),
    ],
)  # fmt: skip

UPSCALE, DOWNGRADE = "upscale_in_train", "downgrade_in_infer"
_DROPOUT = {
    "dropout_prob": 0.5, "is_test": False, "dropout_implementation": DOWNGRADE, "fix_seed": False,
    "seed": 0,
}  # fmt: skip


def _dropout_infer(x: TensorType, state: TensorType | None, **a: Any) -> tuple[TensorType, ...]:
    if not 0 <= a["dropout_prob"] <= 1:
        fail(f"needs dropout_prob in [0, 1], got {a['dropout_prob']}")
    if a["dropout_implementation"] not in (UPSCALE, DOWNGRADE):
        fail(f"needs dropout_implementation {UPSCALE} or {DOWNGRADE},"
             f" got {a['dropout_implementation']!r}")  # fmt: skip
    if not a["is_test"]:
        need_state(state)
    return floats(x), TensorType(x.shape, uint8)


def _dropout(F: Emitter, x: Any, state: Any, **a: Any) -> tuple[Any, Any]:
    """Keeps an element where its 31 random bits, an integer, reach dropout_prob * 2**31."""
    probability = a["dropout_prob"]
    if a["is_test"]:
        return _scaled(F, x, _factor(a)), F.fill_any_like(x, value=1, dtype=uint8)
    if probability == 1:
        return F.fill_any_like(x, value=0.0), F.fill_any_like(x, value=0, dtype=uint8)
    bits = Term(F, _bits_for(F, state, F.type_of(x).shape, int32))
    kept = bits >= min(round(probability * 2**31), 2**31 - 1)
    return kept.where(Term(F, _scaled(F, x, _factor(a))), 0.0).value, cast_to(F, kept.value, uint8)


def _factor(a: Any) -> float:
    """By what a kept element is multiplied."""
    keep = 1.0 - a["dropout_prob"]
    if a["is_test"]:
        return 1.0 if a["dropout_implementation"] == UPSCALE else keep
    return 1.0 / keep if a["dropout_implementation"] == UPSCALE and keep else 1.0


def _scaled(F: Emitter, x: Any, factor: float) -> Any:
    return F.scale(x, scale=factor) if factor != 1 else F.assign(x)


def _dropout_grad(F: Emitter, c: GradContext) -> tuple[Any, None]:
    g = Term(F, _scaled(F, c.g, _factor(c.attrs)))
    if c["is_test"]:
        return g.value, None
    kept = Term(F, c.outputs[1]).op("not_equal", 0)
    return kept.where(g, 0.0).value, None


op(
    "dropout", "X State?", "Out Mask",
    attrs=_DROPOUT,
    infer=_dropout_infer,
    reference=lambda x, state, **attrs: _dropout(ArrayEmitter(), x, state, **attrs),
    expand=_dropout,
    grad=_dropout_grad,
    samples=[
        sample(f32(4, 6), STATE, dropout_implementation=UPSCALE),
        sample(f32(4, 6), STATE, dropout_prob=0.2), sample(f64(5), STATE, dropout_prob=0.9),
        sample(f32(4), None, is_test=True, dropout_implementation=UPSCALE),
        sample(f32(4), None, is_test=True), sample(f32(0, 3), STATE), sample(f32(), STATE),
        sample(f32(4), STATE, dropout_prob=1.0, dropout_implementation=UPSCALE),
        sample(f32(4), STATE, dropout_prob=0.0, dropout_implementation=UPSCALE),
        sample(lit([np.nan, np.inf] * 4), STATE, grad=False),  # not finite
    ],
)  # fmt: skip


def _advance(F: Emitter, state: Any) -> Any:
    return F.elementwise_add(state, F.assign_value(shape=[2], dtype=int64, values=[0, 1]))


def _advance_infer(state: TensorType) -> TensorType:
    need_state(state)
    return state


op(
    "rng_advance", "State",
    infer=_advance_infer,
    reference=lambda state: state + np.array([0, 1]),
    expand=_advance,
    samples=[sample(STATE), sample(lit([-1, 2**62], "int64"))],
)  # fmt: skip
