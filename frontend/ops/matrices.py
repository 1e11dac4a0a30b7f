"""Systems of equations, determinants and factors of matrices, in the last two axes."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import int64

from ..dispatch import run_op
from ..tensor import Tensor
from .convert import cast_to, need_tensor, promote_floats


def turned(x: Tensor) -> Tensor:
    """The matrices' transposes."""
    ndim = x.ndim
    return run_op("transpose2", x, axis=[*range(ndim - 2), ndim - 1, ndim - 2])  # type: ignore[no-any-return]


def inverse(x: Tensor, name: str | None = None) -> Tensor:
    """The inverses of square matrices. Raises RunError for one that has none.

    >>> import wherry as paddle
    >>> paddle.inverse(paddle.to_tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return run_op("inverse", need_tensor(x, "inverse"))  # type: ignore[no-any-return]


def det(x: Tensor, name: str | None = None) -> Tensor:
    """The determinants of square matrices.

    >>> import wherry as paddle
    >>> paddle.linalg.det(paddle.to_tensor([[2.0, 1.0], [0.0, 4.0]])).item()
    8.0
    """
    return run_op("determinant", need_tensor(x, "det"))  # type: ignore[no-any-return]


def slogdet(x: Tensor, name: str | None = None) -> Tensor:
    """The determinants' signs, and the logarithms of their absolute values: [2, ...].

    >>> import wherry as paddle
    >>> paddle.linalg.slogdet(paddle.eye(3)).tolist()
    [1.0, 0.0]
    """
    return run_op("slogdeterminant", need_tensor(x, "slogdet"))  # type: ignore[no-any-return]


def solve(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """The solution of x @ out = y; y holds matrices, or vectors: one, or one for each matrix.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[2.0, 0.0], [0.0, 4.0]])
    >>> paddle.linalg.solve(x, paddle.to_tensor([2.0, 8.0])).tolist()
    [1.0, 2.0]
    """
    x, y = promote_floats(need_tensor(x, "solve"), need_tensor(y, "solve", "y"))
    is_vector = y.ndim == 1 or (y.ndim == x.ndim - 1 and y.shape == x.shape[:-1])
    if not is_vector:
        return run_op("solve", x, y)  # type: ignore[no-any-return]
    out = run_op("solve", x, run_op("unsqueeze2", y, axes=[-1]))
    return run_op("squeeze2", out, axes=[-1])  # type: ignore[no-any-return]


def triangular_solve(
    x: Tensor, y: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The solution of x @ out = y, where only the upper (or lower) triangle of x is looked at.

    `transpose` takes x's transpose; `unitriangular` a diagonal of ones.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[2.0, 1.0], [9.0, 4.0]])
    >>> paddle.linalg.triangular_solve(x, paddle.to_tensor([[4.0], [8.0]])).tolist()
    [[1.0], [2.0]]
    """
    x, y = promote_floats(
        need_tensor(x, "triangular_solve"), need_tensor(y, "triangular_solve", "y")
    )
    offset = (1 if upper else -1) if unitriangular else 0
    part = run_op("tril_triu", x, diagonal=offset, lower=not upper)
    if unitriangular:
        size = x.shape[-1]
        part = part + run_op("eye", num_rows=size, num_columns=size, dtype=x.dtype)
    return run_op("solve", turned(part) if transpose else part, y)  # type: ignore[no-any-return]


def cholesky(x: Tensor, upper: bool = False, name: str | None = None) -> Tensor:
    """L with L @ L^T = x for symmetric positive definite matrices; `upper` gives L^T.

    Raises RunError for matrices that are not positive definite.

    >>> import wherry as paddle
    >>> paddle.linalg.cholesky(paddle.to_tensor([[4.0, 2.0], [2.0, 10.0]])).tolist()
    [[2.0, 0.0], [1.0, 3.0]]
    """
    return run_op("cholesky", need_tensor(x, "cholesky"), upper=bool(upper))  # type: ignore[no-any-return]


def cholesky_solve(x: Tensor, y: Tensor, upper: bool = False, name: str | None = None) -> Tensor:
    """The solution of A @ out = x, where y is the Cholesky factor of A.

    >>> import wherry as paddle
    >>> factor = paddle.to_tensor([[2.0, 0.0], [1.0, 3.0]])
    >>> paddle.linalg.cholesky_solve(paddle.to_tensor([[8.0], [22.0]]), factor).tolist()
    [[1.0], [2.0]]
    """
    between = triangular_solve(y, x, upper, transpose=bool(upper))
    return triangular_solve(y, between, upper, transpose=not upper)


def qr(x: Tensor, mode: str = "reduced", name: str | None = None) -> Any:
    """(q, r) with q @ r = x, q's columns being orthonormal; mode "r" gives r alone.

    >>> import wherry as paddle
    >>> q, r = paddle.linalg.qr(paddle.rand([4, 2]))
    >>> q.shape, r.shape
    ([4, 2], [2, 2])
    """
    q, r = run_op("qr", need_tensor(x, "qr"), mode="reduced" if mode == "r" else mode)
    return r if mode == "r" else (q, r)


def svd(x: Tensor, full_matrices: bool = False, name: str | None = None) -> Any:
    """(u, s, vh) with u @ diag(s) @ vh = x; the singular values s are in falling order.

    >>> import wherry as paddle
    >>> _, s, _ = paddle.linalg.svd(paddle.to_tensor([[0.0, 2.0], [1.0, 0.0]]))
    >>> s.tolist()
    [2.0, 1.0]
    """
    return run_op("svd", need_tensor(x, "svd"), full_matrices=bool(full_matrices))


def eigh(x: Tensor, UPLO: str = "L", name: str | None = None) -> Any:
    """(eigenvalues in rising order, eigenvectors as columns) of symmetric matrices.

    >>> import wherry as paddle
    >>> paddle.linalg.eigh(paddle.to_tensor([[2.0, 0.0], [0.0, 1.0]]))[0].tolist()
    [1.0, 2.0]
    """
    return run_op("eigh", need_tensor(x, "eigh"), UPLO=UPLO)


def eigvalsh(x: Tensor, UPLO: str = "L", name: str | None = None) -> Tensor:
    """The eigenvalues of symmetric matrices, in rising order.

    >>> import wherry as paddle
    >>> paddle.linalg.eigvalsh(paddle.to_tensor([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 2.0]
    """
    values, _ = eigh(x, UPLO)
    return values  # type: ignore[no-any-return]


def lu(x: Tensor, pivot: bool = True, get_infos: bool = False, name: str | None = None) -> Any:
    """(L and U in one matrix, pivots that count from 1[, infos]) of Gauss' elimination.

    It has no gradient. `lu_unpack` gives the factors.

    >>> import wherry as paddle
    >>> packed, pivots = paddle.linalg.lu(paddle.to_tensor([[1.0, 2.0], [4.0, 4.0]]))
    >>> packed.tolist(), pivots.tolist()
    ([[4.0, 4.0], [0.25, 1.0]], [2, 2])
    """
    if not pivot:
        raise NotImplementedError("lu needs pivot=True, as Paddle does on a CPU")
    packed, pivots, infos = run_op("lu", need_tensor(x, "lu"))
    if not get_infos:
        return packed, pivots
    return packed, pivots, infos if x.ndim > 2 else run_op("reshape2", infos, shape=[1])


def lu_unpack(
    x: Tensor, y: Tensor, unpack_ludata: bool = True, unpack_pivots: bool = True,
    name: str | None = None,
) -> Any:  # fmt: skip
    """(P, L, U) with P @ L @ U the matrix, from what `lu` gave.

    >>> import wherry as paddle
    >>> factors = paddle.linalg.lu(paddle.to_tensor([[1.0, 2.0], [4.0, 4.0]]))
    >>> p, l, u = paddle.linalg.lu_unpack(*factors)
    >>> (p @ l @ u).tolist()
    [[1.0, 2.0], [4.0, 4.0]]
    """
    need_tensor(x, "lu_unpack"), need_tensor(y, "lu_unpack", "y")
    rows, columns = x.shape[-2:]
    count = y.shape[-1]
    lower = run_op("tril_triu", x, diagonal=-1, lower=True)
    ones = run_op("eye", num_rows=rows, num_columns=columns, dtype=x.dtype)
    last = x.ndim - 1
    lower = run_op("slice", lower + ones, axes=[last], starts=[0], ends=[count])
    upper = run_op("tril_triu", x, diagonal=0, lower=False)
    upper = run_op("slice", upper, axes=[last - 1], starts=[0], ends=[count])
    return _permutation(y, rows, x.dtype), lower, upper


def _permutation(pivots: Tensor, rows: Any, dtype: Any) -> Tensor:
    """The matrix P: the exchanges of row k and row pivots[k] - 1, from the last to the first."""
    batch = pivots.shape[:-1]
    eye = run_op("eye", num_rows=rows, num_columns=rows, dtype=dtype)
    found = run_op("expand_v2", eye, shape=[*batch, rows, rows]) if batch else eye
    steps = run_op("unbind", cast_to(pivots, int64), axis=pivots.ndim - 1)
    for k, pivot in reversed(list(enumerate(steps))):
        found = _swapped(found, k, pivot - 1, eye)
    return found  # type: ignore[no-any-return]


def _swapped(x: Tensor, k: int, other: Tensor, eye: Tensor) -> Tensor:
    """The matrices with row k and row `other` exchanged: x - a a^T x with a = e_i - e_k."""
    chosen = run_op("index_select", eye, run_op("reshape2", other, shape=[-1]), dim=0)
    at = run_op("reshape2", chosen, shape=[*other.shape, eye.shape[0], 1])
    own = run_op("slice", eye, axes=[0], starts=[k], ends=[k + 1])
    own = run_op("reshape2", own, shape=[eye.shape[0], 1])
    apart = at - own
    return x - apart @ (turned(apart) @ x)  # type: ignore[no-any-return]


__all__ = [
    "cholesky", "cholesky_solve", "det", "eigh", "eigvalsh", "inverse", "lu", "lu_unpack", "qr",
    "slogdet", "solve", "svd", "triangular_solve",
]  # fmt: skip
