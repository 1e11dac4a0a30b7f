"""Numeric functions that numpy lacks or leaves to the processor: what they mean, once.

Float to int saturates and takes NaN to 0; an integer power wraps, and with a negative exponent is 0
except for the bases 1 and -1. Compiled code does the same.
"""

from __future__ import annotations

from functools import cache
from math import erf as _exact_erf
from math import exp, pi, sqrt
from typing import Any, TypeAlias

import numpy as np

from wherry.schema.errors import RunError

Array: TypeAlias = np.ndarray[Any, Any]

_STEPS = 64  # table points of erf per unit
_LAST = 6  # from here on erf is 1 in float64
_BLOCK = 8192  # elements: what a formula of many steps makes of them stays in the cache


@cache
def _erf_table(order: int) -> Array:
    """[order + 1, points]: the Taylor coefficients of erf at each point, the constant first."""
    a = np.arange(_LAST * _STEPS + 1) / _STEPS
    # The derivatives of erf are its slope times 1, -2a, 4a^2 - 2, ... (Hermite polynomials).
    term = np.array([2 / sqrt(pi) * exp(-x * x) for x in a])
    h, previous = np.ones_like(a), np.zeros_like(a)
    rows = [np.array([_exact_erf(x) for x in a])]
    for n in range(1, order + 1):
        term = term / n
        rows.append(term * h)
        h, previous = -2 * a * h - 2 * (n - 1) * previous, h
    return np.stack(rows)


def erf(x: Array) -> Array:
    """The error function in x's float dtype: a Taylor step from the nearest point of a table."""
    flat = np.ravel(x)
    out = np.empty_like(flat)
    table = _erf_table(9 if x.dtype == np.float64 else 5)
    for start in range(0, flat.size, _BLOCK):
        out[start : start + _BLOCK] = _erf_block(flat[start : start + _BLOCK], table)
    return out.reshape(np.shape(x))


def _erf_block(x: Array, table: Array) -> Array:
    distance = np.abs(x, dtype=np.float64)
    np.minimum(distance, _LAST, out=distance)
    nearest = np.rint(distance * _STEPS)
    distance -= nearest / _STEPS
    index = convert(nearest, np.dtype(np.intp))
    total = table[-1].take(index)
    for row in table[-2::-1]:
        total *= distance
        total += row.take(index)
    return np.asarray(np.copysign(total, x))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow, in x's dtype."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def gelu(x: Array) -> Array:
    """x times the normal distribution function, in x's dtype."""
    of = x.dtype.type
    return np.asarray(x * of(0.5) * (erf(x * of(sqrt(0.5))) + of(1)))


def float_to_int(x: Array, dtype: np.dtype[Any]) -> Array:
    """Floats as integers: rounded to zero, saturated at the dtype's ends, NaN as 0."""
    info = np.iinfo(dtype)
    low, past = float(info.min), float(info.max) + 1  # exact in float64, unlike info.max
    wide = x if x.dtype.itemsize > 2 else x.astype(np.float32)
    if not wide.size or (wide.min() >= low and wide.max() < past):
        return wide.astype(dtype)
    inside = (wide > low - 1) & (wide < past)
    result = np.where(inside, wide, 0).astype(dtype)
    result = np.where(wide >= past, info.max, result)
    return np.where(wide <= low, info.min, result).astype(dtype)


def convert(x: Array, dtype: np.dtype[Any]) -> Array:
    """x as another dtype: integers wrap, bool is `x != 0`, floats to integers as `float_to_int`."""
    if x.dtype.kind == "f" and dtype.kind in "iu":
        return float_to_int(x, dtype)
    return x.astype(dtype)


def power(x: Array, y: Array) -> Array:
    """x ** y, in integers too."""
    if x.dtype.kind == "f":
        return np.asarray(np.power(x, y))
    if x.dtype.kind == "u" or not (y < 0).any():
        return np.asarray(np.power(x, y))
    odd = np.where(y % 2 == 0, 1, -1)
    negative = np.where(x == 1, 1, np.where(x == -1, odd, 0))
    return np.where(y < 0, negative, np.power(x, np.maximum(y, 0))).astype(x.dtype)


def check_divisor(x: Array, y: Array) -> None:
    """Raise RunError for an integer division by zero, unless there is nothing to divide."""
    if y.dtype.kind in "iu" and x.size and not y.all():
        raise RunError("integer division by zero: the divisor has an element that is 0")


def truncated_div(x: Array, y: Array) -> Array:
    """x / y, in integers rounded to zero."""
    if x.dtype.kind == "f":
        return np.asarray(np.divide(x, y))
    quotient = np.floor_divide(x, y)
    inexact = (np.multiply(quotient, y) != x) & ((x < 0) != (y < 0))
    return np.asarray(quotient + inexact.astype(x.dtype))
