"""Functions of matrices that are made of their factors: pinv, powers, ranks, least squares, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.dtypes import int32

from ..dispatch import run_op
from ..tensor import Tensor
from .convert import cast_to, need_tensor, promote_floats
from .creation import diag
from .linalg import matmul
from .math import clip
from .matrices import eigh, eigvalsh, inverse, svd, turned
from .reduce import amax


def pinv(x: Tensor, rcond: Any = 1e-15, hermitian: bool = False, name: str | None = None) -> Tensor:
    """The pseudoinverses; singular values up to rcond times the largest one count as 0.

    >>> import wherry as paddle
    >>> paddle.linalg.pinv(paddle.to_tensor([[2.0], [0.0]])).tolist()
    [[0.5, 0.0]]
    """
    need_tensor(x, "pinv")
    if hermitian:
        values, vectors = eigh(x)
        return matmul(_columns_scaled(vectors, _reciprocals(values, rcond)), turned(vectors))
    u, s, vh = svd(x)
    return matmul(_columns_scaled(turned(vh), _reciprocals(s, rcond)), turned(u))


def _columns_scaled(x: Tensor, factors: Tensor) -> Tensor:
    return x * run_op("unsqueeze2", factors, axes=[-2])  # type: ignore[no-any-return]


def _reciprocals(values: Tensor, rcond: Any) -> Tensor:
    """1 / v, or 0 where v is too small."""
    sizes = run_op("abs", values)
    if isinstance(rcond, Tensor):
        rcond = cast_to(run_op("unsqueeze2", rcond, axes=[-1]), values.dtype)
    limit = amax(sizes, axis=-1, keepdim=True) * rcond
    counts = sizes > limit
    one = run_op("fill_any_like", values, value=1, dtype=values.dtype)
    zero = run_op("fill_any_like", values, value=0, dtype=values.dtype)
    return run_op("where", counts, one / run_op("where", counts, values, one), zero)  # type: ignore[no-any-return]


def matrix_power(x: Tensor, n: int, name: str | None = None) -> Tensor:
    """Square matrices multiplied n times; of their inverses where n is negative.

    >>> import wherry as paddle
    >>> paddle.linalg.matrix_power(paddle.to_tensor([[1.0, 1.0], [0.0, 1.0]]), 5).tolist()
    [[1.0, 5.0], [0.0, 1.0]]
    """
    need_tensor(x, "matrix_power")
    if not isinstance(n, int):
        raise TypeError(f"matrix_power needs an int as n, got {type(n).__name__}")
    if n == 0:
        size = x.shape[-1]
        eye = run_op("eye", num_rows=size, num_columns=size, dtype=x.dtype)
        return run_op("expand_v2", eye, shape=list(x.shape))  # type: ignore[no-any-return]
    square, found = inverse(x) if n < 0 else x, None
    n = abs(n)
    while n:
        if n % 2:
            found = square if found is None else matmul(found, square)
        n //= 2
        square = matmul(square, square) if n else square
    assert found is not None
    return found


def matrix_rank(
    x: Tensor, tol: Any = None, hermitian: bool = False, name: str | None = None
) -> Tensor:
    """How many singular values (or absolute eigenvalues) are larger than tol, as int32.

    By default tol is the largest of them, times the larger size, times the dtype's epsilon.

    >>> import wherry as paddle
    >>> paddle.linalg.matrix_rank(paddle.ones([3, 3])).item()
    1
    """
    need_tensor(x, "matrix_rank")
    values = run_op("abs", eigvalsh(x)) if hermitian else svd(x)[1]
    if tol is None:
        epsilon = float(np.finfo(x.dtype.numpy).eps)
        tol = amax(values, axis=-1, keepdim=True) * (max(x.shape[-2:]) * epsilon)
    elif isinstance(tol, Tensor):
        tol = cast_to(run_op("unsqueeze2", tol, axes=[-1]), values.dtype)
    count = run_op("reduce_sum", cast_to(values > tol, int32), dim=[-1], out_dtype=int32)
    return count  # type: ignore[no-any-return]


def lstsq(
    x: Tensor, y: Tensor, rcond: Any = None, driver: str | None = None, name: str | None = None
) -> Any:
    """(solution, residuals, rank, singular values) of x @ solution = y, in least squares.

    Residuals are there where x has more rows than columns, singular values for the drivers "gelss"
    and "gelsd"; "gels" gives no rank.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    >>> paddle.linalg.lstsq(x, paddle.to_tensor([[3.0], [4.0], [1.0]]))[0].tolist()
    [[3.0], [2.0]]
    """
    x, y = promote_floats(need_tensor(x, "lstsq"), need_tensor(y, "lstsq", "y"))
    driver = driver or "gelsy"
    if driver not in ("gels", "gelsy", "gelss", "gelsd"):
        raise ValueError(
            f"lstsq needs a driver 'gels', 'gelsy', 'gelss' or 'gelsd', got {driver!r}"
        )
    rows, columns = x.shape[-2:]
    if rcond is None:
        rcond = float(np.finfo(x.dtype.numpy).eps) * max(rows, columns)
    u, s, vh = svd(x)
    inner = matmul(turned(u), y) * run_op("unsqueeze2", _reciprocals(s, rcond), axes=[-1])
    solution = matmul(turned(vh), inner)
    nothing = run_op("fill_constant", shape=[0], value=0, dtype=x.dtype)
    residuals = nothing
    if rows > columns:
        residuals = run_op("reduce_sum", run_op("square", y - matmul(x, solution)), dim=[-2])
    rank = matrix_rank(x, amax(s, axis=-1) * rcond)
    if driver == "gels":
        rank = run_op("fill_constant", shape=[0], value=0, dtype=int32)
    return solution, residuals, rank, s if driver in ("gelss", "gelsd") else nothing


def cond(x: Tensor, p: Any = None, name: str | None = None) -> Tensor:
    """The condition numbers in a norm: None or 2, -2, "fro", "nuc", 1, -1, inf or -inf.

    >>> import wherry as paddle
    >>> paddle.linalg.cond(paddle.to_tensor([[2.0, 0.0], [0.0, 4.0]])).item()
    2.0
    """
    need_tensor(x, "cond")
    if p in (None, 2, -2):
        values = svd(x)[1]
        largest, least = (
            run_op(f"reduce_{kind}", values, dim=[-1], keep_dim=False) for kind in ("max", "min")
        )
        return least / largest if p == -2 else largest / least  # type: ignore[no-any-return]
    return _matrix_norm(x, p) * _matrix_norm(inverse(x), p)


def _matrix_norm(x: Tensor, p: Any) -> Tensor:
    if p == "nuc":
        return run_op("reduce_sum", svd(x)[1], dim=[-1])  # type: ignore[no-any-return]
    if p == "fro":
        return run_op("sqrt", run_op("reduce_sum", run_op("square", x), dim=[-2, -1]))  # type: ignore[no-any-return]
    if p not in (1, -1, float("inf"), -float("inf")):
        raise ValueError(
            f"cond needs p to be None, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {p!r}"
        )
    sums = run_op("reduce_sum", run_op("abs", x), dim=[-2 if abs(p) == 1 else -1])
    return run_op(f"reduce_{'max' if p > 0 else 'min'}", sums, dim=[-1])  # type: ignore[no-any-return]


def multi_dot(x: Any, name: str | None = None) -> Tensor:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors.

    >>> import wherry as paddle
    >>> paddle.linalg.multi_dot([paddle.ones([2, 9]), paddle.ones([9, 9]), paddle.ones([9])]).shape
    [2]
    """
    matrices = [need_tensor(one, "multi_dot") for one in x]
    if len(matrices) < 2:
        raise ValueError(f"multi_dot needs at least 2 tensors, got {len(matrices)}")
    for one in matrices[1:-1]:
        if one.ndim != 2:
            raise ValueError(f"multi_dot needs matrices between the ends, got {one.shape}")
    sizes = [matrices[0].shape[0] if matrices[0].ndim == 2 else 1]
    sizes += [one.shape[0] for one in matrices[1:]]
    sizes.append(matrices[-1].shape[1] if matrices[-1].ndim == 2 else 1)
    return _product_of(matrices, _splits(sizes), 0, len(matrices) - 1)


def _splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Behind which matrix each product of neighbours is best split."""
    count = len(sizes) - 1
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(count)}
    best: dict[tuple[int, int], int] = {}
    for width in range(1, count):
        for i in range(count - width):
            j = i + width
            ways = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            best[i, j] = min(ways, key=ways.__getitem__)
            cost[i, j] = ways[best[i, j]]
    return best


def _product_of(x: list[Tensor], best: dict[tuple[int, int], int], i: int, j: int) -> Tensor:
    if i == j:
        return x[i]
    k = best[i, j]
    return matmul(_product_of(x, best, i, k), _product_of(x, best, k + 1, j))


def cov(
    x: Tensor, rowvar: bool = True, ddof: bool = True, fweights: Tensor | None = None,
    aweights: Tensor | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The covariances of the rows of x (of its columns, without `rowvar`).

    `fweights` say how often each observation was made, `aweights` how much it counts; `ddof`
    divides by one less.

    >>> import wherry as paddle
    >>> paddle.linalg.cov(paddle.to_tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    if need_tensor(x, "cov").ndim not in (1, 2):
        raise ValueError(f"cov needs a tensor of 1 or 2 dims, got {x.shape}")
    rows = run_op("unsqueeze2", x, axes=[0]) if x.ndim == 1 else x if rowvar else turned(x)
    weights = [cast_to(one, x.dtype) for one in (fweights, aweights) if one is not None]
    count: Any = rows.shape[1]
    if not weights:
        centred = rows - run_op("reduce_mean", rows, dim=[1], keep_dim=True)
        scaled, count = centred, count - int(ddof)
    else:
        each = weights[0] * weights[1] if len(weights) > 1 else weights[0]
        count = run_op("reduce_sum", each, dim=[0])
        mean = run_op("reduce_sum", rows * each, dim=[1], keep_dim=True) / count
        centred = rows - mean
        scaled = centred * each
        counted = each * weights[-1] if aweights is not None else each
        count = count - int(ddof) * run_op("reduce_sum", counted, dim=[0]) / count
    found = matmul(scaled, turned(centred)) / count
    return run_op("reshape2", found, shape=[]) if x.ndim == 1 else found  # type: ignore[no-any-return]


def corrcoef(x: Tensor, rowvar: bool = True, name: str | None = None) -> Tensor:
    """The correlations of the rows of x (of its columns, without `rowvar`).

    >>> import wherry as paddle
    >>> paddle.linalg.corrcoef(paddle.to_tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    found = cov(x, rowvar)
    if not found.ndim:
        return found / found
    spread = run_op("sqrt", diag(found))
    found = found / run_op("unsqueeze2", spread, axes=[1]) / spread
    return clip(found, -1.0, 1.0)


__all__ = ["cond", "corrcoef", "cov", "lstsq", "matrix_power", "matrix_rank", "multi_dot", "pinv"]
