"""Cases for the forms of arguments: dtypes that meet, axes, defaults, sequences with more axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cases import bools, case, ints


def _f64(*values: float) -> np.ndarray:
    return np.array(values, "float64")


def _dtypes() -> None:
    operators: dict[str, Callable[[Any, Any], Any]] = {
        "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
        "div": lambda x, y: x / y, "floordiv": lambda x, y: x // y, "mod": lambda x, y: x % y,
        "pow": lambda x, y: x**y,
    }  # fmt: skip
    f32, i32 = np.float32([1.5, 2.5, 3.5]), np.int32([1, 2, 3])
    arrays = {"f32": f32, "f64": _f64(2.5, 1.5, 0.5), "i32": i32, "i64": ints(3, 2, 1)}
    for name, function in operators.items():
        for left, x in arrays.items():
            for right, y in arrays.items():
                if name in ("floordiv", "mod") and right == "f64" and left[0] == "i":
                    continue  # 0.5 becomes the integer 0, by which nothing can be divided
                case(f"dtypes.{left}_{name}_{right}",
                     lambda p, a, b, f=function: f(a, b), x, y, grad=False)  # fmt: skip
    case("dtypes.int_matmul_float", lambda p, x, y: x @ y, ints([1, 2], [3, 4]), (2, 2), grad=False)
    for name, number in {
        "f32": np.float32(2.5),
        "f64": np.float64(2.5),
        "i64": np.int64(2),
    }.items():
        case(f"dtypes.int_with_numpy_{name}",
             lambda p, x, n=number: [x + n, x - n, x * n, n * x], ints(1, 2, 3))  # fmt: skip
    case("dtypes.bool", lambda p, x, y: [-x, x * y, p.multiply(x, y), p.scale(x, 2.0)],
         bools(True, False, True), bools(True, True, False))  # fmt: skip
    case("dtypes.atan2_int", lambda p, x, y: p.atan2(x, y), ints(1, -2, 3), ints(3, 1, 2))


def _means() -> None:
    case("mean_int", lambda p, x: [p.mean(x), p.mean(x, 1), p.mean(x, [0, 1], True)],
         np.int32([[1, 2, 4], [-7, 0, 1]]))  # fmt: skip
    case("mean_bool", lambda p, x: [p.mean(x), p.mean(x, 0)], bools([True, False], [False, False]))
    case("nanmean_int", lambda p, x: p.nanmean(x), ints(1, 2, 4))
    case("var_one", lambda p, x: [p.var(x), p.var(x, unbiased=False)], (1,))
    case("quantile_axes",
         lambda p, x: [p.quantile(x, 0.3, [0, 2]), p.quantile(x, 0.3, [2, 0], True),
                       p.quantile(x, [0.2, 0.9], -1), p.quantile(x, [0.5, 0.25], [0, 1], True)],
         (2, 3, 4), grad=False)  # fmt: skip


def _forms() -> None:
    case("searchsorted_rows",
         lambda p, x, v: [p.searchsorted(x, v), p.searchsorted(x, v, right=True)],
         ints([1, 3, 5], [2, 4, 6]), ints([3, 0], [4, 9]))  # fmt: skip
    case("unique_of_a_matrix", lambda p, x: p.unique(
        x, return_index=True, return_inverse=True, return_counts=True),
        ints([2, 1], [2, 1], [3, 4]))  # fmt: skip
    case("assign_values", lambda p: [p.assign(2.5), p.assign(np.ones(2)), p.assign([1, 2])])
    case("like_of_a_leaf", lambda p, x: [p.full_like(x, 2), p.ones_like(x)], (2,))
    case("like_of_another_dtype", lambda p, x: p.zeros_like(x, "int32"), (2,))


def _derivatives() -> None:
    case("jacobian", lambda p, x: [p.autograd.jacobian(x * x * x, x)[:],
         p.autograd.jacobian(x * x * x, [x])[0][1]], (3,))  # fmt: skip
    case("jacobian_batched", lambda p, x: p.autograd.jacobian(x * x * x, x, batch_axis=0)[:],
         (2, 3))  # fmt: skip
    # Paddle cannot differentiate these once more.
    case("hessian", lambda p, x, y: [
        p.autograd.hessian((x * x * x).sum() * (y * y).sum(), [x, y])[i][j][:].detach()
        for i in (0, 1) for j in (0, 1)], (3,), (2,))  # fmt: skip
    case("hessian_batched", lambda p, x: p.autograd.hessian(
        (x * x * x).sum(1), x, batch_axis=0)[:].detach(), (2, 3))  # fmt: skip


for _family in (_dtypes, _means, _forms, _derivatives):
    _family()
