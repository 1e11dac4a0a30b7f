"""Python numbers of which a tensor decides the value: beside a tensor they have no own dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static


def counters(x: Any) -> Any:
    y, k = x * 0, 0
    for i in range((x > 0).sum()):
        y = y + i * x
    while k < 3 and y.sum() < 20:
        k += 1
        y = y + 1
    for j, row in enumerate(x, 1):
        if row > 0:
            y = y + j * x
    for i in range(1, k, 2):
        y = y - i * x
    return y, k * x, k + x, x * k, k / (x + 9)


def chosen(x: Any) -> Any:
    n = 1 if x.sum() > 3 else 2
    s = 0.5
    if x[0] > 0:
        s = 1.5
    whole = x.astype("int64")
    return n * x, n - x, x - n, n**x, s * whole, whole * s, n * s, n * whole, -n * x, abs(-n) * x


def cast(x: Any) -> Any:
    n, s, m = int(x.sum()), float(x.max()), x.min().item()
    many = x.astype("float64"), x.astype("int32")
    return [
        *(n * x, s * x, m * x, n * s, n + s, s - n, n * 0.5, n // 2, n % 2.5, n**2, max(n, 1) * x),
        *(n * one for one in many), *(one * s for one in many), *(m - one for one in many),
    ]  # fmt: skip


def compared(x: Any) -> Any:
    n = 1 if x.sum() > 3 else 2
    near = x + 0.25
    return n < near, n == near, near > n, near != n, n >= near, (n > 1) * x


def in_lists(x: Any) -> Any:
    counts, halves, mixed = [1], [], [1, x.sum()]
    for i in range((x > 0).sum()):
        counts.append(i + 2)
        halves.append(0.5 * i)
        mixed.append(x.max())
    y = x * 0
    for n in counts:
        y = y + n * x
    for h in halves:
        y = y + h * x.astype("int64")
    return y, counts[0] * x, counts[-1] * x, sum(counts) * x, max(counts) * x, mixed[-1] * x


def no_numbers(x: Any) -> Any:
    whole = x.astype("int64")
    total, last, found = whole.sum(), whole[0], 0
    while total < 9:
        total = total + 2
        last = last + total
    for row in x:
        if row > 0:
            found = found + row
    return total * x, x * total, last * x, (total if x[0] > 0 else last) * x, found * x


def of_ints_alone(x: Any) -> Any:
    n, m = int(x.max() * 7), int(x.sum()) + 9
    found = [*divmod(n, 4), *divmod(17, m), *divmod(n, m), n << 2, 1 << m % 5, n >> 1]
    return [k * x for k in found], round(abs(n), 1) * x


def rounded(x: Any) -> Any:
    values = [float(one) for one in x]
    near = [round(one) for one in values]
    return [k * x for k in near], near, [round(one, 1) for one in values], round(values[0] * 2)


def asked_with_is(x: Any) -> Any:
    n, m, flag, off, k = 1, 1, True, False, 0
    for i in range((x > 0).sum()):
        if x.sum() > 3:
            n = 0
        elif x.max() > 2:
            flag = False
        if x[0] > 0:
            off = True
        k = k + (n is m) + 10 * (flag is True) + 100 * (off is not False) + 1000 * (i is m)
        k = k + 10000 * (flag is m) + 100000 * (n is None)
    return k * x, (n is m) * x, (flag is True) * x, (off is False) * x


def results(value: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(value, (list, tuple)):
        return [array for one in value for array in results(one)]
    return [np.asarray(getattr(value, "array", value))]


@pytest.mark.parametrize(
    "function",
    [counters, chosen, cast, compared, in_lists, no_numbers, of_ints_alone, rounded, asked_with_is],
    ids=lambda f: f.__name__,
)
def test_as_in_dynamic_mode(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for values in ([1.5, 2.25, 3.125], [-1.5, -2.25, 3.0], [0.0, 0.5, 0.0]):
        x = paddle.to_tensor(values)
        for wanted, found in zip(results(function(x)), results(static(x)), strict=True):
            # A number that the function returns is float32 in the Program.
            assert not wanted.ndim or wanted.dtype == found.dtype, values
            assert np.allclose(wanted, found, rtol=1e-6, equal_nan=True), values


DIVISIONS: list[Callable[[Any], Any]] = [
    lambda x: 7 / int(x.sum()),
    lambda x: 7 // int(x.sum()),
    lambda x: int(x.max()) % int(x.sum()),
    lambda x: 1.5 / float(x.sum()),
    lambda x: float(x.max()) // float(x.sum()),
    lambda x: divmod(7, int(x.sum()))[1],
]


@pytest.mark.parametrize("number", range(len(DIVISIONS)))
def test_numbers_are_not_divided_by_zero(number: int) -> None:
    """A tensor that is divided by one gives inf, as ever."""
    function = DIVISIONS[number]
    static = to_static(function)
    x, zero = paddle.to_tensor([3.0, 1.0]), paddle.to_tensor([1.0, -1.0])
    assert np.allclose(static(x).numpy(), function(x), rtol=1e-6)
    with pytest.raises(ZeroDivisionError) as wanted:
        function(zero)
    with pytest.raises(ZeroDivisionError) as found:
        static(zero)
    assert str(wanted.value) in str(found.value)
    assert np.isinf(to_static(lambda x: x / int(x.sum()))(zero).numpy()).all()


def test_a_division_by_zero_is_caught() -> None:
    @to_static
    def f(x: Any) -> Any:
        try:
            return x * (1 / int(x.sum()))
        except ZeroDivisionError:
            return x

    assert f(paddle.to_tensor([1.0, -1.0])).tolist() == [1.0, -1.0]
    assert f(paddle.to_tensor([1.0, 3.0])).tolist() == [0.25, 0.75]
