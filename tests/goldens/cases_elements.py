"""Cases for positions, order, counts and numbers: index_put, cummax, mode, histogram, ..."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import bools, case, ints, positive

INF = float("inf")


def _positions() -> None:
    at, twice = ints(1, 3), ints(0, 0)
    case("index_add", lambda p, x, v, i, j: [p.index_add(x, i, 0, v), x.index_add(j, 0, v)],
         (4, 3), (2, 3), at, twice)  # fmt: skip
    case("index_add_axis", lambda p, x, v, i: p.index_add(x, i, -1, v), (4, 3), (4, 2),
         np.int32([2, 0]))  # fmt: skip
    case("index_fill", lambda p, x, i: [p.index_fill(x, i, 0, 2.0), p.index_fill(x, i, -1, 5.0)],
         (4, 4), at)  # fmt: skip
    case("index_put", lambda p, x, v, i, j: [p.index_put(x, (i, j), v),
         p.index_put(x, (i, i), v, True)], (4, 4), (2,), at, twice)  # fmt: skip
    case("index_put_rows", lambda p, x, v, i, j: [p.index_put(x, (i,), v),
         p.index_put(x, (j,), v, True)], (4, 3), (3,), at, twice)  # fmt: skip
    case("take", lambda p, x, i, j: [p.take(x, i), p.take(x, j, mode="wrap"),
         p.take(x, j, mode="clip")], (4, 3), ints([0, 5], [11, -1]), ints(13, -14, 3))  # fmt: skip
    case("multiplex", lambda p, x, y, i: p.multiplex([x, y], i), (2, 3), (2, 3),
         np.int32([[1], [0]]))  # fmt: skip
    case("masked_index_put", lambda p, x, m, v: [p.index_put(x, (m,), v),
         p.index_put(x, (m,), v, True)], (2, 3), bools([1, 0, 1], [0, 1, 0]) > 0,
         np.float32([5.0]), grad=False)  # fmt: skip


def _diagonals() -> None:
    def number(p: Any, x: Any, y: Any, z: Any) -> list[Any]:
        return [x.clone().fill_diagonal_(5.0), x.clone().fill_diagonal_(5.0, offset=1),
                x.clone().fill_diagonal_(5.0, offset=-1), y.clone().fill_diagonal_(5.0, wrap=True),
                z.clone().fill_diagonal_(5.0)]  # fmt: skip

    case("fill_diagonal_", number, (3, 4), (7, 3), (2, 2, 2))
    case("fill_diagonal_tensor", lambda p, x, v, w: [
        x.fill_diagonal_tensor(one.detach(), at) for one, at in ((v, 0), (v, 1), (w, -1))],
        (3, 4), (3,), (2,))  # fmt: skip
    case("fill_diagonal_tensor_of_axes", lambda p, x, v: x.fill_diagonal_tensor(
        v.detach(), 0, 1, 2), (2, 3, 3), (2, 3))  # fmt: skip


def _order() -> None:
    case("cummax", lambda p, x: [*p.cummax(x), *p.cummax(x, 1), *p.cummax(x, 0, "int32")], (3, 4))
    case("cummin", lambda p, x: [*p.cummin(x), *p.cummin(x, -1), *p.cummin(x, 0)], (3, 4))
    case("cummax_ties", lambda p, x: [*p.cummax(x), *p.cummin(x)], ints(1, 3, 3, 2, 3, 0, 0))
    case("kthvalue", lambda p, x: [*p.kthvalue(x, 2), *p.kthvalue(x, 3, 0, True)], (3, 5))
    case("mode", lambda p, x: [*p.mode(x), *p.mode(x, 0, True)], np.random.RandomState(1).randint(
        0, 3, (4, 9)))  # fmt: skip
    case("mode_floats", lambda p, x: p.mode(x)[0], np.float32([[1, 2, 2, 3, 3], [5, 5, 1, 1, 2]]))
    case("histogram", lambda p, x, i: [
        p.histogram(x, 4, 0, 3), p.histogram(x, 10), p.histogram(x, 5, -1, 1), p.histogram(i, 7),
        p.histogram(i, 2, 0, 2)], (50,), ints(0, 1, 2, 3, 4, 9, 0), grad=False)  # fmt: skip
    case("histogram_of_one_value", lambda p, x: p.histogram(x, 3), ints(2, 2))
    case("bucketize", lambda p, x, s: [p.bucketize(x, s), p.bucketize(x, s, True, right=True)],
         ints([2, 3], [6, 0]), ints(1, 3, 5))  # fmt: skip


def _numbers() -> None:
    special = np.float32([np.nan, 1.0, INF, -INF])
    case("nan_to_num", lambda p, x: [p.nan_to_num(x), p.nan_to_num(x, 1.0, 2.0, 3.0)], special)
    case("logaddexp", lambda p, x, y: p.logaddexp(x, y), (2, 3), (3,))
    case("logaddexp_far", lambda p, x, y: p.logaddexp(x, y), np.float32([1e4, -1e4]),
         np.float32([1e4, 0.0]))  # fmt: skip
    case("frac_sgn", lambda p, x: [p.frac(x), p.sgn(x)], (2, 3))
    case("hypot", lambda p, x, y: p.hypot(x, y), positive(2, 3), (3,))
    case("ldexp", lambda p, x, i: [p.ldexp(x, i), p.ldexp(i, i)], (3,), ints(1, -2, 3), grad=False)
    case("logspace", lambda p: [p.logspace(0, 2, 5), p.logspace(1, 4, 4, 2.0),
         p.logspace(0, 3, 4, 2, "int32"), p.logspace(0, 1, 3, dtype="float64")])  # fmt: skip
    case("atleast", lambda p, x, y: [p.atleast_1d(x), p.atleast_2d(y), p.atleast_3d(y),
         *p.atleast_2d(x, y), p.atleast_3d(p.ones([2, 3]))], (), (2,), grad=False)  # fmt: skip
    case("corners", lambda p: [p.tril_indices(3, 4, 1), p.triu_indices(3, 4, -1),
         p.tril_indices(2, 2, 0, "int32"), p.triu_indices(3)])  # fmt: skip
    case("diag_embed", lambda p, x: p.diag_embed(x), (2, 3), grad=False)
    case("in_place", _in_place)


def _in_place(p: Any) -> list[Any]:
    x, y = p.to_tensor([1.0, 2.5, 3.0]), p.to_tensor([1.5, -2.5])
    x.index_add_(p.to_tensor([0]), 0, p.to_tensor([1.0]))
    x.index_fill_(p.to_tensor([1]), 0, 9.0)
    x.index_put_((p.to_tensor([2]),), p.to_tensor([4.0]))
    y.frac_()
    return [x, y]


for _family in (_diagonals, _positions, _order, _numbers):
    _family()
