"""Cases for matrices, special functions, whole numbers and ctc_loss.

Signs of vectors are the machine's choice: of them what does not depend on these is compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import case, ints, positive

SQUARE = np.float32([[4.0, 1.0, -0.5], [0.5, 3.0, 1.0], [1.0, -1.0, 5.0]])
STACK = np.stack([SQUARE, SQUARE.T - 2 * np.eye(3, dtype="float32")])
DEFINITE = SQUARE @ SQUARE.T
TALL = np.float32([[1, 2], [3, -1], [0.5, 0], [2, 2]])


def _solutions() -> None:
    case("linalg.inv", lambda p, x, y: [p.linalg.inv(x), p.inverse(y)], SQUARE, STACK)
    case("linalg.det", lambda p, x, y: [p.linalg.det(x), p.linalg.det(y)], SQUARE, STACK)
    case(
        "linalg.slogdet", lambda p, x, y: [p.linalg.slogdet(x), p.linalg.slogdet(y)], SQUARE, STACK
    )
    case("linalg.solve", lambda p, x, y: [p.linalg.solve(x, y), p.linalg.solve(x, y[:, 0])],
         SQUARE, (3, 2))  # fmt: skip
    case("linalg.solve_stacks", lambda p, x, y, z: [p.linalg.solve(x, y), p.linalg.solve(x, z)],
         STACK, (2, 3, 1), (2, 3))  # fmt: skip
    for upper in (True, False):
        for transpose in (True, False):
            case(f"linalg.triangular_solve_{upper}_{transpose}",
                 lambda p, x, y, u=upper, t=transpose: p.linalg.triangular_solve(x, y, u, t),
                 SQUARE, (3, 2))  # fmt: skip
    # Paddle's gradient is not 0 on a diagonal that is not looked at.
    case("linalg.triangular_solve_unit", lambda p, x, y: [
        p.linalg.triangular_solve(x, y, u, unitriangular=True) for u in (True, False)],
        SQUARE, (3, 2), grad=False)  # fmt: skip
    case(
        "linalg.cholesky", lambda p, x: [p.linalg.cholesky(x), p.cholesky(x, upper=True)], DEFINITE
    )
    case("linalg.cholesky_solve", lambda p, x, y: [
        p.linalg.cholesky_solve(x, p.tril(y)), p.linalg.cholesky_solve(x, p.triu(y), upper=True)],
        (3, 2), SQUARE)  # fmt: skip
    case("linalg.lstsq", lambda p, x, y: list(p.linalg.lstsq(x, y, driver="gelsd")), TALL, (4, 3),
         grad=False)  # fmt: skip
    case("linalg.lstsq_wide", lambda p, x, y: list(p.linalg.lstsq(x, y)), TALL.T.copy(), (2, 3),
         grad=False)  # fmt: skip
    case("linalg.lstsq_gels", lambda p, x, y: list(p.linalg.lstsq(x, y, driver="gels")), TALL,
         (4, 1), grad=False)  # fmt: skip


def _size(x: Any) -> Any:
    return x.abs()


def _qr(p: Any, x: Any, mode: str = "reduced") -> list[Any]:
    """The projection on the columns, and r without its signs."""
    q, r = p.linalg.qr(x, mode)
    return [q @ q.transpose([1, 0]), r.abs()]


def _svd(p: Any, x: Any, full_matrices: bool = False) -> list[Any]:
    return [one.abs() for one in p.linalg.svd(x, full_matrices)]


def _factors() -> None:
    case("linalg.qr", _qr, TALL)
    case("linalg.qr_square", lambda p, x: _qr(p, x, "complete"), SQUARE, grad=False)
    case("linalg.qr_r", lambda p, x: _size(p.linalg.qr(x, mode="r")), TALL, grad=False)
    case("linalg.svd", _svd, SQUARE)
    case("linalg.svd_tall", _svd, TALL, grad=False)
    case("linalg.svd_full", lambda p, x: _svd(p, x, True)[1:], TALL, grad=False)
    case("linalg.eigh", lambda p, x: [_size(one) for one in p.linalg.eigh(x)], DEFINITE)
    case("linalg.eigvalsh", lambda p, x: p.linalg.eigvalsh(x), DEFINITE)
    case("linalg.eigvalsh_upper", lambda p, x: p.linalg.eigvalsh(x, "U"), SQUARE, grad=False)
    case("linalg.lu", lambda p, x, y: [*p.linalg.lu(x, get_infos=True),
         *p.linalg.lu(y, get_infos=True), *p.linalg.lu(x * 0.0, get_infos=True)],
         STACK, TALL, grad=False)  # fmt: skip
    case("linalg.lu_unpack", lambda p, x: [
        *p.linalg.lu_unpack(*p.linalg.lu(x)), *p.linalg.lu_unpack(*p.linalg.lu(x[:2, ::-1])),
        *p.linalg.lu_unpack(*p.linalg.lu(x[::-1, :2]))], SQUARE, grad=False)  # fmt: skip


def _functions() -> None:
    case("linalg.pinv", lambda p, x: p.linalg.pinv(x), TALL)
    case("linalg.pinv_hermitian", lambda p, x: p.linalg.pinv(x, hermitian=True), DEFINITE)
    case("linalg.matrix_power", lambda p, x: [p.linalg.matrix_power(x, n) for n in (0, 1, 5, -2)],
         SQUARE)  # fmt: skip
    case("linalg.matrix_rank", lambda p, x, y: [p.linalg.matrix_rank(x), p.linalg.matrix_rank(y),
         p.linalg.matrix_rank(x, tol=3.0), p.linalg.matrix_rank(x[0] + x[0].t(), hermitian=True),
         p.linalg.matrix_rank(x * 0.0)], STACK, TALL, grad=False)  # fmt: skip
    case(
        "linalg.cond",
        lambda p, x: [
            p.linalg.cond(x, one)
            for one in (None, "fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf"))
        ],
        SQUARE,
        grad=False,
    )
    case("linalg.cov", lambda p, x, n, w: [
        p.linalg.cov(x), p.linalg.cov(x, False, False), p.linalg.cov(x[0]),
        p.linalg.cov(x, fweights=n), p.linalg.cov(x, aweights=w),
        p.linalg.cov(x, ddof=False, fweights=n, aweights=w)],
        (3, 4), ints(1, 2, 3, 2), positive(4), grad=False)  # fmt: skip
    case("linalg.cov_of_rows", lambda p, x: [p.linalg.cov(x), p.linalg.corrcoef(x)], (3, 5))
    case("linalg.corrcoef", lambda p, x: [p.linalg.corrcoef(x, False)], (4, 3), grad=False)
    case("linalg.multi_dot", lambda p, x, y, z, v: [p.linalg.multi_dot([x, y, z]),
         p.linalg.multi_dot([x, y, v])], (2, 5), (5, 3), (3, 4), (3,))  # fmt: skip
    case("renorm", lambda p, x: [p.renorm(x, 1.0, 2, 1.5), p.renorm(x, 2.0, -2, 1.0)], (2, 3, 4))


def _numbers() -> None:
    special = np.float32([0.0, -1.0, -0.5, 1e-3, 30.0, np.inf, np.nan, -2.25])
    case("lgamma", lambda p, x, y: [p.lgamma(x), y.lgamma()], positive(3, 4), (5,))
    case("lgamma_ends", lambda p, x: p.lgamma(x), special, grad=False)
    case("digamma", lambda p, x: p.digamma(x), positive(3, 4))
    case("digamma_ends", lambda p, x: p.digamma(x), special, grad=False)
    case("polygamma", lambda p, x: [p.polygamma(x, n) for n in range(4)], positive(3, 4))
    case("erfinv", lambda p, x: p.erfinv(x), np.linspace(-0.95, 0.95, 9, dtype="float32"))
    case("erfinv_ends", lambda p, x: p.erfinv(x), np.float32([1, -1, 0, 0.9999999]), grad=False)
    case("gcd", lambda p, x, y: [p.gcd(x, y), p.gcd(x, y[0]), p.lcm(x, y)], ints(12, 0, -9, 7),
         ints(18, 0, 6, -21))  # fmt: skip
    case("shard_index", lambda p, x: [p.shard_index(x, 20, 2, 0), p.shard_index(x, 20, 3, 1, -7)],
         ints([16], [1], [9], [10]))  # fmt: skip


def _ctc() -> None:
    labels = np.int32([[1, 2, 2], [3, 1, 0]])
    for reduction in ("none", "mean", "sum"):
        case(f"F.ctc_loss_{reduction}", lambda p, x, y, n, m, r=reduction: p.nn.functional.ctc_loss(
            x, y, n, m, reduction=r), (6, 2, 4), labels, ints(6, 4), ints(3, 2))  # fmt: skip
    case("CTCLoss", lambda p, x, y, n, m: p.nn.CTCLoss(blank=3, reduction="sum")(x, y, n, m, True),
         (6, 2, 4), np.int32([[1, 2, 2], [0, 1, 0]]), ints(6, 5), ints(3, 1))  # fmt: skip


_solutions()
_factors()
_functions()
_numbers()
_ctc()
